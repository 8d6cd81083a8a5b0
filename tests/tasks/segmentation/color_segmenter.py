"""A segmenter whose predictions are known by hand: a pixel has the class of its brightest color, if that is bright."""

import keras
import numpy as np

from visionkit.tasks.segmentation.export import export_segmenter

NAMES = ("background", "red", "green", "blau <ü>")
DARK = 100  # what is not brighter is background


def color_segmenter(rank: int = 2) -> keras.Model:
    """Logits are ``DARK`` and the three channels; for volumes, whose values are standardized, 0 and one channel."""
    channels = 3 if rank == 2 else 1
    values = keras.Input((*(None,) * rank, channels))
    layer = (keras.layers.Conv2D if rank == 2 else keras.layers.Conv3D)(channels + 1, 1)
    logits = layer(values)
    layer.set_weights([np.eye(channels + 1, dtype="float32")[1:].reshape((1,) * rank + (channels, channels + 1)), layer.bias])
    bias = np.zeros(channels + 1, "float32")
    bias[0] = DARK if rank == 2 else 0
    layer.bias.assign(bias)
    return keras.Model(values, logits)


def export_color_segmenter(folder, rank: int = 2):
    """Export a color segmenter as a bundle."""
    names, sides = (NAMES, (16, 16)) if rank == 2 else (("background", "organ"), (8, 8, 8))
    options = {"multiple": 1, "litert_sides": sides, "metadata": {"base": "colors"}}
    return export_segmenter(color_segmenter(rank), folder, class_names=names, **options)


def image_of(mask: np.ndarray) -> np.ndarray:
    """The image, uint8 ``(H, W, 3)``, for which a mask ``(H, W)`` is predicted."""
    return np.array([[50, 50, 50], [200, 20, 20], [20, 220, 90], [90, 20, 210]], np.uint8)[mask]
