"""Finds what is wrong with single samples of a data set, from its index and from the inspected files.

``check`` finds what is wrong between samples (duplicates, leakage).
"""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from visionkit.data.boxes import box_problems, rotation_of, upright
from visionkit.data.images.contents import file_of
from visionkit.data.images.masks.named import MUCH
from visionkit.data.index import Annotation, Index, Objects, counted
from visionkit.data.quality.feature_duplicates import Pair
from visionkit.data.quality.inspect import InspectedImage, InspectedMask
from visionkit.data.splits import DataSet
from visionkit.ops.np_boxes import paired_iou

SAME_BOX = 0.9  # intersection over union from which two boxes of a class count as one object that a person boxed twice
NO_ANNOTATION = Annotation()
FAR_OUTSIDE = 0.1  # share of the side of an image from which a keypoint beyond it is no rounding
NEAREST = 32  # boxes that each box is compared with


class Finding(NamedTuple):
    """One thing that is wrong with a data set.

    Attributes:
        kind: one of ``PROBLEM_KINDS``.
        path: path of the file.
        detail: what exactly is wrong.
        split: split of the sample; None if the file is no sample of the index.
        position: position of the sample in that split.
        other: for duplicates, the path of the file that it resembles.
        box: number of the object, from 0, as the reader numbers them.
        label: class name of the sample or object; None if it has none.
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
        """The finding for a line of JSON, without fields that are None."""
        plain = {"problem": self.kind, "path": self.path, "detail": self.detail}
        more = {"other": self.other, "box": self.box, "label": self.label, "split": self.split}
        return plain | {name: value for name, value in more.items() if value is not None}


class Opened(NamedTuple):
    """The inspected files of a data set by path; a string instead says why a file could not be used."""

    images: dict[str, InspectedImage | str]
    masks: dict[str, InspectedMask | str]
    pairs: tuple[Pair, ...] = ()  # files that show one photograph, if they were searched

    def sound_image(self, path: str) -> InspectedImage | None:
        """The inspected image; None if it is broken."""
        image = self.images[path]
        return None if isinstance(image, str) else image

    def sound_mask(self, path: str | None) -> InspectedMask | None:
        """The inspected mask; None if it is broken, or the sample has none."""
        mask = self.masks.get(path, "")
        return None if isinstance(mask, str) else mask


def samples(data: DataSet) -> Iterator[tuple[str, Index, int]]:
    """All samples as split name, index of that split, and position."""
    for name, index in data.splits.items():
        for position in range(len(index)):
            yield name, index, position


def label_of(index: Index, position: int) -> str | None:
    """The class name of a sample; None if it has no label of its own."""
    return class_name(index, int(index.labels[position]))


def class_name(index: Index, label: int) -> str | None:
    """The name of a class; None if the label is of no class."""
    return index.class_names[label] if 0 <= label < len(index.class_names) else None


def objects_of(index: Index, position: int) -> Objects | None:
    """The annotated objects of a sample; None if it has none."""
    return index.annotations[position].objects if index.annotations else None


def sample_findings(data: DataSet, opened: Opened) -> list[Finding]:
    """The reader's problems, and what is wrong with single files, sizes, masks and boxes; a kind only once per file."""
    findings = [Finding(*problem) for problem in data.problems]
    reported = {(finding.kind, finding.path) for finding in findings}
    ignored = values_to_ignore(opened)
    for split, index, position in samples(data):
        label = label_of(index, position)
        for kind, path, detail in _wrong_files(index, position, opened, ignored):
            if (kind, path) not in reported:
                reported.add((kind, path))
                findings.append(Finding(kind, path, detail, split, position, label=label))
        findings += _wrong_boxes(split, index, position, opened)
    return findings


def rotation_findings(data: DataSet, opened: Opened) -> tuple[DataSet, list[Finding]]:
    """The data set with the objects that are turned with their images, and what is or remains doubtful about rotations."""
    findings, splits = [], {}
    for split, index in data.splits.items():
        annotations = list(index.annotations)
        for position, annotation in enumerate(annotations):
            path = index.paths[position]
            image = opened.sound_image(path)
            if image is None or image.orientation == 1:
                continue
            shown = (image.height, image.width)
            rotation = rotation_of(annotation, shown, image.orientation)
            annotations[position] = upright(annotation, shown, image.orientation)
            if rotation and len(annotation.objects):
                detail = _rotation_detail(annotation, image, rotation)
                findings.append(Finding("image rotation", path, detail, split, position))
            mask = opened.sound_mask(annotation.mask)
            if mask is not None and (mask.height, mask.width) == shown == image.stored_size:
                findings.append(Finding("image rotation", path, _mask_rotation_detail(annotation.mask, image), split, position))
        splits[split] = replace(index, annotations=tuple(annotations))
    return replace(data, splits=splits), findings


def values_to_ignore(opened: Opened) -> dict[str, int]:
    """Mask values without a class that are a convention, not a mistake, with the number of masks that hold them.

    These are more than half of the masks, and less than ``MUCH`` of all pixels.
    """
    masks = [mask for mask in opened.masks.values() if isinstance(mask, InspectedMask)]
    counts = Counter(value for mask in masks for value in mask.nameless)
    pixels = sum(mask.height * mask.width for mask in masks)
    return {
        value: count
        for value, count in counts.items()
        if 2 * count > len(opened.masks) > 1 and sum(mask.nameless.get(value, 0) for mask in masks) < MUCH * pixels
    }


def declared_turned(index: Index, position: int, image: InspectedImage) -> bool:
    """Whether an annotation declares the size that an image has before its EXIF rotation."""
    return index.annotations[position].size == image.stored_size != (image.height, image.width)


def doubled_boxes(boxes: np.ndarray, classes: np.ndarray) -> int:
    """The number of boxes that nearly coincide with an earlier one of the same class.

    Each box is compared with the nearest others alone, so that an image may have any number of them; in a heap of more than
    ``NEAREST`` boxes at one place, a few are missed.

    Args:
        boxes: ``(N, 4)`` xyxy.
        classes: int ``(N,)``.
    """
    sides = boxes[:, 2:] - boxes[:, :2]
    usable = np.isfinite(boxes).all(axis=1) & (sides > 0).all(axis=1)
    if usable.sum() < 2:
        return 0
    apart = 2 * np.ptp(boxes[usable])  # keeps the classes apart
    points = np.column_stack([boxes[usable], apart * classes[usable]])
    firsts = np.sort(np.unique(points, axis=0, return_index=True)[1])
    repeated, points = len(points) - len(firsts), points[firsts]
    if len(points) < 2:
        return repeated
    farthest = (1 - SAME_BOX) / SAME_BOX * sides[usable].max()
    near = cKDTree(points).query(points, min(NEAREST, len(points)), p=np.inf, distance_upper_bound=farthest)[1]
    rows, columns = np.nonzero(near < np.arange(len(points))[:, None])  # earlier ones; there are none at the place len(points)
    alike = paired_iou(points[rows, :4], points[near[rows, columns], :4]) > SAME_BOX
    return repeated + len(np.unique(rows[alike]))


def _wrong_files(index: Index, position: int, opened: Opened, ignored: Collection[str]) -> Iterator[tuple[str, str, str]]:
    """Kind, path and detail of what is wrong with the image and the mask of a sample."""
    path = index.paths[position]
    annotation = index.annotations[position] if index.annotations else NO_ANNOTATION
    image = opened.images[path]
    if isinstance(image, str):
        if index.annotations and not _is_there(path):
            yield "missing partner", path, f"the image is annotated but does not exist ({image})"
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
            yield "missing partner", path, f"its mask {annotation.mask} does not exist"
        return
    nameless = {value: count for value, count in mask.nameless.items() if value not in ignored}
    if nameless:
        yield "unknown label", annotation.mask, _nameless_detail(nameless)
    if not isinstance(image, str) and (mask.height, mask.width) != (image.height, image.width):
        turned = ", like the image before its EXIF rotation" if (mask.height, mask.width) == image.stored_size else ""
        detail = f"the mask {annotation.mask} has {_size(mask.height, mask.width)} pixels{turned}"
        yield "wrong size", path, f"{detail}; the image has {_size(image.height, image.width)}"


def _wrong_boxes(split: str, index: Index, position: int, opened: Opened) -> Iterator[Finding]:
    objects = objects_of(index, position)
    if objects is None or len(objects) == 0:
        return
    path = index.paths[position]
    image = opened.sound_image(path)
    for row, kind in box_problems(objects.boxes):
        label = class_name(index, int(objects.classes[row]))
        yield Finding(kind, path, _box_detail(objects.boxes[row], image), split, position, box=row, label=label)
    if objects.keypoints is not None:
        points = objects.keypoints[objects.keypoints[..., 2] > 0][:, :2]
        far = points[((points < -FAR_OUTSIDE) | (points > 1 + FAR_OUTSIDE)).any(axis=1)]
        if len(far):
            x, y = far[0] if image is None else (far[0] * (image.width, image.height)).round(1)
            unit = "(relative)" if image is None else "pixels"
            detail = f"{len(far)} of {counted(len(points), 'keypoint')} lie outside of it, such as x {x:.4g}, y {y:.4g} {unit}"
            yield Finding("keypoint outside", path, detail, split, position)


def _is_there(path: str) -> bool:
    try:
        Path(file_of(path)).lstat()
    except (OSError, ValueError):  # the latter for a null character in a name
        return False
    return True


def _size_detail(index: Index, position: int, image: InspectedImage) -> str:
    declared, real = _size(*index.annotations[position].size), _size(image.height, image.width)
    if declared_turned(index, position, image):
        return f"the declared size {declared} is that before the EXIF rotation; the image is displayed with {real}"
    return f"the declared size is {declared}, the image has {real}"


def _rotation_detail(annotation: Annotation, image: InspectedImage, rotation: str) -> str:
    start = f"its EXIF header turns it (orientation {image.orientation})"
    if rotation == "turned":
        declared = _size(*annotation.size)
        return f"{start}, and the declared size {declared} is that before the rotation; its boxes are turned with it"
    reason = (
        "no size is declared" if annotation.size is None or annotation.measured else "its size is the same before and after"
    )
    return f"{start}, and {reason}: boxes that were drawn before the rotation are wrong; look at them with --html"


def _mask_rotation_detail(mask: str, image: InspectedImage) -> str:
    return (
        f"its EXIF header turns it (orientation {image.orientation}), and its size is the same before and after: if its mask "
        f"{mask} was drawn before the rotation, it does not fit; look at them with --html"
    )


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
