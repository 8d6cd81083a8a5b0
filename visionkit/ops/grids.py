"""The grid of a YOLO head: boxes as offsets from a cell and an anchor, and back.

A slot is a pair (cell, anchor). It encodes a box by four numbers t (https://docs.ultralytics.com/yolov5/tutorials/architecture_description):

    center = cell + 2 * sigmoid(t) - 0.5, in cells: from half a cell before the cell to half a cell beyond it
    sides  = anchor * (2 * sigmoid(t)) ** 2: from zero to four times the anchor, which may exceed a cell or the image
"""

import keras
from keras import ops

from visionkit.ops.boxes import cxcywh_of, xyxy_of

LARGEST_RATIO = 4.0  # between a side of a box and that of its anchor
ROUNDING = 1e-6  # keeps the inverse of the sigmoid finite


def cells(height: int, width: int) -> keras.KerasTensor:
    """The position of each cell, float32 ``(height, width, 2)``: column, row."""
    columns, rows = ops.meshgrid(ops.arange(width), ops.arange(height))
    return ops.cast(ops.stack([columns, rows], axis=-1), "float32")


def decode(offsets: keras.KerasTensor, cell: keras.KerasTensor, anchors: keras.KerasTensor, grid: tuple[int, int]):  # noqa: ANN201
    """Decode offsets to boxes.

    Args:
        offsets: t, ``(..., 4)``.
        cell: column and row of each slot, broadcastable to ``(..., 2)``.
        anchors: widths and heights in cells, broadcastable to ``(..., 2)``. They are not relative to the image, because a
            network that sees pixels cannot know how large the whole image is.
        grid: columns and rows of the grid.

    Returns:
        xyxy ``(..., 4)``, relative to the image; they may reach beyond it.
    """
    shares = 2 * ops.sigmoid(offsets)
    centers, sides = cell + shares[..., :2] - 0.5, anchors * ops.square(shares[..., 2:])
    return xyxy_of(ops.concatenate([centers / _as_float(grid), sides / _as_float(grid)], axis=-1))


def encode(boxes: keras.KerasTensor, cell: keras.KerasTensor, anchors: keras.KerasTensor, grid: tuple[int, int]):  # noqa: ANN201
    """The inverse of ``decode``: offsets ``(..., 4)``; a box that a slot cannot encode gets the nearest possible offsets."""
    centers, sides = ops.split(cxcywh_of(boxes), 2, axis=-1)
    shares = ops.concatenate([centers * _as_float(grid) - cell + 0.5, ops.sqrt(sides * _as_float(grid) / anchors)], axis=-1) / 2
    shares = ops.clip(shares, ROUNDING, 1 - ROUNDING)
    return ops.log(shares / (1 - shares))


def _as_float(grid: tuple[int, int]) -> keras.KerasTensor:
    return ops.cast(ops.stack(grid), "float32")
