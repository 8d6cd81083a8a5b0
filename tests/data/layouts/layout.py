"""A layout of files, how to write a small example of it, and what the reader must find there."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from visionkit.data.splits import DataSet


def nothing_more(data_set: DataSet) -> None:
    """A layout whose splits and classes say all."""


@dataclass(frozen=True)
class Layout:
    """One layout.

    Attributes:
        name: as people call it: "Roboflow, YOLO Darknet".
        task: heading of the page: "Labels", "Boxes", "Masks" or "People".
        sentence: what the reader does with it.
        build: writes a small example into a folder that exists.
        format: how the data set's ``format`` begins.
        splits: the number of images by split.
        classes: the class names.
        verify: asserts the right values: boxes, labels, classes of pixels.
        findings: the kinds of findings of ``visionkit check``, besides "unmeasurable split".
    """

    name: str
    task: str
    sentence: str
    build: Callable[[Path], None]
    format: str
    splits: dict[str, int]
    classes: tuple[str, ...]
    verify: Callable[[DataSet], None] = nothing_more
    findings: frozenset[str] = frozenset()


def image(path: Path, width: int = 120, height: int = 80) -> Path:
    """Write an image of noise, which resembles no other: its name and that of its folder are the seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(list(f"{path.parent.name}/{path.name}".encode("utf-8", "surrogateescape")))
    coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8))
    coarse.resize((width, height), Image.Resampling.NEAREST).save(path)
    return path


def mask(path: Path, values: np.ndarray) -> Path:
    """Write a mask: uint8 or uint16 ``(H, W)``, or colors uint8 ``(H, W, 3)``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)
    return path


def text(path: Path, content: str) -> Path:
    """Write a text file in UTF-8."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def tree(path: Path, content: Any) -> Path:
    """Write a JSON file."""
    return text(path, json.dumps(content))


def boxes_in_pixels(data_set: DataSet, split: str, name: str, size: tuple[int, int] = (120, 80)) -> list[tuple]:
    """The objects of an image as (class name, x1, y1, x2, y2) in whole pixels, in the order of the file.

    Args:
        data_set: a data set with objects.
        split: the split of the image.
        name: the file name of the image.
        size: its width and height.
    """
    index = data_set.splits[split]
    names = [Path(path).name.lower() for path in index.paths]  # a test may change the case of suffixes
    objects = index.annotations[names.index(name.lower())].objects
    boxes = np.round(objects.boxes * np.tile(size, 2)).astype(int)
    return [(index.class_names[label], *box) for label, box in zip(objects.classes, boxes.tolist(), strict=True)]
