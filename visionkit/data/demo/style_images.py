"""Images for neural style transfer that need no internet: photographs that come with libraries, and procedural paintings."""

from functools import cache

import numpy as np
import skimage.data
import sklearn.datasets

from visionkit.data.demo import paintings

CONTENTS = {  # none is longer than 640 pixels
    "astronaut": skimage.data.astronaut,
    "cat": skimage.data.chelsea,
    "coffee": skimage.data.coffee,
    "flower": lambda: sklearn.datasets.load_sample_image("flower.jpg"),
    "temple": lambda: sklearn.datasets.load_sample_image("china.jpg"),
}
STYLES = {
    "glass": paintings.glass,
    "mosaic": paintings.mosaic,
    "strokes": paintings.strokes,
    "woodcut": paintings.woodcut,
}


@cache  # drawing one takes seconds
def painting(name: str) -> np.ndarray:
    """One of ``STYLES``, always the same: uint8 ``(512, 512, 3)``, RGB, read-only."""
    image = STYLES[name](np.random.default_rng(0))
    image.flags.writeable = False
    return image
