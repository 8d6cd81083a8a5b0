"""Heads: what turns a feature map into an answer."""

import keras

from visionkit.layers import nd


def classifier_head(x: keras.KerasTensor, num_classes: int, *, dropout: float = 0.2) -> keras.KerasTensor:
    """Global average pooling, dropout and one dense layer.

    Args:
        x: feature map ``(N, spatial..., C)``.
        dropout: share of the pooled features that is dropped in training.

    Returns:
        logits ``(N, num_classes)``, float32: no softmax, which the loss and the exported bundle apply.
    """
    x = nd.layer("GlobalAveragePooling", x)(name="avg_pool")(x)
    if dropout > 0:
        x = keras.layers.Dropout(dropout, name="top_dropout")(x)
    # Small: on a frozen base, what the first weights say at random would have to be unlearnt.
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
    """All pixels of the feature map into dense layers, as before global pooling: the size of the image is then fixed.

    Args:
        x: feature map ``(N, spatial..., C)`` of known sides.
        hidden: units of each hidden layer.
        dropout: share that is dropped behind each of them in training.

    Returns:
        logits ``(N, num_classes)``, float32.

    Raises:
        ValueError: a side is not known.
    """
    if None in x.shape[1:]:
        raise ValueError(
            "This network ends in dense layers over all pixels: its input_shape needs every side given, not None. "
            "Only a backbone (num_classes=None) takes images of any size."
        )
    x = keras.layers.Flatten(name="flatten")(x)
    for number, units in enumerate(hidden, start=1):
        x = keras.layers.Dense(units, activation=activation, name=f"fc{number}")(x)
        if dropout > 0:
            x = keras.layers.Dropout(dropout, name=f"dropout{number}")(x)
    return keras.layers.Dense(num_classes, dtype="float32", name="predictions")(x)


def convolutional_head(x: keras.KerasTensor, num_classes: int, *, dropout: float = 0.5) -> keras.KerasTensor:
    """One map a class by a 1x1 convolution, then the mean of each: what Network in Network proposed.

    Args:
        x: feature map ``(N, spatial..., C)``.
        dropout: share of its values that is dropped in training.

    Returns:
        logits ``(N, num_classes)``, float32, none below zero.
    """
    x = keras.layers.Dropout(dropout, name="top_dropout")(x)
    x = nd.layer("Conv", x)(num_classes, 1, activation="relu", dtype="float32", name="predictions")(x)
    return nd.layer("GlobalAveragePooling", x)(dtype="float32", name="avg_pool")(x)
