"""Losses of neural style transfer: far from the content of one image, far from the style of another.

A Neural Algorithm of Artistic Style, Gatys et al. 2015, https://arxiv.org/abs/1508.06576, and the fourth course of
deeplearning.ai's specialisation. Their constants:

    content     paper and lecture: 1 / 2, a sum; the course's exercise: 1 / (4 H W C), which does not depend on the size
    style       paper, lecture and exercise alike: 1 / (4 C^2 (H W)^2) for each layer
    in all      alpha * content + beta * sum over the layers of lambda * style

Images may differ in size: Gram matrices are compared as means over positions, which is the same for equal sizes.
"""

from typing import Literal

import keras
from keras import ops

from visionkit.errors import UserError
from visionkit.ops.colors import GREY_SHARES

CELL = 16  # pixels a side: strokes are smaller, things are larger
FAINT = 0.02  # deviation of luminance, 0..1, below which nothing counts as lighter than the rest

Constants = Literal["exercise", "paper"]


def content_loss(
    features: keras.KerasTensor, target: keras.KerasTensor, *, constants: Constants = "exercise"
) -> keras.KerasTensor:
    """How far one layer's answer to an image is from its answer to the content image.

    Args:
        features: of the image, float ``(N, H, W, C)``.
        target: of the content image, the same shape.
        constants: "exercise": the sum of squares / (4 H W C); "paper", which the lecture has, too: the sum / 2.

    Returns:
        float32 ``(N,)``.

    Raises:
        UserError: other constants.
    """
    if constants not in ("exercise", "paper"):
        raise UserError(f"constants={constants!r}: expected 'exercise' or 'paper'.")
    squares = ops.square(ops.cast(features, "float32") - ops.cast(target, "float32"))
    return ops.sum(squares, axis=(1, 2, 3)) / 2 if constants == "paper" else ops.mean(squares, axis=(1, 2, 3)) / 4


def style_loss(gram: keras.KerasTensor, target: keras.KerasTensor) -> keras.KerasTensor:
    """How far one layer's Gram matrix is from that of the style.

    Args:
        gram: of the image, ``ops.gram.mean_gram``, float32 ``(N, C, C)``.
        target: of the style, ``(N, C, C)`` or ``(1, C, C)``.

    Returns:
        float32 ``(N,)``: the sum of squares / (4 C^2); of Gram matrices that are sums over H W positions that is
        1 / (4 C^2 (H W)^2).
    """
    return ops.mean(ops.square(gram - target), axis=(1, 2)) / 4


def total_variation(images: keras.KerasTensor) -> keras.KerasTensor:
    """Mean square of the steps between neighboring pixels, each 0..1: what is noisy costs more than what is smooth.

    Args:
        images: float ``(N, H, W, C)`` in 0..255.

    Returns:
        float32 ``(N,)``; 0 of a single pixel.
    """
    images = ops.cast(images, "float32") / 255
    _, height, width, channels = ops.shape(images)
    down = ops.sum(ops.square(images[:, 1:] - images[:, :-1]), axis=(1, 2, 3))
    across = ops.sum(ops.square(images[:, :, 1:] - images[:, :, :-1]), axis=(1, 2, 3))
    return (down + across) / ops.cast(height * width * channels, "float32")


def lightness_loss(painted: keras.KerasTensor, images: keras.KerasTensor) -> keras.KerasTensor:
    """How far what is light in an image is from being light in the painted one, whatever its contrast, colors and strokes.

    The luminances of cells of ``CELL`` pixels are compared, in each image brought to mean 0 and deviation 1.

    Args:
        painted: float ``(N, H, W, 3)`` in 0..255, sides of at least ``CELL``.
        images: the same shape.

    Returns:
        float32 ``(N,)``: 0 of images that differ in brightness and contrast alone, 2 of unrelated ones, 4 of a negative.
    """
    return ops.mean(ops.square(_relative_lightness(painted) - _relative_lightness(images)), axis=(1, 2))


def _relative_lightness(images: keras.KerasTensor) -> keras.KerasTensor:
    """Of each cell: ``(N, H / CELL, W / CELL)``."""
    grey = ops.dot(ops.cast(images, "float32") / 255, ops.convert_to_tensor(GREY_SHARES, "float32"))
    cells = ops.average_pool(grey[..., None], CELL, CELL)[..., 0]
    mean, variance = ops.moments(cells, axes=(1, 2), keepdims=True)
    return (cells - mean) * ops.rsqrt(variance + FAINT**2)
