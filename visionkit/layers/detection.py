"""From what a detector's grids say to boxes."""

from typing import Any

import keras
import numpy as np
from keras import ops

from visionkit.ops import grids


@keras.saving.register_keras_serializable("visionkit")
class DecodeGrid(keras.layers.Layer):
    """What the grid of one scale says, as boxes with scores.

    Args:
        anchors: widths and heights ``(A, 2)``, relative to the picture.
    """

    def __init__(self, anchors: Any, **options: Any):
        super().__init__(**options)
        self.anchors = np.asarray(anchors, np.float32)

    def call(self, x: keras.KerasTensor) -> dict[str, keras.KerasTensor]:
        """``(N, rows, columns, A * (5 + C))`` to boxes ``(N, slots, 4)``, xyxy, relative, and scores ``(N, slots, C)`` in 0..1.

        A score is the chance of an object times that of its class; where there is one class, the chance of an object.
        """
        rows, columns, num_anchors = ops.shape(x)[1], ops.shape(x)[2], len(self.anchors)
        num_classes = x.shape[-1] // num_anchors - 5
        x = ops.reshape(x, (-1, rows, columns, num_anchors, 5 + num_classes))
        cell = grids.cells(rows, columns)[:, :, None]
        boxes = grids.decode(x[..., :4], cell, ops.convert_to_tensor(self.anchors), (columns, rows))
        scores = ops.sigmoid(x[..., 4:5])
        scores = scores * ops.sigmoid(x[..., 5:]) if num_classes > 1 else scores
        slots = rows * columns * num_anchors
        return {"boxes": ops.reshape(boxes, (-1, slots, 4)), "scores": ops.reshape(scores, (-1, slots, num_classes))}

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> dict[str, tuple[int | None, ...]]:
        """Slots are None where a side is."""
        batch, rows, columns, numbers = input_shape
        num_anchors = len(self.anchors)
        slots = None if None in (rows, columns) else rows * columns * num_anchors
        return {"boxes": (batch, slots, 4), "scores": (batch, slots, numbers // num_anchors - 5)}

    def get_config(self) -> dict[str, Any]:
        """For ``.keras`` files."""
        return super().get_config() | {"anchors": self.anchors.tolist()}
