"""Losses of neural style transfer: distance to the content of one image and to the style of another.

A Neural Algorithm of Artistic Style, Gatys et al. 2015, https://arxiv.org/abs/1508.06576, and the fourth course of
deeplearning.ai's specialisation. Their constants:

    content     paper and lecture: 1 / 2 of the sum; the course's exercise: 1 / (4 H W C), which does not depend on the size
    style       paper, lecture and exercise: 1 / (4 C^2 (H W)^2) for each layer
    total       alpha * content + beta * sum over the layers of lambda * style

Images may differ in size, because Gram matrices are compared as means over positions; for equal sizes that is the same.
"""

from typing import Literal

import keras
from keras import ops

from visionkit.errors import UserError
from visionkit.ops.colors import GREY_SHARES

CELL = 16  # pixels per side: strokes are smaller, objects are larger
FAINT = 0.02  # standard deviation of luminance, 0..1, below which differences of lightness hardly count

Constants = Literal["exercise", "paper"]


def content_loss(
    features: keras.KerasTensor, target: keras.KerasTensor, *, constants: Constants = "exercise"
) -> keras.KerasTensor:
    """The squared distance of one layer's features from those of the content image.

    Args:
        features: features of the image, float ``(N, H, W, C)``.
        target: features of the content image, of the same shape.
        constants: "exercise" is the sum of squares / (4 H W C); "paper", as in the lecture, is the sum / 2.

    Returns:
        float32 ``(N,)``.

    Raises:
        UserError: ``constants`` is unknown.
    """
    if constants not in ("exercise", "paper"):
        raise UserError(f"constants={constants!r}: expected 'exercise' or 'paper'.")
    squares = ops.square(ops.cast(features, "float32") - ops.cast(target, "float32"))
    return ops.sum(squares, axis=(1, 2, 3)) / 2 if constants == "paper" else ops.mean(squares, axis=(1, 2, 3)) / 4


def style_loss(gram: keras.KerasTensor, target: keras.KerasTensor) -> keras.KerasTensor:
    """The squared distance of one layer's Gram matrix from that of the style image.

    Args:
        gram: Gram matrix of the image, ``ops.mean_gram``, float32 ``(N, C, C)``.
        target: Gram matrix of the style image, ``(N, C, C)`` or ``(1, C, C)``.

    Returns:
        float32 ``(N,)``: the sum of squares / (4 C^2); for Gram matrices that are sums over H W positions, the factor would be
        1 / (4 C^2 (H W)^2).
    """
    return ops.mean(ops.square(gram - target), axis=(1, 2)) / 4


def total_variation(images: keras.KerasTensor) -> keras.KerasTensor:
    """Mean squared difference of neighboring pixels, in units of 0..1: noise costs more than smooth areas.

    Args:
        images: float ``(N, H, W, C)`` in 0..255.

    Returns:
        float32 ``(N,)``; 0 for a single pixel.
    """
    images = ops.cast(images, "float32") / 255
    _, height, width, channels = ops.shape(images)
    down = ops.sum(ops.square(images[:, 1:] - images[:, :-1]), axis=(1, 2, 3))
    across = ops.sum(ops.square(images[:, :, 1:] - images[:, :, :-1]), axis=(1, 2, 3))
    return (down + across) / ops.cast(height * width * channels, "float32")


def lightness_loss(painted: keras.KerasTensor, images: keras.KerasTensor) -> keras.KerasTensor:
    """How much the lightness of the painted image differs from that of the image, whatever its contrast, colors and strokes.

    It compares the luminances of cells of ``CELL`` x ``CELL`` pixels, standardized to mean 0 and deviation 1 in each image.

    Args:
        painted: float ``(N, H, W, 3)`` in 0..255, sides of at least ``CELL``.
        images: the original images, of the same shape.

    Returns:
        float32 ``(N,)``: 0 for images that differ in brightness and contrast alone, 2 for unrelated ones, 4 for a negative.
    """
    return ops.mean(ops.square(_relative_lightness(painted) - _relative_lightness(images)), axis=(1, 2))


def _relative_lightness(images: keras.KerasTensor) -> keras.KerasTensor:
    """The standardized luminance of each cell: ``(N, H / CELL, W / CELL)``."""
    grey = ops.dot(ops.cast(images, "float32") / 255, ops.convert_to_tensor(GREY_SHARES, "float32"))
    cells = ops.average_pool(grey[..., None], CELL, CELL)[..., 0]
    mean, variance = ops.moments(cells, axes=(1, 2), keepdims=True)
    return (cells - mean) * ops.rsqrt(variance + FAINT**2)
