"""A backbone of four convolutions, for tests of other things."""

import keras

from visionkit.models.endpoints import Endpoints


def small_backbone(sides=(None, None), filters=8, *, batch_norm=False):
    pixels = keras.Input((*sides, 3))
    x = keras.layers.Rescaling(1 / 128, -1.0)(pixels)
    x = keras.layers.Conv2D(filters, 5, 4, "same", activation="relu")(x)
    endpoints = Endpoints()
    for stride in (8, 16, 32):
        x = keras.layers.Conv2D(2 * filters, 3, 2, "same")(x)
        x = keras.layers.BatchNormalization(name=f"bn_{stride}")(x) if batch_norm else x
        x = keras.layers.ReLU()(x)
        endpoints.add(stride, x)
    return keras.Model(pixels, dict(endpoints), name="small")
