"""U-Net's way up: a transposed convolution of two by two pixels that does not overlap itself."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("visionkit")
class Doubling(keras.layers.Layer):
    """A transposed convolution, stride 2 and kernel 2 a side, of any rank: ``(N, sides..., C)`` to twice the sides.

    Each pixel becomes a square of its own, so it is a matrix product and a rearrangement, which TensorFlow does faster on a CPU
    than Keras' layers, whose kernel and bias it has.

    Args:
        filters: channels of the result.
    """

    def __init__(self, filters: int, **options: Any):
        super().__init__(**options)
        self.filters = filters

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weights."""
        squares = (2,) * (len(input_shape) - 2)
        self.kernel = self.add_weight((*squares, self.filters, input_shape[-1]), "he_normal", name="kernel")
        self.bias = self.add_weight((self.filters,), "zeros", name="bias")

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """The doubled maps."""
        rank = len(x.shape) - 2
        sides = ops.shape(x)[1:-1]
        table = ops.reshape(ops.moveaxis(self.kernel, -1, 0), (x.shape[-1], 2**rank * self.filters))
        squares = ops.matmul(ops.reshape(x, (-1, x.shape[-1])), table)
        squares = ops.reshape(squares, (-1, *sides, *[2] * rank, self.filters))
        beside = [axis for side in range(1, rank + 1) for axis in (side, side + rank)]  # each side with its two halves
        spread = ops.transpose(squares, (0, *beside, 2 * rank + 1))
        return ops.reshape(spread, (-1, *(2 * side for side in sides), self.filters)) + self.bias

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Twice the sides."""
        return (input_shape[0], *(None if side is None else 2 * side for side in input_shape[1:-1]), self.filters)

    def get_config(self) -> dict[str, Any]:
        """For ``.keras`` files."""
        return super().get_config() | {"filters": self.filters}
