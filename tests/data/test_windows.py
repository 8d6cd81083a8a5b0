"""Windows lie inside the picture, are drawn from their seed, and serving resizes smoothly."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from visionkit.data import windows
from visionkit.data.augment import resize

SIDES = st.integers(1, 5000)


@settings(max_examples=60, deadline=None)
@given(SIDES, SIDES, st.integers(0, 2**31 - 1), st.floats(0.01, 1.0))
def test_random_windows_lie_inside(height, width, seed, smallest):
    top, left, h, w = windows.random_window(height, width, tf.constant([seed, 1]), (smallest, 1.0)).numpy()
    assert top >= 0 and left >= 0 and h >= 1 and w >= 1
    assert top + h <= height and left + w <= width


def test_the_seed_decides_the_window():
    draw = lambda seed: tuple(windows.random_window(300, 400, tf.constant([seed, 0]), (0.2, 1.0)).numpy())  # noqa: E731
    assert draw(1) == draw(1)
    assert len({draw(seed) for seed in range(20)}) == 20


def test_random_windows_have_the_asked_area():
    areas = [np.prod(windows.random_window(400, 400, tf.constant([s, 0]), (0.3, 0.5)).numpy()[2:]) for s in range(100)]
    assert 0.29 * 400**2 < min(areas) < max(areas) < 0.51 * 400**2
    assert np.mean(areas) == pytest.approx(0.4 * 400**2, rel=0.05)


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


def test_training_and_serving_resize_alike(photograph):
    """Train/serve skew: the same window, through OpenCV in training and TensorFlow in serving."""
    served = windows.fit(photograph, 128).numpy()
    trained = resize(windows.cut(photograph, windows.central_window(*photograph.shape[:2])).numpy(), 128)
    assert np.abs(served - trained).mean() < 2.5  # of 255
    assert abs((served - trained).mean()) < 0.2
