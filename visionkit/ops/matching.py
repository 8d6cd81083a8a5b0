"""Assign objects to the slots of a YOLO grid; a slot is a pair (cell, anchor).

An object is assigned to each anchor whose sides are at most four times and at least a quarter of its own, and in any case to
the most similar anchor; of these anchors to the cell of its center and to the two neighbors that are nearest to the center.
Several slots per object learn faster than one (https://docs.ultralytics.com/yolov5/tutorials/architecture_description).
"""

from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from visionkit.ops.boxes import cxcywh_of
from visionkit.ops.grids import LARGEST_RATIO

NEIGHBORS = ((0, 0), (-1, 0), (0, -1), (1, 0), (0, 1))  # column, row: the cell itself, and those beside it


class Assignment(NamedTuple):
    """The targets of one grid of A anchors for N images, in P rows, some of which are empty.

    Attributes:
        slots: int32 ``(P,)``, positions in a flattened ``(N, rows, columns, A)``.
        anchors: int32 ``(P,)``, position of the anchor among the A.
        cells: float32 ``(P, 2)``, column and row.
        boxes: float32 ``(P, 4)``, xyxy, relative.
        classes: int32 ``(P,)``.
        filled: bool ``(P,)``; False where a row is empty, whose other values are meaningless.
    """

    slots: keras.KerasTensor
    anchors: keras.KerasTensor
    cells: keras.KerasTensor
    boxes: keras.KerasTensor
    classes: keras.KerasTensor
    filled: keras.KerasTensor


def fitting(boxes: keras.KerasTensor, anchors: keras.KerasTensor) -> keras.KerasTensor:
    """Which anchors fit which objects: bool ``(N, M, A)``.

    Args:
        boxes: ``(N, M, 4)``, relative.
        anchors: widths and heights of the anchors of all grids ``(A, 2)``, relative.
    """
    sides = ops.maximum(boxes[..., 2:] - boxes[..., :2], 1e-9)[..., None, :]
    ratios = ops.max(ops.maximum(sides / anchors, anchors / sides), axis=-1)
    nearest = ops.argmin(ratios, axis=-1)[..., None] == ops.arange(anchors.shape[0], dtype="int32")
    return (ratios < LARGEST_RATIO) | nearest


def assign(boxes: keras.KerasTensor, classes: keras.KerasTensor, fits: keras.KerasTensor, grid: tuple[int, int]) -> Assignment:
    """Assign objects to the slots of one grid.

    Args:
        boxes: ``(N, M, 4)``, relative.
        classes: int32 ``(N, M)``, -1 in padded rows.
        fits: bool ``(N, M, A)``, from ``fitting``: the columns of this grid's anchors.
        grid: columns and rows of the grid.
    """
    columns_rows = ops.stack(grid)
    centers = cxcywh_of(boxes)[..., :2] * ops.cast(columns_rows, "float32")
    center_cell = ops.clip(ops.cast(ops.floor(centers), "int32"), 0, columns_rows - 1)  # (N, M, 2)
    within = centers - ops.cast(center_cell, "float32")
    near = [ops.ones_like(within[..., 0], dtype="bool"), within[..., 0] < 0.5, within[..., 1] < 0.5]
    near = ops.stack([*near, within[..., 0] > 0.5, within[..., 1] > 0.5], axis=-1)  # (N, M, 5)
    cell = center_cell[:, :, None] + ops.convert_to_tensor(NEIGHBORS, "int32")  # (N, M, 5, 2)
    inside = ops.all((cell >= 0) & (cell < columns_rows), axis=-1)
    filled = (near & inside & (classes >= 0)[..., None])[..., None] & fits[:, :, None]  # (N, M, 5, A)

    num_anchors = fits.shape[-1]
    anchor = ops.arange(num_anchors, dtype="int32")
    image = ops.arange(ops.shape(boxes)[0], dtype="int32")[:, None, None]
    cell = ops.clip(cell, 0, columns_rows - 1)  # of empty rows
    position = (image * grid[1] + cell[..., 1]) * grid[0] + cell[..., 0]  # (N, M, 5)
    slots = position[..., None] * num_anchors + anchor

    def spread(values, *trailing):
        """Broadcast values to (N, M, 5, A, *trailing) and flatten them to (P, *trailing)."""
        return ops.reshape(ops.broadcast_to(values, (*ops.shape(filled), *trailing)), (-1, *trailing))

    return Assignment(
        slots=spread(slots),
        anchors=spread(anchor),
        cells=spread(ops.cast(cell, "float32")[:, :, :, None], 2),
        boxes=spread(boxes[:, :, None, None], 4),
        classes=spread(classes[:, :, None, None]),
        filled=spread(filled),
    )


class Collisions(NamedTuple):
    """How crowded a grid is.

    Attributes:
        objects: number of objects that are assigned to the grid.
        sharing: number of objects that share a slot with another object.
        hidden: number of objects that share all of their slots.
    """

    objects: int
    sharing: int
    hidden: int


def count_collisions(assignment: Assignment, fits: keras.KerasTensor) -> Collisions:
    """Count the objects of a grid that share a slot.

    Args:
        assignment: the assignment of the grid.
        fits: bool ``(N, M, A)``, as it was passed to ``assign``.
    """
    slots, filled = (keras.ops.convert_to_numpy(part) for part in (assignment.slots, assignment.filled))
    objects = np.repeat(np.arange(fits.shape[0] * fits.shape[1]), len(NEIGHBORS) * fits.shape[2])[filled]
    _, slot_numbers, claims = np.unique(slots[filled], return_inverse=True, return_counts=True)
    shared = np.bincount(objects[claims[slot_numbers] > 1], minlength=1)
    total = np.bincount(objects, minlength=len(shared))[: len(shared)]
    return Collisions(len(np.unique(objects)), int((shared > 0).sum()), int(((shared > 0) & (shared == total)).sum()))
