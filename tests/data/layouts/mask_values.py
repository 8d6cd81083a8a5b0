"""Masks whose values people write in different ways; what they mean is decided once for all masks."""

from functools import partial
from pathlib import Path

import numpy as np

from tests.data.layouts.layout import Layout, image, mask, text
from visionkit.data.images.masks.read import read_mask
from visionkit.data.split_names import WHOLE
from visionkit.data.splits import DataSet

HEIGHT, WIDTH = 80, 120


def _stripes(*values: int) -> np.ndarray:
    """A mask whose columns are divided equally among some values."""
    return np.repeat(np.array(values), WIDTH // len(values))[None].repeat(HEIGHT, axis=0)


def _write(folder: Path, masks: list[np.ndarray], suffix: str = ".png", names: str = "") -> None:
    for number, pixels in enumerate(masks):
        image(folder / "images" / f"{number}.jpg")
        mask(folder / "masks" / f"{number}{suffix}", pixels)
    if names:
        text(folder / "classes.txt", names)


def _is(expected: list[dict[str, int]], data_set: DataSet) -> None:
    """The pixels of each class in each mask; of ignored ones under "ignored"."""
    index = data_set.splits[WHOLE]
    for annotation, counts in zip(index.annotations, expected, strict=True):
        found = np.bincount(read_mask(annotation.mask, index).ravel(), minlength=256)
        named = {name: int(found[label]) for label, name in enumerate(index.class_names)} | {"ignored": int(found[255])}
        assert {name: count for name, count in named.items() if count} == counts


def _cells(count: int) -> np.ndarray:
    pixels = np.zeros((HEIGHT, WIDTH), np.uint16)
    for number in range(count):
        row, column = divmod(number, 8)
        pixels[10 * row + 2 : 10 * row + 8, 14 * column + 2 : 14 * column + 12] = number + 1
    return pixels


def _in_alpha(values: np.ndarray) -> np.ndarray:
    return np.dstack([np.full((HEIGHT, WIDTH, 3), 255), values]).astype(np.uint8)


def _objects(count: int) -> dict[str, int]:
    return {"background": HEIGHT * WIDTH - 60 * count, "foreground": 60 * count}


THIRD, HALF, SIXTH = HEIGHT * WIDTH // 3, HEIGHT * WIDTH // 2, HEIGHT * WIDTH // 6
GREYS = [_stripes(0, 128, 255).astype(np.uint8), _stripes(0, 128, 128).astype(np.uint8)]
BLACK_AND_WHITE = [{"background": HALF, "foreground": HALF}] * 2

MASK_VALUES: tuple[Layout, ...] = (
    Layout(
        "Masks of 0 and 1, and masks of 0 and 255",
        "Masks",
        "Everything but 0 is foreground, also where some masks use 1 and others 255.",
        partial(_write, masks=[_stripes(0, 1).astype(np.uint8), _stripes(0, 255).astype(np.uint8)]),
        "images and masks",
        {WHOLE: 2},
        ("background", "foreground"),
        partial(_is, BLACK_AND_WHITE),
    ),
    Layout(
        "Masks with a few grey levels",
        "Masks",
        "Each level, such as 0, 128 and 255, is a class that is named by its value.",
        partial(_write, masks=GREYS),
        "images and masks",
        {WHOLE: 2},
        ("0", "128", "255"),
        partial(_is, [{"0": THIRD, "128": THIRD, "255": THIRD}, {"0": THIRD, "128": 2 * THIRD}]),
    ),
    Layout(
        "Masks with a few grey levels, saved as JPEG",
        "Masks",
        "The levels are found despite the noise, and each pixel counts to the nearest one.",
        partial(_write, masks=GREYS, suffix=".jpg"),
        "images and masks",
        {WHOLE: 2},
        ("0", "128", "255"),
        partial(_is, [{"0": THIRD, "128": THIRD, "255": THIRD}, {"0": THIRD, "128": 2 * THIRD}]),
    ),
    Layout(
        "Masks with a few grey levels, and names",
        "Masks",
        "Lines of `classes.txt` such as `128 cell` name the values; the name `ignore` leaves pixels out.",
        partial(_write, masks=GREYS, names="0 background\n128 cell\n255 ignore\n"),
        "images and masks",
        {WHOLE: 2},
        ("background", "cell"),
        partial(_is, [{"background": THIRD, "cell": THIRD, "ignored": THIRD}, {"background": THIRD, "cell": 2 * THIRD}]),
    ),
    Layout(
        "Masks of class numbers, and 255",
        "Masks",
        "255 marks pixels to ignore as long as it makes up less than a quarter of all pixels; their number is shown.",
        partial(_write, masks=[_stripes(0, 0, 1, 2, 2, 255).astype(np.uint8)] * 2),
        "images and masks",
        {WHOLE: 2},
        ("0", "1", "2"),
        partial(_is, [{"0": 2 * SIXTH, "1": SIXTH, "2": 2 * SIXTH, "ignored": SIXTH}] * 2),
    ),
    Layout(
        "Masks of 16 bits",
        "Masks",
        "Values up to 65535 are classes like others; 0 and 65535 are background and foreground.",
        partial(_write, masks=[_stripes(0, 65535).astype(np.uint16)] * 2, suffix=".tif"),
        "images and masks",
        {WHOLE: 2},
        ("background", "foreground"),
        partial(_is, BLACK_AND_WHITE),
    ),
    Layout(
        "Masks that number objects",
        "Masks",
        "Values that number the objects of each image are read as foreground, and reported; name them if they are classes.",
        partial(_write, masks=[_cells(20), _cells(33), _cells(7)], suffix=".tif"),
        "images and masks",
        {WHOLE: 3},
        ("background", "foreground"),
        partial(_is, [_objects(20), _objects(33), _objects(7)]),
        frozenset({"mask values"}),
    ),
    Layout(
        "Masks in the alpha channel",
        "Masks",
        "Where the colors of mask files say nothing, their transparency is the mask.",
        partial(_write, masks=[_in_alpha(_stripes(0, 255))] * 2),
        "images and masks",
        {WHOLE: 2},
        ("background", "foreground"),
        partial(_is, BLACK_AND_WHITE),
    ),
)
