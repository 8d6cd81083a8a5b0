"""Caltech-UCSD Birds 200-2011, and data sets that are arranged like it:

FOLDER/classes.txt                 lines "1 001.Black_footed_Albatross"
FOLDER/images.txt                  lines "1 001.Black_footed_Albatross/Black_Footed_Albatross_0046_18.jpg", relative to images/
FOLDER/image_class_labels.txt      lines "1 1": the image, then its class
FOLDER/train_test_split.txt        lines "1 0": the image, then 1 for training and 0 for test; may be missing
"""

import os
import re
from collections import Counter
from pathlib import Path

import numpy as np

from visionkit.data.formats.annotation_files import brief
from visionkit.data.images.contents import read_text
from visionkit.data.images.inside import Boundary
from visionkit.data.index import DataError, Index, Problem
from visionkit.data.split_names import WHOLE
from visionkit.data.splits import DataSet

IMAGES, LABELS, CLASSES, SPLIT = "images.txt", "image_class_labels.txt", "classes.txt", "train_test_split.txt"
UNUSED = ("bounding_boxes.txt", "parts/part_locs.txt", "attributes/image_attribute_labels.txt")


def looks_like_cub(folder: Path) -> bool:
    """Whether a folder has the lists of images, of classes and of the images' classes."""
    return all((folder / name).is_file() for name in (IMAGES, LABELS, CLASSES))


def read_cub(folder: str | Path, boundary: Boundary | None = None) -> DataSet:
    """Index a folder of the layout above; the label is the species, and the parts and boxes are not used.

    Args:
        folder: the data set.
        boundary: which files may be named; by default, those in the folder.

    Raises:
        DataError: a list cannot be read, or no image has a class.
    """
    folder = Path(folder)
    boundary = boundary or Boundary.of(folder)
    problems: list[Problem] = []
    classes = _read(folder / CLASSES, problems)
    names = _unique([re.sub(r"^\d+\.", "", name) for name in classes.values()], list(classes.values()))
    numbers = {key: number for number, key in enumerate(classes)}
    labels = _read(folder / LABELS, problems)
    splits = _read(folder / SPLIT, problems) if (folder / SPLIT).is_file() else {}
    rows: dict[str, list[tuple[str, int]]] = {"train": [], "test": []} if splits else {WHOLE: []}
    for key, name in _read(folder / IMAGES, problems).items():
        paths = (Path(os.path.normpath(place / name)) for place in (folder / "images", folder) if boundary.holds(place / name))
        path = next((path for path in paths if path.is_file()), None)
        split = {"1": "train", "0": "test"}.get(splits.get(key, "")) if splits else WHOLE
        if path is None and boundary.leads_out((folder / "images", folder), name):
            problems.append(boundary.refused(folder / IMAGES, name))
        elif path is None:
            problems.append(
                Problem("missing partner", str(folder / "images" / name), f"{IMAGES} lists it, but there is no such image")
            )
        elif labels.get(key) not in numbers:
            problems.append(Problem("unknown label", str(path), f"{LABELS} gives it the class {brief(labels.get(key))}"))
        elif split is None:
            problems.append(Problem("bad annotation", str(path), f"{SPLIT} does not say whether it is for training"))
        else:
            rows[split].append((str(path), numbers[labels[key]]))
    if not any(rows.values()):
        raise DataError(
            f"{folder}: none of the images in {IMAGES} can be used"
            + "".join(f"; the first problem is {one.path}: {one.detail}" for one in problems[:1])
            + "."
        )
    indexes = {
        split: Index(tuple(names), tuple(path for path, _ in pairs), np.array([label for _, label in pairs], np.int32))
        for split, pairs in rows.items()
        if pairs
    }
    unused = [name for name in UNUSED if (folder / name).is_file()]
    notes = (f"not used: {', '.join(unused)}",) if unused else ()
    used = [folder / name for name in (IMAGES, LABELS, CLASSES, SPLIT, *unused)]
    layout = f"CUB-200-2011 ({LABELS})"
    return DataSet(indexes, notes, tuple(problems), layout, frozenset(str(file) for file in used if file.is_file()))


def _unique(names: list[str], fallback: list[str]) -> list[str]:
    counts = Counter(names)
    return [name if counts[name] == 1 and name else whole for name, whole in zip(names, fallback, strict=True)]


def _read(file: Path, problems: list[Problem]) -> dict[str, str]:
    """The first word of each line -> the rest."""
    try:
        lines = read_text(file).splitlines()
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror or error}).") from error
    found = {}
    for number, line in enumerate(lines, 1):
        key, _, value = line.strip().partition(" ")
        if key and value.strip():
            found[key] = value.strip()
        elif key:
            problems.append(
                Problem("bad annotation", str(file), f"line {number}: {brief(line)}: expected a number and a value")
            )
    return found
