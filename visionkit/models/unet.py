"""U-Net: down to what is there, up again to where it is, with the fine maps handed across.

U-Net: Convolutional Networks for Biomedical Image Segmentation, Ronneberger et al. 2015, https://arxiv.org/abs/1505.04597.
Of volumes: Çiçek et al. 2016, https://arxiv.org/abs/1606.06650. Attention gates: Oktay et al. 2018,
https://arxiv.org/abs/1804.03999. Deep supervision: Lee et al. 2014, https://arxiv.org/abs/1409.5185.

    two 3x3 convolutions a level, each level half as large and twice as wide
    -> up again: twice as large, beside the map of that level, two convolutions -> 1x1 convolution to classes
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
from visionkit.models.endpoints import by_stride, select_endpoints, strides_of

SIZE = 572  # pixels a side, with one channel: the paper's
FILTERS = (64, 128, 256, 512, 1024)  # of the paper's levels, from the finest
DECODER_FILTERS = (16, 32, 64, 128, 256)  # over a backbone, at strides 1 to 16


class Style(NamedTuple):
    """How a U-Net is made.

    Attributes:
        valid: convolutions without padding and cropped skips, as in the paper: 572 pixels a side become 388.
        normalized: batch normalisation behind each convolution; the paper has none.
        up: a transposed convolution, or nearest neighbors and a convolution, which leaves no checkerboard.
        attention: gates on the skips.
        supervised: how many levels below the finest answer, too.
        dropout: behind the deepest level.
        fine: filters of two convolutions of the image itself, handed across at the end: a backbone begins at stride 2, and
            knows nothing finer; 0 for none.
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
    """Build a U-Net, with an encoder of its own or over a backbone.

    Args:
        input_shape: ``(length, channels)``, ``(height, width, channels)`` or ``(depth, height, width, channels)``. Values are
            float32 in 0..255. Padded, sides may be None, and are multiples of the largest stride. None takes 572 x 572 x 1, or
            what the backbone takes.
        num_classes: of the pixels; 1 for foreground alone.
        backbone: built with ``num_classes=None``.
        pretrained: the backbone's BatchNorm then stays in inference mode, also where it is trained.
        filters: channels of the levels, from the finest; they are as many as levels. Over a backbone those of the decoder, at
            strides 1, 2, 4, ...
        style: see ``Style``.
        preset: how values are normalised, where no backbone does it; "none" for such as are standardised already.

    Returns:
        a model of logits ``(N, spatial..., num_classes)``; with ``supervised`` levels of
        ``{"logits": ..., "logits_2": ..., "logits_4": ...}``, each so much smaller.

    Raises:
        ValueError: sides that the style cannot take, or a backbone without padding.
    """
    if backbone is None:
        inputs = keras.Input(input_shape or (SIZE, SIZE, 1), name="image")
        filters = tuple(filters or FILTERS)
        _check_sides(inputs.shape[1:-1], len(filters), style)  # before the layers' own, longer error
        maps = _encoded(normalize(inputs, preset), filters, style)
    else:
        if style.valid:
            raise ValueError("A U-Net over a backbone is padded: leave style.valid out.")
        inputs = keras.Input(input_shape or backbone.input_shape[1:], name="image")
        strides = strides_of(backbone)
        _check_sides(inputs.shape[1:-1], 1 + int(math.log2(strides[-1])), style)
        endpoints = select_endpoints(backbone, tuple(strides))
        features = InferenceMode(endpoints, name="base")(inputs) if pretrained else endpoints(inputs)
        maps = {int(name.removeprefix("stride_")): features[name] for name in by_stride(features)}
        if style.fine:
            maps[1] = _two_convolutions(normalize(inputs, preset), style.fine, style, name="down_1")
        filters = tuple(filters or DECODER_FILTERS)
    stride = max(maps)
    x = maps[stride]
    if style.dropout:
        x = keras.layers.Dropout(style.dropout, name="dropout")(x)
    answers = {}
    while stride > 1:
        stride //= 2
        level = int(math.log2(stride))
        x = _decoded(x, maps.get(stride), filters[min(level, len(filters) - 1)], style, name=f"up_{stride}")
        if level <= style.supervised:
            name = "logits" if stride == 1 else f"logits_{stride}"
            answers[name] = nd.layer("Conv", x)(num_classes, 1, dtype="float32", name=name)(x)
    return keras.Model(inputs, answers if style.supervised else answers["logits"], name="unet")


def _encoded(x: keras.KerasTensor, filters: Sequence[int], style: Style) -> dict[int, keras.KerasTensor]:
    """The map of each level by its stride."""
    maps = {}
    for level, width in enumerate(filters):
        if level:
            x = nd.layer("MaxPooling", x)(2, name=f"pool_{2**level}")(x)
        x = _two_convolutions(x, width, style, name=f"down_{2**level}")
        maps[2**level] = x
    return maps


def _decoded(
    x: keras.KerasTensor, skip: keras.KerasTensor | None, filters: int, style: Style, *, name: str
) -> keras.KerasTensor:
    """Twice as large, beside the encoder's map of that size, if there is one."""
    if style.up == "transpose":
        x = Upsample(filters, name=f"{name}_transpose")(x)
    else:
        x = nd.layer("UpSampling", x)(2, name=f"{name}_resize")(x)
        x = _convolution(x, filters, style._replace(valid=False), name=f"{name}_resized")
    if skip is not None:
        skip = _cropped(skip, x, name=f"{name}_crop") if style.valid else skip
        skip = attention_gate(skip, x, filters // 2, name=f"{name}_attention") if style.attention else skip
        x = keras.layers.Concatenate(name=f"{name}_beside")([skip, x])
    return _two_convolutions(x, filters, style, name=name)


def attention_gate(skip: keras.KerasTensor, x: keras.KerasTensor, filters: int, *, name: str) -> keras.KerasTensor:
    """The skip, each place scaled by how much the coarser map ``x``, of the same size by now, has to do with it, 0..1."""
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
    """3x3, normalised if it is to be, ReLU."""
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


def _cropped(skip: keras.KerasTensor, x: keras.KerasTensor, *, name: str) -> keras.KerasTensor:
    """The middle of ``skip``, as large as ``x``."""
    beyond = [whole - part for whole, part in zip(skip.shape[1:-1], x.shape[1:-1], strict=True)]
    edges = tuple((count // 2, count - count // 2) for count in beyond)
    return nd.layer("Cropping", x)(edges if len(edges) > 1 else edges[0], name=name)(skip)


def valid_output(side: int, levels: int = len(FILTERS)) -> int | None:
    """The side of what a valid U-Net answers for ``side`` pixels; None where a map has an odd side, or nothing is left."""
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
            known = [side for side in range(4 * 2**levels, 1024) if valid_output(side, levels)]
            nearest = [min(known, key=lambda each: abs(each - (side or SIZE))) for side in sides]
            raise ValueError(f"A valid U-Net of {levels} levels takes no {tuple(sides)}; the nearest it takes: {nearest}.")
        return
    largest = 2 ** (levels - 1)
    if any(side is not None and side % largest for side in sides):
        raise ValueError(f"Sides {tuple(sides)}: a padded U-Net of {levels} levels takes multiples of {largest}.")
