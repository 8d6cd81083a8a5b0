"""What may be wrong with annotated boxes, and how pipelines mend it. Boxes are xyxy, relative to the image (0..1)."""

from dataclasses import replace

import numpy as np

from visionkit.data.index import Index, Objects

TOLERANCE = 1e-3  # of a side: readers and writers of text round
SMALLEST = 1e-6  # of a side: less than a pixel of any image, and soon nothing in float32


def box_problems(boxes: np.ndarray) -> list[tuple[int, str]]:
    """Rows that are not a proper box within the image, each with a kind of ``PROBLEM_KINDS``.

    Args:
        boxes: ``(N, 4)``.

    Returns:
        ``(row, kind)``, by row; a box that is empty or inverted is not looked at further.
    """
    sides = boxes[:, 2:] - boxes[:, :2]
    outside = ((boxes < -TOLERANCE) | (boxes > 1 + TOLERANCE)).any(axis=1)
    kinds = np.select(
        [(sides < 0).any(axis=1), (sides < SMALLEST).any(axis=1), outside], ["inverted box", "empty box", "box outside"], ""
    )
    return [(row, str(kind)) for row, kind in enumerate(kinds) if kind]


def crowds(objects: Objects) -> np.ndarray:
    """Which objects are no single ones to be found, bool ``(N,)``: COCO's crowds, and those that VOC calls difficult."""
    flags = [bool(each.get("iscrowd") or each.get("difficult")) for each in objects.attributes]
    return np.array(flags or [False] * len(objects), bool)


def without_crowds(index: Index) -> Index:
    """An index without such objects: to learn from. Their images stay."""
    if not any(crowds(annotation.objects).any() for annotation in index.annotations if annotation.objects is not None):
        return index
    annotations = (
        a if a.objects is None else replace(a, objects=a.objects.take(np.flatnonzero(~crowds(a.objects))))
        for a in index.annotations
    )
    return replace(index, annotations=tuple(annotations))


def cleaned(objects: Objects) -> Objects:
    """The objects that can be learnt from: clipped to the image; without the empty, the inverted and the unnamed."""
    boxes = objects.boxes.clip(0.0, 1.0)
    sound = (boxes[:, 2:] - boxes[:, :2] >= SMALLEST).all(axis=1) & (objects.classes >= 0)
    if sound.all() and np.array_equal(boxes, objects.boxes):
        return objects
    return replace(objects, boxes=boxes).take(np.flatnonzero(sound))
