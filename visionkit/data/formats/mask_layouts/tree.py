"""The images of a data set by folder, listed once; and what the names and the contents of folders say."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from visionkit.data.images.decode import ImageError, read_size
from visionkit.data.images.listing import list_images
from visionkit.data.images.masks.read import open_mask
from visionkit.data.index import DataError, Problem
from visionkit.data.split_names import SPLITS, WHOLE, split_name

WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
MASK_WORDS = frozenset(
    [
        *(
            "mask",
            "masks",
            "gt",
            "groundtruth",
            "groundtruths",
            "truth",
            "gts",
            "label",
            "labels",
            "labeled",
            "labelled",
            "seg",
            "segmentation",
        ),
        *("segmentations", "manual", "annot", "annotation", "annotations", "annotated", "matte", "mattes"),
        *("trimap", "trimaps"),
    ]
)
FEW_VALUES, VERY_FEW_VALUES = 48, 24  # values or colors in a mask; a photograph has more, and most drawings have
EXTREME, MOSTLY = 16, 0.9  # levels from black or white, and the share of pixels there, of a mask with soft edges

SIDE = 256  # pixels to which a large file is reduced before its values are counted


class Part(NamedTuple):
    """A folder of images, the folder of their masks, and the split that they belong to."""

    split: str
    images: Path
    masks: Path


class Found(NamedTuple):
    """The folders of images and masks.

    Attributes:
        parts: the pairs of folders; empty if there are none.
        notes: what was understood, and what is not used.
        problems: what was guessed.
    """

    parts: tuple[Part, ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


class UnclearError(DataError):
    """Several folders may hold the masks, and no rule prefers one of them."""


class Tree:
    """The images below a folder.

    Attributes:
        root: the folder.
        images: all images below it, in order.
        others: all other files below it.
    """

    def __init__(self, root: Path):
        self.root = root
        self.images, self.others = list_images(root)
        self._direct: dict[Path, list[Path]] = {}
        for path in self.images:
            self._direct.setdefault(path.parent, []).append(path)
        self._below: dict[Path, list[Path]] = {}
        self._children: dict[Path, dict[str, Path]] = {}
        for folder, files in self._direct.items():
            child = folder
            self._below.setdefault(folder, []).extend(files)
            while child != root:
                self._children.setdefault(child.parent, {}).setdefault(child.name.lower(), child)
                child = child.parent
                self._below.setdefault(child, []).extend(files)

    def direct(self, folder: Path) -> list[Path]:
        """The images in a folder, but not below it."""
        return self._direct.get(folder, [])

    def below(self, folder: Path) -> list[Path]:
        """The images in a folder and below it, in order."""
        return sorted(self._below.get(folder, []))

    def count(self, folder: Path) -> int:
        """The number of images in a folder and below it."""
        return len(self._below.get(folder, ()))

    def children(self, folder: Path) -> dict[str, Path]:
        """The direct subfolders that hold images, at any depth, by their names in lower case."""
        return dict(sorted(self._children.get(folder, {}).items()))

    def folders(self) -> list[Path]:
        """All folders that hold images directly."""
        return list(self._direct)

    def name(self, path: Path) -> str:
        """A path relative to the root, with / at its end, for messages."""
        relative = path.relative_to(self.root).as_posix()
        return "./" if relative == "." else f"{relative}/"


def words_of(name: str) -> list[str]:
    """The words of a name in lower case: gt and fine of "gtFine"."""
    return [word.lower() for word in WORDS.findall(name)]


def is_named_like_masks(name: str) -> bool:
    """Whether one of the words of a folder's name means masks."""
    words = words_of(name)
    return not MASK_WORDS.isdisjoint(words) or "ground truth" in " ".join(words)


def split_in(name: str) -> str:
    """The split that one of the words of a name means; ``WHOLE`` if none does, or two do."""
    splits = {split for word in words_of(name) if (split := split_name(word)) in SPLITS}
    return splits.pop() if len(splits) == 1 else WHOLE


def holds_masks(files: Sequence[Path], *, surely: bool = False) -> bool:
    """Whether files look like masks: of three that are opened, each has few values, or is nearly black and white.

    Args:
        files: at least one file.
        surely: whether nothing else says so: each must then have very few values, and one more than one value.
    """
    opened = [levels for file in {files[i] for i in (0, len(files) // 2, -1)} if (levels := levels_of(file)) is not None]
    if surely:
        return bool(opened) and all(count <= VERY_FEW_VALUES for count, _ in opened) and any(count > 1 for count, _ in opened)
    return bool(opened) and all(count <= FEW_VALUES or is_soft for count, is_soft in opened)


def same_size(image: Path, mask: Path) -> bool:
    """Whether two files have the same height and width."""
    try:
        return read_size(image) == read_size(mask)
    except ImageError:
        return False


def levels_of(file: Path) -> tuple[int, bool] | None:
    """The number of values or colors of a file, and whether it is grey and nearly black and white; None for a broken file."""
    try:
        header = open_mask(file).image
    except ImageError:  # reported when it is read
        return None
    factor = min(1, SIDE / max(header.size))
    size = [max(1, round(length * factor)) for length in header.size]
    pixels = np.asarray(header.resize(size, Image.Resampling.NEAREST) if factor < 1 else header).astype(np.int64)
    if pixels.ndim == 3:
        return len(np.unique(pixels[..., :3] @ (65536, 256, 1)[: min(3, pixels.shape[2])])), False
    extreme = (pixels < EXTREME) | (pixels > 255 - EXTREME)
    return len(np.unique(pixels)), header.mode == "L" and float(extreme.mean()) >= MOSTLY
