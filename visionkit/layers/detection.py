"""The last layers of a detector: from grids to boxes, and non-maximum suppression."""

from typing import Any

import keras
import numpy as np
from keras import ops

from visionkit.ops import grids
from visionkit.ops.non_max_suppression import nms


@keras.saving.register_keras_serializable("visionkit")
class DecodeGrid(keras.layers.Layer):
    """Decodes the grid of one level to boxes with scores.

    Args:
        anchors: widths and heights ``(A, 2)``, in cells.
    """

    def __init__(self, anchors: Any, **options: Any):
        super().__init__(**options)
        self.anchors = np.asarray(anchors, np.float32)

    def call(self, x: keras.KerasTensor) -> dict[str, keras.KerasTensor]:
        """``(N, rows, columns, A * (5 + C))`` to boxes ``(N, slots, 4)``, xyxy, relative, and scores ``(N, slots, C)`` in 0..1.

        A score is the probability of an object times that of its class; with a single class, the probability of an object.
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
        """The number of slots is None where a side is."""
        batch, rows, columns, numbers = input_shape
        num_anchors = len(self.anchors)
        slots = None if None in (rows, columns) else rows * columns * num_anchors
        return {"boxes": (batch, slots, 4), "scores": (batch, slots, numbers // num_anchors - 5)}

    def get_config(self) -> dict[str, Any]:
        """For ``.keras`` files."""
        return super().get_config() | {"anchors": self.anchors.tolist()}


@keras.saving.register_keras_serializable("visionkit")
class NonMaxSuppression(keras.layers.Layer):
    """``ops.nms`` as a layer: ``{"boxes": (N, A, 4), "scores": (N, A, C)}`` to detections.

    It computes in float32, whatever the dtype policy of the network around it.

    Args:
        score_threshold: candidates need a higher score than this.
        iou_threshold: a better candidate of the same class drops those that overlap it by at least this IoU.
        max_detections: K, rows of the result.
        num_candidates: number of best candidates of an image that are considered.
    """

    def __init__(
        self,
        *,
        score_threshold: float = 0.25,
        iou_threshold: float = 0.6,
        max_detections: int = 300,
        num_candidates: int = 1024,
        **options: Any,
    ):
        super().__init__(autocast=False, **options)
        self.score_threshold, self.iou_threshold = score_threshold, iou_threshold
        self.max_detections, self.num_candidates = max_detections, num_candidates

    def call(self, predictions: dict[str, keras.KerasTensor]) -> dict[str, keras.KerasTensor]:
        """``boxes (N, K, 4)``, ``scores (N, K)``, ``classes`` int32 ``(N, K)``; see ``ops.Detections``."""
        return nms(predictions["boxes"], predictions["scores"], **self._own_config())._asdict()

    def compute_output_spec(self, predictions: dict[str, keras.KerasTensor]) -> dict[str, keras.KerasTensor]:
        """Shapes and dtypes of the detections."""
        shapes = self.compute_output_shape({"boxes": predictions["boxes"].shape})
        return {name: keras.KerasTensor(shape, "int32" if name == "classes" else "float32") for name, shape in shapes.items()}

    def compute_output_shape(self, input_shape: dict[str, tuple[int | None, ...]]) -> dict[str, tuple[int | None, ...]]:
        """``max_detections`` rows for every image."""
        rows = (input_shape["boxes"][0], self.max_detections)
        return {"boxes": (*rows, 4), "scores": rows, "classes": rows}

    def _own_config(self) -> dict[str, Any]:
        names = ("score_threshold", "iou_threshold", "max_detections", "num_candidates")
        return {name: getattr(self, name) for name in names}

    def get_config(self) -> dict[str, Any]:
        """For ``.keras`` files."""
        return super().get_config() | self._own_config()
