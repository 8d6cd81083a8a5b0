"""Procedural paintings have the full range of tones and texture at every scale, and depend on the seed."""

from functools import cache
from itertools import pairwise

import cv2
import numpy as np
import pytest

from tests.conftest import sweep
from visionkit.data.demo import paintings

ALL = (paintings.glass, paintings.mosaic, paintings.strokes, paintings.woodcut)


@cache
def drawn(paint) -> np.ndarray:
    return paint(np.random.default_rng(3))


def test_a_line_that_nothing_lies_on_has_no_places():
    """All pixels are above the level, or all are below it."""
    far = np.full((paintings.CANVAS, paintings.CANVAS), 100.0)
    for level in (0, 200):
        assert paintings._places_on(far, level, np.random.default_rng(0)) == []


@pytest.mark.parametrize("paint", sweep(ALL, [paintings.woodcut]))
def test_pixels_are_rgb_and_the_seed_decides(paint):
    painting = drawn(paint)
    assert painting.shape == (paintings.SIDE, paintings.SIDE, 3) and painting.dtype == np.uint8
    assert (painting != paint(np.random.default_rng(4))).mean() > 0.2


@pytest.mark.parametrize("paint", ALL)
def test_tones_go_from_dark_to_light_in_every_quarter(paint):
    grey = drawn(paint) @ np.array([0.299, 0.587, 0.114])
    half = paintings.SIDE // 2
    for quarter in (grey[:half, :half], grey[:half, half:], grey[half:, :half], grey[half:, half:]):
        dark, light = np.percentile(quarter, (3, 97))
        assert dark < 60 and light > 120


@pytest.mark.parametrize("paint", ALL)
def test_there_is_texture_at_every_scale(paint):
    """Differences of Gaussians: features of about 4, 8, 16, 32 and 64 pixels."""
    grey = (drawn(paint) @ np.array([0.299, 0.587, 0.114])).astype(np.float32)
    blurred = [cv2.GaussianBlur(grey, (0, 0), scale) for scale in (0.7, 1.4, 2.8, 5.6, 11.2, 22.4)]
    assert min((finer - coarser).std() for finer, coarser in pairwise(blurred)) > 3


@pytest.mark.parametrize("paint", [paintings.glass, paintings.mosaic, paintings.strokes])
def test_colors_are_many_and_the_woodcut_has_two(paint):
    def spread(painting):
        return np.linalg.eigvalsh(np.cov(painting.reshape(-1, 3).T))  # ink and paper lie on one line

    assert spread(drawn(paint))[1] > 200 > 20 > spread(drawn(paintings.woodcut))[1]


@pytest.mark.parametrize("places", [[(100.0, 900.0)], [(20.0, 30.0), (800.0, 100.0), (512.0, 1050.0), (-40.0, 600.0)]])
def test_the_nearest_place_is_found(places, rng):
    places = np.array(places, np.float32)
    numbers = paintings._nearest(places)
    for column, row in rng.integers(0, paintings.CANVAS, (200, 2)):
        distances = np.hypot(*(places - (column, row)).T)
        assert distances[int(numbers[row, column])] < 1.03 * distances.min() + 1  # OpenCV's are not quite Euclidean
