"""Batches of small images that are in memory whole; see ``formats.small_sets`` for where they come from.

The pixels that a network trains on are made by ``resize.letterbox``, as in the exported bundle.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from visionkit.data.images.resize import letterbox
from visionkit.data.index import SmallImages

KEPT_BYTES = 2**29  # largest size of prepared images; larger sets are prepared anew in every epoch
PARALLEL = 2  # batches that are made at the same time


def as_bundle_input(pixels: tf.Tensor, size: int, channels: int) -> tf.Tensor:
    """Grey images as a bundle that letterboxes its input sees them.

    Args:
        pixels: uint8 ``(N, H, W)``.
        size: side of the result in pixels.
        channels: of the network's input: 1 or 3.

    Returns:
        float32 ``(N, size, size, channels)`` in 0..255.
    """
    boxed = tf.repeat(letterbox(pixels[..., tf.newaxis], size), 3, axis=-1)
    return tf.image.rgb_to_grayscale(boxed) if channels == 1 else boxed  # its weights sum to 0.9999


class Variation(NamedTuple):
    """How training images are varied, as He et al. 2015 did (section 4.2).

    Attributes:
        shift: the largest shift in any direction, in pixels of the network's input; the border is filled with black.
        flip: probability that an image is mirrored left to right.
    """

    shift: int = 0
    flip: float = 0.0


UNCHANGED = Variation()


class ImagesInMemory:
    """A split in memory, as the network sees it; it is prepared once if memory allows.

    Args:
        images: the split.
        size: side of the network's input in pixels.
        channels: of the network's input: 1 or 3.
    """

    def __init__(self, images: SmallImages, *, size: int, channels: int):
        self._labels = images.labels
        self._raw, self._size, self._channels = tf.constant(images.pixels), size, channels
        self._prepared = None
        if len(images) * size * size * channels * 4 <= KEPT_BYTES:
            self._prepared = tf.concat([as_bundle_input(part, size, channels) for part in self._parts()], axis=0)

    def _parts(self) -> list[tf.Tensor]:
        return [self._raw[start : start + 1000] for start in range(0, len(self._labels), 1000)]

    def batches(
        self, batch_size: int, *, variation: Variation = UNCHANGED, shuffle: bool = False, seed: int = 0, epoch: int = 0
    ) -> tf.data.Dataset:
        """The batches of one epoch; order and variation depend on ``seed`` and ``epoch`` alone.

        Args:
            batch_size: the last batch may be smaller.
            variation: how images are shifted and mirrored, drawn by their position in the split.
            shuffle: whether the order is drawn for this epoch.

        Returns:
            batches of ``{"image": float32 (N, size, size, channels), "label": int32 (N,), "position": int32 (N,)}``.
        """
        count = len(self._labels)
        rng = np.random.default_rng([seed, epoch])
        order = rng.permutation(count) if shuffle else np.arange(count)
        shifts = rng.integers(0, 2 * variation.shift, (count, 2), endpoint=True)
        flips = rng.random(count) < variation.flip
        rows = (order.astype(np.int32), self._labels[order], shifts[order].astype(np.int32), flips[order])

        def to_batch(positions, labels, shifts, flips):
            images = self._images(positions)
            if variation.flip:
                images = tf.where(flips[:, None, None, None], images[:, :, ::-1], images)
            if variation.shift:
                images = shifted(images, shifts, variation.shift)
            return {"image": images, "label": labels, "position": positions}

        dataset = tf.data.Dataset.from_tensor_slices(rows).batch(batch_size)
        options = tf.data.Options()
        options.autotune.enabled = False  # see batches.py
        return dataset.map(to_batch, PARALLEL, deterministic=True).prefetch(PARALLEL).with_options(options)

    def _images(self, positions: tf.Tensor) -> tf.Tensor:
        if self._prepared is not None:
            return tf.gather(self._prepared, positions)
        return as_bundle_input(tf.gather(self._raw, positions), self._size, self._channels)


def shifted(images: tf.Tensor, starts: tf.Tensor, margin: int) -> tf.Tensor:
    """Windows of images that are padded with black.

    Args:
        images: ``(N, H, W, C)``.
        starts: int ``(N, 2)``, the windows' top and left in the padded images, 0 to ``2 * margin``.
        margin: pixels of padding on each side.

    Returns:
        ``(N, H, W, C)``.
    """
    height, width = images.shape[1:3]
    padded = tf.pad(images, [[0, 0], [margin, margin], [margin, margin], [0, 0]])
    rows = tf.gather(padded, starts[:, :1] + tf.range(height), axis=1, batch_dims=1)
    return tf.gather(rows, starts[:, 1:] + tf.range(width), axis=2, batch_dims=1)
