"""ArcFace's last layer: how close an embedding lies to the center of each class, with a margin at its own."""

from typing import Any

import keras
from keras import ops

from visionkit.ops.embeddings import arcface_logits, unit


@keras.saving.register_keras_serializable("visionkit")
class ArcFaceLogits(keras.layers.Layer):
    """Logits of classes for training embeddings (Deng et al. 2019, https://arxiv.org/abs/1801.07698).

    Called with ``[embeddings, labels]`` it answers with logits for cross-entropy, float32 ``(N, num_classes)``; called with
    ``embeddings`` alone, with their cosines with the centers of the classes. The layer brings both to length 1. It computes in
    float32 whatever the policy: in half precision angles below a degree are zero.

    Args:
        num_classes: people, in training.
        margin: added to the angle to an embedding's own center, radians, 0 to pi; see ``ops.embeddings.arcface_logits``.
        scale: what cosines are multiplied by. The more classes there are the larger it has to be.
    """

    def __init__(self, num_classes: int, margin: float = 0.5, scale: float = 64.0, **options: Any):
        super().__init__(**{"dtype": "float32"} | options)
        self.num_classes = num_classes
        self.margin = margin
        self.scale = scale

    def build(self, input_shape: Any) -> None:
        """Make the weights: the centers, ``(D, num_classes)``."""
        width = _of_embeddings(input_shape)[-1]
        self.centers = self.add_weight((width, self.num_classes), "glorot_normal", name="centers")

    def call(self, inputs: keras.KerasTensor | list[keras.KerasTensor]) -> keras.KerasTensor:
        """Logits of ``[embeddings (N, D), labels (N,)]``, cosines of ``embeddings (N, D)``."""
        embeddings, labels = inputs if isinstance(inputs, list | tuple) else (inputs, None)
        cosines = ops.matmul(unit(embeddings), unit(self.centers, axis=0))
        return cosines if labels is None else arcface_logits(cosines, labels, self.margin, self.scale)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        """One number a class."""
        return (_of_embeddings(input_shape)[0], self.num_classes)

    def get_config(self) -> dict[str, Any]:
        """For ``.keras`` files."""
        return super().get_config() | {"num_classes": self.num_classes, "margin": self.margin, "scale": self.scale}


def _of_embeddings(input_shape: Any) -> tuple[int | None, ...]:
    """The embeddings' shape, of theirs or of those of embeddings and labels."""
    return input_shape[0] if isinstance(input_shape[0], list | tuple) else input_shape
