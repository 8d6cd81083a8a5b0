"""Conditional instance normalisation: one network for several styles, each with its own scale and offset."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("visionkit")
class ConditionalInstanceNormalization(keras.layers.Layer):
    """Normalises each channel of each image to mean 0 and deviation 1, then applies the style's scale and offset.

    A Learned Representation for Artistic Style, Dumoulin et al. 2016, https://arxiv.org/abs/1610.07629. Called with
    ``[x (N, H, W, C), styles (N, num_styles)]``, where ``styles`` holds the weight of each style: a single 1 for one style,
    weights that sum to 1 for a blend. Statistics are computed in float32 under every dtype policy.

    Args:
        num_styles: number of styles, at least 1.
        epsilon: added to the variance.
    """

    def __init__(self, num_styles: int = 1, epsilon: float = 1e-3, **options: Any):
        super().__init__(**options)
        self.num_styles = num_styles
        self.epsilon = epsilon

    def build(self, input_shape: Any) -> None:
        """Create the weights: one row per style."""
        channels = input_shape[0][-1]
        self.gamma = self.add_weight((self.num_styles, channels), "ones", name="gamma")
        self.beta = self.add_weight((self.num_styles, channels), "zeros", name="beta")

    def call(self, inputs: list[keras.KerasTensor]) -> keras.KerasTensor:
        """The normalised feature maps, in the shape and dtype of the first input."""
        x, styles = inputs
        wide = ops.cast(x, "float32")
        mean, variance = ops.moments(wide, axes=(1, 2), keepdims=True)
        gamma, beta = (ops.matmul(ops.cast(styles, "float32"), ops.cast(w, "float32")) for w in (self.gamma, self.beta))
        scale = gamma[:, None, None] * ops.rsqrt(variance + self.epsilon)
        return ops.cast(wide * scale + (beta[:, None, None] - mean * scale), x.dtype)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """The shape of the first input."""
        return tuple(input_shape[0])

    def get_config(self) -> dict[str, Any]:
        """For ``.keras`` files."""
        return super().get_config() | {"num_styles": self.num_styles, "epsilon": self.epsilon}
