"""Boxes and keypoints through windows, frames and mirrors, against cases worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visionkit.data.augmentation import geometry
from visionkit.data.augmentation.geometry import in_view, into_frame, mirrored, through_window
from visionkit.data.index import NO_OBJECTS, Objects

SHAPE = (100, 200)  # height and width of the image in all tests


def boxes_of(*boxes, keypoints=None) -> Objects:
    return Objects(np.array(boxes, np.float64).reshape(-1, 4), np.arange(len(boxes), dtype=np.int32), keypoints=keypoints)


@pytest.mark.parametrize("objects", [NO_OBJECTS, boxes_of(keypoints=np.zeros((0, 3, 3)))], ids=["plain", "keypoints"])
def test_no_objects_stay_none(objects):
    for result in (
        through_window(objects, np.array([10, 10, 5, 5]), SHAPE),
        into_frame(objects, np.array([1, 2, 3, 4]), 8),
        in_view(objects),
        mirrored(objects),
    ):
        assert len(result) == 0 and result.boxes.shape == (0, 4)
        assert (result.keypoints is None) == (objects.keypoints is None)


def test_a_window_in_the_image_by_hand():
    objects = boxes_of([0.25, 0.2, 0.5, 0.4])  # x 50..100, y 20..40
    seen = through_window(objects, np.array([10, 40, 50, 80]), SHAPE)  # y 10..60, x 40..120
    np.testing.assert_allclose(seen.boxes, [[10 / 80, 10 / 50, 60 / 80, 30 / 50]])


def test_a_window_beyond_the_image_by_hand():
    seen = through_window(boxes_of([0, 0, 1, 1]), np.array([-50, 0, 200, 200]), SHAPE)
    np.testing.assert_allclose(seen.boxes, [[0, 0.25, 1, 0.75]])


def test_the_whole_image_as_a_window_changes_nothing():
    objects = boxes_of([0.1, 0.2, 0.3, 0.4], keypoints=np.array([[[0.2, 0.3, 2], [0, 0, 0]]]))
    seen = through_window(objects, np.array([0, 0, *SHAPE]), SHAPE)
    np.testing.assert_allclose(seen.boxes, objects.boxes)
    np.testing.assert_allclose(seen.keypoints, objects.keypoints)


def test_an_object_goes_when_less_than_a_quarter_is_left():
    window = np.array([0, 0, 100, 100])  # the left half: relative x doubles
    objects = boxes_of([0.4375, 0, 0.6875, 1], [0.4375, 0, 0.7, 1], [0.4375, 0, 0.68, 1], [0.6, 0, 0.7, 1])
    seen = through_window(objects, window, SHAPE)
    assert geometry.MIN_VISIBLE == 0.25
    assert seen.classes.tolist() == [0, 2]
    np.testing.assert_allclose(seen.boxes, [[0.875, 0, 1, 1]] * 2)


def test_keypoints_out_of_sight_become_zeros_and_keep_their_place():
    keypoints = np.array([[[0.1, 0.5, 2], [0.6, 0.5, 1], [0.0, 0.0, 0], [0.5, 1.0, 1], [0.3, 0.2, 0]]])
    seen = through_window(boxes_of([0, 0, 0.6, 1], keypoints=keypoints), np.array([0, 0, 100, 100]), SHAPE)
    np.testing.assert_allclose(seen.keypoints, [[[0.2, 0.5, 2], [0, 0, 0], [0, 0, 0], [1, 1, 1], [0, 0, 0]]])


def test_into_a_frame_by_hand():
    objects = boxes_of([0, 0, 1, 0.5], keypoints=np.array([[[0.5, 1, 2], [0, 0, 0]]]))
    framed = into_frame(objects, np.array([10, 20, 30, 40]), 100)
    np.testing.assert_allclose(framed.boxes, [[0.2, 0.1, 0.6, 0.25]])
    np.testing.assert_allclose(framed.keypoints, [[[0.4, 0.4, 2], [0, 0, 0]]])


def test_a_mirror_by_hand():
    objects = boxes_of([0.1, 0.2, 0.4, 0.9], keypoints=np.array([[[0.2, 0.3, 2], [0, 0, 0], [1, 0, 1]]]))
    turned = mirrored(objects)
    np.testing.assert_allclose(turned.boxes, [[0.6, 0.2, 0.9, 0.9]])
    np.testing.assert_allclose(turned.keypoints, [[[0.8, 0.3, 2], [0, 0, 0], [0, 0, 1]]])


def test_the_arguments_are_not_written_to():
    objects = boxes_of([0.1, 0.2, 0.4, 0.9], keypoints=np.full((1, 2, 3), 0.5))
    before = objects.boxes.copy(), objects.keypoints.copy()
    through_window(objects, np.array([5, 5, 20, 20]), SHAPE)
    into_frame(objects, np.array([1, 2, 3, 4]), 8)
    mirrored(objects)
    in_view(objects)
    np.testing.assert_array_equal(objects.boxes, before[0])
    np.testing.assert_array_equal(objects.keypoints, before[1])


@st.composite
def some_objects(draw) -> Objects:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    corners = np.sort(rng.random((draw(st.integers(0, 6)), 2, 2)), axis=1)
    keypoints = rng.random((len(corners), 3, 3)) * (1, 1, 3)
    keypoints[..., 2] = keypoints[..., 2].astype(int)
    keypoints[..., :2] *= keypoints[..., 2:] > 0
    return Objects(corners.reshape(-1, 4), np.arange(len(corners)), keypoints=keypoints)


@settings(max_examples=60, deadline=None)
@given(some_objects())
def test_mirroring_twice_changes_nothing(objects):
    twice = mirrored(mirrored(objects))
    np.testing.assert_allclose(twice.boxes, objects.boxes, atol=1e-12)
    np.testing.assert_allclose(twice.keypoints, objects.keypoints, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(some_objects(), st.integers(-60, 90), st.integers(-60, 190), st.integers(1, 250), st.integers(1, 250))
def test_a_window_shows_what_the_same_cut_of_a_painted_image_shows(objects, top, left, height, width):
    """Paint each box on its own, crop it, and measure where it is."""
    seen = through_window(objects, np.array([top, left, height, width]), SHAPE)
    rows = {label: row for row, label in enumerate(seen.classes.tolist())}
    assert (seen.boxes >= 0).all() and (seen.boxes <= 1).all()
    for label, box in enumerate(objects.boxes * (*SHAPE[::-1], *SHAPE[::-1])):
        corner, end = np.maximum(box[:2], (left, top)), np.minimum(box[2:], (left + width, top + height))
        share = np.prod(np.maximum(end - corner, 0)) / np.prod(box[2:] - box[:2])
        assert (label in rows) == (share >= geometry.MIN_VISIBLE) or abs(share - geometry.MIN_VISIBLE) < 1e-9
        if label in rows:
            expected = (np.concatenate([corner, end]) - np.tile((left, top), 2)) / np.tile((width, height), 2)
            np.testing.assert_allclose(seen.boxes[rows[label]], expected, atol=1e-9)
            back = seen.keypoints[rows[label]][:, :2] * (width, height) + (left, top)
            visible = seen.keypoints[rows[label]][:, 2] > 0
            np.testing.assert_allclose(back[visible], objects.keypoints[label][visible, :2] * SHAPE[::-1], atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(some_objects())
def test_what_a_window_showed_goes_back_to_its_place_through_a_frame(objects):
    """A window around the whole image, and the frame of the image in it, give the same coordinates."""
    window, size = np.array([-50, 0, 200, 200]), 64
    seen = through_window(objects, window, SHAPE)
    framed = into_frame(replace(objects), np.array([16, 0, 32, 64]), size)
    np.testing.assert_allclose(seen.boxes, framed.boxes, atol=1e-12)
    np.testing.assert_allclose(seen.keypoints, framed.keypoints, atol=1e-12)
