"""Inception-ResNet v1, the network of FaceNet's best-known implementations.

Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning, Szegedy et al. 2016,
https://arxiv.org/abs/1602.07261, figures 10 to 14.

    stem /8 -> 5 blocks A -> reduction /2 -> 10 blocks B -> reduction /2 -> 6 blocks C -> the mean of each map -> classifier
"""

from collections.abc import Sequence

import keras

from visionkit.layers import nd
from visionkit.layers.blocks import Names, conv_bn
from visionkit.layers.normalization import normalize
from visionkit.models.endpoints import Endpoints
from visionkit.models.heads import classifier_head
from visionkit.models.pretrained import load_weights

SIZE = 160  # pixels a side, as FaceNet's faces; the paper's images have 299
SCALES = {"a": 0.17, "b": 0.10, "c": 0.20}  # factors of the residuals, without which training diverges
REPEATS = {"a": 5, "b": 10, "c": 5}


def inception_resnet_v1(
    input_shape: tuple[int | None, ...] | None = None,
    num_classes: int | None = 1000,
    *,
    weights: str | None = None,
    dropout: float = 0.2,
) -> keras.Model:
    """Build Inception-ResNet v1.

    Args:
        input_shape: ``(length, channels)``, ``(height, width, channels)`` or ``(depth, height, width, channels)``, each side
            at least 75 or None; None takes 160 x 160 x 3. Pixels are float32 in 0..255.
        num_classes: outputs of the classifier; None builds a backbone.
        weights: None or a path, also of facenet-pytorch's InceptionResnetV1, of which the head is left out.
        dropout: dropout rate before the classifier.

    Returns:
        a model from ``(N, ..., channels)`` to logits ``(N, num_classes)``; a backbone instead returns
        ``{"stride_2": ..., "stride_32": ...}``, the last of 1792 channels.
    """
    inputs = keras.Input(input_shape or (SIZE, SIZE, 3), name="image")
    x = normalize(inputs, "facenet")
    endpoints = Endpoints()
    x = convolution(x, 32, 3, strides=2, padding=0, name="stem1")
    x = convolution(x, 32, 3, padding=0, name="stem2")
    x = convolution(x, 64, 3, name="stem3")
    endpoints.add(2, x)
    x = nd.layer("MaxPooling", x)(3, 2, name="stem_pool")(x)
    x = convolution(x, 80, 1, name="stem4")
    x = convolution(x, 192, 3, padding=0, name="stem5")
    endpoints.add(4, x)
    x = convolution(x, 256, 3, strides=2, padding=0, name="stem6")
    for number in range(1, REPEATS["a"] + 1):
        x = block_a(x, name=f"block_a{number}_")
    endpoints.add(8, x)
    x = reduction(x, [(384,), (192, 192, 256)], name="reduction_a_")
    for number in range(1, REPEATS["b"] + 1):
        x = block_b(x, name=f"block_b{number}_")
    endpoints.add(16, x)
    x = reduction(x, [(256, 384), (256, 256), (256, 256, 256)], name="reduction_b_")
    for number in range(1, REPEATS["c"] + 1):
        x = block_c(x, scale=SCALES["c"], activation="relu", name=f"block_c{number}_")
    x = block_c(x, scale=1.0, activation=None, name=f"block_c{REPEATS['c'] + 1}_")
    endpoints.add(32, x)

    if num_classes is None:
        model = keras.Model(inputs, dict(endpoints), name="inception_resnet_v1")
    else:
        model = keras.Model(inputs, classifier_head(x, num_classes, dropout=dropout), name="inception_resnet_v1")
    load_weights(model, weights)
    return model


def block_a(x: keras.KerasTensor, *, name: str) -> keras.KerasTensor:
    """Parallel branches of 1x1, 3x3, and two 3x3 (figure 10)."""
    one = convolution(x, 32, 1, name=f"{name}1")
    two = convolution(convolution(x, 32, 1, name=f"{name}2a"), 32, 3, name=f"{name}2b")
    three = convolution(x, 32, 1, name=f"{name}3a")
    three = convolution(convolution(three, 32, 3, name=f"{name}3b"), 32, 3, name=f"{name}3c")
    return add_scaled(x, [one, two, three], scale=SCALES["a"], activation="relu", name=name)


def block_b(x: keras.KerasTensor, *, name: str) -> keras.KerasTensor:
    """Parallel branches of 1x1 and 7x7, the latter one axis at a time (figure 11)."""
    one = convolution(x, 128, 1, name=f"{name}1")
    two = along_axes(convolution(x, 128, 1, name=f"{name}2"), 128, 7, name=f"{name}2")
    return add_scaled(x, [one, two], scale=SCALES["b"], activation="relu", name=name)


def block_c(x: keras.KerasTensor, *, scale: float, activation: str | None, name: str) -> keras.KerasTensor:
    """Parallel branches of 1x1 and 3x3, the latter one axis at a time (figure 13)."""
    one = convolution(x, 192, 1, name=f"{name}1")
    two = along_axes(convolution(x, 192, 1, name=f"{name}2"), 192, 3, name=f"{name}2")
    return add_scaled(x, [one, two], scale=scale, activation=activation, name=name)


def reduction(x: keras.KerasTensor, branches: Sequence[tuple[int, ...]], *, name: str) -> keras.KerasTensor:
    """Halve the sides: a max pool parallel to branches that end in a 3x3 convolution /2 (figures 7 and 12).

    Args:
        x: ``(N, spatial..., C)``.
        branches: filters of each branch: the 1x1, then a 3x3 if there are three, then the last 3x3; or only the last.
    """
    outputs = []
    for number, filters in enumerate(branches, start=1):
        y = x
        for step, count in enumerate(filters):
            last = step == len(filters) - 1
            options = {"strides": 2, "padding": 0} if last else {}
            y = convolution(y, count, 3 if last or step else 1, name=f"{name}{number}{'abc'[step]}", **options)
        outputs.append(y)
    pooled = nd.layer("MaxPooling", x)(3, 2, name=f"{name}pool")(x)
    return keras.layers.Concatenate(name=f"{name}joined")([*outputs, pooled])


def along_axes(x: keras.KerasTensor, filters: int, length: int, *, name: str) -> keras.KerasTensor:
    """A convolution over each spatial axis of ``(N, spatial..., C)`` in turn, from the last: for an image 1x7, then 7x1."""
    for axis in reversed(range(nd.rank(x))):
        kernel_size = tuple(length if other == axis else 1 for other in range(nd.rank(x)))
        x = convolution(x, filters, kernel_size, name=f"{name}_axis{axis + 1}")
    return x


def add_scaled(
    x: keras.KerasTensor, branches: list[keras.KerasTensor], *, scale: float, activation: str | None, name: str
) -> keras.KerasTensor:
    """Convert the branches to the channels of ``x`` by a linear 1x1 convolution, scale them, and add them to ``x``."""
    joined = keras.layers.Concatenate(name=f"{name}joined")(branches)
    added = nd.layer("Conv", x)(x.shape[-1], 1, name=f"{name}up_conv")(joined)
    x = keras.layers.Add(name=f"{name}add")([x, keras.layers.Rescaling(scale, name=f"{name}scale")(added)])
    return x if activation is None else keras.layers.Activation(activation, name=f"{name}out")(x)


def convolution(
    x: keras.KerasTensor,
    filters: int,
    kernel_size: int | tuple[int, ...],
    *,
    name: str,
    strides: int = 1,
    padding: int | None = None,
) -> keras.KerasTensor:
    """Convolution, BatchNorm and ReLU of ``(N, spatial..., C)``; see ``blocks.conv_bn``."""
    names = Names(f"{name}_conv", f"{name}_bn", f"{name}_relu")
    return conv_bn(x, filters, kernel_size, strides=strides, padding=padding, activation="relu", names=names)
