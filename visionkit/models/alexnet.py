"""AlexNet: the network that started the use of deep convolutional networks on ImageNet.

ImageNet Classification with Deep Convolutional Neural Networks, Krizhevsky et al. 2012,
https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks.

    11x11 /4, pool /2, 5x5, pool /2, three times 3x3, pool /2 -> two layers of 4096 -> classifier
"""

from typing import Literal

import keras

from visionkit.layers import nd
from visionkit.layers.blocks import max_pool, pad
from visionkit.layers.normalization import normalize
from visionkit.layers.response_normalization import LocalResponseNormalization
from visionkit.models.endpoints import Endpoints
from visionkit.models.heads import dense_head
from visionkit.models.pretrained import layout_of, load_weights

FILTERS = (96, 256, 384, 384, 256)
SLIM_FILTERS = (64, 192, 384, 256, 256)  # One weird trick ..., Krizhevsky 2014, https://arxiv.org/abs/1404.5997
KERNELS = (11, 5, 3, 3, 3)
POOLED = (1, 2, 5)  # the convolutions that a pooling layer follows
GROUPED = (2, 4, 5)  # the convolutions that read, with two groups, only the channels of their own GPU
SIZE = 227  # pixels a side: the paper says 224, but its arithmetic needs 227


def alexnet(
    input_shape: tuple[int | None, ...] | None = None,
    num_classes: int | None = 1000,
    *,
    weights: str | None = None,
    layout: Literal["paper", "torchvision"] | None = None,
    groups: int = 2,
    dropout: float = 0.5,
) -> keras.Model:
    """Build AlexNet.

    Args:
        input_shape: ``(length, channels)``, ``(height, width, channels)`` or ``(depth, height, width, channels)``; None takes
            227 x 227 x 3, torchvision's 224 x 224 x 3. A classifier needs known sides. Pixels are float32 in 0..255.
        num_classes: outputs of the classifier; None builds a backbone.
        weights: None or a path.
        layout: "paper", or "torchvision": fewer filters, no normalisation of responses, no groups. None takes the layout
            of the ``weights`` file.
        groups: groups of the second, fourth and fifth convolution: 2 as on the paper's two GPUs, or 1.
        dropout: dropout rate after each of the two hidden layers.

    Returns:
        a model from ``(N, ..., channels)`` to logits ``(N, num_classes)``: 60,965,224 parameters by default, with one group
        62,378,344. A backbone instead returns ``{"stride_4": ..., "stride_32": ...}``.
    """
    as_paper = layout_of(weights, layout, default="paper") == "paper"
    size = SIZE if as_paper else 224
    inputs = keras.Input(input_shape or (size, size, 3), name="image")
    x = normalize(inputs, "imagenet")
    endpoints, stride = Endpoints(), 4
    for number, (filters, kernel_size) in enumerate(zip(FILTERS if as_paper else SLIM_FILTERS, KERNELS, strict=True), start=1):
        x = x if as_paper or number > 1 else pad(x, 2, name="conv1_pad")
        parts = groups if as_paper and number in GROUPED else 1
        x = grouped_convolution(x, filters, kernel_size, first=number == 1, groups=parts, name=f"conv{number}")
        endpoints.add(stride, x)
        if as_paper and number <= 2:
            x = LocalResponseNormalization(name=f"norm{number}")(x)
        if number in POOLED:
            x = max_pool(x, 3, 2, name=f"pool{number}", round_up=as_paper)
            stride *= 2
    endpoints.add(stride, x)

    if num_classes is None:
        model = keras.Model(inputs, dict(endpoints), name="alexnet")
    else:
        model = keras.Model(inputs, dense_head(x, num_classes, hidden=(4096, 4096), dropout=dropout), name="alexnet")
    load_weights(model, weights)
    return model


def grouped_convolution(
    x: keras.KerasTensor, filters: int, kernel_size: int, *, first: bool, groups: int, name: str
) -> keras.KerasTensor:
    """A convolution and ReLU; each group has its own part of the channels and of the filters.

    Args:
        x: ``(N, spatial..., C)``.
        first: whether it is the network's first convolution, which has stride 4 and no padding.
    """
    conv = nd.layer("Conv", x)
    options = {"strides": 4 if first else 1, "padding": "valid" if first else "same", "activation": "relu"}
    if groups == 1:
        return conv(filters, kernel_size, name=name, **options)(x)
    parts = keras.ops.split(x, groups, axis=-1)
    outputs = [
        conv(filters // groups, kernel_size, name=f"{name}_group{number}", **options)(part)
        for number, part in enumerate(parts, start=1)
    ]
    return keras.layers.Concatenate(name=name)(outputs)
