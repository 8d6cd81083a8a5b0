"""Serving resizes images as training does, and maps boxes back."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from visionkit.data.images import crops, resize
from visionkit.ops.colors import PADDING

SIDES = st.integers(1, 5000)


@settings(max_examples=150, deadline=None)
@given(SIDES, SIDES, st.integers(1, 700))
def test_a_whole_image_lies_where_letterbox_puts_it(height, width, size):
    """There is no train/serve skew: both pad in the same places."""
    start, sides = resize.letterbox_placement_in_graph(tf.constant([height, width]), size)
    frame = resize.letterbox_placement((height, width), size)
    np.testing.assert_array_equal(frame, np.concatenate([start, sides]))
    assert (frame[:2] >= 0).all() and (frame[2:] >= 1).all() and (frame[:2] + frame[2:] <= size).all()
    assert frame[2:].max() == size


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (60, 7), (37, 90), (300, 451), (128, 128)])
@pytest.mark.parametrize("size", [32, 96])
def test_training_and_letterbox_show_the_same(photograph, shape, size):
    image = np.ascontiguousarray(photograph[: shape[0], : shape[1]])
    served = resize.letterbox(image, size).numpy()
    trained = crops.place(image, resize.letterbox_placement(shape, size).tolist(), size)
    frame = resize.letterbox_placement(shape, size)
    padding = np.ones((size, size), bool)
    padding[frame[0] : frame[0] + frame[2], frame[1] : frame[1] + frame[3]] = False
    assert (served[padding] == PADDING).all() and (trained[padding] == PADDING).all()
    assert np.abs(served - trained)[~padding].mean() < 6  # of 255, because one is sharper than the other
    assert abs((served - trained).mean()) < 1


@settings(max_examples=40, deadline=None)
@given(SIDES, SIDES)
def test_the_central_window_is_a_square_in_the_middle(height, width):
    top, left, h, w = resize.central_window(tf.constant(height), tf.constant(width)).numpy()
    assert h == w == max(1, round(0.875 * min(height, width)))
    assert 0 <= top <= height - h and abs(top - (height - h - top)) <= 1
    assert 0 <= left <= width - w


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (7, 3), (300, 451)])
@pytest.mark.parametrize("show", [resize.center_crop, resize.letterbox])
def test_any_image_becomes_a_square(rng, shape, show):
    image = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    fitted = show(image, 32).numpy()
    assert fitted.shape == (32, 32, 3) and fitted.dtype == np.float32
    assert fitted.min() >= 0 and fitted.max() <= 255.001


def test_center_crop_agrees_with_pillows_smooth_resizing(photograph):
    top, left, h, w = resize.central_window(*photograph.shape[:2]).numpy()
    theirs = Image.fromarray(photograph[top : top + h, left : left + w]).resize((96, 96), Image.Resampling.BILINEAR)
    assert np.abs(resize.center_crop(photograph, 96).numpy() - np.asarray(theirs)).max() < 2


def test_no_boxes_on_an_image():
    assert resize.unletterbox(np.zeros((0, 4)), (10, 20), 64).shape == (0, 4)


def test_boxes_of_the_padded_square_are_those_of_the_image():
    """An image of 640 x 480 lies between 40 and 280 of 320 pixels."""
    boxes = np.array([[0, 0.125, 1, 0.875], [0.25, 0.5, 0.5, 1.0]])
    np.testing.assert_allclose(resize.unletterbox(boxes, (480, 640), 320), [[0, 0, 1, 1], [0.25, 0.5, 0.5, 1.0]])


@pytest.mark.parametrize("shape", [(1, 1), (64, 64), (300, 41)])
def test_letterbox_answers_the_same_without_a_copy_in_floats(shape):
    image = np.random.default_rng(5).integers(0, 256, (*shape, 3), np.uint8)
    served = resize.letterbox(tf.constant(image), 64)
    assert served.dtype == tf.float32
    np.testing.assert_array_equal(served, resize.letterbox(tf.constant(image, tf.float32), 64))
