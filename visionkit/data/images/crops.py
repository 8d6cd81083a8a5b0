"""Windows of images: decoded from JPEGs, one or a group at a time, shrunk, and placed in the network's input.

For small images, calling TensorFlow takes a good part of the time of decoding. Groups of JPEGs are therefore read and
decoded by one call, in TensorFlow's own threads.
"""

import functools
import os
from collections.abc import Sequence

import cv2
import numpy as np
import tensorflow as tf

from visionkit.data.index import IGNORE
from visionkit.ops.colors import PADDING

LARGEST_GROUP = 16  # a power of two: groups have 16, 8, 4, 2 or 1 images, and each size is traced once


def decode_jpeg_windows(paths: Sequence[str], parts: np.ndarray) -> tuple[list[int], list[np.ndarray]]:
    """Read JPEGs, and decode one window of each, at its own size.

    Args:
        paths: files that the scan could read.
        parts: int ``(N, 4)``: top, left, height and width of each window, inside its image.

    Returns:
        the lengths of the files in bytes, and the windows, uint8 ``(height, width, 3)``, read-only.

    Raises:
        tf.errors.OpError: a file is missing or damaged; the message does not say which.
    """
    lengths: list[int] = []
    windows: list[np.ndarray] = []
    names = [os.fsencode(path) for path in paths]
    while len(windows) < len(paths):
        start = len(windows)
        end = start + min(LARGEST_GROUP, 1 << (len(paths) - start).bit_length() - 1)
        group = _decoder(end - start)(tf.constant(names[start:end]), tf.constant(parts[start:end], tf.int32))
        lengths += group[0].numpy().tolist()
        windows += [np.asarray(pixels) for pixels in group[1:]]
    return lengths, windows


@functools.cache
def _decoder(count: int) -> tf.types.experimental.ConcreteFunction:
    def decode(paths, parts):
        files = [tf.io.read_file(path) for path in tf.unstack(paths)]
        cut = zip(files, tf.unstack(parts), strict=True)
        windows = [tf.io.decode_and_crop_jpeg(file, part, 3, dct_method="INTEGER_ACCURATE") for file, part in cut]
        return [tf.stack([tf.strings.length(file) for file in files]), *windows]

    signature = [tf.TensorSpec([count], tf.string), tf.TensorSpec([count, 4], tf.int32)]
    return tf.function(decode, input_signature=signature, autograph=False).get_concrete_function()


def decode_jpeg_window(contents: tf.Tensor, part: Sequence[int], ratio: int) -> np.ndarray:
    """Decode one window of a JPEG, at ``1 / ratio`` of its sides. Other threads run meanwhile.

    Args:
        contents: scalar string, a JPEG.
        part: ``[top, left, height, width]`` inside the image, the corner a multiple of ``ratio``.
        ratio: 1, 2, 4 or 8.

    Returns:
        uint8 ``(height / ratio, width / ratio, 3)``, rounded up; read-only.

    Raises:
        tf.errors.InvalidArgumentError: the JPEG is damaged.
    """
    # Constants, and a fraction that is a float (its default is not): else TensorFlow 2.21 leaves its fast path.
    options = {"ratio": ratio, "acceptable_fraction": 1.0, "dct_method": "INTEGER_ACCURATE"}
    scaled = tf.constant([-(-length // ratio) for length in part], tf.int32)
    return np.asarray(tf.io.decode_and_crop_jpeg(contents, scaled, 3, **options))  # numpy() would copy


def shrink(pixels: np.ndarray, ratio: int) -> np.ndarray:
    """Means of blocks of ``ratio`` x ``ratio`` pixels: 1, 2, 4 or 8. Sides are halved step by step, where OpenCV is fastest.

    Args:
        pixels: uint8 ``(h, w, 3)``.

    Returns:
        uint8 ``(h / ratio, w / ratio, 3)``, rounded up.
    """
    while ratio > 1:
        height, width = pixels.shape[:2]
        if height % 2 or width % 2:
            pixels = cv2.copyMakeBorder(pixels, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        pixels = cv2.resize(pixels, (-(-width // 2), -(-height // 2)), interpolation=cv2.INTER_AREA)
        ratio //= 2
    return pixels


def place(pixels: np.ndarray, frame: Sequence[int], size: int, *, is_mask: bool = False) -> np.ndarray:
    """Resize a window to its frame in the network's input, and pad around it.

    Args:
        pixels: uint8 ``(h, w, 3)``, or ``(h, w)`` of a mask, of any size.
        frame: ``[top, left, height, width]``, from ``windows.frames``.
        size: side of the result in pixels.
        is_mask: whether the pixels are classes, which are not blended.

    Returns:
        uint8 ``(size, size, 3)`` or ``(size, size)``.
    """
    top, left, height, width = frame
    if is_mask:
        interpolation = cv2.INTER_NEAREST_EXACT
    else:
        interpolation = cv2.INTER_AREA if min(pixels.shape[0] / height, pixels.shape[1] / width) >= 2 else cv2.INTER_LINEAR
    resized = cv2.resize(pixels, (width, height), interpolation=interpolation)
    if height == width == size:
        return resized
    canvas = np.full((size, size, *pixels.shape[2:]), IGNORE if is_mask else PADDING, np.uint8)
    canvas[top : top + height, left : left + width] = resized
    return canvas
