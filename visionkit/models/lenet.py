"""LeNet-5, which banks used to read cheques.

Gradient-Based Learning Applied to Document Recognition, LeCun et al. 1998, http://yann.lecun.com/exdb/publis/pdf/lecun-01a.pdf.

    5x5 convolution, pool /2, 5x5 convolution, pool /2 -> layers of 120 and 84 -> classifier
"""

import keras

from visionkit.layers import nd
from visionkit.layers.normalization import normalize
from visionkit.models.endpoints import Endpoints
from visionkit.models.heads import dense_head
from visionkit.models.pretrained import load_weights

FILTERS = (6, 16)
HIDDEN = (120, 84)
SIZE = 32  # pixels a side


def lenet5(
    input_shape: tuple[int, ...] | None = None,
    num_classes: int | None = 10,
    *,
    weights: str | None = None,
    filters: tuple[int, int] = FILTERS,
    activation: str = "tanh",
    pooling: str = "Average",
) -> keras.Model:
    """Build LeNet-5 with every map of the second convolution connected to all of the first, as is usual today.

    Args:
        input_shape: ``(length, channels)``, ``(height, width, channels)`` or ``(depth, height, width, channels)``; None takes
            32 x 32 x 1. Pixels are float32 in 0..255.
        num_classes: outputs of the classifier; None builds a backbone.
        weights: None or a path.
        filters: filters of the two convolutions.
        activation: activation of all layers but the last; the paper has a scaled tanh.
        pooling: "Average" as in the paper, where it had a trained gain and bias, or "Max".

    Returns:
        a model from ``(N, ..., channels)`` to logits ``(N, num_classes)``: 61,706 parameters by default. A backbone instead
        returns ``{"stride_1": ..., "stride_4": ...}``.
    """
    inputs = keras.Input(input_shape or (SIZE, SIZE, 1), name="image")
    x = normalize(inputs, "symmetric")
    endpoints = Endpoints()
    for number, count in enumerate(filters, start=1):
        x = nd.layer("Conv", x)(count, 5, activation=activation, name=f"conv{number}")(x)
        endpoints.add(2 ** (number - 1), x)
        x = nd.layer(f"{pooling}Pooling", x)(2, name=f"pool{number}")(x)
    endpoints.add(4, x)

    if num_classes is None:
        model = keras.Model(inputs, dict(endpoints), name="lenet5")
    else:
        logits = dense_head(x, num_classes, hidden=HIDDEN, activation=activation)
        model = keras.Model(inputs, logits, name="lenet5")
    load_weights(model, weights)
    return model
