"""The features by which ``visionkit check`` finds changed copies of photographs."""

import functools
from collections.abc import Callable

import numpy as np


def photograph_features(pixels: np.ndarray) -> np.ndarray:
    """The features of EfficientNet-Lite0, which is installed with visionkit; it is built when it is first called.

    Args:
        pixels: uint8 ``(N, 128, 128, 3)``.

    Returns:
        float32 ``(N, 1280)``.
    """
    return _network()(pixels.astype(np.float32)).numpy()


@functools.cache
def _network() -> Callable:
    import keras

    from visionkit import models
    from visionkit.data.quality.feature_duplicates import SIDE
    from visionkit.training.runtime import frozen

    network = models.build("efficientnet_lite0", (SIDE, SIDE, 3), num_classes=None, weights="imagenet")
    pooled = keras.layers.GlobalAveragePooling2D("channels_last")(network.outputs[network.output_names.index("top_activation")])
    return frozen(keras.Model(network.inputs, pooled))
