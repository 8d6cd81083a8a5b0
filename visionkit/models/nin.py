"""Network in Network: 1x1 convolutions, and a mean instead of dense layers.

Network In Network, Lin et al. 2013, https://arxiv.org/abs/1312.4400.

    four blocks of one convolution and two of 1x1, pools /2 between -> a map per class -> the mean of each
"""

from functools import partial
from typing import NamedTuple

import keras

from visionkit.layers import nd
from visionkit.layers.blocks import max_pool
from visionkit.layers.normalization import normalize
from visionkit.models.endpoints import Endpoints
from visionkit.models.heads import convolutional_head
from visionkit.models.pretrained import load_weights


class Block(NamedTuple):
    """A convolution and two of 1x1 after it: a small network that slides over the image."""

    filters: tuple[int, ...]
    kernel_size: int
    strides: int = 1


VARIANTS = {
    "nin": (  # the authors' network for ImageNet
        Block((96, 96, 96), 11, 4),
        Block((256, 256, 256), 5),
        Block((384, 384, 384), 3),
        Block((1024, 1024), 3),
    ),
    "nin_small": (
        Block((192, 160, 96), 5),
        Block((192, 192, 192), 5),
        Block((192, 192), 3),
    ),  # the paper's, for CIFAR-10
}
SIZES = {"nin": 224, "nin_small": 32}  # pixels a side


def nin(
    input_shape: tuple[int | None, ...] | None = None,
    num_classes: int | None = 1000,
    *,
    weights: str | None = None,
    variant: str = "nin",
    dropout: float = 0.5,
) -> keras.Model:
    """Build a Network in Network.

    Args:
        input_shape: ``(length, channels)``, ``(height, width, channels)`` or ``(depth, height, width, channels)``; None takes
            the published one. Sides may be None. Pixels are float32 in 0..255.
        num_classes: outputs of the classifier; None builds a backbone.
        weights: None or a path.
        variant: "nin", or "nin_small" for images of 32 pixels.
        dropout: dropout rate before the classifier, and before each block but the first of a small network.

    Returns:
        a model from ``(N, ..., channels)`` to logits ``(N, num_classes)``; a backbone instead returns
        ``{"stride_4": ..., "stride_32": ...}``, a small network ``{"stride_1": ..., "stride_4": ...}``.
    """
    inputs = keras.Input(input_shape or (SIZES[variant], SIZES[variant], 3), name="image")
    x = normalize(inputs, "imagenet")
    endpoints, stride = Endpoints(), 1
    for number, block in enumerate(VARIANTS[variant], start=1):
        if number > 1:
            x = max_pool(x, 3, 2, name=f"pool{number - 1}")
            x = keras.layers.Dropout(dropout, name=f"dropout{number - 1}")(x) if variant == "nin_small" else x
            stride *= 2
        x = mlpconv(x, block, name=f"block{number}")
        stride *= block.strides
        endpoints.add(stride, x)

    if num_classes is None:
        model = keras.Model(inputs, dict(endpoints), name=variant)
    else:
        model = keras.Model(inputs, convolutional_head(x, num_classes, dropout=dropout), name=variant)
    load_weights(model, weights)
    return model


def mlpconv(x: keras.KerasTensor, block: Block, *, name: str) -> keras.KerasTensor:
    """The paper's layer: a convolution of ``(N, spatial..., C)``, then a perceptron that is applied to every pixel."""
    conv = nd.layer("Conv", x)
    first, *others = block.filters
    padding = "same" if block.strides == 1 else "valid"
    x = conv(first, block.kernel_size, block.strides, padding, activation="relu", name=f"{name}_conv")(x)
    for number, filters in enumerate(others, start=1):
        x = conv(filters, 1, activation="relu", name=f"{name}_mlp{number}")(x)
    return x


nin_small = partial(nin, variant="nin_small")
