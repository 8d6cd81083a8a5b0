"""Upsampling by 2: U-Net's transposed convolution, and the resize-convolution of style transfer."""

from typing import Any

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable("visionkit", name="Doubling")
class Upsample(keras.layers.Layer):
    """A transposed convolution of any rank with stride 2 and kernel size 2: ``(N, sides..., C)`` to twice the sides.

    Each pixel becomes a square that overlaps no other, so the layer is a matrix product and a rearrangement, which is faster on
    a CPU than Keras' layers. Its kernel and bias are theirs.

    Args:
        filters: channels of the output.
    """

    def __init__(self, filters: int, **options: Any):
        super().__init__(**options)
        self.filters = filters

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the weights."""
        squares = (2,) * (len(input_shape) - 2)
        self.kernel = self.add_weight((*squares, self.filters, input_shape[-1]), "he_normal", name="kernel")
        self.bias = self.add_weight((self.filters,), "zeros", name="bias")

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """The upsampled feature maps."""
        rank = len(x.shape) - 2
        sides = ops.shape(x)[1:-1]
        table = ops.reshape(ops.moveaxis(self.kernel, -1, 0), (x.shape[-1], 2**rank * self.filters))
        squares = ops.matmul(ops.reshape(x, (-1, x.shape[-1])), table)
        squares = ops.reshape(squares, (-1, *sides, *[2] * rank, self.filters))
        axes = [axis for side in range(1, rank + 1) for axis in (side, side + rank)]  # each side with its two halves
        squares = ops.transpose(squares, (0, *axes, 2 * rank + 1))
        return ops.reshape(squares, (-1, *(2 * side for side in sides), self.filters)) + self.bias

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Twice the sides."""
        return (input_shape[0], *(None if side is None else 2 * side for side in input_shape[1:-1]), self.filters)

    def get_config(self) -> dict[str, Any]:
        """For ``.keras`` files."""
        return super().get_config() | {"filters": self.filters}


# Repeated pixels double the rows: at a corner of four pixels, one output row is centered on the second copy of the upper pixel,
# the next on the first copy of the lower pixel. This table marks which of the kernel's three rows fall on the upper and on the
# lower pixel: (output row, pixel, row of the kernel).
FALLS_ON = np.array([[[1, 1, 0], [0, 0, 1]], [[1, 0, 0], [0, 1, 1]]], "float32")


@keras.saving.register_keras_serializable("visionkit", name="RepeatingConv2D")
class UpsampleConv2D(keras.layers.Layer):
    """``UpSampling2D(2)``, mirror padding by one pixel, and ``Conv2D(filters, 3, use_bias=False)`` in one layer.

    Repeated pixels avoid checkerboard artifacts: Deconvolution and Checkerboard Artifacts, Odena et al. 2016,
    https://distill.pub/2016/deconv-checkerboard. Two of the three rows of the kernel fall on the same pixel, and so do two of
    its columns: summing them first leaves four of nine multiplications. The weights are those of the plain convolution.

    Args:
        filters: channels of the output.
    """

    def __init__(self, filters: int, **options: Any):
        super().__init__(**options)
        self.filters = filters

    def build(self, input_shape: Any) -> None:
        """Create the kernel, ``(3, 3, channels, filters)``."""
        self.kernel = self.add_weight((3, 3, input_shape[-1], self.filters), "glorot_uniform", name="kernel")

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """``(N, H, W, channels)`` to ``(N, 2 H, 2 W, filters)``."""
        num_images, height, width, channels = ops.shape(x)
        falls_on = ops.cast(FALLS_ON, x.dtype)
        kernel = ops.einsum("aik,bjl,klcf->ijcabf", falls_on, falls_on, ops.cast(self.kernel, x.dtype))
        kernel = ops.reshape(kernel, (2, 2, channels, 4 * self.filters))
        # Mirroring repeated pixels repeats the pixel at the border once more.
        x = ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="symmetric")
        x = ops.conv(x, kernel, padding="valid", data_format="channels_last")
        x = ops.reshape(x, (num_images, height + 1, width + 1, 2, 2 * self.filters))
        x = ops.transpose(x, (0, 1, 3, 2, 4))  # rows of each corner before its columns
        x = ops.reshape(x, (num_images, 2 * height + 2, 2 * width + 2, self.filters))
        return x[:, 1:-1, 1:-1]

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """Twice the sides."""
        sides = (None if side is None else 2 * side for side in input_shape[1:3])
        return (input_shape[0], *sides, self.filters)

    def get_config(self) -> dict[str, Any]:
        """For ``.keras`` files."""
        return super().get_config() | {"filters": self.filters}


# Keras names the weights in a file after the class of their layer, and files from before the two were renamed must load.
Upsample.__name__, UpsampleConv2D.__name__ = "Doubling", "RepeatingConv2D"
