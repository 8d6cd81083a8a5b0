"""A network that paints an image in a learned style, in one pass.

Perceptual Losses for Real-Time Style Transfer and Super-Resolution, Johnson et al. 2016, https://arxiv.org/abs/1603.08155, with
instance normalisation (Ulyanov et al. 2016, https://arxiv.org/abs/1607.08022), one for each style (Dumoulin et al. 2016,
https://arxiv.org/abs/1610.07629), and repeated pixels instead of transposed convolutions, which leave a checkerboard.

    convolution 9x9 -> two convolutions /2 -> five residual blocks -> two times (repeated x2, convolution) -> convolution 9x9
"""

from pathlib import Path

import keras
from keras import ops

from visionkit.layers.instance_normalization import ConditionalInstanceNormalization
from visionkit.layers.nd import CHANNELS_LAST
from visionkit.layers.normalization import normalize
from visionkit.layers.upsampling import UpsampleConv2D
from visionkit.models.pretrained import load_weights

MULTIPLE = 4  # the sides of an image are multiples of this
SMALLEST = 32  # pixels a side: smaller images have too few pixels to mirror at the border


def style_network(
    input_shape: tuple[int | None, ...] | None = None,
    num_styles: int = 1,
    *,
    weights: str | Path | None = None,
    filters: int = 32,
    num_residuals: int = 5,
) -> keras.Model:
    """Build the network.

    Args:
        input_shape: ``(height, width, 3)``; sides may be None, and are multiples of ``MULTIPLE``, at least ``SMALLEST``. None
            takes images of any size.
        num_styles: number of styles to learn.
        weights: None, or the path of Keras' ``.weights.h5`` or ``.keras``.
        filters: channels at full resolution; there are twice as many at half and four times as many at a quarter of it.
        num_residuals: number of residual blocks, at a quarter of the resolution.

    Returns:
        a model from ``[image, style]`` to images, float32 ``(N, height, width, 3)`` in 0..255. ``image`` has the same
        shape and range; ``style`` is float32 ``(N, num_styles)``: weights of the styles that sum to 1.
    """
    inputs = keras.Input(input_shape or (None, None, 3), name="image")
    style = keras.Input((num_styles,), name="style")
    x = normalize(inputs, "symmetric")
    x = _conv(x, style, filters, 9, name="stem")
    x = _conv(x, style, 2 * filters, 3, strides=2, name="down1")
    x = _conv(x, style, 4 * filters, 3, strides=2, name="down2")
    for number in range(1, num_residuals + 1):
        x = residual(x, style, name=f"residual{number}")
    for number, width in enumerate((2 * filters, filters), start=1):
        x = UpsampleConv2D(width, name=f"up{number}_conv")(x)
        x = _normalize_style(x, style, name=f"up{number}")
    x = mirror_pad(x, 4)
    x = keras.layers.Conv2D(3, 9, data_format=CHANNELS_LAST, dtype="float32", name="paint")(x)
    painted = keras.layers.Rescaling(255.0, dtype="float32", name="pixels")(
        keras.layers.Activation("sigmoid", dtype="float32", name="shade")(x)
    )
    model = keras.Model([inputs, style], painted, name="style_network")
    load_weights(model, weights)
    return model


def residual(x: keras.KerasTensor, style: keras.KerasTensor, *, name: str) -> keras.KerasTensor:
    """Add the result of two convolutions to ``(N, H, W, C)``."""
    inner = _conv(x, style, x.shape[-1], 3, name=f"{name}_1")
    inner = _conv(inner, style, x.shape[-1], 3, name=f"{name}_2", activation=None)
    return keras.layers.Add(name=name)([x, inner])


def mirror_pad(x: keras.KerasTensor, count: int) -> keras.KerasTensor:
    """Pad ``(N, H, W, C)`` by ``count`` mirrored pixels on each side: zeros would be painted as a frame."""
    return ops.pad(x, ((0, 0), (count, count), (count, count), (0, 0)), mode="reflect")


def _conv(
    x: keras.KerasTensor,
    style: keras.KerasTensor,
    filters: int,
    kernel_size: int,
    *,
    name: str,
    strides: int = 1,
    activation: str | None = "relu",
) -> keras.KerasTensor:
    """Mirrored border, convolution, the style's normalisation, activation."""
    x = mirror_pad(x, kernel_size // 2)
    x = keras.layers.Conv2D(filters, kernel_size, strides, data_format=CHANNELS_LAST, use_bias=False, name=f"{name}_conv")(x)
    return _normalize_style(x, style, name=name, activation=activation)


def _normalize_style(
    x: keras.KerasTensor, style: keras.KerasTensor, *, name: str, activation: str | None = "relu"
) -> keras.KerasTensor:
    """The style's normalisation and an activation."""
    x = ConditionalInstanceNormalization(style.shape[-1], name=f"{name}_norm")([x, style])
    return x if activation is None else keras.layers.Activation(activation, name=f"{name}_{activation}")(x)
