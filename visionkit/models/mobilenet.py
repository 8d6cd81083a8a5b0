"""MobileNet v1 and v2.

MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications, Howard et al. 2017,
https://arxiv.org/abs/1704.04861.
MobileNetV2: Inverted Residuals and Linear Bottlenecks, Sandler et al. 2018, https://arxiv.org/abs/1801.04381.
Layers are named as in keras.applications, whose weights they load.
"""

from typing import Literal, NamedTuple

import keras

from visionkit.layers.blocks import EPSILON, Names, conv_bn, depthwise_bn, make_divisible
from visionkit.layers.normalization import normalize
from visionkit.models.endpoints import Endpoints
from visionkit.models.heads import classifier_head
from visionkit.models.pretrained import layout_of, load_weights


class Stage(NamedTuple):
    """One row of the paper's table 2."""

    expansion: int
    filters: int
    repeats: int
    strides: int


STAGES = (
    Stage(1, 16, 1, 1),
    Stage(6, 24, 2, 2),
    Stage(6, 32, 3, 2),
    Stage(6, 64, 4, 2),
    Stage(6, 96, 3, 1),
    Stage(6, 160, 3, 2),
    Stage(6, 320, 1, 1),
)
V1_BLOCKS = (  # filters and strides: table 1 of the first paper
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *[(512, 1)] * 5,
    (1024, 2),
    (1024, 1),
)
SIZE = 224  # pixels a side, by default
MOMENTUM = 0.999  # of the moving statistics
TORCH_EPSILON = 1e-5  # of the normalisation


def mobilenet(
    input_shape: tuple[int | None, ...] | None = None,
    num_classes: int | None = 1000,
    *,
    weights: str | None = None,
    width: float = 1.0,
    dropout: float = 1e-3,
) -> keras.Model:
    """Build MobileNet v1: every convolution but the first is split into a depthwise one and a 1x1 one.

    Args:
        input_shape: ``(height, width, channels)`` or ``(length, channels)``; None takes 224 x 224 x 3. Sides may be None.
            Pixels are float32 in 0..255.
        num_classes: outputs of the classifier; None builds a backbone.
        weights: None, "imagenet" (widths 0.25, 0.5, 0.75, 1.0), or a path.
        width: multiplier of every layer's channels (the paper's alpha).
        dropout: dropout rate before the classifier.

    Returns:
        a model from ``(N, ..., channels)`` to logits ``(N, num_classes)``; a backbone instead returns
        ``{"stride_2": ..., "stride_32": ...}``.
    """
    inputs = keras.Input(input_shape or (SIZE, SIZE, 3), name="image")
    x = normalize(inputs, "symmetric")
    x = conv_bn(x, int(32 * width), 3, strides=2, activation="relu6", names=Names("conv1", "conv1_bn", "conv1_relu"))
    endpoints, stride = Endpoints(), 2
    for number, (filters, strides) in enumerate(V1_BLOCKS, start=1):
        stride *= strides
        x = depthwise_separable(x, int(filters * width), strides=strides, number=number)
        endpoints.add(stride, x)
    if num_classes is None:
        model = keras.Model(inputs, dict(endpoints), name="mobilenet")
    else:
        model = keras.Model(inputs, classifier_head(x, num_classes, dropout=dropout), name="mobilenet")
    load_weights(model, weights, peer_arguments={"alpha": width})
    return model


def depthwise_separable(x: keras.KerasTensor, filters: int, *, strides: int, number: int) -> keras.KerasTensor:
    """One 3x3 filter per channel, then a 1x1 convolution over the channels: about a ninth of the work of a full 3x3.

    Args:
        x: ``(N, spatial..., C)``.
    """
    depthwise, pointwise = (Names(*(f"conv_{kind}_{number}{end}" for end in ("", "_bn", "_relu"))) for kind in ("dw", "pw"))
    x = depthwise_bn(x, 3, strides=strides, activation="relu6", names=depthwise)
    return conv_bn(x, filters, 1, activation="relu6", names=pointwise)


def mobilenet_v2(
    input_shape: tuple[int | None, ...] | None = None,
    num_classes: int | None = 1000,
    *,
    weights: str | None = None,
    width: float = 1.0,
    dropout: float = 0.2,
    layout: Literal["keras", "torchvision"] | None = None,
) -> keras.Model:
    """Build MobileNetV2.

    Args:
        input_shape: ``(height, width, channels)`` or ``(length, channels)``; None takes 224 x 224 x 3. Sides may be None.
            Pixels are float32 in 0..255.
        num_classes: outputs of the classifier; None builds a backbone.
        weights: None, "imagenet" (widths 0.35, 0.5, 0.75, 1.0, 1.3, 1.4), or a path.
        width: multiplier of every layer's channels (the paper's alpha).
        dropout: dropout rate before the classifier.
        layout: "keras": strided convolutions pad even sides on the right. "torchvision": they pad both sides, with
            torchvision's epsilon and input, as timm's mobilenetv2 does. None takes the layout of ``weights``.

    Returns:
        a model from ``(N, ..., channels)`` to logits ``(N, num_classes)``; a backbone instead returns
        ``{"stride_2": ..., "stride_32": ...}``, the last being the 1280-channel map that classifiers pool.
    """
    as_keras = layout_of(weights, layout) == "keras"
    padding = None if as_keras else 1
    options = {"momentum": MOMENTUM, "epsilon": EPSILON if as_keras else TORCH_EPSILON}
    inputs = keras.Input(input_shape or (SIZE, SIZE, 3), name="image")
    x = normalize(inputs, "symmetric" if as_keras else "imagenet")
    stem = Names("Conv1", "bn_Conv1", "Conv1_relu")
    x = conv_bn(x, make_divisible(32 * width), 3, strides=2, padding=padding, activation="relu6", names=stem, **options)

    endpoints = Endpoints()
    stride, block = 2, 0
    for stage in STAGES:
        stride *= stage.strides
        for repeat in range(stage.repeats):
            x = inverted_residual(
                x,
                make_divisible(int(stage.filters * width)),
                expansion=stage.expansion,
                strides=stage.strides if repeat == 0 else 1,
                padding=padding,
                name=f"block_{block}_" if block else "expanded_conv_",
                **options,
            )
            block += 1
        endpoints.add(stride, x)

    top_filters = make_divisible(1280 * max(width, 1.0))
    x = conv_bn(x, top_filters, 1, activation="relu6", names=Names("Conv_1", "Conv_1_bn", "out_relu"), **options)
    endpoints.add(stride, x)

    name = "mobilenet_v2"
    if num_classes is None:
        model = keras.Model(inputs, dict(endpoints), name=name)
    else:
        model = keras.Model(inputs, classifier_head(x, num_classes, dropout=dropout), name=name)
    load_weights(model, weights, peer_arguments={"alpha": width})
    return model


def inverted_residual(
    x: keras.KerasTensor, filters: int, *, expansion: int, strides: int, padding: int | None, name: str, **options
) -> keras.KerasTensor:
    """Widen, filter each channel, narrow without an activation; add the input where the shapes allow it.

    Args:
        x: ``(N, spatial..., C)``; inside, it has ``C * expansion`` channels.
        padding: padding of the depthwise filter, see ``conv_bn``.
        options: epsilon and momentum, see ``conv_bn``.
    """
    shortcut = x
    if expansion != 1:
        x = conv_bn(x, x.shape[-1] * expansion, 1, activation="relu6", names=_names(f"{name}expand"), **options)
    names = _names(f"{name}depthwise")
    x = depthwise_bn(x, 3, strides=strides, padding=padding, activation="relu6", names=names, **options)
    x = conv_bn(x, filters, 1, names=_names(f"{name}project"), **options)
    if strides == 1 and shortcut.shape[-1] == filters:
        x = keras.layers.Add(name=f"{name}add")([shortcut, x])
    return x


def _names(prefix: str) -> Names:
    return Names(prefix, f"{prefix}_BN", f"{prefix}_relu")
