"""ResNet, its plain counterpart without shortcuts, and the pre-activation form.

Deep Residual Learning for Image Recognition, He et al. 2015, https://arxiv.org/abs/1512.03385.
Identity Mappings in Deep Residual Networks, He et al. 2016, https://arxiv.org/abs/1603.05027 (pre-activation).
Layers are named as in keras.applications, whose weights the networks of bottlenecks can load.

    stem 7x7 /2, max pool /2 -> four stages of residual blocks, 64 to 512 filters -> classifier

For images of 32 pixels (section 4.2) the stem is 3x3, and there are three stages of 16, 32 and 64 filters.
"""

from functools import partial
from typing import Literal, NamedTuple

import keras

from visionkit.layers import nd
from visionkit.layers.blocks import Names, conv_bn, normalize_and_activate, pad
from visionkit.layers.normalization import normalize
from visionkit.models.endpoints import Endpoints
from visionkit.models.heads import classifier_head
from visionkit.models.pretrained import layout_of, load_weights


class Variant(NamedTuple):
    """One member of the family.

    Attributes:
        repeats: blocks of each stage.
        bottleneck: whether blocks have 1x1, 3x3 and 1x1 convolutions; otherwise they have two of 3x3.
        residual: whether the input of a block is added to its output.
        preactivation: whether normalisation and ReLU come before each convolution.
        filters: filters of each stage; a bottleneck's last convolution has four times as many.
    """

    repeats: tuple[int, ...]
    bottleneck: bool = False
    residual: bool = True
    preactivation: bool = False
    filters: tuple[int, ...] = (64, 128, 256, 512)

    @property
    def small(self) -> bool:
        """Whether the network is for small images."""
        return self.filters == SMALL_FILTERS

    @property
    def size(self) -> int:
        """Side in pixels of the published input."""
        return 32 if self.small else 224


SMALL_FILTERS = (16, 32, 64)
VARIANTS = {
    "resnet18": Variant((2, 2, 2, 2)),
    "resnet34": Variant((3, 4, 6, 3)),
    "resnet50": Variant((3, 4, 6, 3), bottleneck=True),
    "resnet101": Variant((3, 4, 23, 3), bottleneck=True),
    "resnet152": Variant((3, 8, 36, 3), bottleneck=True),
    "resnet50_v2": Variant((3, 4, 6, 3), bottleneck=True, preactivation=True),
    "resnet101_v2": Variant((3, 4, 23, 3), bottleneck=True, preactivation=True),
    "resnet152_v2": Variant((3, 8, 36, 3), bottleneck=True, preactivation=True),
    "plain18": Variant((2, 2, 2, 2), residual=False),
    "plain34": Variant((3, 4, 6, 3), residual=False),
    **{f"resnet{6 * n + 2}": Variant((n, n, n), filters=SMALL_FILTERS) for n in (1, 2, 3, 5, 7, 9, 18)},
    **{f"plain{6 * n + 2}": Variant((n, n, n), residual=False, filters=SMALL_FILTERS) for n in (1, 2, 3, 5, 7, 9)},
}
EPSILON, KERAS_EPSILON = 1e-5, 1.001e-5  # of the normalisation: the published one, and that of keras.applications


def resnet(
    variant: str,
    input_shape: tuple[int | None, ...] | None = None,
    num_classes: int | None = 1000,
    *,
    weights: str | None = None,
    layout: Literal["keras", "torchvision"] | None = None,
    shortcut: Literal["projection", "zeros"] = "projection",
) -> keras.Model:
    """Build one ResNet; ``resnet50`` and its siblings are this function with ``variant`` filled in.

    Args:
        variant: a key of ``VARIANTS``.
        input_shape: ``(length, channels)``, ``(height, width, channels)`` or ``(depth, height, width, channels)``; None takes
            the published one. Sides may be None. Pixels are float32 in 0..255.
        num_classes: outputs of the classifier; None builds a backbone.
        weights: None, "imagenet" (those of keras.applications; bottlenecks have them), or a path.
        layout: layout of bottlenecks. "keras": biases, the stride in the first convolution, Caffe's input. "torchvision": no
            biases, the stride in the second ("ResNet v1.5"), torchvision's input. None takes the layout of ``weights``.
        shortcut: the addend where shapes differ: a projection, or every second pixel of the input, with channels of zeros (the
            paper's option A, which has no parameters).

    Returns:
        a model from ``(N, ..., channels)`` to logits ``(N, num_classes)``; a backbone instead returns
        ``{"stride_2": ..., "stride_32": ...}``, a small network ``{"stride_1": ..., "stride_4": ...}``.
    """
    chosen = VARIANTS[variant]
    as_keras = layout_of(weights, layout) == "keras" and chosen.bottleneck
    inputs = keras.Input(input_shape or (chosen.size, chosen.size, 3), name="image")
    x = normalize(inputs, "symmetric" if chosen.preactivation else "caffe" if as_keras else "imagenet")
    endpoints = Endpoints()
    x, stride = _small_stem(x) if chosen.small else _stem(x, endpoints, chosen, **_options(as_keras))
    for stage, (filters, repeats) in enumerate(zip(chosen.filters, chosen.repeats, strict=True)):
        for repeat in range(repeats):
            # Pre-activation networks of keras.applications halve the sides at the end of a stage, the others at its beginning.
            shrinks = repeat == repeats - 1 and stage < 3 if chosen.preactivation else repeat == 0 and stage > 0
            options = {"strides": 2 if shrinks else 1, "name": f"conv{stage + 2}_block{repeat + 1}_"}
            if chosen.preactivation:
                x = preactivated_bottleneck(x, filters, project=repeat == 0, **options)
            else:
                addend = shortcut if chosen.residual else "none"
                block = partial(bottleneck, as_keras=as_keras) if chosen.bottleneck else basic_block
                x = block(x, filters, shortcut=addend, **options)
            stride *= options["strides"]
            endpoints.add(stride, x)
    if chosen.preactivation:
        x = normalize_and_activate(x, _names("post_"), "relu", epsilon=KERAS_EPSILON)
        endpoints.add(stride, x)

    if num_classes is None:
        model = keras.Model(inputs, dict(endpoints), name=variant)
    else:
        model = keras.Model(inputs, classifier_head(x, num_classes, dropout=0.0), name=variant)
    load_weights(model, weights)
    return model


def basic_block(x: keras.KerasTensor, filters: int, *, strides: int, shortcut: str, name: str) -> keras.KerasTensor:
    """Two 3x3 convolutions, and the input added to them.

    Args:
        x: ``(N, spatial..., C)``.
        shortcut: "projection", "zeros", or "none" for a plain network.
    """
    carried = carry(x, filters, strides=strides, shortcut=shortcut, name=name, epsilon=EPSILON)
    x = conv_bn(x, filters, 3, strides=strides, padding=1, names=_names(f"{name}1_"), activation="relu", epsilon=EPSILON)
    x = conv_bn(x, filters, 3, names=_names(f"{name}2_"), epsilon=EPSILON)
    return _add_and_activate(x, carried, name)


def bottleneck(
    x: keras.KerasTensor, filters: int, *, strides: int, shortcut: str, as_keras: bool, name: str
) -> keras.KerasTensor:
    """Narrow, 3x3, widen to four times ``filters``, and add the input; see ``basic_block``."""
    first, second = (strides, 1) if as_keras else (1, strides)
    options = _options(as_keras)
    carried = carry(x, 4 * filters, strides=strides, shortcut=shortcut, name=name, **options)
    x = conv_bn(x, filters, 1, strides=first, names=_names(f"{name}1_"), activation="relu", **options)
    x = conv_bn(x, filters, 3, strides=second, padding=1, names=_names(f"{name}2_"), activation="relu", **options)
    x = conv_bn(x, 4 * filters, 1, names=_names(f"{name}3_"), **options)
    return _add_and_activate(x, carried, name)


def preactivated_bottleneck(x: keras.KerasTensor, filters: int, *, strides: int, project: bool, name: str) -> keras.KerasTensor:
    """A bottleneck with normalisation and ReLU first, and no activation on the path of the shortcut."""
    options = {"activation": "relu", "epsilon": KERAS_EPSILON}
    before = normalize_and_activate(x, _names(f"{name}preact_"), **options)
    conv = nd.layer("Conv", x)
    if project:
        x = conv(4 * filters, 1, strides, name=f"{name}0_conv")(before)
    elif strides > 1:
        x = nd.layer("MaxPooling", x)(1, strides, name=f"{name}0_pool")(x)
    y = conv_bn(before, filters, 1, names=_names(f"{name}1_"), **options)
    y = conv_bn(y, filters, 3, strides=strides, padding=1, names=_names(f"{name}2_"), **options)
    y = conv(4 * filters, 1, name=f"{name}3_conv")(y)
    return keras.layers.Add(name=f"{name}out")([x, y])


def carry(x: keras.KerasTensor, filters: int, *, strides: int, shortcut: str, name: str, **options) -> keras.KerasTensor | None:
    """The shortcut of a block: its input where the shapes agree; None in a plain network.

    Args:
        x: the block's input ``(N, spatial..., C)``.
        options: options of a projection, see ``conv_bn``.
    """
    if shortcut == "none" or (strides == 1 and x.shape[-1] == filters):
        return None if shortcut == "none" else x
    if shortcut == "projection":
        return conv_bn(x, filters, 1, strides=strides, names=_names(f"{name}0_"), **options)
    x = nd.layer("MaxPooling", x)(1, strides, name=f"{name}0_pool")(x)
    channels = [[0, 0]] * (nd.rank(x) + 1) + [[0, filters - x.shape[-1]]]
    return keras.ops.pad(x, channels)


def _add_and_activate(x: keras.KerasTensor, carried: keras.KerasTensor | None, name: str) -> keras.KerasTensor:
    if carried is not None:
        x = keras.layers.Add(name=f"{name}add")([carried, x])
    return keras.layers.Activation("relu", name=f"{name}out")(x)


def _small_stem(x: keras.KerasTensor) -> tuple[keras.KerasTensor, int]:
    return conv_bn(x, SMALL_FILTERS[0], 3, names=_names("conv1_"), activation="relu", epsilon=EPSILON), 1


def _stem(x: keras.KerasTensor, endpoints: Endpoints, chosen: Variant, **options) -> tuple[keras.KerasTensor, int]:
    if chosen.preactivation:
        x = pad(x, 3, name="conv1_pad")
        x = nd.layer("Conv", x)(chosen.filters[0], 7, 2, name="conv1_conv")(x)
    else:
        x = conv_bn(x, chosen.filters[0], 7, strides=2, padding=3, names=_names("conv1_"), activation="relu", **options)
    endpoints.add(2, x)
    return nd.layer("MaxPooling", x)(3, 2, name="pool1_pool")(pad(x, 1, name="pool1_pad")), 4


def _options(as_keras: bool) -> dict:
    return {"use_bias": as_keras, "epsilon": KERAS_EPSILON if as_keras else EPSILON}


def _names(prefix: str) -> Names:
    return Names(f"{prefix}conv", f"{prefix}bn", f"{prefix}relu")


resnet18 = partial(resnet, "resnet18")
resnet34 = partial(resnet, "resnet34")
resnet50 = partial(resnet, "resnet50")
resnet101 = partial(resnet, "resnet101")
resnet152 = partial(resnet, "resnet152")
resnet50_v2 = partial(resnet, "resnet50_v2")
resnet101_v2 = partial(resnet, "resnet101_v2")
resnet152_v2 = partial(resnet, "resnet152_v2")
