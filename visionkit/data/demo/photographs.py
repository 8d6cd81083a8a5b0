"""A small labelled set of real photographs that needs no internet: crops of images from scikit-image and scikit-learn.

Training and validation crops come from disjoint regions of each photograph, with a gap between. With only one photograph per
class, the task is easy: it shows that everything works, not how well a network generalises.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import skimage.data
import sklearn.datasets
from filelock import FileLock
from PIL import Image

from visionkit.files import naming
from visionkit.progress import bar

MARKER = "VERSION"
VERSION = "1"  # of the code that cuts crops: a cached copy of another version is not used
TRAIN_SHARE, GAP_SHARE = 0.6, 0.04  # shares of the photograph's longer side
CROP_SIDE = (72, 128)  # bounds of the side of a crop in pixels
PHOTOGRAPHS = {
    "brick": skimage.data.brick,
    "cat_fur": skimage.data.chelsea,
    "coins": skimage.data.coins,
    "flower": lambda: sklearn.datasets.load_sample_image("flower.jpg"),
    "galaxies": skimage.data.hubble_deep_field,
    "grass": skimage.data.grass,
    "gravel": skimage.data.gravel,
    "moon": skimage.data.moon,
    "retina": skimage.data.retina,
    "temple": lambda: sklearn.datasets.load_sample_image("china.jpg"),
    "text": skimage.data.page,
    "tissue": skimage.data.immunohistochemistry,
}


def make_demo(folder: str | Path, *, num_train: int = 24, num_val: int = 10, seed: int = 0) -> Path:
    """Write the set unless it is already written.

    Args:
        folder: target folder, which gets ``train/<class>/*.png`` and ``val/<class>/*.png`` with 12 classes.
        num_train: number of training crops per class.
        num_val: number of validation crops per class.
        seed: seed of the random crops.

    Returns:
        the folder.
    """
    return write_once(folder, f"{VERSION} {num_train} {num_val} {seed}", lambda to: _write(to, num_train, num_val, seed))


def write_once(folder: str | Path, stamp: str, write: Callable[[Path], None]) -> Path:
    """Write a folder, unless it exists with the same stamp; it gets its name only when it is complete.

    Args:
        folder: the final folder.
        stamp: text that identifies the contents: version and options.
        write: function that creates and fills the folder that it gets.

    Returns:
        the folder.
    """
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (
        naming(folder),
        FileLock(folder.with_name(f".{folder.name}.lock")),
    ):  # of two runs at once, the second uses what the first wrote
        marker = folder / MARKER
        if not (marker.is_file() and marker.read_text() == stamp):
            with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as parent:
                unfinished = Path(parent) / folder.name
                write(unfinished)
                (unfinished / MARKER).write_text(stamp)
                shutil.rmtree(folder, ignore_errors=True)
                os.replace(unfinished, folder)
    return folder


def _write(folder: Path, num_train: int, num_val: int, seed: int) -> None:
    for number, (name, photograph) in enumerate(bar(PHOTOGRAPHS.items(), "cutting photographs", unit=" photographs")):
        rng = np.random.default_rng([seed, number])
        regions = dict(zip(("train", "val"), split_in_two(as_rgb(photograph())), strict=True))
        for split, count in (("train", num_train), ("val", num_val)):
            target = folder / split / name
            target.mkdir(parents=True)
            for crop in range(count):
                Image.fromarray(random_crop(regions[split], rng)).save(target / f"{name}_{crop:02d}.png")


def split_in_two(photograph: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut ``(H, W, 3)`` along its longer side into a training and a validation region that share no pixel."""
    axis = int(photograph.shape[1] >= photograph.shape[0])
    length = photograph.shape[axis]
    ends = int(TRAIN_SHARE * length), int((TRAIN_SHARE + GAP_SHARE) * length)
    train, _, val = np.split(photograph, ends, axis=axis)
    return train, val


def random_crop(region: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A square crop with a random side within ``CROP_SIDE``, or the region's own side if that is smaller."""
    side = min(int(rng.integers(*CROP_SIDE, endpoint=True)), *region.shape[:2])
    top, left = (int(rng.integers(length - side + 1)) for length in region.shape[:2])
    return region[top : top + side, left : left + side]


def as_rgb(photograph: np.ndarray) -> np.ndarray:
    """A photograph ``(H, W)`` or ``(H, W, C)`` with at least three channels, as ``(H, W, 3)``."""
    return np.repeat(photograph[..., None], 3, axis=2) if photograph.ndim == 2 else photograph[..., :3]
