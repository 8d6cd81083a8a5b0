"""What is wrong with the single samples of a data set, told from its index and from what their files held.

What is wrong between samples (duplicates, leakage) stands in ``check``.
"""

from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from visionkit.data.boxes import box_problems
from visionkit.data.images.contents import file_of
from visionkit.data.index import Annotation, Index
from visionkit.data.quality.inspect import InspectedImage, InspectedMask
from visionkit.data.splits import DataSet

SAME_BOX = 0.9  # intersection over union from which two boxes of a class are taken for one object, boxed twice by a person
NO_ANNOTATION = Annotation()
BOXES_AT_ONCE = 512  # rows of a table of overlaps, so that memory stays bounded


class Finding(NamedTuple):
    """One thing that is wrong with a data set.

    Attributes:
        kind: one of ``PROBLEM_KINDS``.
        path: the file.
        detail: what exactly.
        split: where it lies, if it is a sample of the index.
        position: which sample of that split.
        other: of duplicates: the file that it resembles.
        box: number of the object, from 0, as the reader numbers them.
        label: the sample's or the object's class, where it has one.
    """

    kind: str
    path: str
    detail: str
    split: str | None = None
    position: int | None = None
    other: str | None = None
    box: int | None = None
    label: str | None = None

    def to_plain(self) -> dict:
        """For a line of JSON: without what is not known."""
        plain = {"problem": self.kind, "path": self.path, "detail": self.detail}
        more = {"other": self.other, "box": self.box, "label": self.label, "split": self.split}
        return plain | {name: value for name, value in more.items() if value is not None}


class Opened(NamedTuple):
    """What the files of a data set held, by path; a string says why one could not be used."""

    images: dict[str, InspectedImage | str]
    masks: dict[str, InspectedMask | str]

    def sound_image(self, path: str) -> InspectedImage | None:
        """What is known of an image; None if it is broken."""
        look = self.images[path]
        return None if isinstance(look, str) else look

    def sound_mask(self, path: str | None) -> InspectedMask | None:
        """What is known of a mask; None if it is broken, or the sample has none."""
        look = self.masks.get(path, "")
        return None if isinstance(look, str) else look


def samples(data: DataSet) -> Iterator[tuple[str, Index, int]]:
    """All samples: the split's name, its index, the position."""
    for name, index in data.splits.items():
        for position in range(len(index)):
            yield name, index, position


def label_of(index: Index, position: int) -> str | None:
    """The name of a sample's own class."""
    label = int(index.labels[position])
    return index.class_names[label] if 0 <= label < len(index.class_names) else None


def sample_findings(data: DataSet, opened: Opened) -> list[Finding]:
    """What the reader found, and what is wrong with single files, sizes, masks and boxes; each is said once of a file."""
    findings = [Finding(*problem) for problem in data.problems]
    said = {(finding.kind, finding.path) for finding in findings}
    ignored = values_to_ignore(opened)
    for split, index, position in samples(data):
        label = label_of(index, position)
        for kind, path, detail in _wrong_files(index, position, opened, ignored):
            if (kind, path) not in said:
                said.add((kind, path))
                findings.append(Finding(kind, path, detail, split, position, label=label))
        findings += _wrong_boxes(split, index, position, opened)
    return findings


def values_to_ignore(opened: Opened) -> dict[str, int]:
    """Mask values without a class that more than half of the masks hold, and in how many: a convention and no mistake."""
    holders = Counter(value for look in opened.masks.values() if isinstance(look, InspectedMask) for value in look.nameless)
    return {value: count for value, count in holders.items() if 2 * count > len(opened.masks) > 1}


def declared_turned(index: Index, position: int, look: InspectedImage) -> bool:
    """Whether an annotation declares the size that an image has before its EXIF rotation."""
    return index.annotations[position].size == look.stored_size != (look.height, look.width)


def doubled_boxes(boxes: np.ndarray, classes: np.ndarray) -> int:
    """Boxes that nearly cover an earlier one of the same class.

    Args:
        boxes: ``(N, 4)`` xyxy.
        classes: int ``(N,)``.
    """
    count = 0
    for start in range(0, len(boxes), BOXES_AT_ONCE):
        part = slice(start, start + BOXES_AT_ONCE)
        alike = (overlaps(boxes[part], boxes) > SAME_BOX) & (classes[part, None] == classes[None])
        count += int(np.tril(alike, start - 1).any(axis=1).sum())  # column < row + start
    return count


def overlaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of each box with each other: ``(N, 4)`` and ``(M, 4)`` xyxy to ``(N, M)``; 0 for empty ones."""
    sides = np.minimum(boxes[:, None, 2:], others[None, :, 2:]) - np.maximum(boxes[:, None, :2], others[None, :, :2])
    shared = sides.clip(min=0).prod(axis=2)
    areas, other_areas = ((some[:, 2:] - some[:, :2]).clip(min=0).prod(axis=1) for some in (boxes, others))
    union = areas[:, None] + other_areas[None] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def _wrong_files(index: Index, position: int, opened: Opened, ignored: Collection[str]) -> Iterator[tuple[str, str, str]]:
    """Kind, file and detail of what is wrong with a sample's image and mask."""
    path = index.paths[position]
    annotation = index.annotations[position] if index.annotations else NO_ANNOTATION
    image = opened.images[path]
    if isinstance(image, str):
        if index.annotations and not _is_there(path):
            yield "missing partner", path, f"annotated, but the image is not there ({image})"
        else:
            yield "broken image", path, image
    elif annotation.size not in (None, (image.height, image.width)):
        yield "wrong size", path, _size_detail(index, position, image)
    if annotation.mask is None:
        return
    mask = opened.masks[annotation.mask]
    if isinstance(mask, str):
        if _is_there(annotation.mask):
            yield "broken image", annotation.mask, f"the mask of {path}: {mask}"
        else:
            yield "missing partner", path, f"its mask {annotation.mask} is not there"
        return
    nameless = {value: count for value, count in mask.nameless.items() if value not in ignored}
    if nameless:
        yield "unknown label", annotation.mask, _nameless_detail(nameless)
    if not isinstance(image, str) and (mask.height, mask.width) != (image.height, image.width):
        turned = ", as the image is before its EXIF rotation" if (mask.height, mask.width) == image.stored_size else ""
        detail = f"the mask {annotation.mask} has {_size(mask.height, mask.width)} pixels{turned}"
        yield "wrong size", path, f"{detail}; the image has {_size(image.height, image.width)}"


def _wrong_boxes(split: str, index: Index, position: int, opened: Opened) -> Iterator[Finding]:
    objects = index.annotations[position].objects if index.annotations else None
    if objects is None or len(objects) == 0:
        return
    path = index.paths[position]
    image = opened.sound_image(path)
    for row, kind in box_problems(objects.boxes):
        label = int(objects.classes[row])
        name = index.class_names[label] if 0 <= label < len(index.class_names) else None
        yield Finding(kind, path, _box_detail(objects.boxes[row], image), split, position, box=row, label=name)


def _is_there(path: str) -> bool:
    try:
        Path(file_of(path)).lstat()
    except (OSError, ValueError):  # a null character in a name
        return False
    return True


def _size_detail(index: Index, position: int, look: InspectedImage) -> str:
    declared, real = _size(*index.annotations[position].size), _size(look.height, look.width)
    if declared_turned(index, position, look):
        return (
            f"{declared} declared, which it has before its EXIF rotation; it is to be seen with {real}. If the boxes fit the "
            "unturned image, remove its orientation tag (exiftool -Orientation= FILE)"
        )
    return f"{declared} declared, {real} found"


def _size(height: int, width: int) -> str:
    return f"{width}x{height}"


def _nameless_detail(nameless: dict[str, int]) -> str:
    shown = [f"{value} ({count:,} pixels)" for value, count in list(nameless.items())[:5]]
    more = [f"{len(nameless) - 5} more"] if len(nameless) > 5 else []
    return f"values without a class: {', '.join(shown + more)}"


def _box_detail(box: np.ndarray, image: InspectedImage | None) -> str:
    if image is None:
        return "x {:.3f} to {:.3f}, y {:.3f} to {:.3f} (relative)".format(*box[[0, 2, 1, 3]])
    x1, y1, x2, y2 = box * np.tile([image.width, image.height], 2)
    return f"x {x1:.4g} to {x2:.4g}, y {y1:.4g} to {y2:.4g} pixels; the image has {_size(image.height, image.width)}"
