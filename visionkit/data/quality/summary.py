"""The numbers of a data set: images, classes, sizes, objects."""

from collections import Counter
from typing import Any

import numpy as np

from visionkit.data.index import counted
from visionkit.data.quality.findings import Opened, objects_of, samples
from visionkit.data.split_names import WHOLE
from visionkit.data.splits import DataSet

TINY = 8  # pixels of a box's shorter side, if the image's longer side is resized to ``LONGER_SIDE``
CLASSES_IN_A_LINE = 8
LONGER_SIDE = 640  # the size that detectors are trained at; their finest cells have 8 pixels


def summarize(data: DataSet, opened: Opened) -> dict[str, Any]:
    """Count images, classes and objects.

    Returns:
        plain values for JSON. ``counted`` is the unit of the class counts: images, objects or pixels. ``ignored_pixels`` is
        the number of those in masks that have no class. Sizes are
        [smallest, median, largest] in pixels of the images that can be read, or None if there are none.
    """
    sizes = image_sizes(data, opened)
    counted, classes = _class_counts(data, opened)
    summary = {
        "format": describe(data),
        "images": len(data),
        "splits": {name: len(index) for name, index in data.splits.items()},
        "counted": counted,
        "classes": classes,
        "sizes": {"width": _spread(sizes[:, 1]), "height": _spread(sizes[:, 0])},
    }
    if counted == "pixels":
        masks = (opened.sound_mask(index.annotations[position].mask) for _, index, position in samples(data))
        summary["ignored_pixels"] = sum(mask.ignored for mask in masks if mask is not None)
    if counted == "objects":
        sides = box_sides(data, opened)
        numbers = objects_per_image(data)
        summary |= {
            "objects": int(numbers.sum()),
            "objects_per_image": _spread(numbers),
            "images_without_objects": int((numbers == 0).sum()),
            "tiny_objects": int((sides.min(axis=1) < TINY).sum()),
        }
    return summary


def describe(data: DataSet) -> str:
    """How a data set was understood, in one line: format, images by split, classes, and how much was left out."""
    sizes = [f"{len(index):,} in {name}" for name, index in data.splits.items() if name != WHOLE]
    parts = [counted(len(data), "image") + (f" ({', '.join(sizes)})" if sizes else "")]
    names = data.class_names if data.splits else ()
    if names:
        first = [repr(name) if "," in name else name for name in names[:CLASSES_IN_A_LINE]]
        shown = ", ".join(first) + (", ..." if len(names) > CLASSES_IN_A_LINE else "")
        parts.append(f"{len(names)} class{'es' if len(names) > 1 else ''} ({shown})")
    if data.left_out:
        parts.append(f"images in no split: {data.left_out}")
    if data.problems:
        kinds = Counter(problem.kind for problem in data.problems)
        parts.append("noted while reading: " + ", ".join(f"{kind} ({count:,})" for kind, count in kinds.items()))
    return f"{data.format or 'a data set'}: {'; '.join(parts)}"


def counted_in(data: DataSet) -> str:
    """The unit of the class counts of a data set: pixels of masks, objects or images."""
    if any(index.has_masks for index in data.splits.values()):
        return "pixels"
    return "objects" if any(index.has_objects for index in data.splits.values()) else "images"


def image_sizes(data: DataSet, opened: Opened) -> np.ndarray:
    """Height and width of the image of each sample, if it can be read: int ``(N, 2)``."""
    images = [opened.sound_image(index.paths[position]) for _, index, position in samples(data)]
    return np.array([(image.height, image.width) for image in images if image is not None], int).reshape(-1, 2)


def objects_per_image(data: DataSet) -> np.ndarray:
    """The number of objects of each sample that is annotated with objects: int ``(N,)``."""
    annotations = [annotation for index in data.splits.values() for annotation in index.annotations]
    return np.array([len(annotation.objects) for annotation in annotations if annotation.objects is not None], int)


def box_sides(data: DataSet, opened: Opened) -> np.ndarray:
    """Width and height of each valid box in pixels of an image whose longer side is ``LONGER_SIDE``: ``(N, 2)``."""
    sides = [np.zeros((0, 2))]
    for _, index, position in samples(data):
        objects = objects_of(index, position)
        image = opened.sound_image(index.paths[position])
        if objects is not None and image is not None:
            relative = objects.boxes[:, 2:] - objects.boxes[:, :2]
            scale = np.array([image.width, image.height]) * (LONGER_SIDE / max(image.width, image.height))
            sides.append(relative[(relative > 0).all(axis=1)] * scale)
    return np.concatenate(sides)


def _class_counts(data: DataSet, opened: Opened) -> tuple[str, dict[str, dict[str, int]]]:
    counted = counted_in(data)
    names = data.class_names if data.splits else ()
    counts = {split: np.zeros(len(names), np.int64) for split in data.splits}
    for split, index in data.splits.items():
        if index.label_sets is not None:
            counts[split] += index.counts()
            continue
        if counted == "images":
            labels = [index.labels]
        elif counted == "objects":
            labels = [annotation.objects.classes for annotation in index.annotations if annotation.objects is not None]
        else:
            masks = (opened.sound_mask(annotation.mask) for annotation in index.annotations)
            for mask in masks:
                counts[split] += 0 if mask is None else mask.counts
            continue
        labels = np.concatenate([*labels, np.zeros(0, int)]).astype(int)
        counts[split] += np.bincount(labels[(labels >= 0) & (labels < len(names))], minlength=len(names))
    return counted, {name: {split: int(counts[split][i]) for split in counts} for i, name in enumerate(names)}


def _spread(values: np.ndarray) -> list[float] | None:
    if len(values) == 0:
        return None
    numbers = (float(values.min()), float(np.median(values)), float(values.max()))
    return [int(number) if number.is_integer() else number for number in numbers]
