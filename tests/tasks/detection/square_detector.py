"""A detector whose predictions can be computed by hand: boxes around everything brighter than the padding's grey."""

import keras
import numpy as np
from keras import ops

GREY = 114  # of the padding, and of the images' backgrounds
NAMES = ("red", "green", "über <b>")  # one a channel
OVERSHOOT = 0.05  # of a box: each object has a second box that is larger by this on each side, which suppression drops


def square_detector(size: int = 64, parts: int = 1) -> keras.Model:
    """One object a channel in each of ``parts`` x ``parts`` parts of the image; its score is its brightness above grey.

    A box follows from moments, so that it is right to a fraction of a pixel.
    """
    image = keras.Input((size, size, 3), name="pixels")
    side = size // parts
    x = ops.clip((image - GREY) / (255 - GREY), 0.0, 1.0)
    x = ops.reshape(x, (-1, parts, side, parts, side, 3))
    x = ops.reshape(ops.transpose(x, (0, 1, 3, 5, 2, 4)), (-1, parts * parts * 3, side, side))
    scores = ops.max(x, axis=(2, 3))
    x = x / ops.maximum(scores, 1e-3)[..., None, None]
    low, high = zip(*(_extent(ops.max(x, axis=axis), side) for axis in (2, 3)), strict=True)
    boxes = ops.stack([*low, *high], axis=-1)  # in pixels of the part
    tops, lefts = np.divmod(np.arange(parts * parts).repeat(3), parts)
    boxes = (boxes + np.stack([lefts, tops, lefts, tops], axis=1).astype("float32") * side) / size
    class_scores = scores[..., None] * np.tile(np.eye(3, dtype="float32"), (parts * parts, 1))
    around = ops.tile(boxes[..., 2:] - boxes[..., :2], (1, 1, 2)) * OVERSHOOT
    second = boxes + around * np.array([-1, -1, 1, 1], "float32")
    scores = ops.concatenate([class_scores, 0.9 * class_scores], 1)
    return keras.Model(image, {"boxes": ops.concatenate([boxes, second], 1), "scores": scores})


def _extent(profile, side: int):
    """Start and end ``(N, A)`` of the object along one axis: its length is the sum of the profile, around its center."""
    length = ops.sum(profile, axis=-1)
    center = ops.sum(profile * (np.arange(side, dtype="float32") + 0.5), axis=-1) / ops.maximum(length, 1e-3)
    return center - length / 2, center + length / 2


def image_of(shape: tuple[int, int], *objects: tuple[int, tuple[int, int, int, int], float]) -> np.ndarray:
    """A grey image uint8 ``(H, W, 3)`` with objects: channel, xyxy in pixels, score."""
    pixels = np.full((*shape, 3), GREY, np.uint8)
    for channel, (x1, y1, x2, y2), score in objects:
        pixels[y1:y2, x1:x2, channel] = round(GREY + score * (255 - GREY))
    return pixels
