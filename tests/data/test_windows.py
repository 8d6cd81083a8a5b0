"""Windows lie inside the picture, are drawn from their seed, and serving resizes smoothly."""

import io

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from visionkit.data import windows

SIDES = st.integers(1, 5000)


@settings(max_examples=60, deadline=None)
@given(SIDES, SIDES, st.integers(0, 2**31 - 1), st.floats(0.01, 1.0))
def test_random_windows_lie_inside(height, width, seed, smallest):
    drawn = np.random.default_rng(seed).random((20, 4))
    drawn[0], drawn[1] = 0, np.nextafter(1, 0)
    top, left, h, w = windows.random_windows(np.array([[height, width]] * 20), drawn, (smallest, 1.0)).T
    assert min(top) >= 0 and min(left) >= 0 and min(h) >= 1 and min(w) >= 1
    assert max(top + h) <= height and max(left + w) <= width


def test_no_pictures_have_no_windows():
    assert windows.random_windows(np.zeros((0, 2), int), np.zeros((0, 4)), (0.1, 1.0)).shape == (0, 4)


def test_random_windows_have_the_asked_area_and_shape_and_lie_anywhere(rng):
    drawn = windows.random_windows(np.full((1000, 2), 400), rng.random((1000, 4)), (0.3, 0.5))
    areas, ratios = drawn[:, 2] * drawn[:, 3], drawn[:, 3] / drawn[:, 2]
    assert 0.29 * 400**2 < min(areas) < max(areas) < 0.51 * 400**2
    assert np.mean(areas) == pytest.approx(0.4 * 400**2, rel=0.05)
    assert 0.74 < min(ratios) < 0.8 and 1.25 < max(ratios) < 1.35
    middles = drawn[:, :2] + drawn[:, 2:] / 2
    assert middles.mean(axis=0) == pytest.approx([200, 200], rel=0.05)


@pytest.mark.parametrize("ratio", [1, 2, 4, 8])
def test_a_large_window_is_decoded_small_and_shows_the_same(photograph, ratio):
    """Train/serve skew: decoding at a fraction of the size must look like decoding and then resizing."""
    large = Image.fromarray(photograph).resize((900, 800), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    large.save(buffer, "JPEG", quality=95)
    window, size = np.array([[40, 24, 600, 640]], np.int32), 600 // ratio - 3
    assert windows.decoding_ratios(window, size).tolist() == [ratio]
    small = windows.decode_jpeg_window(tf.constant(buffer.getvalue()), window[0], size, ratio).numpy()
    expected = large.crop((24, 40, 664, 640)).resize((size, size), Image.Resampling.BILINEAR)
    assert np.abs(small.astype(int) - np.asarray(expected)).mean() < 3


def test_windows_are_not_decoded_smaller_than_they_are_used():
    sides = np.array([1, 99, 100, 199, 200, 399, 400, 799, 800, 9000])
    window = np.stack([sides * 0, sides * 0, sides, sides * 2], axis=1)
    assert windows.decoding_ratios(window, 100).tolist() == [1, 1, 1, 1, 2, 2, 4, 4, 8, 8]


@settings(max_examples=40, deadline=None)
@given(SIDES, SIDES)
def test_the_central_window_is_a_square_in_the_middle(height, width):
    top, left, h, w = windows.central_window(tf.constant(height), tf.constant(width)).numpy()
    assert h == w == max(1, round(0.875 * min(height, width)))
    assert 0 <= top <= height - h and abs(top - (height - h - top)) <= 1
    assert 0 <= left <= width - w


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (7, 3), (300, 451)])
def test_fit_makes_a_square_of_any_picture(rng, shape):
    image = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    fitted = windows.fit(image, 32).numpy()
    assert fitted.shape == (32, 32, 3) and fitted.dtype == np.float32
    assert fitted.min() >= 0 and fitted.max() <= 255.001


def test_fit_agrees_with_pillows_smooth_resizing(photograph):
    top, left, h, w = windows.central_window(*photograph.shape[:2]).numpy()
    theirs = Image.fromarray(photograph[top : top + h, left : left + w]).resize((96, 96), Image.Resampling.BILINEAR)
    assert np.abs(windows.fit(photograph, 96).numpy() - np.asarray(theirs)).max() < 2


@pytest.mark.parametrize("size", [96, 128, 224])
def test_training_and_serving_resize_alike(photograph, size):
    """Train/serve skew: of a JPEG, training decodes the window small and resizes it without smoothing."""
    buffer = io.BytesIO()
    Image.fromarray(photograph).save(buffer, "JPEG", quality=95)
    decoded = np.asarray(Image.open(buffer))
    served = windows.fit(decoded, size).numpy()
    window = windows.central_window(*photograph.shape[:2]).numpy()
    (ratio,) = windows.decoding_ratios(window[None], size)
    trained = windows.decode_jpeg_window(tf.constant(buffer.getvalue()), window, size, int(ratio)).numpy()
    small = [
        np.asarray(Image.fromarray(pixels.astype(np.uint8)).resize((20, 20), Image.Resampling.BOX))
        for pixels in (served, trained)
    ]
    assert np.abs(small[0].astype(int) - small[1]).mean() < 5  # of 255; finer than this the one is sharper than the other
    assert abs((served - trained).mean()) < 1
    smooth = windows.resize_smoothly(windows.cut(decoded, window), size).numpy()
    assert np.abs(served - smooth).max() <= 0.5
    assert abs((served - trained).mean()) < 0.2
