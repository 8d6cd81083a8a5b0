"""Painters for tests: a small network with random weights, and a painter whose results can be computed by hand."""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from visionkit.models.style_network import style_network
from visionkit.tasks.style_transfer.export import export_painter

STYLES = ("negative", "dark <ü>")


def small_network(num_styles: int = 2) -> keras.Model:
    """A style network whose styles differ."""
    keras.utils.set_random_seed(5)
    network = style_network(num_styles=num_styles, filters=4, num_residuals=1)
    rng = np.random.default_rng(5)
    for variable in network.trainable_variables:
        if variable.name in ("gamma", "beta"):
            variable.assign(variable + rng.normal(0, 0.5, variable.shape))
    return network


def export_hand_painter(folder: Path, **options) -> Path:
    """A bundle whose first style is the negative, and whose second style halves the brightness; see ``by_hand``."""
    half = tf.Variable(0.5, trainable=False)

    def paint(pixels, shares):
        return shares[:, 0] * (255 - pixels) + shares[:, 1] * half * pixels

    return export_painter(paint, [half], folder, styles=STYLES, metadata={"data": "none"}, **options)


def by_hand(pixels: np.ndarray, negative: float = 1.0) -> np.ndarray:
    """The result of the hand painter for uint8 pixels, with ``negative`` as the share of the first style."""
    painted = negative * (255 - pixels.astype(np.float32)) + (1 - negative) * 0.5 * pixels
    return np.rint(painted).astype(np.uint8)
