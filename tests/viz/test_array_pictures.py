"""Signals are drawn as curves, volumes as slices."""

import numpy as np
import pytest

from visionkit.viz.array_pictures import ArrayPictures, draw_array


@pytest.mark.parametrize("shape", [(1, 1), (40, 1), (40, 3), (1, 1, 1, 1), (6, 7, 90, 2)])
def test_every_array_has_a_picture(shape, rng):
    for array in (np.zeros(shape, "float32"), rng.normal(size=shape).astype("float32")):
        picture = draw_array(array)
        assert picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3


def test_a_volume_shows_its_three_central_slices():
    volume = np.zeros((70, 70, 70, 1), "float32")
    volume[35, :, :, 0] = 1
    left, middle, right = (draw_array(volume)[:70, start : start + 70, 0] for start in (0, 75, 150))
    assert left.min() == 255 and (middle[:, 35] == 255).all() and (right[:, 35] == 255).all()
    assert middle[:, :35].max() == right[:, :35].max() == 0


def test_pictures_are_drawn_when_asked_for():
    pictures = ArrayPictures(np.random.default_rng(0).normal(size=(2, 30, 1)))
    assert (pictures[0] != pictures[1]).any()
