"""The numbers of a data set: images, classes, sizes, objects."""

from typing import Any

import numpy as np

from visionkit.data.quality.findings import Opened, samples
from visionkit.data.splits import DataSet

TINY = 8  # pixels of a box's shorter side ...
LONGER_SIDE = 640  # ... when the image's longer side is resized to this: what detectors are trained on, in cells of 8 pixels


def summarize(data: DataSet, opened: Opened) -> dict[str, Any]:
    """Count what there is.

    Returns:
        plain values for JSON. ``counted`` says what the numbers of the classes are: images, objects or pixels. Sizes are
        [smallest, median, largest] in pixels, of the images that can be read; None where there is none.
    """
    sizes = image_sizes(data, opened)
    counted, classes = _class_counts(data, opened)
    summary = {
        "images": len(data),
        "splits": {name: len(index) for name, index in data.splits.items()},
        "counted": counted,
        "classes": classes,
        "sizes": {"width": _spread(sizes[:, 1]), "height": _spread(sizes[:, 0])},
    }
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


def counted_in(data: DataSet) -> str:
    """What the classes of a data set are counted in: pixels of masks, objects or images."""
    if any(index.has_masks for index in data.splits.values()):
        return "pixels"
    return "objects" if any(index.has_objects for index in data.splits.values()) else "images"


def image_sizes(data: DataSet, opened: Opened) -> np.ndarray:
    """Height and width of each sample's image that can be read: int ``(N, 2)``."""
    looks = [opened.sound_image(index.paths[position]) for _, index, position in samples(data)]
    return np.array([(look.height, look.width) for look in looks if look is not None], int).reshape(-1, 2)


def objects_per_image(data: DataSet) -> np.ndarray:
    """The number of objects of each sample that may have some: int ``(N,)``."""
    objects = [annotation.objects for index in data.splits.values() for annotation in index.annotations]
    return np.array([len(some) for some in objects if some is not None], int)


def box_sides(data: DataSet, opened: Opened) -> np.ndarray:
    """Width and height of each sound box in pixels, its image's longer side resized to ``LONGER_SIDE``: ``(N, 2)``."""
    sides = [np.zeros((0, 2))]
    for _, index, position in samples(data):
        objects = index.annotations[position].objects if index.annotations else None
        look = opened.sound_image(index.paths[position])
        if objects is not None and look is not None:
            relative = objects.boxes[:, 2:] - objects.boxes[:, :2]
            image = np.array([look.width, look.height]) * (LONGER_SIDE / max(look.width, look.height))
            sides.append(relative[(relative > 0).all(axis=1)] * image)
    return np.concatenate(sides)


def _class_counts(data: DataSet, opened: Opened) -> tuple[str, dict[str, dict[str, int]]]:
    counted = counted_in(data)
    names = data.class_names if data.splits else ()
    counts = {split: np.zeros(len(names), np.int64) for split in data.splits}
    for split, index in data.splits.items():
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
