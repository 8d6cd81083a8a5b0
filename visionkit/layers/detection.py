"""The last layers of a detector."""

from typing import Any

import keras

from visionkit.ops.nms import class_wise_nms


@keras.saving.register_keras_serializable("visionkit")
class NonMaxSuppression(keras.layers.Layer):
    """``ops.nms.class_wise_nms`` as a layer: ``{"boxes": (N, A, 4), "scores": (N, A, C)}`` to what is found.

    It computes in float32, whatever the network around it does.

    Args:
        score_threshold: a candidate has more than this.
        iou_threshold: a candidate is dropped by a better one of its class with at least this IoU.
        max_detections: K, rows of the answer.
        num_candidates: so many of a picture's best candidates are looked at.
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

    def call(self, answers: dict[str, keras.KerasTensor]) -> dict[str, keras.KerasTensor]:
        """``boxes (N, K, 4)``, ``scores (N, K)``, ``classes`` int32 ``(N, K)``; rows after the last are zeros, of class -1."""
        return class_wise_nms(answers["boxes"], answers["scores"], **self._own_config())._asdict()

    def compute_output_spec(self, answers: dict[str, keras.KerasTensor]) -> dict[str, keras.KerasTensor]:
        """Shapes and dtypes of the answer."""
        shapes = self.compute_output_shape({"boxes": answers["boxes"].shape})
        return {name: keras.KerasTensor(shape, "int32" if name == "classes" else "float32") for name, shape in shapes.items()}

    def compute_output_shape(self, input_shape: dict[str, tuple[int | None, ...]]) -> dict[str, tuple[int | None, ...]]:
        """As many pictures, each with ``max_detections`` rows."""
        rows = (input_shape["boxes"][0], self.max_detections)
        return {"boxes": (*rows, 4), "scores": rows, "classes": rows}

    def _own_config(self) -> dict[str, Any]:
        names = ("score_threshold", "iou_threshold", "max_detections", "num_candidates")
        return {name: getattr(self, name) for name in names}

    def get_config(self) -> dict[str, Any]:
        """For ``.keras`` files."""
        return super().get_config() | self._own_config()
