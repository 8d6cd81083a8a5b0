"""U-Net: an encoder, and a decoder that gets the encoder's fine maps through skip connections.

U-Net: Convolutional Networks for Biomedical Image Segmentation, Ronneberger et al. 2015, https://arxiv.org/abs/1505.04597.
For volumes: Çiçek et al. 2016, https://arxiv.org/abs/1606.06650. Attention gates: Oktay et al. 2018,
https://arxiv.org/abs/1804.03999. Deep supervision: Lee et al. 2014, https://arxiv.org/abs/1409.5185.

    two 3x3 convolutions per level, each level half as large and twice as wide
    -> up again: twice as large, joined with the encoder's map of that level, two convolutions -> 1x1 convolution to classes
"""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import keras

from visionkit.layers import nd
from visionkit.layers.blocks import Names, normalize_and_activate
from visionkit.layers.inference_mode import InferenceMode
from visionkit.layers.normalization import normalize
from visionkit.layers.upsampling import Upsample
from visionkit.models.endpoints import by_stride, check_padding, select_endpoints, strides_of

SIZE = 572  # pixels a side of the paper's input, which has one channel
FILTERS = (64, 128, 256, 512, 1024)  # filters of the paper's levels, from the finest
DECODER_FILTERS = (16, 32, 64, 128, 256)  # over a backbone, at strides 1 to 16


class Style(NamedTuple):
    """The variant of a U-Net.

    Attributes:
        valid: whether convolutions have no padding and skips are cropped, as in the paper: 572 pixels a side become 388.
        normalized: whether BatchNorm follows each convolution; the paper has none.
        up: "transpose" for transposed convolutions; "resize" for nearest neighbors and a convolution, without a checkerboard.
        attention: whether attention gates weight the skips.
        supervised: number of levels below the finest that predict as well (deep supervision).
        dropout: dropout rate after the deepest level.
        fine: filters of two convolutions of the image itself that are a skip at full resolution, over a backbone, whose finest
            map has stride 2; 0 for none.
    """

    valid: bool = False
    normalized: bool = True
    up: Literal["transpose", "resize"] = "transpose"
    attention: bool = False
    supervised: int = 0
    dropout: float = 0.0
    fine: int = 0


PAPER = Style(valid=True, normalized=False, dropout=0.5)
PADDED = Style()


def unet(
    input_shape: tuple[int | None, ...] | None = None,
    num_classes: int = 2,
    *,
    backbone: keras.Model | None = None,
    pretrained: bool = True,
    filters: Sequence[int] | None = None,
    style: Style = PADDED,
    preset: str = "symmetric",
) -> keras.Model:
    """Build a U-Net with its own encoder, or over a backbone.

    Args:
        input_shape: ``(length, channels)``, ``(height, width, channels)`` or ``(depth, height, width, channels)``. Values are
            float32 in 0..255. With padding, sides are multiples of the largest stride, or None. None takes 572 x 572 x 1, or
            the backbone's shape.
        num_classes: number of pixel classes; 1 for foreground and background.
        backbone: a backbone, built with ``num_classes=None`` or by ``models.backbone``.
        pretrained: whether the backbone's BatchNorm stays in inference mode, even in layers that are trained.
        filters: channels of each level, from the finest. Over a backbone these are the decoder's, at strides 1, 2, 4, ...
        style: see ``Style``.
        preset: normalisation of the values where no backbone does it; "none" for standardised values.

    Returns:
        a model that returns logits ``(N, spatial..., num_classes)``; with ``supervised`` levels
        ``{"logits": ..., "logits_2": ..., "logits_4": ...}``, which are 1, 2, 4, ... times smaller.

    Raises:
        ValueError: the style does not fit the sides.
        UserError: the backbone does not pad its maps.
    """
    if backbone is None:
        inputs = keras.Input(input_shape or (SIZE, SIZE, 1), name="image")
        filters = tuple(filters or FILTERS)
        _check_sides(inputs.shape[1:-1], len(filters), style)  # before the longer error of a layer
        maps = _encoder_maps(normalize(inputs, preset), filters, style)
    else:
        if style.valid:
            raise ValueError("A U-Net over a backbone is padded: leave style.valid out.")
        inputs = keras.Input(input_shape or backbone.input_shape[1:], name="image")
        strides = strides_of(backbone)
        _check_sides(inputs.shape[1:-1], 1 + int(math.log2(strides[-1])), style)
        endpoints = select_endpoints(backbone, tuple(strides))
        check_padding(endpoints, inputs.shape[1:-1])
        features = InferenceMode(endpoints, name="base")(inputs) if pretrained else endpoints(inputs)
        maps = {int(name.removeprefix("stride_")): features[name] for name in by_stride(features)}
        if style.fine:
            maps[1] = _two_convolutions(normalize(inputs, preset), style.fine, style, name="down_1")
        filters = tuple(filters or DECODER_FILTERS)
    stride = max(maps)
    x = maps[stride]
    if style.dropout:
        x = keras.layers.Dropout(style.dropout, name="dropout")(x)
    logits = {}
    while stride > 1:
        stride //= 2
        level = int(math.log2(stride))
        x = _decoder_level(x, maps.get(stride), filters[min(level, len(filters) - 1)], style, name=f"up_{stride}")
        if level <= style.supervised:
            name = "logits" if stride == 1 else f"logits_{stride}"
            logits[name] = nd.layer("Conv", x)(num_classes, 1, dtype="float32", name=name)(x)
    return keras.Model(inputs, logits if style.supervised else logits["logits"], name="unet")


def _encoder_maps(x: keras.KerasTensor, filters: Sequence[int], style: Style) -> dict[int, keras.KerasTensor]:
    """The feature map of each level, by stride."""
    maps = {}
    for level, width in enumerate(filters):
        if level:
            x = nd.layer("MaxPooling", x)(2, name=f"pool_{2**level}")(x)
        x = _two_convolutions(x, width, style, name=f"down_{2**level}")
        maps[2**level] = x
    return maps


def _decoder_level(
    x: keras.KerasTensor, skip: keras.KerasTensor | None, filters: int, style: Style, *, name: str
) -> keras.KerasTensor:
    """Double the sides, and join the map with the encoder's map of that size, if there is one."""
    if style.up == "transpose":
        x = Upsample(filters, name=f"{name}_transpose")(x)
    else:
        x = nd.layer("UpSampling", x)(2, name=f"{name}_resize")(x)
        x = _convolution(x, filters, style._replace(valid=False), name=f"{name}_resized")
    if skip is not None:
        skip = _crop(skip, x, name=f"{name}_crop") if style.valid else skip
        skip = attention_gate(skip, x, filters // 2, name=f"{name}_attention") if style.attention else skip
        x = keras.layers.Concatenate(name=f"{name}_beside")([skip, x])
    return _two_convolutions(x, filters, style, name=name)


def attention_gate(skip: keras.KerasTensor, x: keras.KerasTensor, filters: int, *, name: str) -> keras.KerasTensor:
    """The skip, weighted at each position by a gate in 0..1, which is computed from it and the upsampled coarser map ``x``."""
    conv = nd.layer("Conv", x)
    both = keras.layers.Add(name=f"{name}_add")(
        [conv(filters, 1, name=f"{name}_skip")(skip), conv(filters, 1, use_bias=False, name=f"{name}_gate")(x)]
    )
    both = keras.layers.Activation("relu", name=f"{name}_relu")(both)
    return keras.layers.Multiply(name=name)([skip, conv(1, 1, activation="sigmoid", name=f"{name}_share")(both)])


def _two_convolutions(x: keras.KerasTensor, filters: int, style: Style, *, name: str) -> keras.KerasTensor:
    for number in (1, 2):
        x = _convolution(x, filters, style, name=f"{name}_{number}")
    return x


def _convolution(x: keras.KerasTensor, filters: int, style: Style, *, name: str) -> keras.KerasTensor:
    """A 3x3 convolution, BatchNorm if the style has it, ReLU."""
    x = nd.layer("Conv", x)(
        filters,
        3,
        padding="valid" if style.valid else "same",
        use_bias=not style.normalized,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    if style.normalized:
        return normalize_and_activate(x, Names(f"{name}_conv", f"{name}_bn", f"{name}_relu"), "relu", momentum=0.97)
    return keras.layers.Activation("relu", name=f"{name}_relu")(x)


def _crop(skip: keras.KerasTensor, x: keras.KerasTensor, *, name: str) -> keras.KerasTensor:
    """The middle of ``skip``, as large as ``x``."""
    excess = [whole - part for whole, part in zip(skip.shape[1:-1], x.shape[1:-1], strict=True)]
    edges = tuple((count // 2, count - count // 2) for count in excess)
    return nd.layer("Cropping", x)(edges if len(edges) > 1 else edges[0], name=name)(skip)


def valid_output(side: int, levels: int = len(FILTERS)) -> int | None:
    """The output side of a valid U-Net for an input of ``side`` pixels; None if a map would have an odd side, or no pixels."""
    for _ in range(levels - 1):
        side -= 4
        if side % 2 or side <= 0:
            return None
        side //= 2
    side -= 4
    for _ in range(levels - 1):
        side = 2 * side - 4
    return side if side > 0 else None


def _check_sides(sides: Sequence[int | None], levels: int, style: Style) -> None:
    if style.valid:
        if any(side is None or valid_output(side, levels) is None for side in sides):
            possible = [side for side in range(4 * 2**levels, 1024) if valid_output(side, levels)]
            nearest = [min(possible, key=lambda each: abs(each - (side or SIZE))) for side in sides]
            raise ValueError(f"A valid U-Net of {levels} levels takes no {tuple(sides)}; the nearest it takes: {nearest}.")
        return
    largest = 2 ** (levels - 1)
    if any(side is not None and side % largest for side in sides):
        raise ValueError(f"Sides {tuple(sides)}: a padded U-Net of {levels} levels takes multiples of {largest}.")
