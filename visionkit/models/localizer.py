"""Networks that localize: one object with its box, or the landmarks of one object."""

import keras
from keras import layers, ops

from visionkit.errors import UserError
from visionkit.layers.inference_mode import InferenceMode
from visionkit.models.endpoints import check_padding, select_endpoints, strides_of

FILTERS = 64


def localizer(backbone: keras.Model, num_classes: int, *, dropout: float = 0.2) -> keras.Model:
    """Build a network that predicts whether there is an object, where it is, and its class.

    The center of mass of an attention map is the center of the box, and the features there predict its sides and its class. A
    dense layer over all positions would have to learn every position separately.

    Args:
        backbone: a pretrained backbone with known sides. Its BatchNorm runs in inference mode.
        num_classes: number of object classes.
        dropout: dropout rate of the features at the object.

    Returns:
        a model from pixels ``(N, size, size, 3)`` to ``(N, 5 + num_classes)``; see ``losses.localization_loss``.

    Raises:
        UserError: the backbone has no map of stride 16 or more, or does not pad its maps.
    """
    pixels = keras.Input(backbone.input_shape[1:], name="image")
    x = _merged_features(backbone, pixels, finest=16)
    where = layers.Conv2D(1, 1, dtype="float32", name="where")(x)
    center = layers.Flatten(name="center")(CenterOfMass(dtype="float32", name="center_of_mass")(where))
    features = layers.Dropout(dropout, name="dropout")(SeenAt(name="seen")([where, x]))
    anywhere = layers.GlobalMaxPooling2D(name="anywhere")(x)
    outputs = [
        layers.Dense(1, dtype="float32", name="presence")(anywhere),
        center,
        layers.Dense(2, activation="sigmoid", dtype="float32", name="sides")(features),
        layers.Dense(num_classes, dtype="float32", name="classes")(features),
    ]
    return keras.Model(pixels, layers.Concatenate(dtype="float32", name="answer")(outputs), name=f"{backbone.name}_localizer")


def landmark_finder(backbone: keras.Model, num_points: int) -> keras.Model:
    """Build a network that predicts landmarks, each as the center of mass of a map.

    Integral Human Pose Regression, Sun et al. 2018 (https://arxiv.org/abs/1711.08229), on feature maps of stride 8 and more.

    Args:
        backbone: a pretrained backbone with known sides. Its BatchNorm runs in inference mode.
        num_points: number of landmarks.

    Returns:
        a model from pixels ``(N, size, size, 3)`` to x and y, relative to the image, ``(N, num_points, 2)``.

    Raises:
        UserError: the backbone has no map of stride 8 or more, or does not pad its maps.
    """
    pixels = keras.Input(backbone.input_shape[1:], name="image")
    x = _merged_features(backbone, pixels, finest=8)
    maps = layers.Conv2D(num_points, 1, dtype="float32", name="maps")(x)
    return keras.Model(pixels, CenterOfMass(dtype="float32", name="points")(maps), name=f"{backbone.name}_landmarks")


@keras.saving.register_keras_serializable("visionkit")
class CenterOfMass(layers.Layer):
    """The center of mass of each map: ``(N, H, W, K)``, any numbers, to x and y, 0..1, ``(N, K, 2)``.

    Softmax makes a map positive, with a sum of 1, so that the prediction has a gradient everywhere.
    """

    def call(self, maps: keras.KerasTensor) -> keras.KerasTensor:
        """Softmax and expectation."""
        height, width, _ = maps.shape[1:]
        masses = _softmax(maps)
        x = (ops.arange(width, dtype=maps.dtype) + 0.5) / width
        y = (ops.arange(height, dtype=maps.dtype) + 0.5) / height
        return ops.stack(
            [ops.tensordot(ops.sum(masses, 1), x, [[1], [0]]), ops.tensordot(ops.sum(masses, 2), y, [[1], [0]])], -1
        )


@keras.saving.register_keras_serializable("visionkit")
class SeenAt(layers.Layer):
    """Mean of features, weighted by the softmax of a map: ``[(N, H, W, 1), (N, H, W, C)]`` to ``(N, C)``."""

    def call(self, inputs: list[keras.KerasTensor]) -> keras.KerasTensor:
        """The weighted mean."""
        where, features = inputs
        return ops.sum(_softmax(where) * features, axis=(1, 2))


def _softmax(maps: keras.KerasTensor) -> keras.KerasTensor:
    """Over rows and columns. (``ops.softmax`` over two axes needs a known batch size in Keras 3.15.)"""
    height, width, count = maps.shape[1:]
    flat = ops.softmax(ops.reshape(maps, (-1, height * width, count)), axis=1)
    return ops.reshape(flat, (-1, height, width, count))


def _merged_features(backbone: keras.Model, pixels: keras.KerasTensor, finest: int) -> keras.KerasTensor:
    """The feature maps from stride ``finest`` on, merged: coarser ones are enlarged and added, then a convolution follows."""
    strides = [stride for stride in strides_of(backbone) if stride >= finest]
    if not strides:
        raise UserError(f"{backbone.name} has no feature map of stride {finest} or more. Choose another base.")
    chosen = select_endpoints(backbone, tuple(strides))
    check_padding(chosen, backbone.input_shape[1:-1])
    listed = keras.Model(chosen.inputs, [chosen.output[f"stride_{stride}"] for stride in strides], name=backbone.name)
    maps = InferenceMode(listed, name="base")(pixels)
    x = None
    for stride, features in reversed(list(zip(strides, maps, strict=True))):
        # Features of a pretrained base may be large, and sigmoid saturates.
        normalized = layers.LayerNormalization(name=f"even_{stride}")(features)
        lateral = layers.Conv2D(FILTERS, 1, name=f"lateral_{stride}")(normalized)
        if x is not None:
            x = layers.UpSampling2D(lateral.shape[1] // x.shape[1], interpolation="bilinear", name=f"enlarged_{stride}")(x)
            lateral = layers.Add(name=f"merged_{stride}")([x, lateral])
        x = lateral
    return layers.Conv2D(2 * FILTERS, 3, padding="same", activation="relu", name="look")(x)
