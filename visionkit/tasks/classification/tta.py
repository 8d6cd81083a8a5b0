"""Several views of one image, whose probabilities are averaged: crops, sizes and mirror images, cut inside the graph.

flips       the image and its mirror image
ten_crop    the four corners and the middle of the central square, and their mirror images: Krizhevsky et al. 2012,
            https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks
multi_crop  144 views: crops of four sizes out of three squares, those squares, and mirror images: Szegedy et al. 2014,
            https://arxiv.org/abs/1409.4842, section 7
"""

import tensorflow as tf

from visionkit.data.images.resize import CENTRAL_SHARE, center_crop, letterbox

NUM_VIEWS = {"one": 1, "flips": 2, "ten_crop": 10, "multi_crop": 144}
SHARES = (224 / 256, 224 / 288, 224 / 320, 224 / 352)  # of a square's side: the sides of the crops of multi_crop
CORNERS = ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0), (0.5, 0.5))  # where a crop lies in its square


def views_of(image: tf.Tensor, size: int, views: str, *, whole: bool = False) -> tf.Tensor:
    """The views of an image.

    Args:
        image: uint8 ``(H, W, 3)`` of any size.
        size: side of each view in pixels.
        views: a key of ``NUM_VIEWS``.
        whole: the plain view is the whole image in proportion (``letterbox``), not its central window (``center_crop``).

    Returns:
        float32 ``(num_views, size, size, 3)`` in 0..255; except of "one", the second half mirrors the first.
    """
    if views in ("one", "flips"):
        plain = (letterbox if whole else center_crop)(image, size)[None]
    else:
        plain = tf.map_fn(
            lambda window: _cut(image, window, size), windows_of(tf.shape(image), views), fn_output_signature=tf.float32
        )
    mirrored = plain if views == "one" else tf.concat([plain, tf.reverse(plain, [2])], 0)
    return tf.ensure_shape(mirrored, [NUM_VIEWS[views], size, size, 3])


def windows_of(shape: tf.Tensor, views: str) -> tf.Tensor:
    """The windows of "ten_crop" or "multi_crop", without their mirror images.

    Args:
        shape: int32 ``(3,)``: height, width, channels.

    Returns:
        int32 ``(num_views / 2, 4)``: top, left, height, width in pixels, inside the image.
    """
    sides = tf.cast(shape[:2], tf.float32)
    square = tf.reduce_min(sides)
    places, shares = ((0.5,), (CENTRAL_SHARE,)) if views == "ten_crop" else ((0.0, 0.5, 1.0), SHARES)
    windows = []
    for place in places:
        corner = place * (sides - square)
        for share in shares:
            side = share * square
            windows += [tf.concat([corner + (square - side) * where, [side, side]], 0) for where in CORNERS]
            if views == "multi_crop":
                windows.append(tf.concat([corner, [square, square]], 0))
    rounded = tf.cast(tf.round(tf.stack(windows)), tf.int32)
    lengths = tf.maximum(rounded[:, 2:], 1)
    return tf.concat([tf.clip_by_value(rounded[:, :2], 0, shape[:2] - lengths), lengths], 1)


def _cut(image: tf.Tensor, window: tf.Tensor, size: int) -> tf.Tensor:
    top, left, height, width = tf.unstack(window)
    return tf.image.resize(image[top : top + height, left : left + width], [size, size], antialias=True)
