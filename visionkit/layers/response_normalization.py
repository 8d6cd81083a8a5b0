"""Local response normalisation, which AlexNet and GoogLeNet used before there was batch normalisation."""

from typing import Any

import keras


@keras.saving.register_keras_serializable("visionkit")
class LocalResponseNormalization(keras.layers.Layer):
    """Divides each value by the energy of neighboring channels: ``x / (bias + alpha * sum(x ** 2)) ** beta``.

    ImageNet Classification with Deep Convolutional Neural Networks, Krizhevsky et al. 2012, section 3.3, whose constants are
    the defaults. As ``tf.nn.local_response_normalization``; PyTorch's and Caffe's ``alpha`` is ours times ``channels``.

    Args:
        channels: number of channels in the sum, centered on the value's own.
        bias: the paper's k.
    """

    def __init__(self, channels: int = 5, bias: float = 2.0, alpha: float = 1e-4, beta: float = 0.75, **options: Any):
        super().__init__(**options)
        self.channels, self.bias, self.alpha, self.beta = channels, bias, alpha, beta

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """``(N, ..., C)`` to the same shape."""
        count, before = x.shape[-1], self.channels // 2
        squares = keras.ops.pad(x**2, [[0, 0]] * (len(x.shape) - 1) + [[before, before]])
        energy = sum(squares[..., first : first + count] for first in range(self.channels))
        return x / (self.bias + self.alpha * energy) ** self.beta

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The shape of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """For ``.keras`` files."""
        constants = {"channels": self.channels, "bias": self.bias, "alpha": self.alpha, "beta": self.beta}
        return super().get_config() | constants
