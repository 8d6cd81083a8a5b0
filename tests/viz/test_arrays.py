"""Signals are drawn as curves, volumes as slices."""

import numpy as np
import pytest

from visionkit.data.index import IGNORE
from visionkit.viz.arrays import GAP, SLICE, ArrayImages, draw_array, slices


@pytest.mark.parametrize("shape", [(1, 1), (40, 1), (40, 3), (1, 1, 1, 1), (6, 7, 90, 2)])
def test_every_array_is_drawn(shape, rng):
    for array in (np.zeros(shape, "float32"), rng.normal(size=shape).astype("float32")):
        image = draw_array(array)
        assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3


def test_a_volume_shows_its_three_central_slices():
    volume = np.zeros((70, 70, 70, 1), "float32")
    volume[35, :, :, 0] = 1
    assert draw_array(volume).shape == (70, 3 * 70 + 2 * 5, 3)
    left, middle, right = (draw_array(volume)[:70, start : start + 70, 0] for start in (0, 75, 150))
    assert left.min() == 255 and (middle[:, 35] == 255).all() and (right[:, 35] == 255).all()
    assert middle[:, :35].max() == right[:, :35].max() == 0


def test_images_are_drawn_on_access():
    images = ArrayImages(np.random.default_rng(0).normal(size=(2, 30, 1)))
    assert (images[0] != images[1]).any()


@pytest.mark.parametrize("shape", [(1, 1, 1), (6, 7, 90), (200, 3, 5)])
def test_every_volume_is_drawn_with_and_without_masks(shape, rng):
    volume = rng.normal(size=(*shape, 2)).astype("float32")
    image, none = slices(volume)
    assert image.dtype == np.uint8 and image.shape[2] == 3 and none == []
    same, masks = slices(volume, np.zeros(shape, np.uint8), np.full(shape, IGNORE, np.uint8))
    np.testing.assert_array_equal(same, image)
    assert [mask.shape for mask in masks] == [image.shape[:2]] * 2 and not masks[0].any()


def test_the_slices_with_the_most_voxels_are_enlarged_and_drawn_apart():
    truth, prediction = np.zeros((2, 16, 16, 16), np.uint8)
    truth[2, 3, 4] = 1
    prediction[2, 3, 4:9] = 2  # a line along the third axis
    image, (true_slices, predicted_slices) = slices(np.zeros((16, 16, 16, 1), "float32"), truth, prediction)
    times = SLICE // 16
    assert image.shape == (SLICE, 3 * SLICE + 2 * GAP, 3)
    assert (true_slices == 1).sum() == 3 * times**2 and (predicted_slices == 2).sum() == (5 + 5 + 1) * times**2
    first, second, third = (predicted_slices[:, start : start + SLICE] for start in (0, SLICE + GAP, 2 * (SLICE + GAP)))
    # Rows are the last axis, from the bottom up.
    assert first[(15 - 4) * times, 3 * times] == second[(15 - 4) * times, 2 * times] == third[(15 - 3) * times, 2 * times] == 2
    gap = slice(SLICE, SLICE + GAP)
    assert (image[:, gap] == 255).all() and not predicted_slices[:, gap].any()


def test_lower_slices_are_centered():
    image, (mask,) = slices(np.zeros((40, 40, 8, 1), "float32"), np.ones((40, 40, 8), np.uint8))
    times = SLICE // 40
    assert image.shape[:2] == (40 * times, 3 * 40 * times + 2 * GAP)
    rows = np.flatnonzero(mask[:, 0])
    assert (rows[0], rows[-1]) == (16 * times, 24 * times - 1)
