"""Which part of an image a network sees, and how that part becomes its input.

A window is ``[top, left, height, width]`` in pixels. Both training (a random window) and serving (``center_crop``,
``letterbox``) cut first and resize once. In training only the window of a JPEG is decoded, at a fraction of its sides where
that is enough.
"""

import numpy as np
import tensorflow as tf

from visionkit.ops.colors import PADDING

CENTRAL_SHARE = 0.875  # of the shorter side: the usual protocol of ImageNet, which drops an eighth


def central_window(height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """The central square: int32 ``[top, left, height, width]`` in pixels."""
    side = tf.cast(tf.round(CENTRAL_SHARE * tf.cast(tf.minimum(height, width), tf.float32)), tf.int32)
    side = tf.maximum(side, 1)
    return tf.stack([(height - side) // 2, (width - side) // 2, side, side])


def letterbox_placement(shape: tuple[int, int], size: int) -> np.ndarray:
    """Where ``letterbox`` puts a whole image: int ``[top, left, height, width]`` in pixels of the padded square."""
    sides = np.clip(np.round(np.array(shape) * (size / max(shape))), 1, size).astype(int)
    return np.concatenate([(size - sides) // 2, sides])


def unletterbox(boxes: np.ndarray, shape: tuple[int, int], size: int) -> np.ndarray:
    """Convert boxes ``(K, 4)`` from relative to the square of ``letterbox`` to relative to the image; they are clipped.

    Args:
        boxes: xyxy, relative to the square.
        shape: height and width of the image.
        size: side of the square in pixels.
    """
    top, left, height, width = letterbox_placement(shape, size)
    return ((boxes * size - (left, top, left, top)) / (width, height, width, height)).clip(0, 1)


def center_crop(image: tf.Tensor, size: int) -> tf.Tensor:
    """What a classifier sees of an image: its central window, smoothly resized.

    Args:
        image: uint8 ``(H, W, 3)`` of any size.
        size: side of the result in pixels.

    Returns:
        float32 ``(size, size, 3)`` in 0..255. The pipeline and every exported bundle call this same function.
    """
    sides = image.shape[:2] if isinstance(image, np.ndarray) else tf.unstack(tf.shape(image)[:2])
    top, left, height, width = tf.unstack(central_window(*sides))
    window = tf.convert_to_tensor(image[top : top + height, left : left + width])  # of an array, the window alone is copied
    return tf.ensure_shape(tf.image.resize(window, [size, size], antialias=True), [size, size, 3])


def letterbox(image: tf.Tensor, size: int) -> tf.Tensor:
    """What a detector or a segmenter sees of an image: all of it, in proportion, in the middle of a padded square.

    Args:
        image: uint8 ``(H, W, C)`` of any size, or several of one size, ``(N, H, W, C)``.
        size: side of the result in pixels.

    Returns:
        float32 ``(size, size, C)`` or ``(N, size, size, C)`` in 0..255.
    """
    image = tf.convert_to_tensor(image)
    start, sides = letterbox_placement_in_graph(tf.shape(image)[-3:-1], size)
    # An image that has the right size already keeps its dtype; to cast all of them before would take 12 bytes a pixel.
    resized = tf.cast(tf.image.resize(image, sides, antialias=True), tf.float32)
    after = size - start - sides
    margins = [[0, 0]] * (image.shape.rank - 3) + [[start[0], after[0]], [start[1], after[1]], [0, 0]]
    padded = tf.pad(resized, margins, constant_values=float(PADDING))
    return tf.ensure_shape(padded, [*image.shape[:-3], size, size, image.shape[-1]])


def letterbox_placement_in_graph(shape: tf.Tensor, size: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Where ``letterbox`` puts an image of ``shape`` (height, width): int32 corner and sides, both ``(2,)``."""
    scale = size / tf.reduce_max(shape)
    sides = tf.clip_by_value(tf.cast(tf.round(tf.cast(shape, scale.dtype) * scale), tf.int32), 1, size)
    return (size - sides) // 2, sides
