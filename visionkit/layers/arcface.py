"""ArcFace's last layer: the cosine of an embedding with each class center, with a margin at its own class."""

from typing import Any

import keras
from keras import ops

from visionkit.ops.embeddings import arcface_logits, unit


@keras.saving.register_keras_serializable("visionkit")
class ArcFaceLogits(keras.layers.Layer):
    """Logits of classes for training embeddings (Deng et al. 2019, https://arxiv.org/abs/1801.07698).

    Called with ``[embeddings, labels]`` it returns logits for cross-entropy, float32 ``(N, num_classes)``; called with
    ``embeddings`` alone, their cosines with the class centers. The layer normalizes embeddings and centers to length 1. It
    computes in float32 under every dtype policy, because in half precision angles below a degree are zero.

    Args:
        num_classes: number of people in the training data.
        margin: angle that is added between an embedding and its own center, radians, 0 to pi; see ``ops.arcface_logits``.
        scale: factor of the cosines; the more classes there are, the larger it has to be.
    """

    def __init__(self, num_classes: int, margin: float = 0.5, scale: float = 64.0, **options: Any):
        super().__init__(**{"dtype": "float32"} | options)
        self.num_classes = num_classes
        self.margin = margin
        self.scale = scale

    def build(self, input_shape: Any) -> None:
        """Create the weights: the centers, ``(D, num_classes)``."""
        width = _embeddings_shape(input_shape)[-1]
        self.centers = self.add_weight((width, self.num_classes), "glorot_normal", name="centers")

    def call(self, inputs: keras.KerasTensor | list[keras.KerasTensor]) -> keras.KerasTensor:
        """Logits of ``[embeddings (N, D), labels (N,)]``, cosines of ``embeddings (N, D)``."""
        embeddings, labels = inputs if isinstance(inputs, list | tuple) else (inputs, None)
        cosines = ops.matmul(unit(embeddings), unit(self.centers, axis=0))
        return cosines if labels is None else arcface_logits(cosines, labels, self.margin, self.scale)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        """One number per class."""
        return (_embeddings_shape(input_shape)[0], self.num_classes)

    def get_config(self) -> dict[str, Any]:
        """For ``.keras`` files."""
        return super().get_config() | {"num_classes": self.num_classes, "margin": self.margin, "scale": self.scale}


def _embeddings_shape(input_shape: Any) -> tuple[int | None, ...]:
    """The shape of the embeddings, with or without that of the labels beside it."""
    return input_shape[0] if isinstance(input_shape[0], list | tuple) else input_shape
