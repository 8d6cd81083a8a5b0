"""Which part of a picture a network sees, and how that part becomes its input.

Both training (a random window) and serving (the central one) cut first and resize once.
"""

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


def decoding_ratios(windows: np.ndarray, size: int) -> np.ndarray:
    """By how much a JPEG's window may be shrunk while it is decoded, and still has ``size`` pixels a side: 1, 2, 4 or 8.

    Args:
        windows: ``(N, 4)``: top, left, height, width.

    Returns:
        int32 ``(N,)``.
    """
    return np.clip(2 ** np.floor(np.log2(np.maximum(windows[:, 2:].min(axis=1) // size, 1))), 1, 8).astype(np.int32)


def decode_jpeg_window(contents: tf.Tensor, window: tf.Tensor, size: int, ratio: int) -> tf.Tensor:
    """Decode one window of a JPEG, at ``1 / ratio`` of its sides.

    Args:
        contents: scalar string, a JPEG.
        window: int32 ``[top, left, height, width]`` in pixels of the whole picture.
        size: side of the result.
        ratio: 1, 2, 4 or 8.

    Returns:
        uint8 ``(size, size, 3)``.
    """
    scaled = tf.maximum(window // ratio, tf.constant([0, 0, 1, 1])) if ratio > 1 else window
    pixels = tf.io.decode_and_crop_jpeg(contents, scaled, 3, ratio=ratio, dct_method="INTEGER_ACCURATE")
    return _to_uint8(tf.image.resize(pixels, [size, size]), size)


def resize_smoothly(image: tf.Tensor, size: int) -> tf.Tensor:
    """Resize uint8 ``(H, W, 3)`` to uint8 ``(size, size, 3)``."""
    return _to_uint8(tf.image.resize(image, [size, size], antialias=True), size)


def _to_uint8(image: tf.Tensor, size: int) -> tf.Tensor:
    """Rounded, at a third of the cost of ``tf.round``."""
    return tf.ensure_shape(tf.cast(image + 0.5, tf.uint8), [size, size, 3])


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
