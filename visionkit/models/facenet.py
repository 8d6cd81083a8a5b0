"""FaceNet, which maps an image to a point on the unit sphere, where images of one person are close; and siamese networks.

FaceNet: A Unified Embedding for Face Recognition and Clustering, Schroff et al. 2015, https://arxiv.org/abs/1503.03832. Its
best-known implementations are Inception-ResNet v1 with an embedding layer after the mean of its maps.
"""

from collections.abc import Callable
from pathlib import Path

import keras
from keras import ops

from visionkit.errors import UserError
from visionkit.layers import nd
from visionkit.layers.blocks import EPSILON
from visionkit.layers.inference_mode import InferenceMode
from visionkit.models.endpoints import deepest
from visionkit.models.inception_resnet import inception_resnet_v1
from visionkit.models.pretrained import load_weights

DIMENSIONS = 512
SMALL = 1e-6  # the smallest divisor of chi-square


def facenet(
    input_shape: tuple[int | None, ...] | None = None,
    dimensions: int = DIMENSIONS,
    *,
    backbone: keras.Model | None = None,
    pretrained: bool = True,
    weights: str | Path | None = None,
    dropout: float = 0.4,
) -> keras.Model:
    """Build a network that embeds images on the unit sphere.

    Args:
        input_shape: ``(length, channels)``, ``(height, width, channels)`` or ``(depth, height, width, channels)``. Sides may be
            None. None takes 160 x 160 x 3, or what the backbone takes. Pixels are float32 in 0..255.
        dimensions: dimensions of the embedding.
        backbone: a backbone; None takes Inception-ResNet v1, whose embedding gets a BatchNorm.
        pretrained: whether the backbone's BatchNorm stays in inference mode, even in layers that are trained.
        weights: weights of the whole network: None, or a path to Keras' ``.weights.h5`` or ``.keras``; without a backbone also
            a state dict of facenet-pytorch. Its classifier is left out, and so is its embedding if ``dimensions`` differ.
        dropout: dropout rate of the pooled features.

    Returns:
        a model from ``(N, ..., channels)`` to embeddings ``(N, dimensions)``, float32, of length 1.

    Raises:
        ValueError: the backbone has no outputs named by stride.
        UserError: there are no such weights, or they do not fit.
    """
    if backbone is None:
        trunk = inception_resnet_v1(input_shape, None)
        inputs, x, name = trunk.input, deepest(trunk), "facenet"
    else:
        trunk = keras.Model(backbone.input, deepest(backbone), name=backbone.name)
        inputs = keras.Input(input_shape or backbone.input_shape[1:], name="image")
        x = InferenceMode(trunk, name="base")(inputs) if pretrained else trunk(inputs)
        name = f"facenet_{backbone.name}"
    x = nd.layer("GlobalAveragePooling", x)(name="avg_pool")(x)
    if dropout > 0:
        x = keras.layers.Dropout(dropout, name="top_dropout")(x)
    x = keras.layers.Dense(dimensions, use_bias=backbone is not None, dtype="float32", name="embedding")(x)
    if backbone is None:
        x = keras.layers.BatchNormalization(epsilon=EPSILON, dtype="float32", name="embedding_bn")(x)
    model = keras.Model(inputs, keras.layers.UnitNormalization(dtype="float32", name="unit")(x), name=name)
    load_weights(model, weights)
    return model


def siamese(encoder: keras.Model, head: str = "absolute") -> keras.Model:
    """Build a network that predicts whether two images show the same, by comparing the encodings of one encoder.

    Siamese Neural Networks for One-shot Image Recognition, Koch et al. 2015; chi-square as in DeepFace, Taigman et al. 2014.

    Args:
        encoder: a model from images to ``(N, dimensions)``.
        head: how two encodings are compared in each dimension: "absolute", \\|a - b\\|, or "chi_square", (a - b)^2 / (a + b),
            which is meant for encodings that are not negative; for others the divisor is \\|a\\| + \\|b\\|.

    Returns:
        a model from two images ``[first, second]`` to logits ``(N, 1)``, float32, high if they show the same: a weighted sum of
        the differences, symmetric in the images.

    Raises:
        UserError: an unknown head, or an encoder that does not return one vector per image.
    """
    if head not in COMPARISONS:
        raise UserError(f"head={head!r}: expected one of {', '.join(map(repr, COMPARISONS))}.")
    if isinstance(encoder.output, (dict, list)) or len(encoder.output.shape) != 2:
        raise UserError(f"{encoder.name} does not return one vector per image: expected an encoder, such as models.facenet().")
    images = [keras.Input(encoder.input_shape[1:], name=name) for name in ("first", "second")]
    difference = COMPARISONS[head](*(encoder(image) for image in images))
    logit = keras.layers.Dense(1, dtype="float32", name="same")(difference)
    return keras.Model(images, logit, name=f"{encoder.name}_siamese")


def absolute_difference(first: keras.KerasTensor, second: keras.KerasTensor) -> keras.KerasTensor:
    """The absolute difference of two encodings ``(N, D)`` in each dimension."""
    return ops.absolute(first - second)


def chi_square(first: keras.KerasTensor, second: keras.KerasTensor) -> keras.KerasTensor:
    """The squared difference of two encodings, divided by their size; 0 where both are 0."""
    return ops.square(first - second) / ops.maximum(ops.absolute(first) + ops.absolute(second), SMALL)


COMPARISONS: dict[str, Callable[[keras.KerasTensor, keras.KerasTensor], keras.KerasTensor]] = {
    "absolute": absolute_difference,
    "chi_square": chi_square,
}
