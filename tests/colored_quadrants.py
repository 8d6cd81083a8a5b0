"""Images with several labels: each of four quadrants is grey or of one color, and the colors are the labels."""

from pathlib import Path

import numpy as np
from PIL import Image

from visionkit.data.index import Index
from visionkit.data.splits import DataSet

COLORS = {"red": (220, 40, 40), "green": (40, 200, 40), "blue": (40, 60, 220)}


def write_quadrants(folder: Path, count: int, seed: int = 0, side: int = 64) -> Index:
    """Images, a table ``_classes.csv`` as Roboflow writes it, and the index of both."""
    rng, sets = np.random.default_rng(seed), np.random.default_rng(seed + 1).random((count, len(COLORS))) < 0.5
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, labels in enumerate(sets):
        pixels = rng.integers(100, 150, (side, side, 1)) + rng.integers(-10, 10, (side, side, 3))
        places = rng.permutation(4)
        for place, color in zip(places, np.array(list(COLORS.values()))[labels], strict=False):
            top, left = (int(each) * side // 2 for each in divmod(place, 2))
            pixels[top : top + side // 2, left : left + side // 2] = color + rng.integers(-15, 15, 3)
        paths.append(str(folder / f"{number:03}.png"))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(paths[-1])
    rows = [f"{Path(path).name},{','.join(map(str, labels.astype(int)))}" for path, labels in zip(paths, sets, strict=True)]
    (folder / "_classes.csv").write_text("\n".join([f"filename,{','.join(COLORS)}", *rows]) + "\n")
    return Index(tuple(COLORS), tuple(paths), np.full(count, -1, np.int32), label_sets=sets)


def quadrants(folder: Path, *, train: int = 48, val: int = 24, side: int = 64) -> DataSet:
    """A data set of both splits, or without a validation split where ``val`` is 0."""
    splits = {"train": write_quadrants(folder / "train", train, 0, side)}
    if val:
        splits["val"] = write_quadrants(folder / "valid", val, 7, side)
    return DataSet(splits, format="a table with several labels an image")
