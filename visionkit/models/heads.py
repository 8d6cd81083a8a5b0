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
