"""Which part of a picture a network sees, and how that part becomes its input.

Both training (a random window) and serving (the central one) cut first and resize once.
"""

from functools import partial

import numpy as np
import tensorflow as tf

CENTRAL_SHARE = 0.875  # of the shorter side: the usual protocol of ImageNet, which drops an eighth


def central_window(height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """The central square: int32 ``[top, left, height, width]`` in pixels."""
    side = tf.cast(tf.round(CENTRAL_SHARE * tf.cast(tf.minimum(height, width), tf.float32)), tf.int32)
    side = tf.maximum(side, 1)
    return tf.stack([(height - side) // 2, (width - side) // 2, side, side])


def random_windows(shapes: np.ndarray, drawn: np.ndarray, area: tuple[float, float]) -> np.ndarray:
    """A random part of each picture, as Inception was trained (https://arxiv.org/abs/1409.4842).

    Args:
        shapes: ``(N, 2)``, heights and widths in pixels.
        drawn: ``(N, 4)``, uniform in 0..1, from which the windows follow.
        area: bounds of a window's share of the picture's area. Its aspect ratio lies between 3/4 and 4/3, where it fits.

    Returns:
        int32 ``(N, 4)``: top, left, height, width, inside the pictures.
    """
    share, log_ratio = drawn[:, 0], drawn[:, 1]
    pixels = (area[0] + share * (area[1] - area[0])) * shapes.prod(axis=1, dtype=np.float64)
    ratio = (4 / 3) ** (2 * log_ratio - 1)
    sides = np.minimum(np.stack([np.sqrt(pixels / ratio), np.sqrt(pixels * ratio)], axis=1), shapes)
    sides = np.maximum(np.round(sides), 1)
    corners = np.floor(drawn[:, 2:] * (shapes - sides + 1))
    return np.concatenate([corners, sides], axis=1).astype(np.int32)


def cut(image: tf.Tensor, window: tf.Tensor) -> tf.Tensor:
    """The window ``[top, left, height, width]`` of ``(H, W, C)``."""
    top, left, height, width = tf.unstack(window)
    return tf.convert_to_tensor(image)[top : top + height, left : left + width]


def decode_jpeg_window(contents: tf.Tensor, window: tf.Tensor, size: int) -> tf.Tensor:
    """Decode the window alone, at 1/2, 1/4 or 1/8 of its sides where it is that much larger than ``size``.

    Args:
        contents: scalar string, a JPEG.
        window: int32 ``[top, left, height, width]`` in pixels of the whole picture.
        size: pixels that each side of the result has at least, if the window has.

    Returns:
        uint8 ``(h, w, 3)``.
    """

    def decode(ratio):
        scaled = tf.maximum(window // ratio, tf.constant([0, 0, 1, 1]))
        return tf.io.decode_and_crop_jpeg(contents, scaled, 3, ratio=ratio, dct_method="INTEGER_ACCURATE")

    shrinks = tf.reduce_min(window[2:]) // size >= tf.constant([2, 4, 8])
    return tf.switch_case(tf.reduce_sum(tf.cast(shrinks, tf.int32)), [partial(decode, ratio) for ratio in (1, 2, 4, 8)])


def resize(image: tf.Tensor, size: int) -> tf.Tensor:
    """Resize uint8 ``(H, W, 3)`` to uint8 ``(size, size, 3)``: smoothed where it shrinks by 2 or more, else bilinear."""
    smoothly = tf.reduce_max(tf.shape(image)[:2]) >= 2 * size
    resized = tf.cond(
        smoothly,
        lambda: tf.image.resize(image, [size, size], antialias=True),
        lambda: tf.image.resize(image, [size, size]),
    )
    return tf.ensure_shape(tf.cast(resized + 0.5, tf.uint8), [size, size, 3])  # rounds, at a third of the cost of tf.round


def fit(image: tf.Tensor, size: int) -> tf.Tensor:
    """What a classifier sees of a picture: its central window, smoothly resized.

    Args:
        image: uint8 ``(H, W, 3)`` of any size.
        size: side of the result in pixels.

    Returns:
        float32 ``(size, size, 3)`` in 0..255. The pipeline and every exported bundle call this same function.
    """
    shape = tf.shape(image)
    window = cut(image, central_window(shape[0], shape[1]))
    return tf.ensure_shape(tf.image.resize(window, [size, size], antialias=True), [size, size, 3])
