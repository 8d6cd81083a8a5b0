"""Shapes in pixels: their corners, their pixels, and what is refused."""

import numpy as np
import pytest

from visionkit.data.formats.annotation_tools import shapes
from visionkit.data.formats.annotation_tools.shapes import ERRORS, declared_size, mask_shape, number, objects_of, points_of
from visionkit.data.formats.coco_objects import mask_of


def test_no_shapes_are_no_objects():
    assert len(objects_of([], (80, 120), {})) == 0
    assert points_of([]).shape == (0, 2)


def test_a_box_may_be_drawn_from_any_corner():
    for first, second in (((10, 20), (50, 60)), ((50, 60), (10, 20)), ((50, 20), (10, 60)), ((10, 60), (50, 20))):
        assert shapes.box_shape("cat", points_of([first, second])).box.tolist() == [[10, 20], [50, 60]]


def test_an_ellipse_reaches_exactly_as_far_as_its_radii():
    shape = shapes.ellipse_shape("cat", (50, 40), (20, 10))
    np.testing.assert_allclose(shape.box, [[30, 30], [70, 50]])
    turned = shapes.ellipse_shape("cat", (50, 40), (20, 10), np.pi / 2)
    np.testing.assert_allclose(turned.box, [[40, 20], [60, 60]])


def test_a_box_is_turned_clockwise_around_a_point():
    shape = shapes.turned_box_shape("cat", points_of([(10, 20), (50, 30)]), np.array([10, 20]), np.pi / 2)
    np.testing.assert_allclose(shape.box, [[0, 20], [10, 60]], atol=1e-9)
    np.testing.assert_allclose(shape.polygons[0], [[10, 20], [10, 60], [0, 60], [0, 20]], atol=1e-9)
    assert shapes.turned_box_shape("cat", points_of([(10, 20), (50, 30)]), np.array([10, 20]), 0.0).polygons == ()


def test_a_mask_is_put_in_its_place_and_cut_at_the_border():
    shape = mask_shape("cat", np.ones((4, 6), bool), 7, 3, (6, 10))
    expected = np.zeros((6, 10), np.uint8)
    expected[3:, 7:] = 1
    np.testing.assert_array_equal(mask_of(shape.mask), expected)
    assert shape.box.tolist() == [[7, 3], [10, 6]]
    shifted = mask_shape("cat", np.eye(3, dtype=bool), -1, -1, (6, 10))
    assert shifted.box.tolist() == [[0, 0], [2, 2]] and mask_of(shifted.mask)[:2, :2].tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize(("left", "top"), [(20, 0), (0, 20), (-9, 0), (0, -9)])
def test_a_mask_outside_the_image_is_refused(left, top):
    with pytest.raises(ValueError, match="no pixel"):
        mask_shape("cat", np.ones((4, 6), bool), left, top, (6, 10))


@pytest.mark.parametrize("value", [None, True, "nan", "inf", float("nan"), 10**400, 1e300, "1_0", "x", [], {}])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(ERRORS):
        number(value)


def test_sizes_that_cannot_be_are_not_declared():
    assert declared_size(80, "120") == (80, 120)
    for size in ((0, 5), (5, -1), (1.5, 5), (None, 5), ("x", 5), (10**9, 5)):
        assert declared_size(*size) is None


def test_objects_are_relative_and_unknown_classes_are_minus_one():
    square = points_of([(12, 8), (24, 8), (24, 16)])
    found = objects_of([shapes.box_shape("?", square), shapes.polygon_shape("cat", square, occluded=1)], (80, 120), {"cat": 0})
    np.testing.assert_allclose(found.boxes, [[0.1, 0.1, 0.2, 0.2]] * 2)
    assert found.classes.tolist() == [-1, 0] and found.outlines[0] is None and found.attributes == ({}, {"occluded": 1})
    np.testing.assert_allclose(found.outlines[1][0], [[0.1, 0.1], [0.2, 0.1], [0.2, 0.2]])
