"""SqueezeNet: the accuracy of AlexNet with a fiftieth of its parameters.

SqueezeNet, Iandola et al. 2016, https://arxiv.org/abs/1602.07360. Version 1.1 is the authors' later one, at half the work.

    convolution /2, pool /2 -> eight fire modules, two pools /2 between -> a map per class -> the mean of each
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

# Filters of the convolution that squeezes, and of each of the two that expand.
FIRE = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))


class Variant(NamedTuple):
    """One version.

    Attributes:
        filters: filters of the first convolution.
        kernel_size: sides of its kernel.
        pooled: fire modules, counted from 2, that come after a max pool.
    """

    filters: int
    kernel_size: int
    pooled: tuple[int, ...]


VARIANTS = {"squeezenet": Variant(96, 7, (2, 5, 9)), "squeezenet_1_1": Variant(64, 3, (2, 4, 6))}
SIZE = 224  # pixels a side


def squeezenet(
    input_shape: tuple[int | None, ...] | None = None,
    num_classes: int | None = 1000,
    *,
    weights: str | None = None,
    variant: str = "squeezenet",
    dropout: float = 0.5,
) -> keras.Model:
    """Build SqueezeNet 1.0, or 1.1.

    Args:
        input_shape: ``(length, channels)``, ``(height, width, channels)`` or ``(depth, height, width, channels)``; None takes
            224 x 224 x 3. Sides may be None. Pixels are float32 in 0..255.
        num_classes: outputs of the classifier; None builds a backbone.
        weights: None or a path.
        variant: "squeezenet" or "squeezenet_1_1".
        dropout: dropout rate before the classifier.

    Returns:
        a model from ``(N, ..., channels)`` to logits ``(N, num_classes)``; a backbone instead returns
        ``{"stride_2": ..., "stride_16": ...}``.
    """
    chosen = VARIANTS[variant]
    inputs = keras.Input(input_shape or (SIZE, SIZE, 3), name="image")
    x = normalize(inputs, "imagenet")
    x = nd.layer("Conv", x)(chosen.filters, chosen.kernel_size, 2, activation="relu", name="conv1")(x)
    endpoints, stride = Endpoints(), 2
    for number, (squeezed, expanded) in enumerate(FIRE, start=2):
        endpoints.add(stride, x)
        if number in chosen.pooled:
            x = max_pool(x, 3, 2, name=f"pool{number}")
            stride *= 2
        x = fire(x, squeezed, expanded, name=f"fire{number}")
    endpoints.add(stride, x)

    if num_classes is None:
        model = keras.Model(inputs, dict(endpoints), name=variant)
    else:
        model = keras.Model(inputs, convolutional_head(x, num_classes, dropout=dropout), name=variant)
    load_weights(model, weights)
    return model


def fire(x: keras.KerasTensor, squeezed: int, expanded: int, *, name: str) -> keras.KerasTensor:
    """Squeeze ``(N, spatial..., C)`` to few channels by 1x1, then expand by parallel 1x1 and 3x3."""
    conv = nd.layer("Conv", x)
    x = conv(squeezed, 1, activation="relu", name=f"{name}_squeeze")(x)
    pointwise = conv(expanded, 1, activation="relu", name=f"{name}_expand1x1")(x)
    spatial = conv(expanded, 3, padding="same", activation="relu", name=f"{name}_expand3x3")(x)
    return keras.layers.Concatenate(name=name)([pointwise, spatial])


squeezenet_1_1 = partial(squeezenet, variant="squeezenet_1_1")
