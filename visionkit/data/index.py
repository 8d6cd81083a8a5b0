"""What all of data/ shares: the index of a data set, the annotations of its images, and the files that were skipped.

An **index** lists the samples of a split before any image is opened: the path of each, where it came from, and its label (a
position in the class names) or its annotation. Pipelines make batches from it; see ``pipeline/batches.py`` for their keys.
"""

import re
import threading
import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from visionkit.errors import UserError
from visionkit.ops.colors import IGNORE as IGNORE
from visionkit.printable import printable


class Skipped(NamedTuple):
    """A file that could not be used, and why."""

    path: str
    reason: str


class SkippedFiles:
    """Collects the files that could not be used, from any thread; each is kept once, with its first reason."""

    def __init__(self, skipped: Iterable[Skipped] = ()):
        self._lock = threading.Lock()
        self._reasons: dict[str, str] = {}
        for path, reason in skipped:
            self._reasons.setdefault(path, reason)

    def add(self, path: str, reason: str) -> None:
        """Note that ``path`` was left out because of ``reason``."""
        with self._lock:
            self._reasons.setdefault(path, reason)

    def __len__(self) -> int:
        return len(self._reasons)

    def first(self, before: str = "") -> str:
        """The first of them, by path, in brackets for an error, with a blank before them; "" where there is none."""
        return "".join(f" ({before}{file.path}: {file.reason})" for file in self.list()[:1])

    def list(self) -> list[Skipped]:
        """All of them, by path."""
        with self._lock:
            return [Skipped(*item) for item in sorted(self._reasons.items())]


class DataError(UserError):
    """A data set that cannot be used."""


class Problem(NamedTuple):
    """Something wrong with a data set: one of ``PROBLEM_KINDS``, the file with the problem, and the details."""

    kind: str
    path: str
    detail: str


PROBLEM_KINDS = {
    "broken image": "cannot be opened or decoded",
    "bad annotation": "an annotation, or a part of one, that cannot be understood and is left out",
    "unread annotations": "a file that looks like annotations, but no reader took anything from it",
    "unclear layout": "folders or files that could be understood in two ways; the detail says which was chosen",
    "mask values": "mask values whose meaning is a guess; the detail says which was chosen",
    "class names": "class names that are double, or that a file's format changed",
    "unmeasurable split": "a split that cannot measure what is trained",
    "unknown label": "a label that the data set's class names lack",
    "outside the data set": "entries that lead out of the folder of the data set, and are not opened",
    "missing partner": "an image without its annotation or mask, or one of these without its image",
    "wrong size": "the annotation declares another size than the image or its mask has",
    "image rotation": "an image that is turned by its EXIF header, while its boxes may fit the unturned one",
    "bit depth": "16-bit images that use fewer bits; they are scaled by the bits in use",
    "box outside": "a box that reaches beyond its image",
    "keypoint outside": "keypoints that lie far outside of their image",
    "inverted box": "a box whose right lies left of its left, or whose bottom lies above its top",
    "empty box": "a box without area",
    "exact duplicate": "the same bytes as another image",
    "near duplicate": "looks like another image",
    "leakage": "an image, or one that looks like it, in training and in validation",
}


class Rle(NamedTuple):
    """A run-length encoded mask, as COCO packs it: ``size`` is (height, width), ``counts`` the compressed string."""

    size: tuple[int, int]
    counts: bytes


Outline = tuple[np.ndarray, ...] | Rle | None  # of an object: polygons, float64 (K, 2) x and y relative; or a mask; or unknown


@dataclass(frozen=True, eq=False, slots=True)
class Objects:
    """The objects of one image, as annotated: boxes may be inverted or lie outside; ``boxes.cleaned`` mends that.

    Attributes:
        boxes: float64 ``(N, 4)``: x1, y1, x2, y2, relative to the image (0..1), half-open. Pipelines convert it to float32.
        classes: int32 ``(N,)``, positions in the index's class names.
        outlines: the outline of each object; or empty, where no object has one.
        keypoints: float64 ``(N, K, 3)``: x and y relative, visibility as in COCO (0 unlabelled, 1 hidden, 2 visible); or None.
        attributes: what else is known of each object (``difficult``, ``truncated``, ``pose``, ``iscrowd``, ``area`` ...), for
            writers; or empty, where nothing is.
    """

    boxes: np.ndarray
    classes: np.ndarray
    outlines: tuple[Outline, ...] = ()
    keypoints: np.ndarray | None = None
    attributes: tuple[dict[str, Any], ...] = ()

    def __len__(self) -> int:
        return len(self.boxes)

    def take(self, rows: Iterable[int]) -> "Objects":
        """Some of the objects, in that order."""
        rows = np.asarray(rows if isinstance(rows, np.ndarray) else list(rows), dtype=int)
        return Objects(
            self.boxes[rows],
            self.classes[rows],
            tuple(self.outlines[i] for i in rows) if self.outlines else (),
            None if self.keypoints is None else self.keypoints[rows],
            tuple(self.attributes[i] for i in rows) if self.attributes else (),
        )


NO_OBJECTS = Objects(np.zeros((0, 4)), np.zeros(0, np.int32))


@dataclass(frozen=True, eq=False, slots=True)
class Annotation:
    """What is known of one image besides its label.

    Attributes:
        objects: boxes and all that belongs to them; None where the data set has none (not: where the image has none).
        mask: the file of its mask; None where the data set has none.
        size: height and width in pixels, as the annotation declares them, or as the reader found them in the image's header.
        attributes: what else is known of the image (``id``, ``license`` ...), for writers.
        measured: whether the reader found the size in the image, because the annotation declares none.
    """

    objects: Objects | None = None
    mask: str | None = None
    size: tuple[int, int] | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    measured: bool = False


@dataclass(frozen=True, eq=False)
class MaskCode:
    """What the values of masks mean: decided once, for all masks of a data set.

    Attributes:
        values: int64 ``(K,)``, the grey values, or packed colors 0xRRGGBB, that have a meaning.
        classes: uint8 ``(K,)``, the class of each; ``IGNORE`` where its pixels are ignored.
        channel: where in a file the values are: "grey" (also the numbers of a palette), "color" or "alpha".
        nearest: whether a value between two of them counts as the nearest, since edges are soft. In JPEG files it always does.
        rest: the class of all other values: ``IGNORE``, or 1 where everything else is foreground.
    """

    values: np.ndarray
    classes: np.ndarray
    channel: str = "grey"
    nearest: bool = False
    rest: int = IGNORE

    def to_plain(self) -> dict[str, Any]:
        """The code for a JSON file."""
        return vars(self) | {"values": self.values.tolist(), "classes": self.classes.tolist()}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> "MaskCode":
        """The inverse of ``to_plain``."""
        values, classes = np.array(plain["values"], np.int64), np.array(plain["classes"], np.uint8)
        return cls(**(plain | {"values": values, "classes": classes}))


@dataclass(frozen=True, eq=False)
class Index:
    """One split of a data set.

    Attributes:
        class_names: names by label.
        paths: one file per sample.
        labels: int32 ``(N,)``; -1 for samples that have no label of their own, but an annotation.
        infos: the ``ImageInfo`` of each file, from ``scan``; empty before it.
        annotations: one per sample; or empty, where labels suffice.
        class_attributes: what else is known of each class (COCO's ``id``, ``supercategory``, ``keypoints``, ``skeleton``), for
            writers; or empty.
        mask_code: what the values of masks mean; None where they are positions in the class names, and others are ignored.
        skipped: files of this split that could not be used; every index that is derived from this one shares it.
        label_sets: bool ``(N, num_classes)``, the classes of each sample where it may have several, or none; ``labels`` are
            then -1. None where each sample has one class.
    """

    class_names: tuple[str, ...]
    paths: tuple[str, ...]
    labels: np.ndarray
    infos: tuple = ()
    annotations: tuple[Annotation, ...] = ()
    class_attributes: tuple[dict[str, Any], ...] = ()
    mask_code: MaskCode | None = None
    skipped: SkippedFiles = field(default_factory=SkippedFiles)
    label_sets: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def task(self) -> str:
        """The task that the index is for: "segmentation" (masks), "detection" (boxes) or "classification"."""
        return "segmentation" if self.has_masks else "detection" if self.has_objects else "classification"

    @property
    def has_masks(self) -> bool:
        """Whether samples have masks."""
        return any(annotation.mask is not None for annotation in self.annotations)

    @property
    def has_objects(self) -> bool:
        """Whether samples have boxes, and what belongs to them."""
        return any(annotation.objects is not None for annotation in self.annotations)

    @property
    def shapes(self) -> np.ndarray:
        """Heights and widths in pixels of scanned images, int64 ``(N, 2)``."""
        return np.array([(info.height, info.width) for info in self.infos], np.int64).reshape(-1, 2)

    def take(self, positions: Iterable[int]) -> "Index":
        """The samples at ``positions``, in that order."""
        positions = list(positions)
        return replace(
            self,
            paths=tuple(self.paths[i] for i in positions),
            labels=self.labels[np.asarray(positions, dtype=int)],
            infos=tuple(self.infos[i] for i in positions) if self.infos else (),
            annotations=tuple(self.annotations[i] for i in positions) if self.annotations else (),
            label_sets=None if self.label_sets is None else self.label_sets[np.asarray(positions, dtype=int)],
        )

    def without_classes(self, names: Collection[str]) -> "Index":
        """The samples of the other classes, which are renumbered. Samples that may have several classes all stay."""
        remaining = [label for label, name in enumerate(self.class_names) if name not in names]
        if self.label_sets is not None:
            class_names = tuple(self.class_names[label] for label in remaining)
            return replace(self, class_names=class_names, label_sets=self.label_sets[:, remaining])
        part = self.take(np.flatnonzero(np.isin(self.labels, remaining)))
        labels = np.searchsorted(remaining, part.labels).astype(np.int32)
        return replace(part, class_names=tuple(self.class_names[label] for label in remaining), labels=labels)

    def counts(self) -> np.ndarray:
        """Number of samples of each class, int ``(num_classes,)``."""
        if self.label_sets is not None:
            return self.label_sets.sum(axis=0)
        return np.bincount(self.labels[self.labels >= 0], minlength=len(self.class_names))


def class_weights(index: Index) -> dict[int, float]:
    """Weights that give every class the same influence: ``N / (num_classes * count)``, as scikit-learn's "balanced".

    Returns:
        label -> weight; classes without samples are left out.
    """
    counts = index.counts()
    present = counts > 0
    return {int(k): float(len(index) / (present.sum() * counts[k])) for k in np.flatnonzero(present)}


def counted(count: int, noun: str, plural: str = "") -> str:
    """A number with its noun, which gets an s in the plural if that is not given: "1 image", "1,200 images"."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def natural_order(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """A key that sorts 2 before 10, and names by letter."""
    parts = re.split("([0-9]+)", name)
    digits = [part.lstrip("0") for part in parts[1::2]]
    keys = [(1, 0, part) for part in parts]
    keys[1::2] = [(0, len(part), part) for part in digits]
    return [key for key in keys if key != (1, 0, "")], name


def clean_name(name: str) -> str:
    r"""A class name that every file and terminal can hold: NFC, without control characters, which become escapes (``\x1b``)."""
    return unicodedata.normalize("NFC", printable(name))


def positions_by_person(labels: np.ndarray) -> list[np.ndarray]:
    """The positions of each label that occurs, in ascending order; negative labels of int ``(N,)`` are left out."""
    labels = np.asarray(labels)
    order = np.argsort(labels, kind="stable")
    order = order[np.searchsorted(labels[order], 0) :]
    starts = np.flatnonzero(np.diff(labels[order])) + 1
    return np.split(order, starts) if len(order) else []


@dataclass(frozen=True, eq=False)
class SmallImages:
    """One split, in memory.

    Attributes:
        class_names: names by label.
        pixels: uint8 ``(N, H, W)``, grey; or ``(N, H, W, 3)``.
        labels: int32 ``(N,)``.
    """

    class_names: tuple[str, ...]
    pixels: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def counts(self) -> np.ndarray:
        """Number of images of each class, int ``(num_classes,)``."""
        return np.bincount(self.labels, minlength=len(self.class_names))

    def take(self, positions: np.ndarray) -> "SmallImages":
        """The images at ``positions``, in that order."""
        return SmallImages(self.class_names, self.pixels[positions], self.labels[positions])

    def as_rgb(self, start: int, stop: int) -> np.ndarray:
        """Some of the images as the input of a bundle: uint8 ``(stop - start, H, W, 3)``."""
        some = self.pixels[start:stop]
        return some if some.ndim == 4 else np.repeat(some[..., None], 3, axis=-1)


class SmallSplits(NamedTuple):
    """Training and validation, and a sentence on how they were split."""

    train: SmallImages
    val: SmallImages
    note: str
