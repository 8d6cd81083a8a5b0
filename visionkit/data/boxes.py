"""Problems of annotated boxes, and how pipelines repair them. Boxes are xyxy, relative to the image (0..1)."""

from dataclasses import replace

import numpy as np

from visionkit.data.index import Index, Objects

TOLERANCE = 1e-3  # share of the image's side, because text formats round
SMALLEST = 1e-6  # share of the image's side: less than a pixel of any image, and close to nothing in float32


def box_problems(boxes: np.ndarray) -> list[tuple[int, str]]:
    """Find rows that are not a valid box within the image.

    Args:
        boxes: ``(N, 4)``.

    Returns:
        ``(row, kind)`` with a kind of ``PROBLEM_KINDS``, ordered by row. A row is reported once: as inverted, else as empty,
        else as outside.
    """
    sides = boxes[:, 2:] - boxes[:, :2]
    outside = ((boxes < -TOLERANCE) | (boxes > 1 + TOLERANCE)).any(axis=1)
    kinds = np.select(
        [(sides < 0).any(axis=1), (sides < SMALLEST).any(axis=1), outside], ["inverted box", "empty box", "box outside"], ""
    )
    return [(row, str(kind)) for row, kind in enumerate(kinds) if kind]


def crowds(objects: Objects) -> np.ndarray:
    """Which objects need not be detected, bool ``(N,)``: COCO's crowds, and those that VOC calls difficult."""
    flags = [bool(each.get("iscrowd") or each.get("difficult")) for each in objects.attributes]
    return np.array(flags or [False] * len(objects), bool)


def without_crowds(index: Index) -> Index:
    """The index without such objects, for training. Their images stay."""
    if not any(crowds(annotation.objects).any() for annotation in index.annotations if annotation.objects is not None):
        return index
    annotations = (
        a if a.objects is None else replace(a, objects=a.objects.take(np.flatnonzero(~crowds(a.objects))))
        for a in index.annotations
    )
    return replace(index, annotations=tuple(annotations))


def cleaned(objects: Objects) -> Objects:
    """The objects for training: clipped to the image, without empty and inverted ones and those of an unknown class."""
    boxes = objects.boxes.clip(0.0, 1.0)
    sound = (boxes[:, 2:] - boxes[:, :2] >= SMALLEST).all(axis=1) & (objects.classes >= 0)
    if sound.all() and np.array_equal(boxes, objects.boxes):
        return objects
    return replace(objects, boxes=boxes).take(np.flatnonzero(sound))
