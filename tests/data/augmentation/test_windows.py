"""Random windows lie where they should, and their parts and frames fit each other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visionkit.data.augmentation import windows

SIDES = st.integers(1, 5000)
NUM_DRAWN = {"random_windows": 2 * windows.TRIES + 2, "random_squares": 3}


@settings(max_examples=60, deadline=None)
@given(SIDES, SIDES, st.integers(0, 2**31 - 1), st.floats(0.01, 1.0))
def test_random_windows_lie_inside(height, width, seed, smallest):
    drawn = np.random.default_rng(seed).random((20, NUM_DRAWN["random_windows"]))
    drawn[0], drawn[1] = 0, np.nextafter(1, 0)
    top, left, h, w = windows.random_windows(np.array([[height, width]] * 20), drawn, (smallest, 1.0)).T
    assert min(top) >= 0 and min(left) >= 0 and min(h) >= 1 and min(w) >= 1
    assert max(top + h) <= height and max(left + w) <= width
    most = 4 / 3  # and a pixel, to which sides are rounded
    assert (h <= most * (w + 1) + 1).all() and (w <= most * (h + 1) + 1).all()


@pytest.mark.parametrize("draw", [windows.random_windows, windows.random_squares])
def test_no_images_have_no_windows(draw):
    assert draw(np.zeros((0, 2), int), np.zeros((0, NUM_DRAWN[draw.__name__])), (0.1, 1.0)).shape == (0, 4)
    none = np.zeros((0, 4), np.int32)
    assert windows.decoding_ratios(none, 8).shape == (0,)
    assert windows.snapped(none, np.zeros(0, int)).shape == windows.inside(none, np.zeros((0, 2), int)).shape == (0, 4)
    assert windows.frames(none, none, 8).shape == (0, 4)


def test_random_windows_have_the_requested_area_and_shape_and_lie_anywhere(rng):
    drawn = windows.random_windows(np.full((1000, 2), 400), rng.random((1000, NUM_DRAWN["random_windows"])), (0.3, 0.5))
    areas, ratios = drawn[:, 2] * drawn[:, 3], drawn[:, 3] / drawn[:, 2]
    assert 0.29 * 400**2 < min(areas) < max(areas) < 0.51 * 400**2
    assert np.mean(areas) == pytest.approx(0.4 * 400**2, rel=0.05)
    assert 0.74 < min(ratios) < 0.8 and 1.25 < max(ratios) < 1.35
    middles = drawn[:, :2] + drawn[:, 2:] / 2
    assert middles.mean(axis=0) == pytest.approx([200, 200], rel=0.05)


@settings(max_examples=60, deadline=None)
@given(SIDES, SIDES, st.integers(0, 2**31 - 1), st.floats(0.01, 2.0), st.floats(0, 1))
def test_random_squares_lie_inside_or_around(height, width, seed, smallest, more):
    drawn = np.random.default_rng(seed).random((20, NUM_DRAWN["random_squares"]))
    drawn[0], drawn[1] = 0, np.nextafter(1, 0)
    top, left, h, w = windows.random_squares(np.array([[height, width]] * 20), drawn, (smallest, smallest + more)).T
    np.testing.assert_array_equal(h, w)
    longest = max(height, width)
    assert (h >= max(1, np.floor(smallest * longest))).all() and (h <= np.ceil((smallest + more) * longest) + 1).all()
    for start, side in ((top, height), (left, width)):
        assert np.where(h <= side, (start >= 0) & (start + h <= side), (start <= 0) & (start + h >= side)).all()


def test_random_squares_lie_anywhere(rng):
    drawn = windows.random_squares(np.full((2000, 2), (200, 400)), rng.random((2000, 3)), (0.4, 1.2))
    sides = drawn[:, 2] / 400
    assert 0.4 <= sides.min() < 0.42 and 1.18 < sides.max() <= 1.2
    middles = drawn[:, :2] + drawn[:, 2:] / 2
    assert middles.mean(axis=0) == pytest.approx([100, 200], rel=0.05)
    assert middles.std(axis=0).min() > 30


def test_windows_are_not_decoded_smaller_than_they_are_used():
    sides = np.array([1, 99, 100, 199, 200, 399, 400, 799, 800, 9000])
    window = np.stack([sides * 0, sides * 0, sides, sides * 2], axis=1)
    assert windows.decoding_ratios(window, 100).tolist() == [1, 1, 1, 1, 2, 2, 4, 4, 8, 8]


@settings(max_examples=80, deadline=None)
@given(st.integers(-900, 900), st.integers(-900, 900), st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 400))
def test_snapping_moves_little_and_leaves_enough(top, left, height, width, size):
    window = np.array([[top, left, height, width]])
    ratios = windows.decoding_ratios(window, size)
    snapped = windows.snapped(window, ratios)
    assert (snapped % ratios == 0).all()
    assert (window - snapped >= 0).all() and (window - snapped < ratios).all()
    assert ratios[0] == 1 or (snapped[0, 2:] // ratios[0] >= size).all()


@settings(max_examples=80, deadline=None)
@given(SIDES, SIDES, SIDES, SIDES, st.floats(0, 1), st.floats(0, 1), st.integers(1, 300))
def test_parts_and_frames_lie_inside_and_fit_each_other(height, width, h, w, down, across, size):
    """For any window that holds a pixel of the image; it may reach beyond it on any side."""
    top, left = round(1 - h + down * (height + h - 2)), round(1 - w + across * (width + w - 2))
    window, shape = np.array([[top, left, h, w]]), np.array([[height, width]])
    (part,) = windows.inside(window, shape)
    seen = np.minimum(window[0, :2] + window[0, 2:], shape[0]) - np.maximum(window[0, :2], 0)
    assert part.tolist() == [*np.maximum(window[0, :2], 0), *seen] and (seen >= 1).all()
    (frame,) = windows.frames(window, part[None], size)
    assert (frame[:2] >= 0).all() and (frame[2:] >= 1).all() and (frame[:2] + frame[2:] <= size).all()
    scale = size / window[0, 2:]
    assert (np.abs(frame[:2] - (part[:2] - window[0, :2]) * scale) <= 1).all()
    assert (np.abs(frame[2:] - part[2:] * scale) <= 1).all()


def test_a_window_that_snapping_has_moved_off_its_image_still_has_a_part_and_a_frame():
    """An image of one row at the very end of a window of 4999 pixels."""
    window = windows.snapped(np.array([[-4998, 0, 4999, 4999]]), np.array([8]))
    part = windows.inside(window, np.array([[1, 4999]]))
    assert part.tolist() == [[0, 0, 1, 4992]]
    (frame,) = windows.frames(window, part, 32)
    assert frame.tolist() == [31, 0, 1, 32]


def test_a_window_inside_the_image_fills_the_input():
    window = np.array([[3, 4, 20, 30]])
    assert windows.inside(window, np.array([[50, 60]])).tolist() == [[3, 4, 20, 30]]
    assert windows.frames(window, window, 16).tolist() == [[0, 0, 16, 16]]


def test_a_window_about_the_image_shows_it_in_its_place():
    window = np.array([[-10, 0, 40, 40]])
    part = windows.inside(window, np.array([[20, 40]]))
    assert part.tolist() == [[0, 0, 20, 40]]
    assert windows.frames(window, part, 16).tolist() == [[4, 0, 8, 16]]


@pytest.mark.parametrize("options", [{"area": (0.08, 1.0)}, {"area": (0.6, 1.0)}, {"zoom": (0.5, 1.5)}])
def test_no_window_is_smaller_than_the_smallest(options):
    """Also for very oblong images, where hardly any window fits."""
    rng = np.random.default_rng(0)
    shapes = rng.integers(1, 2000, (5000, 2)) // rng.choice([1, 1, 20], (5000, 2)) + 1
    drawn = rng.random((5000, 2 * windows.TRIES + 2))
    drawn[::2, ::2] = 0.0  # the smallest share of the area
    if "area" in options:
        chosen = windows.random_windows(shapes, drawn, options["area"])
    else:
        chosen = windows.random_squares(shapes, drawn[:, -3:], options["zoom"])
    assert (chosen[:, 2:].min(axis=1) >= windows.smallest_sides(shapes, **options)).all()


def test_the_smallest_window_of_a_whole_image_is_the_image():
    assert windows.smallest_sides(np.array([[30, 50], [7, 2]])).tolist() == [30, 2]
    assert windows.smallest_sides(np.zeros((0, 2), int), zoom=(0.5, 1)).shape == (0,)
