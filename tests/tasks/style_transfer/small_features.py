"""A small network like VGG, of convolutions with pooling between them; its weights are random."""

import keras

from visionkit.models.style_features import StyleLayers

LAYERS = StyleLayers("deep", {"fine": 0.6, "middle": 0.3, "deep": 0.1})


def small_features() -> keras.Model:
    """From pixels of any size to feature maps at strides 1, 2 and 4."""
    keras.utils.set_random_seed(5)
    image = keras.Input((None, None, 3), name="image")
    x = keras.layers.Rescaling(1 / 128, -1.0)(image)
    fine = keras.layers.Conv2D(6, 3, padding="same", activation="relu")(x)
    middle = keras.layers.Conv2D(8, 3, padding="same", activation="relu")(keras.layers.MaxPooling2D(2)(fine))
    deep = keras.layers.Conv2D(8, 3, padding="same", activation="relu")(keras.layers.MaxPooling2D(2)(middle))
    model = keras.Model(image, {"fine": fine, "middle": middle, "deep": deep}, name="small_features")
    model.trainable = False
    return model
