"""EfficientNet B0 to B7 and EfficientNet-Lite0 to Lite4.

EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, Tan and Le 2019,
https://arxiv.org/abs/1905.11946.
One small network, found by search, is made deeper, wider and sharper together. Lite (Liu 2020, https://blog.tensorflow.org/2020/03/
higher-accuracy-on-vision-models-with-efficientnet-lite.html) leaves out what phones are slow at:
no squeeze-and-excitation, ReLU6 instead of swish, and a stem and a top of constant width.

    stem 3x3 /2 -> seven stages of inverted residual blocks -> top 1x1 to 1280 channels -> classifier
"""

import math
from functools import partial
from typing import Literal, NamedTuple

import keras

from visionkit.layers import nd
from visionkit.layers.blocks import EPSILON, Names, conv_bn, depthwise_bn, make_divisible, squeeze_excite
from visionkit.layers.normalization import mend_stored_deviation, normalize, normalize_from_weights
from visionkit.models.endpoints import Endpoints
from visionkit.models.heads import classifier_head
from visionkit.models.pretrained import layout_of, load_weights
from visionkit.weights import efficientnet_lite


class Stage(NamedTuple):
    """One row of the paper's table 1."""

    kernel_size: int
    repeats: int
    filters: int
    expansion: int
    strides: int


STAGES = (
    Stage(3, 1, 16, 1, 1),
    Stage(3, 2, 24, 6, 2),
    Stage(5, 2, 40, 6, 2),
    Stage(3, 3, 80, 6, 2),
    Stage(5, 3, 112, 6, 1),
    Stage(5, 4, 192, 6, 2),
    Stage(3, 1, 320, 6, 1),
)
STEM_FILTERS, TOP_FILTERS = 32, 1280
SQUEEZE_RATIO = 0.25
TORCH_EPSILON = 1e-5  # of the normalisation in PyTorch's networks, except torchvision's largest, which keep TensorFlow's
TORCHVISION_LARGEST = ("efficientnet_b5", "efficientnet_b6", "efficientnet_b7")
DROP_CONNECT = 0.2  # probability that training skips the last block; it grows linearly from 0 at the first


class Variant(NamedTuple):
    """The scale of one member of the family."""

    width: float
    depth: float
    size: int
    dropout: float
    lite: bool = False


VARIANTS = {
    "efficientnet_b0": Variant(1.0, 1.0, 224, 0.2),
    "efficientnet_b1": Variant(1.0, 1.1, 240, 0.2),
    "efficientnet_b2": Variant(1.1, 1.2, 260, 0.3),
    "efficientnet_b3": Variant(1.2, 1.4, 300, 0.3),
    "efficientnet_b4": Variant(1.4, 1.8, 380, 0.4),
    "efficientnet_b5": Variant(1.6, 2.2, 456, 0.4),
    "efficientnet_b6": Variant(1.8, 2.6, 528, 0.5),
    "efficientnet_b7": Variant(2.0, 3.1, 600, 0.5),
    "efficientnet_lite0": Variant(1.0, 1.0, 224, 0.2, lite=True),
    "efficientnet_lite1": Variant(1.0, 1.1, 240, 0.2, lite=True),
    "efficientnet_lite2": Variant(1.1, 1.2, 260, 0.3, lite=True),
    "efficientnet_lite3": Variant(1.2, 1.4, 280, 0.3, lite=True),
    "efficientnet_lite4": Variant(1.4, 1.8, 300, 0.3, lite=True),
}


def efficientnet(
    variant: "str | Variant",
    input_shape: tuple[int | None, ...] | None = None,
    num_classes: int | None = 1000,
    *,
    weights: str | None = None,
    dropout: float | None = None,
    layout: Literal["keras", "torchvision"] | None = None,
) -> keras.Model:
    """Build one EfficientNet; ``efficientnet_b0`` and its siblings are this function with ``variant`` filled in.

    Args:
        variant: a key of ``VARIANTS``, or a result of ``compound_scaling``.
        input_shape: ``(height, width, channels)`` or ``(length, channels)``; None takes the size of the paper.
            Sides may be None. Pixels are float32 in 0..255.
        num_classes: outputs of the classifier; None builds a backbone.
        weights: None, "imagenet", or a path.
        dropout: dropout rate before the classifier; None takes the paper's.
        layout: "keras": strided convolutions pad even sides on the right, as timm's tf_efficientnet does.
            "torchvision": they pad both sides, with torchvision's epsilon and input, as timm's efficientnet does.
            None takes the layout of ``weights``.

    Returns:
        a model from ``(N, ..., channels)`` to logits ``(N, num_classes)``; a backbone instead returns
        ``{"stride_2": ..., "stride_32": ...}``, the last being the 1280-channel map (or wider) that classifiers pool.

    Raises:
        ValueError: an unknown variant or weights that do not fit.
    """
    width, depth, size, published_dropout, lite = VARIANTS[variant] if isinstance(variant, str) else variant
    name = variant if isinstance(variant, str) else "efficientnet"
    activation = "relu6" if lite else "swish"
    as_torch = layout_of(weights, layout) == "torchvision"
    epsilon = TORCH_EPSILON if as_torch and variant not in TORCHVISION_LARGEST else EPSILON
    inputs = keras.Input(input_shape or (size, size, 3), name="image")
    if as_torch:
        x = normalize(inputs, "imagenet")
    else:
        x = normalize(inputs, "efficientnet_lite") if lite else normalize_from_weights(inputs)

    stem_filters = STEM_FILTERS if lite else make_divisible(STEM_FILTERS * width)
    options = {"activation": activation, "epsilon": epsilon}
    x = conv_bn(x, stem_filters, 3, strides=2, names=_names("stem_"), padding=1 if as_torch else None, **options)

    endpoints = Endpoints()
    repeats = [_repeats(stage, index, depth, lite) for index, stage in enumerate(STAGES)]
    stride, block = 2, 0
    for index, stage in enumerate(STAGES):
        stride *= stage.strides
        for repeat in range(repeats[index]):
            x = inverted_residual(
                x,
                make_divisible(stage.filters * width),
                stage.kernel_size,
                expansion=stage.expansion,
                strides=stage.strides if repeat == 0 else 1,
                padding=stage.kernel_size // 2 if as_torch else None,
                squeeze_ratio=0.0 if lite else SQUEEZE_RATIO,
                drop_rate=DROP_CONNECT * block / sum(repeats),
                name=f"block{index + 1}{chr(ord('a') + repeat)}_",
                **options,
            )
            block += 1
        endpoints.add(stride, x)

    top_filters = TOP_FILTERS if lite else make_divisible(TOP_FILTERS * width)
    x = conv_bn(x, top_filters, 1, names=_names("top_"), **options)
    endpoints.add(stride, x)

    if num_classes is None:
        model = keras.Model(inputs, dict(endpoints), name=name)
    else:
        dropout = published_dropout if dropout is None else dropout
        model = keras.Model(inputs, classifier_head(x, num_classes, dropout=dropout), name=name)
    whose = load_weights(model, weights, efficientnet_lite.read if variant == "efficientnet_lite0" else None)
    if as_torch and whose == "timm":  # which has one epsilon for all variants
        for layer in model.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.epsilon = TORCH_EPSILON
    if not (lite or as_torch):
        mend_stored_deviation(model)
    return model


def inverted_residual(
    x: keras.KerasTensor,
    filters: int,
    kernel_size: int,
    *,
    expansion: int,
    strides: int,
    padding: int | None,
    squeeze_ratio: float,
    drop_rate: float,
    activation: str,
    epsilon: float,
    name: str,
) -> keras.KerasTensor:
    """Widen, filter each channel, weight the channels, narrow; add the input where the shapes allow it.

    Args:
        x: ``(N, spatial..., C)``; inside, it has ``C * expansion`` channels.
        padding: padding of the depthwise filter, see ``conv_bn``.
        squeeze_ratio: width of the squeeze-and-excitation bottleneck relative to ``C``; 0 leaves it out.
        drop_rate: probability, for each sample, that training skips the block (stochastic depth, https://arxiv.org/abs/1603.09382).
    """
    shortcut, channels = x, x.shape[-1]
    options = {"activation": activation, "epsilon": epsilon}
    if expansion != 1:
        x = conv_bn(x, channels * expansion, 1, names=_names(f"{name}expand_"), **options)
    depthwise_names = Names(f"{name}dwconv", f"{name}bn", f"{name}activation")
    x = depthwise_bn(x, kernel_size, strides=strides, padding=padding, names=depthwise_names, **options)
    if squeeze_ratio:
        squeezed = max(1, int(channels * squeeze_ratio))
        x = squeeze_excite(x, squeezed, activation=activation, name=f"{name}se_")
    x = conv_bn(x, filters, 1, names=_names(f"{name}project_"), epsilon=epsilon)
    if strides != 1 or filters != channels:
        return x
    if drop_rate > 0:
        one_draw_per_sample = (None,) + (1,) * (nd.rank(x) + 1)
        x = keras.layers.Dropout(drop_rate, noise_shape=one_draw_per_sample, name=f"{name}drop")(x)
    return keras.layers.Add(name=f"{name}add")([x, shortcut])


def _repeats(stage: Stage, index: int, depth: float, lite: bool) -> int:
    fixed = lite and index in (0, len(STAGES) - 1)
    return stage.repeats if fixed else math.ceil(depth * stage.repeats)


def _names(prefix: str) -> Names:
    return Names(f"{prefix}conv", f"{prefix}bn", f"{prefix}activation")


efficientnet_b0 = partial(efficientnet, "efficientnet_b0")
efficientnet_b1 = partial(efficientnet, "efficientnet_b1")
efficientnet_b2 = partial(efficientnet, "efficientnet_b2")
efficientnet_b3 = partial(efficientnet, "efficientnet_b3")
efficientnet_b4 = partial(efficientnet, "efficientnet_b4")
efficientnet_b5 = partial(efficientnet, "efficientnet_b5")
efficientnet_b6 = partial(efficientnet, "efficientnet_b6")
efficientnet_b7 = partial(efficientnet, "efficientnet_b7")
efficientnet_lite0 = partial(efficientnet, "efficientnet_lite0")
efficientnet_lite1 = partial(efficientnet, "efficientnet_lite1")
efficientnet_lite2 = partial(efficientnet, "efficientnet_lite2")
efficientnet_lite3 = partial(efficientnet, "efficientnet_lite3")
efficientnet_lite4 = partial(efficientnet, "efficientnet_lite4")
