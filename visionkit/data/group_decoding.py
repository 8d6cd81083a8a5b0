"""Windows of several JPEGs by one call: for small pictures, calling TensorFlow takes as long as a good part of the decoding.

A group is read and decoded by TensorFlow's own threads, and Python is entered once.
"""

import functools
import os
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

LARGEST_GROUP = 16  # a power of two: groups are made of 16, 8, 4 and 2, each of which is traced once


def decode_jpeg_windows(paths: Sequence[str], parts: np.ndarray) -> tuple[list[int], list[np.ndarray]]:
    """Read JPEGs, and decode one window of each, at its own size.

    Args:
        paths: of sound files, as the scan found them.
        parts: int ``(N, 4)``: top, left, height and width of each window, inside its picture.

    Returns:
        the lengths of the files in bytes, and the windows, uint8 ``(height, width, 3)``, not to be written to.

    Raises:
        tf.errors.OpError: one of them is missing or damaged; it does not say which.
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
