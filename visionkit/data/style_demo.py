"""Pictures for neural style transfer that need no network: photographs that libraries carry, and paintings drawn by rules."""

from pathlib import Path

import numpy as np
import skimage.data
import sklearn.datasets
from PIL import Image
from tqdm import tqdm

from visionkit.data import paintings
from visionkit.data.demo import write_once

VERSION = "1"  # of the recipe below and of the paintings: a cached copy of another version is not used
CONTENTS = {  # none is longer than 640 pixels
    "astronaut": skimage.data.astronaut,
    "cat": skimage.data.chelsea,
    "coffee": skimage.data.coffee,
    "flower": lambda: sklearn.datasets.load_sample_image("flower.jpg"),
    "temple": lambda: sklearn.datasets.load_sample_image("china.jpg"),
}
STYLES = {
    "glass": paintings.glass,
    "mosaic": paintings.mosaic,
    "strokes": paintings.strokes,
    "woodcut": paintings.woodcut,
}


def make_style_demo(folder: str | Path) -> Path:
    """Write the set, or find it written.

    Args:
        folder: gets ``contents/<name>.png``, photographs by the names of ``CONTENTS``, and ``styles/<name>.png``, paintings of
            512 x 512 pixels by those of ``STYLES``; written beside and renamed.

    Returns:
        the folder.
    """
    return write_once(folder, VERSION, _write)


def painting(name: str) -> np.ndarray:
    """One of ``STYLES`` as ``make_style_demo`` writes it: uint8 ``(512, 512, 3)``, RGB, always the same."""
    return STYLES[name](np.random.default_rng(0))


def _write(folder: Path) -> None:
    for name in ("contents", "styles"):
        (folder / name).mkdir(parents=True)
    for name, photograph in CONTENTS.items():
        Image.fromarray(photograph()).save(folder / "contents" / f"{name}.png")
    for name in tqdm(STYLES, "painting", leave=False):
        Image.fromarray(painting(name)).save(folder / "styles" / f"{name}.png")
