"""Which part of a picture a network sees, and how that part becomes its input.

Both training (a random window) and serving (the central one) cut first and resize once.
"""

import tensorflow as tf

CENTRAL_SHARE = 0.875  # of the shorter side: the usual protocol of ImageNet, which drops an eighth


def central_window(height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """The central square: int32 ``[top, left, height, width]`` in pixels."""
    side = tf.cast(tf.round(CENTRAL_SHARE * tf.cast(tf.minimum(height, width), tf.float32)), tf.int32)
    side = tf.maximum(side, 1)
    return tf.stack([(height - side) // 2, (width - side) // 2, side, side])


def random_window(height: tf.Tensor, width: tf.Tensor, seed: tf.Tensor, area: tuple[float, float]) -> tf.Tensor:
    """A random part of a picture, as Inception was trained (https://arxiv.org/abs/1409.4842).

    Args:
        height: of the picture in pixels, scalar int32.
        width: the same.
        seed: int32 ``(2,)``: the same seed draws the same window.
        area: bounds of the window's share of the picture's area. Its aspect ratio lies between 3/4 and 4/3, where it fits.

    Returns:
        int32 ``[top, left, height, width]``, inside the picture.
    """
    share, log_ratio, y, x = tf.unstack(tf.random.stateless_uniform([4], seed))
    size = tf.cast(tf.stack([height, width]), tf.float32)
    pixels = (area[0] + share * (area[1] - area[0])) * size[0] * size[1]
    ratio = tf.exp((2 * log_ratio - 1) * tf.math.log(4 / 3))
    sides = tf.minimum(tf.stack([tf.sqrt(pixels / ratio), tf.sqrt(pixels * ratio)]), size)
    sides = tf.maximum(tf.cast(tf.round(sides), tf.int32), 1)
    corner = tf.cast(tf.stack([y, x]) * tf.cast(tf.stack([height, width]) - sides + 1, tf.float32), tf.int32)
    return tf.concat([corner, sides], 0)


def cut(image: tf.Tensor, window: tf.Tensor) -> tf.Tensor:
    """The window ``[top, left, height, width]`` of ``(H, W, C)``."""
    top, left, height, width = tf.unstack(window)
    return tf.convert_to_tensor(image)[top : top + height, left : left + width]


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
