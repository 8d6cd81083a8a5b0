"""Masks whose values can be read in two ways: the likelier one is chosen, and a problem names the other."""

import numpy as np
import pytest
from PIL import Image

from visionkit.data.images.masks.code import find_classes
from visionkit.data.images.masks.read import read_mask
from visionkit.data.index import IGNORE, DataError, Index


def mask(areas, strays=()):
    """A mask of 40 x 40 pixels with 4 columns of each of ``areas``, and one pixel of each of ``strays``, on 0."""
    pixels = np.zeros((40, 40), np.uint8)
    for place, value in enumerate(areas):
        pixels[:, 5 * place : 5 * place + 4] = value
    for place, value in enumerate(strays):
        pixels[3 * place + 1, 38] = value
    return pixels


def decided(folder, masks):
    paths = [str(folder / f"{number}.png") for number in range(len(masks))]
    for path, pixels in zip(paths, masks, strict=True):
        Image.fromarray(pixels).save(path)
    classes = find_classes(paths)
    index = Index(classes.names, (), np.zeros(0, np.int32), mask_code=classes.code)
    counts = sum(np.bincount(read_mask(path, index).ravel(), minlength=256) for path in paths)
    found = {name: int(counts[place]) for place, name in enumerate(classes.names)} | {"ignored": int(counts[IGNORE])}
    return found, [problem.detail for problem in classes.problems]


def test_without_masks_there_is_nothing_to_doubt():
    with pytest.raises(DataError, match="None of 0 masks"):
        find_classes([])


@pytest.mark.parametrize(
    ("masks", "counts", "detail"),
    [
        ([mask([254, 255])], {"background": 1280, "foreground": 320, "ignored": 0}, "neighbouring values 254 and 255"),
        ([mask([254]), mask([255])], {"background": 2880, "foreground": 320, "ignored": 0}, "neighbouring values 254 and 255"),
        ([mask([240, 255])], {"background": 1280, "foreground": 320, "ignored": 0}, "neighbouring values 240 and 255"),
        ([mask([255], [1])] * 2, {"background": 2880, "foreground": 320, "ignored": 0}, "2 single pixels have the value 1"),
        ([mask([255], [64, 64])], {"background": 1440, "foreground": 160, "ignored": 0}, "2 single pixels have the value 64"),
        (
            [mask([255])] * 6 + [mask([1, 2])] * 2,
            {"0": 6 * 1440 + 2 * 1280, "1": 320, "2": 320, "ignored": 960},
            "6 masks hold 255 alone beside 0",
        ),
        (
            [mask([1, 2])] * 19 + [mask([255])],
            {"0": 19 * 1280 + 1440, "1": 19 * 160, "2": 19 * 160, "ignored": 160},
            "1 mask holds 255 alone beside 0",
        ),
        (
            [mask([1, 255, 255])],
            {"background": 1120, "foreground": 160, "ignored": 320},
            "255 makes up 67% of the pixels that are not 0",
        ),
        (
            [mask([76, 90, 150, 255])],
            {"0": 960, "76": 160, "90": 160, "150": 160, "255": 160, "ignored": 0},
            "255 makes up 10% of all pixels beside the values 0, 76, 90 and 150: it is read as a class",
        ),
        (
            [mask([1]), mask([1, 2]), mask([1, 2, 3])],
            {"0": 3 * 1600 - 960, "1": 480, "2": 320, "3": 160, "ignored": 0},
            "up to 3, and most of them are one connected region: they are read as classes, but may number objects",
        ),
        ([mask([])] * 2, {"background": 3200, "foreground": 0, "ignored": 0}, "all 2 masks hold nothing but 0"),
        ([mask([255] * 8) | 255] * 2, {"background": 0, "foreground": 3200, "ignored": 0}, "all 2 masks hold nothing but 255"),
    ],
)
def test_what_can_be_read_in_two_ways_is_reported(tmp_path, masks, counts, detail):
    found, details = decided(tmp_path, masks)
    assert found == counts
    assert len(details) == 1 and detail in details[0]


@pytest.mark.parametrize(
    ("masks", "counts"),
    [
        ([mask([1, 255])], {"background": 1280, "foreground": 160, "ignored": 160}),
        ([mask([1, 2]), mask([1, 2, 255])], {"0": 2400, "1": 320, "2": 320, "ignored": 160}),
        ([mask([1, 1, 1, 12, 7, 255])], {"0": 640, "1": 480, "7": 160, "12": 160, "ignored": 160}),  # a part of a large set
        ([mask([1, 2, 255])] * 19 + [mask([255])], {"0": 19 * 1120 + 1440, "1": 3040, "2": 3040, "ignored": 3200}),
        ([mask([1]), mask([1, 2]), mask([2, 3])], {"0": 4000, "1": 320, "2": 320, "3": 160, "ignored": 0}),
        (
            [mask([1, 1, 1]), mask([1, 1, 2, 2]), mask([1, 1, 2, 2, 3, 3])],
            {"0": 2720, "1": 1120, "2": 640, "3": 320, "ignored": 0},
        ),
        ([mask([255]), mask([])], {"background": 3040, "foreground": 160, "ignored": 0}),
    ],
)
def test_class_numbers_with_255_to_ignore_are_no_doubt(tmp_path, masks, counts):
    found, details = decided(tmp_path, masks)
    assert details == []
    assert found == counts


def test_a_border_of_255_beside_class_numbers_is_ignored_whatever_the_numbers(tmp_path):
    pixels = mask([15, 91, 150])
    pixels[0, :10] = 255
    found, details = decided(tmp_path, [pixels])
    assert found["ignored"] == 10 and list(found) == ["0", "15", "91", "150", "ignored"] and details == []
