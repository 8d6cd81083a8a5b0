"""A bundle that paints images by gradient descent, the descent inside its graph: slow, and for any image and any style.

A Neural Algorithm of Artistic Style, Gatys et al. 2015, https://arxiv.org/abs/1508.06576; from coarse to fine, by Adam, as in
``training.stylize``, without masks.
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
from visionkit.tasks.style_transfer.objective import LossWeights, Style
from visionkit.tasks.style_transfer.train import Targets, parts_of

FACTORS = (4, 2, 1)  # by which the image is smaller, one after the other
MOST_PIXELS = 768 * 768  # that are painted at once: more take more than a laptop's memory
BETAS, EPSILON = (0.9, 0.99), 1e-7  # of Adam


class Painter(tf.Module):
    """Paints by descent.

    Args:
        features: ``models.style_features``.
        layers: which of its outputs say what.
        styles: what is wanted.
        shares: of the parts of the loss.
        steps: of each scale, the coarsest first.
        learning_rate: of Adam, in 0..255 a step.
        half_precision: keep the weights as float16.
        luminance_only: the image keeps its chroma, as with ``ops.color_transfer.with_colors_of``.
    """

    def __init__(
        self,
        features: keras.Model,
        layers: StyleLayers,
        styles: Sequence[Style],
        shares: LossWeights,
        *,
        steps: Sequence[int],
        learning_rate: float = 10.0,
        half_precision: bool = False,
        luminance_only: bool = False,
    ):
        super().__init__(name="painter")
        self.layers = layers
        self._network = Network(features, half_precision=half_precision)
        self._targets, self._shares = Targets.of(styles), shares
        self._steps, self._learning_rate, self._luminance_only = tuple(steps), learning_rate, luminance_only
        pixels = tf.TensorSpec([1, None, None, 3], tf.float32)
        # The network is traced once, forward and back; all scales call this.
        self._gradient = tf.function(self._loss_gradient, input_signature=[pixels, pixels, tf.TensorSpec([1, len(styles)])])

    def whole(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """The network's answers to float32 ``(N, H, W, 3)`` in 0..255, as ``training.style_objective.Maps`` gives them."""
        return self._network.forward(images)

    def paint(self, pixels: tf.Tensor, shares: tf.Tensor) -> tf.Tensor:
        """Pixels, float32 ``(1, H, W, 3)`` in 0..255, at least ``NARROWEST`` a side, and shares ``(1, S)`` to pixels."""
        if not self._luminance_only:
            return self._painted(pixels, shares)
        return with_chroma_of(self._painted(tf.repeat(_luminance(pixels), 3, -1), shares), pixels)

    def _painted(self, pixels: tf.Tensor, shares: tf.Tensor) -> tf.Tensor:
        size = tf.shape(pixels)[1:3]
        change = tf.zeros_like(pixels)
        for factor, steps in zip(FACTORS, self._steps, strict=True):
            here = tf.maximum(size // factor, tf.minimum(size, NARROWEST))
            content = tf.image.resize(pixels, here, antialias=True)
            begin = tf.clip_by_value(content + tf.image.resize(change, here, "bicubic"), 0.0, 255.0)
            change = self._descended(begin, content, shares, steps) - content
        return tf.ensure_shape(tf.clip_by_value(pixels + change, 0.0, 255.0), [1, None, None, 3])

    def _descended(self, image: tf.Tensor, content: tf.Tensor, shares: tf.Tensor, steps: int) -> tf.Tensor:
        def step(number, image, mean, square):
            gradient = self._gradient(image, content, shares)
            at = tf.cast(number, tf.float32)
            mean = BETAS[0] * mean + (1 - BETAS[0]) * gradient
            square = BETAS[1] * square + (1 - BETAS[1]) * gradient**2
            direction = mean / (1 - BETAS[0] ** (at + 1)) / (tf.sqrt(square / (1 - BETAS[1] ** (at + 1))) + EPSILON)
            rate = self._learning_rate * (DECAYED + (1 - DECAYED) * (1 + tf.cos(np.pi * at / steps)) / 2)
            return number + 1, tf.clip_by_value(image - rate * direction, 0.0, 255.0), mean, square

        start = (tf.constant(0), image, tf.zeros_like(image), tf.zeros_like(image))
        free = tf.TensorShape([1, None, None, 3])
        shapes = (tf.TensorShape([]), free, free, free)
        return tf.while_loop(lambda number, *_: number < steps, step, start, shapes, parallel_iterations=1)[1]

    def _loss_gradient(self, image: tf.Tensor, content: tf.Tensor, shares: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(image)
            content_loss, style_loss = parts_of(self, self._targets, image, content, shares)
            smooth = total_variation(image)[0]
            given = self._shares
            loss = given.content * content_loss + given.style * style_loss + given.smoothness * smooth
        return tape.gradient(loss, image)


def with_chroma_of(painted: tf.Tensor, colored: tf.Tensor) -> tf.Tensor:
    """``ops.color_transfer.with_colors_of`` in a graph: both, and the answer, float32 ``(..., 3)`` in 0..255."""
    grey, chroma = _luminance(painted), colored - _luminance(colored)
    room = tf.where(chroma > 0, 255 - grey, grey) / tf.maximum(tf.abs(chroma), 1e-9)
    return grey + chroma * tf.minimum(tf.reduce_min(room, -1, keepdims=True), 1.0)


def _luminance(pixels: tf.Tensor) -> tf.Tensor:
    return tf.minimum(tf.tensordot(pixels, tf.constant(GREY_SHARES), 1)[..., None], 255.0)


def export_painting(
    painter: Painter,
    folder: str | Path,
    *,
    styles: tuple[str, ...],
    metadata: dict[str, Any],
    usual: Sequence[float] | None = None,
) -> Path:
    """Write a painter as a bundle, beside and then renamed; it has no LiteRT model, which knows no gradients.

    Args:
        painter: what paints.
        folder: a bundle there is replaced.
        styles: their names.
        metadata: for ``bundle.json``.
        usual: shares of the styles where none are asked for; None takes the first style.

    Returns:
        the folder.

    Raises:
        UserError: a folder stands there that is no bundle.
    """
    described = {"by": "descent", **metadata}
    sides = {"smallest": NARROWEST, "most_pixels": MOST_PIXELS}
    return export_painter(painter.paint, painter, folder, styles=styles, metadata=described, usual=usual, **sides)
