import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visionkit.ops.anchors import k_means_anchors, shape_iou


def test_no_boxes():
    with pytest.raises(ValueError, match="received 0"):
        k_means_anchors(np.zeros((0, 2)), 3)


def test_boxes_without_area():
    with pytest.raises(ValueError, match="an area"):
        k_means_anchors(np.array([[0.5, 0.0]]), 3)


def test_shape_iou_by_hand():
    iou = shape_iou(np.array([[2.0, 2.0], [1.0, 4.0]]), np.array([[2.0, 2.0], [4.0, 1.0]]))
    np.testing.assert_allclose(iou, [[1, 2 / 6], [2 / 6, 1 / 7]])


def test_two_kinds_of_boxes_are_found():
    rng = np.random.default_rng(0)
    small, wide = rng.normal([0.1, 0.1], 0.005, (50, 2)), rng.normal([0.6, 0.2], 0.02, (20, 2))
    anchors = k_means_anchors(np.concatenate([small, wide]), 2)
    np.testing.assert_allclose(anchors, [[0.1, 0.1], [0.6, 0.2]], atol=0.01)


def test_fewer_distinct_boxes_than_anchors_are_filled_up_with_smaller_ones():
    anchors = k_means_anchors(np.array([[0.4, 0.2]] * 5), 3)
    np.testing.assert_allclose(anchors, [[0.1, 0.05], [0.2, 0.1], [0.4, 0.2]])


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.floats(0.01, 1.5), st.floats(0.01, 1.5)), min_size=1, max_size=40), st.integers(1, 9))
def test_anchors_are_sorted_and_within_the_range_of_the_boxes(sides, count):
    sides = np.array(sides)
    anchors = k_means_anchors(sides, count)
    assert anchors.shape == (count, 2) and (anchors > 0).all()
    assert (np.diff(anchors.prod(axis=1)) >= -1e-6).all()
    assert (anchors <= sides.max(axis=0) + 1e-6).all()
