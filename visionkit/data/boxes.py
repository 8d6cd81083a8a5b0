"""Problems of annotated boxes, and how they are repaired. Boxes are xyxy, relative to the image (0..1)."""

from dataclasses import replace
from typing import Literal

import numpy as np

from visionkit.data.index import Annotation, Index, Objects, Rle

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
    """Which objects need not be detected, bool ``(N,)``: COCO's crowds and those to ignore, and VOC's difficult ones."""
    flags = [
        bool(each.get("iscrowd") or each.get("difficult") or each.get("ignore") in (1, "1")) for each in objects.attributes
    ]
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


def rotation_of(annotation: Annotation, shown: tuple[int, int], orientation: int) -> Literal["", "turned", "unclear"]:
    """Whether objects were annotated in an image before its EXIF header turned it.

    Args:
        annotation: as a reader returns it.
        shown: height and width of the image as it is displayed.
        orientation: of the EXIF header, 1 to 8; 1 leaves the image as it is stored.

    Returns:
        "turned" where the annotation declares the size that is stored; "unclear" where no size is declared, or both sizes are
        the same; "" where the size is that of the displayed image, or is wrong anyhow, and where nothing is turned.
    """
    if orientation == 1 or annotation.objects is None:
        return ""
    stored = shown[::-1] if orientation >= 5 else shown
    if annotation.size is None or annotation.measured or stored == shown:
        return "unclear" if len(annotation.objects) else ""
    return "turned" if annotation.size == stored else ""


def upright(annotation: Annotation, shown: tuple[int, int], orientation: int) -> Annotation:
    """The annotation for the image as it is displayed: ``turned`` if it was made before the rotation; see ``rotation_of``."""
    if rotation_of(annotation, shown, orientation) != "turned":
        return annotation
    return replace(annotation, objects=turned(annotation.objects, orientation), size=shown)


def turned(objects: Objects, orientation: int) -> Objects:
    """Objects of an image as it is stored, turned and mirrored with it as an EXIF ``orientation`` (1 to 8) asks."""
    exchanged = orientation >= 5
    mirrored = np.array([orientation in (2, 3, 6, 7), orientation in (3, 4, 7, 8)])

    def move(points: np.ndarray) -> np.ndarray:
        points = points[..., ::-1] if exchanged else points
        return np.where(mirrored, 1 - points, points)

    corners = move(objects.boxes.reshape(-1, 2, 2))
    first, second = corners[:, 0], corners[:, 1]
    boxes = np.concatenate([np.where(mirrored, second, first), np.where(mirrored, first, second)], axis=1)
    keypoints = objects.keypoints
    if keypoints is not None:
        moved = np.concatenate([move(keypoints[..., :2]), keypoints[..., 2:]], axis=2)
        keypoints = np.where(keypoints.any(axis=2, keepdims=True), moved, keypoints)  # unlabelled ones stay 0
    outlines = tuple(
        _turned_mask(outline, exchanged, mirrored) if isinstance(outline, Rle) else outline and tuple(map(move, outline))
        for outline in objects.outlines
    )
    return replace(objects, boxes=boxes, outlines=outlines, keypoints=keypoints)


def _turned_mask(rle: Rle, exchanged: bool, mirrored: np.ndarray) -> Rle:
    from faster_coco_eval.core import mask

    pixels = mask.decode({"size": list(rle.size), "counts": rle.counts})
    pixels = pixels.T if exchanged else pixels
    pixels = pixels[:: -1 if mirrored[1] else 1, :: -1 if mirrored[0] else 1]
    return Rle(pixels.shape, mask.encode(np.asfortranarray(pixels))["counts"])
