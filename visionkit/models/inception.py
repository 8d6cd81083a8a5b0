"""GoogLeNet: convolutions of several sizes in parallel.

Going Deeper with Convolutions, Szegedy et al. 2014, https://arxiv.org/abs/1409.4842.

    stem /4 -> inception modules 3a, 3b, pool /2, 4a ... 4e, pool /2, 5a, 5b -> the mean of each map -> classifier
                                                      |        |
                                                   side 1   side 2   two further classifiers, only for training
"""

from functools import partial
from typing import Literal, NamedTuple

import keras

from visionkit.layers import nd
from visionkit.layers.blocks import Names, conv_bn, max_pool, pad
from visionkit.layers.nd import CHANNELS_LAST
from visionkit.layers.normalization import normalize
from visionkit.layers.response_normalization import LocalResponseNormalization
from visionkit.models.endpoints import Endpoints
from visionkit.models.heads import classifier_head
from visionkit.models.pretrained import layout_of, load_weights


class Module(NamedTuple):
    """Filters of one inception module: a row of the paper's table 1."""

    pointwise: int
    reduce_3x3: int
    spatial_3x3: int
    reduce_5x5: int
    spatial_5x5: int
    pool_project: int


MODULES = {
    "3a": Module(64, 96, 128, 16, 32, 32),
    "3b": Module(128, 128, 192, 32, 96, 64),
    "4a": Module(192, 96, 208, 16, 48, 64),
    "4b": Module(160, 112, 224, 24, 64, 64),
    "4c": Module(128, 128, 256, 24, 64, 64),
    "4d": Module(112, 144, 288, 32, 64, 64),
    "4e": Module(256, 160, 320, 32, 128, 128),
    "5a": Module(256, 160, 320, 32, 128, 128),
    "5b": Module(384, 192, 384, 48, 128, 128),
}
SIDES = {"4a": "side1", "4d": "side2"}  # the modules after which a side branch leaves
SIDE_WEIGHTS = {"predictions": 1.0, "side1": 0.3, "side2": 0.3}  # weights of the losses
SIZE = 224  # pixels a side


def googlenet(
    input_shape: tuple[int | None, ...] | None = None,
    num_classes: int | None = 1000,
    *,
    weights: str | None = None,
    layout: Literal["paper", "torchvision"] | None = None,
    side_branches: bool = False,
    dropout: float = 0.4,
) -> keras.Model:
    """Build GoogLeNet (Inception v1).

    Args:
        input_shape: ``(length, channels)``, ``(height, width, channels)`` or ``(depth, height, width, channels)``; None takes
            224 x 224 x 3. Sides may be None. Pixels are float32 in 0..255.
        num_classes: outputs of the classifier; None builds a backbone.
        weights: None or a path.
        layout: "paper", or "torchvision": BatchNorm instead of biases and of response normalisation, and 3x3 convolutions
            where the paper has 5x5. None takes the layout of the ``weights`` file.
        side_branches: whether to build the two classifiers that help in training.
        dropout: dropout rate before the classifier.

    Returns:
        a model from ``(N, ..., channels)`` to logits ``(N, num_classes)``; with side branches to ``{"predictions": logits,
        "side1": logits, "side2": logits}``. ``SIDE_WEIGHTS`` are the weights of their losses, and ``without_side_branches``
        removes them. A backbone returns ``{"stride_2": ..., "stride_32": ...}``.
    """
    layout = layout_of(weights, layout, default="paper")
    inputs = keras.Input(input_shape or (SIZE, SIZE, 3), name="image")
    x = normalize(inputs, "symmetric" if layout == "torchvision" else "imagenet")
    endpoints, sides = Endpoints(), {}
    x = _stem(x, endpoints, layout)
    stride = 8
    for row, module in MODULES.items():
        if row in ("4a", "5a"):
            size = 2 if row == "5a" and layout == "torchvision" else 3
            x = max_pool(x, size, 2, name=f"pool{row[0]}")
            stride *= 2
        x = inception(x, module, layout=layout, name=f"inception{row}")
        endpoints.add(stride, x)
        if row in SIDES and side_branches and num_classes is not None:
            sides[SIDES[row]] = side_branch(x, num_classes, layout=layout, name=SIDES[row])

    if num_classes is None:
        model = keras.Model(inputs, dict(endpoints), name="googlenet")
    else:
        logits = classifier_head(x, num_classes, dropout=dropout)
        model = keras.Model(inputs, {"predictions": logits, **sides} if sides else logits, name="googlenet")
    load_weights(model, weights)
    return model


def convolution(
    x: keras.KerasTensor, filters: int, kernel_size: int, *, layout: str, name: str, strides: int = 1
) -> keras.KerasTensor:
    """A convolution of ``(N, spatial..., C)`` with a bias, or with BatchNorm, and ReLU."""
    if layout == "torchvision":
        names = Names(f"{name}_conv", f"{name}_bn", f"{name}_relu")
        return conv_bn(x, filters, kernel_size, strides=strides, padding=kernel_size // 2, activation="relu", names=names)
    x = pad(x, kernel_size // 2, name=f"{name}_pad") if strides > 1 else x
    padding = "same" if strides == 1 else "valid"
    return nd.layer("Conv", x)(filters, kernel_size, strides, padding, activation="relu", name=f"{name}_conv")(x)


def inception(x: keras.KerasTensor, module: Module, *, layout: str, name: str) -> keras.KerasTensor:
    """Four parallel branches of ``(N, spatial..., C)``: 1x1, 3x3, 5x5, and a pool; 1x1 makes the large ones cheap."""
    conv = partial(convolution, layout=layout)
    large = 3 if layout == "torchvision" else 5
    pointwise = conv(x, module.pointwise, 1, name=f"{name}_1x1")
    middle = conv(x, module.reduce_3x3, 1, name=f"{name}_3x3_reduce")
    middle = conv(middle, module.spatial_3x3, 3, name=f"{name}_3x3")
    wide = conv(x, module.reduce_5x5, 1, name=f"{name}_5x5_reduce")
    wide = conv(wide, module.spatial_5x5, large, name=f"{name}_5x5")
    pooled = nd.layer("MaxPooling", x)(3, 1, "same", name=f"{name}_pool")(x)
    pooled = conv(pooled, module.pool_project, 1, name=f"{name}_pool_project")
    return keras.layers.Concatenate(name=name)([pointwise, middle, wide, pooled])


def side_branch(x: keras.KerasTensor, num_classes: int, *, layout: str, name: str) -> keras.KerasTensor:
    """A classifier in the middle of the network, which gives a gradient to the layers before it.

    Args:
        x: feature map ``(N, spatial..., C)``.
    """
    if layout == "paper" and all(side and side >= 5 for side in x.shape[1:-1]):
        x = nd.layer("AveragePooling", x)(5, 3, name=f"{name}_pool")(x)
    else:
        x = nd.layer("AdaptiveAveragePooling", x)(4, name=f"{name}_pool")(x)
    x = convolution(x, 128, 1, layout=layout, name=name)
    x = keras.layers.Flatten(CHANNELS_LAST, name=f"{name}_flatten")(x)
    x = keras.layers.Dense(1024, activation="relu", name=f"{name}_fc")(x)
    x = keras.layers.Dropout(0.7, name=f"{name}_dropout")(x)
    return keras.layers.Dense(num_classes, dtype="float32", name=f"{name}_predictions")(x)


def without_side_branches(model: keras.Model) -> keras.Model:
    """The network for inference: the same layers and weights, with only its logits ``(N, num_classes)``."""
    return keras.Model(model.input, model.output["predictions"], name=model.name)


def _stem(x: keras.KerasTensor, endpoints: Endpoints, layout: str) -> keras.KerasTensor:
    """Three convolutions and two pools, to an eighth of the sides."""
    x = convolution(x, 64, 7, strides=2, layout=layout, name="conv1")
    endpoints.add(2, x)
    x = max_pool(x, 3, 2, name="pool1")
    x = x if layout == "torchvision" else LocalResponseNormalization(name="norm1")(x)
    x = convolution(x, 64, 1, layout=layout, name="conv2")
    x = convolution(x, 192, 3, layout=layout, name="conv3")
    endpoints.add(4, x)
    x = x if layout == "torchvision" else LocalResponseNormalization(name="norm2")(x)
    return max_pool(x, 3, 2, name="pool2")
