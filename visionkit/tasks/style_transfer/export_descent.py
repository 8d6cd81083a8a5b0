"""A bundle that paints images by a gradient descent inside its graph: slow, and for any image and any style.

A Neural Algorithm of Artistic Style, Gatys et al. 2015, https://arxiv.org/abs/1508.06576; coarse to fine by Adam, as in
``descent.py``, without masks.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from visionkit.export.network import Network
from visionkit.losses.style import total_variation
from visionkit.models.style_features import StyleLayers
from visionkit.ops.colors import GREY_SHARES
from visionkit.tasks.style_transfer.descent import DECAYED, NARROWEST
from visionkit.tasks.style_transfer.export import export_painter
from visionkit.tasks.style_transfer.objective import LossWeights, StyleTarget
from visionkit.tasks.style_transfer.train import StyleTargets, content_and_style_loss

FACTORS = (4, 2, 1)  # by which the image is shrunk at each scale
MOST_PIXELS = 768 * 768  # the largest image that is painted at its own size: more would take more than a laptop's memory
BETAS, EPSILON = (0.9, 0.99), 1e-7  # Adam's


class Painter(tf.Module):
    """Paints by gradient descent in a graph.

    Args:
        features: ``models.style_features``.
        layers: the outputs at which content and style are compared.
        styles: the styles; their shares are the default of the bundle.
        weights: of the parts of the loss.
        steps: number of steps at each scale, the coarsest first.
        learning_rate: Adam's, in levels of 0..255 a step.
        half_precision: keep the network's weights as float16.
        luminance_only: keep the chroma of the image, as ``ops.color_transfer.with_colors_of`` does.

    Attributes:
        default_shares: shares of the styles if none are requested; they sum to 1.
    """

    def __init__(
        self,
        features: keras.Model,
        layers: StyleLayers,
        styles: Sequence[StyleTarget],
        weights: LossWeights,
        *,
        steps: Sequence[int],
        learning_rate: float = 10.0,
        half_precision: bool = False,
        luminance_only: bool = False,
    ):
        super().__init__(name="painter")
        self.layers = layers
        self._network = Network(features, half_precision=half_precision)
        self._targets, self._weights = StyleTargets.stack(styles), weights
        shares = np.array([style.share for style in styles])
        self.default_shares = (shares / shares.sum()).tolist()
        self._steps, self._learning_rate, self._luminance_only = tuple(steps), learning_rate, luminance_only
        pixels, of_styles = tf.TensorSpec([1, None, None, 3], tf.float32), tf.TensorSpec([1, len(styles)])
        # The network is traced once, forward and backward, for all scales.
        self._gradient = tf.function(self._loss_gradient, input_signature=[pixels, pixels, of_styles], autograph=False)

    def extract(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """The feature maps of float32 ``(N, H, W, 3)`` in 0..255, see ``FeatureExtractor.extract``."""
        return self._network.forward(images)

    def paint(self, pixels: tf.Tensor, shares: tf.Tensor) -> tf.Tensor:
        """From pixels, float32 ``(1, H, W, 3)`` in 0..255, at least ``NARROWEST`` a side, and shares ``(1, S)`` to pixels."""
        if not self._luminance_only:
            return self._coarse_to_fine(pixels, shares)
        return with_chroma_of(self._coarse_to_fine(tf.repeat(_luminance(pixels), 3, -1), shares), pixels)

    def _coarse_to_fine(self, pixels: tf.Tensor, shares: tf.Tensor) -> tf.Tensor:
        size = tf.shape(pixels)[1:3]
        change = tf.zeros_like(pixels)
        for factor, steps in zip(FACTORS, self._steps, strict=True):
            scale_size = tf.maximum(size // factor, tf.minimum(size, NARROWEST))
            content = tf.image.resize(pixels, scale_size, antialias=True)
            start = tf.clip_by_value(content + tf.image.resize(change, scale_size, "bicubic"), 0.0, 255.0)
            change = self._descend(start, content, shares, steps) - content
        return tf.ensure_shape(tf.clip_by_value(pixels + change, 0.0, 255.0), [1, None, None, 3])

    def _descend(self, image: tf.Tensor, content: tf.Tensor, shares: tf.Tensor, steps: int) -> tf.Tensor:
        def step(number, image, mean, square):
            gradient = self._gradient(image, content, shares)
            t = tf.cast(number, tf.float32)
            mean = BETAS[0] * mean + (1 - BETAS[0]) * gradient
            square = BETAS[1] * square + (1 - BETAS[1]) * gradient**2
            direction = mean / (1 - BETAS[0] ** (t + 1)) / (tf.sqrt(square / (1 - BETAS[1] ** (t + 1))) + EPSILON)
            rate = self._learning_rate * (DECAYED + (1 - DECAYED) * (1 + tf.cos(np.pi * t / steps)) / 2)
            return number + 1, tf.clip_by_value(image - rate * direction, 0.0, 255.0), mean, square

        start = (tf.constant(0), image, tf.zeros_like(image), tf.zeros_like(image))
        free = tf.TensorShape([1, None, None, 3])
        shapes = (tf.TensorShape([]), free, free, free)
        return tf.while_loop(lambda number, *_: number < steps, step, start, shapes, parallel_iterations=1)[1]

    def _loss_gradient(self, image: tf.Tensor, content: tf.Tensor, shares: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(image)
            content_loss, style_loss = content_and_style_loss(self, self._targets, image, content, shares)
            smoothness = total_variation(image)[0]
            weights = self._weights
            loss = weights.content * content_loss + weights.style * style_loss + weights.smoothness * smoothness
        return tape.gradient(loss, image)


def with_chroma_of(painted: tf.Tensor, colored: tf.Tensor) -> tf.Tensor:
    """``ops.color_transfer.with_colors_of`` in a graph; both images and the result are float32 ``(..., 3)`` in 0..255."""
    grey, chroma = _luminance(painted), colored - _luminance(colored)
    limits = tf.where(chroma > 0, 255 - grey, grey) / tf.maximum(tf.abs(chroma), 1e-9)  # how far chroma may be scaled
    return grey + chroma * tf.minimum(tf.reduce_min(limits, -1, keepdims=True), 1.0)


def _luminance(pixels: tf.Tensor) -> tf.Tensor:
    return tf.minimum(tf.tensordot(pixels, tf.constant(GREY_SHARES), 1)[..., None], 255.0)


def export_painting(
    painter: Painter,
    folder: str | Path,
    *,
    styles: tuple[str, ...],
    metadata: dict[str, Any],
) -> Path:
    """Write a painter as a bundle; it has no LiteRT model, because LiteRT has no gradients.

    Args:
        painter: the painter.
        folder: see ``write_bundle``.
        styles: names of the styles.
        metadata: for ``bundle.json``.

    Returns:
        the folder.

    Raises:
        UserError: a name is used twice, or the folder is not a bundle.
    """
    described = {"by": "descent", **metadata}
    options = {"smallest": NARROWEST, "most_pixels": MOST_PIXELS, "default_shares": painter.default_shares}
    return export_painter(painter.paint, painter, folder, styles=styles, metadata=described, **options)
