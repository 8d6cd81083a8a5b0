"""Sets of small grey pictures that fit into memory: handwritten digits, Fashion-MNIST, any folder of IDX files.

The pixels that a network trains on are made by ``windows.letterbox``, as the exported bundle makes them of the raw picture.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import sklearn.datasets
import tensorflow as tf

from visionkit.data.idx import looks_like_idx, read_idx_folder
from visionkit.data.sample import DataError
from visionkit.data.windows import letterbox

DIGITS, FASHION = "digits", "fashion-mnist"
HELD_OUT = 5  # of the digits of each class every fifth, in the order of the data set
FASHION_FOLDER = Path("/usr/share/datasets/fashion-mnist")  # of Debian's package
FASHION_NAMES = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
KEPT_BYTES = 2**29  # of prepared pictures; more are prepared anew in every epoch
PARALLEL = 2  # batches in the making


@dataclass(frozen=True, eq=False)
class SmallPictures:
    """One split, in memory.

    Attributes:
        class_names: names by label.
        pixels: uint8 ``(N, H, W)``, grey; or ``(N, H, W, 3)``.
        labels: int32 ``(N,)``.
    """

    class_names: tuple[str, ...]
    pixels: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def counts(self) -> np.ndarray:
        """Number of pictures of each class, int ``(num_classes,)``."""
        return np.bincount(self.labels, minlength=len(self.class_names))

    def take(self, positions: np.ndarray) -> "SmallPictures":
        """The pictures at ``positions``, in that order."""
        return SmallPictures(self.class_names, self.pixels[positions], self.labels[positions])

    def as_rgb(self, start: int, stop: int) -> np.ndarray:
        """Some of the pictures as a bundle takes them: uint8 ``(stop - start, H, W, 3)``."""
        some = self.pixels[start:stop]
        return some if some.ndim == 4 else np.repeat(some[..., None], 3, axis=-1)


class SmallSplits(NamedTuple):
    """Training and validation, and a sentence on where the line between them was drawn."""

    train: SmallPictures
    val: SmallPictures
    note: str


def find_small(data: str) -> SmallSplits | None:
    """What ``--data`` means, where that is a set which is kept in memory: "digits", "fashion-mnist" or a folder of IDX files.

    Raises:
        DataError: it is one of these, and cannot be used.
    """
    if data == DIGITS:
        return digits()
    if data == FASHION:
        return fashion_mnist()
    return idx_folder(data) if looks_like_idx(Path(data)) else None


def digits() -> SmallSplits:
    """1,797 handwritten digits of 8 x 8 pixels, which scikit-learn carries."""
    loaded = sklearn.datasets.load_digits()
    pixels = np.round(loaded.images * (255 / 16)).astype(np.uint8)
    whole = SmallPictures(tuple(map(str, range(10))), pixels, loaded.target.astype(np.int32))
    number_in_class = np.zeros(len(whole), int)
    for label in range(10):
        number_in_class[whole.labels == label] = np.arange(whole.counts()[label])
    held_out = number_in_class % HELD_OUT == HELD_OUT - 1
    note = "of which every fifth of each class, in the data set's order, is held out"
    return SmallSplits(whole.take(np.flatnonzero(~held_out)), whole.take(np.flatnonzero(held_out)), note)


def fashion_mnist(folder: str | Path = FASHION_FOLDER) -> SmallSplits:
    """60,000 and 10,000 pictures of clothes, 28 x 28 pixels (https://arxiv.org/abs/1708.07747).

    Raises:
        DataError: they are not installed, or damaged.
    """
    if not Path(folder).is_dir():
        raise DataError(
            f"Fashion-MNIST is not installed: there is no {folder}. On Debian or Ubuntu `apt install dataset-fashion-mnist`; "
            "else fetch its four files from https://github.com/zalandoresearch/fashion-mnist and give --data their folder."
        )
    return idx_folder(folder, FASHION_NAMES)


def idx_folder(folder: str | Path, class_names: tuple[str, ...] | None = None) -> SmallSplits:
    """Any folder of the four IDX files; see ``idx.read_idx_folder``.

    Args:
        class_names: None names the classes by their numbers.

    Raises:
        DataError: a file is missing or damaged, or there are more classes than names.
    """
    splits = read_idx_folder(folder)
    num_classes = 1 + max(int(split.labels.max()) for split in splits.values())
    class_names = class_names or tuple(map(str, range(num_classes)))
    if num_classes > len(class_names):
        raise DataError(f"{folder}: a label {num_classes - 1}, where there are {len(class_names)} classes.")
    train, val = (SmallPictures(class_names, *splits[name]) for name in ("train", "val"))
    return SmallSplits(train, val, "whose own test pictures are the validation pictures")


def as_served(pixels: tf.Tensor, size: int, channels: int) -> tf.Tensor:
    """What a bundle that shows pictures whole makes of grey ones.

    Args:
        pixels: uint8 ``(N, H, W)``.
        size: side of the result in pixels.
        channels: that the network takes: 1 or 3.

    Returns:
        float32 ``(N, size, size, channels)`` in 0..255.
    """
    boxed = tf.repeat(letterbox(pixels[..., tf.newaxis], size), 3, axis=-1)
    return tf.image.rgb_to_grayscale(boxed) if channels == 1 else boxed  # its weights sum to 0.9999


class Variation(NamedTuple):
    """How training pictures are varied, as He et al. 2015 did (section 4.2).

    Attributes:
        shift: at most so many pixels of the network's input, to any side; black comes in.
        flip: share of the pictures that are mirrored left to right.
    """

    shift: int = 0
    flip: float = 0.0


AS_THEY_ARE = Variation()


class ShownPictures:
    """A split as a network sees it, prepared once where memory allows.

    Args:
        pictures: the split.
        size: side of the network's input in pixels.
        channels: that the network takes: 1 or 3.
    """

    def __init__(self, pictures: SmallPictures, *, size: int, channels: int):
        self._labels = pictures.labels
        self._raw, self._size, self._channels = tf.constant(pictures.pixels), size, channels
        self._prepared = None
        if len(pictures) * size * size * channels * 4 <= KEPT_BYTES:
            self._prepared = tf.concat([as_served(part, size, channels) for part in self._parts()], axis=0)

    def _parts(self) -> list[tf.Tensor]:
        return [self._raw[start : start + 1000] for start in range(0, len(self._labels), 1000)]

    def batches(
        self, batch_size: int, *, variation: Variation = AS_THEY_ARE, shuffle: bool = False, seed: int = 0, epoch: int = 0
    ) -> tf.data.Dataset:
        """One epoch, of which order and variation come from ``seed`` and ``epoch`` alone.

        Args:
            batch_size: the last batch may be smaller.
            variation: how pictures are shifted and mirrored; drawn by their place in the split.
            shuffle: whether this epoch has an order of its own.

        Returns:
            batches of ``{"image": float32 (N, size, size, channels), "label": int32 (N,), "position": int32 (N,)}``.
        """
        count = len(self._labels)
        rng = np.random.default_rng([seed, epoch])
        order = rng.permutation(count) if shuffle else np.arange(count)
        shifts = rng.integers(0, 2 * variation.shift, (count, 2), endpoint=True)
        flips = rng.random(count) < variation.flip
        drawn = (order.astype(np.int32), self._labels[order], shifts[order].astype(np.int32), flips[order])

        def to_batch(positions, labels, shifts, flips):
            images = self._images(positions)
            if variation.flip:
                images = tf.where(flips[:, None, None, None], images[:, :, ::-1], images)
            if variation.shift:
                images = shifted(images, shifts, variation.shift)
            return {"image": images, "label": labels, "position": positions}

        dataset = tf.data.Dataset.from_tensor_slices(drawn).batch(batch_size)
        options = tf.data.Options()
        options.autotune.enabled = False  # see pipeline.py
        return dataset.map(to_batch, PARALLEL, deterministic=True).prefetch(PARALLEL).with_options(options)

    def _images(self, positions: tf.Tensor) -> tf.Tensor:
        if self._prepared is not None:
            return tf.gather(self._prepared, positions)
        return as_served(tf.gather(self._raw, positions), self._size, self._channels)


def shifted(images: tf.Tensor, starts: tf.Tensor, margin: int) -> tf.Tensor:
    """Windows of pictures that are padded with black.

    Args:
        images: ``(N, H, W, C)``.
        starts: int ``(N, 2)``, the windows' top and left in the padded pictures, 0 to ``2 * margin``.
        margin: pixels of padding on each side.

    Returns:
        ``(N, H, W, C)``.
    """
    height, width = images.shape[1:3]
    padded = tf.pad(images, [[0, 0], [margin, margin], [margin, margin], [0, 0]])
    rows = tf.gather(padded, starts[:, :1] + tf.range(height), axis=1, batch_dims=1)
    return tf.gather(rows, starts[:, 1:] + tf.range(width), axis=2, batch_dims=1)
