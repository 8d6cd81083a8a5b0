"""Sets of small grey images that fit into memory: handwritten digits, Fashion-MNIST, any folder of IDX files."""

from pathlib import Path

import numpy as np
import sklearn.datasets

from visionkit.data.formats.labelled.idx import looks_like_idx, read_idx_folder
from visionkit.data.index import DataError, SmallImages, SmallSplits

DIGITS, FASHION = "digits", "fashion-mnist"
HELD_OUT = 5  # every fifth digit of each class, in the order of the data set
FASHION_FOLDER = Path("/usr/share/datasets/fashion-mnist")  # where Debian's package installs it
FASHION_NAMES = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")


def find_small(data: str) -> SmallSplits | None:
    """The set that ``--data`` names if it is kept in memory ("digits", "fashion-mnist" or a folder of IDX files), else None.

    Raises:
        DataError: it is one of these sets but cannot be used.
    """
    if data == DIGITS:
        return digits()
    if data == FASHION:
        return fashion_mnist()
    return idx_folder(data) if looks_like_idx(Path(data)) else None


def digits() -> SmallSplits:
    """1,797 handwritten digits of 8 x 8 pixels, which come with scikit-learn."""
    loaded = sklearn.datasets.load_digits()
    pixels = np.round(loaded.images * (255 / 16)).astype(np.uint8)
    whole = SmallImages(tuple(map(str, range(10))), pixels, loaded.target.astype(np.int32))
    number_in_class = np.zeros(len(whole), int)
    for label in range(10):
        number_in_class[whole.labels == label] = np.arange(whole.counts()[label])
    held_out = number_in_class % HELD_OUT == HELD_OUT - 1
    note = "of which every fifth of each class, in the data set's order, is held out"
    return SmallSplits(whole.take(np.flatnonzero(~held_out)), whole.take(np.flatnonzero(held_out)), note)


def fashion_mnist(folder: str | Path = FASHION_FOLDER) -> SmallSplits:
    """60,000 and 10,000 images of clothes, 28 x 28 pixels (https://arxiv.org/abs/1708.07747).

    Raises:
        DataError: the files are not installed, or damaged.
    """
    if not Path(folder).is_dir():
        raise DataError(
            f"Fashion-MNIST is not installed: there is no {folder}. On Debian or Ubuntu `apt install dataset-fashion-mnist`; "
            "else download its four files from https://github.com/zalandoresearch/fashion-mnist and give --data their folder."
        )
    return idx_folder(folder, FASHION_NAMES)


def idx_folder(folder: str | Path, class_names: tuple[str, ...] | None = None) -> SmallSplits:
    """Read any folder of the four IDX files; see ``idx.read_idx_folder``.

    Args:
        class_names: names by label; None names the classes by their numbers.

    Raises:
        DataError: a file is missing or damaged, or there are more classes than names.
    """
    splits = read_idx_folder(folder)
    num_classes = 1 + max(int(split.labels.max()) for split in splits.values())
    class_names = class_names or tuple(map(str, range(num_classes)))
    if num_classes > len(class_names):
        raise DataError(f"{folder}: it has a label {num_classes - 1}, but there are only {len(class_names)} classes.")
    train, val = (SmallImages(class_names, *splits[name]) for name in ("train", "val"))
    return SmallSplits(train, val, "whose own test images are the validation images")
