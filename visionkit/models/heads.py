"""Heads: the last layers, which turn a feature map into logits."""

import keras

from visionkit.layers import nd
from visionkit.layers.nd import CHANNELS_LAST


def classifier_head(x: keras.KerasTensor, num_classes: int, *, dropout: float = 0.2) -> keras.KerasTensor:
    """Global average pooling, dropout and one dense layer.

    Args:
        x: feature map ``(N, spatial..., C)``.
        dropout: dropout rate of the pooled features.

    Returns:
        logits ``(N, num_classes)``, float32, without softmax, which the loss and the exported bundle apply.
    """
    x = nd.layer("GlobalAveragePooling", x)(name="avg_pool")(x)
    if dropout > 0:
        x = keras.layers.Dropout(dropout, name="top_dropout")(x)
    # Small: over a frozen base, large random predictions would have to be unlearnt first.
    initializer = keras.initializers.RandomNormal(stddev=0.01)
    return keras.layers.Dense(num_classes, kernel_initializer=initializer, dtype="float32", name="predictions")(x)


def dense_head(
    x: keras.KerasTensor,
    num_classes: int,
    *,
    hidden: tuple[int, ...],
    activation: str = "relu",
    dropout: float = 0.0,
) -> keras.KerasTensor:
    """Dense layers over all pixels of the feature map, as was usual before global pooling; they fix the size of the image.

    Args:
        x: feature map ``(N, spatial..., C)`` of known sides.
        hidden: units of each hidden layer.
        dropout: dropout rate after each hidden layer.

    Returns:
        logits ``(N, num_classes)``, float32.

    Raises:
        ValueError: a side is None.
    """
    if None in x.shape[1:]:
        raise ValueError(
            "This network ends in dense layers over all pixels: its input_shape needs every side given, not None. "
            "Only a backbone (num_classes=None) takes images of any size."
        )
    x = keras.layers.Flatten(CHANNELS_LAST, name="flatten")(x)
    for number, units in enumerate(hidden, start=1):
        x = keras.layers.Dense(units, activation=activation, name=f"fc{number}")(x)
        if dropout > 0:
            x = keras.layers.Dropout(dropout, name=f"dropout{number}")(x)
    return keras.layers.Dense(num_classes, dtype="float32", name="predictions")(x)


def convolutional_head(x: keras.KerasTensor, num_classes: int, *, dropout: float = 0.5) -> keras.KerasTensor:
    """A 1x1 convolution to one map per class, then the mean of each map, as Network in Network proposed.

    Args:
        x: feature map ``(N, spatial..., C)``.
        dropout: dropout rate of its values.

    Returns:
        logits ``(N, num_classes)``, float32, none below zero.
    """
    x = keras.layers.Dropout(dropout, name="top_dropout")(x)
    x = nd.layer("Conv", x)(num_classes, 1, activation="relu", dtype="float32", name="predictions")(x)
    return nd.layer("GlobalAveragePooling", x)(dtype="float32", name="avg_pool")(x)
