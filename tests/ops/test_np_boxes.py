"""Boxes on the host."""

import numpy as np
import pytest

from visionkit.ops.boxes import iou
from visionkit.ops.np_boxes import best_first, checked, iou_of_one, of_each_class


def test_nothing_is_well_formed():
    nothing = checked([], [], [])
    assert nothing.boxes.shape == (0, 4) and nothing.scores.shape == nothing.classes.shape == (0,)
    assert nothing.classes.dtype == np.int32
    assert of_each_class(nothing.classes) == []
    assert best_first(*nothing, np.zeros(0, int)).boxes.shape == (0, 4)


def test_iou_of_one_is_that_of_the_graph(rng):
    low = rng.uniform(0, 0.7, (50, 2))
    boxes = np.concatenate([low, low + rng.uniform(-0.02, 0.3, low.shape)], axis=-1).astype("float32")
    expected = [float(np.asarray(iou(boxes[:1], box[None]))[0]) for box in boxes]
    np.testing.assert_allclose(iou_of_one(boxes[0], boxes), expected, atol=1e-6)


def test_rows_of_each_class():
    assert [rows.tolist() for rows in of_each_class(np.array([3, 1, 3, 0]))] == [[3], [1], [0, 2]]


def test_arrays_that_do_not_fit_are_told():
    with pytest.raises(ValueError, match="of the same K"):
        checked(np.zeros((3, 4)), np.zeros(3), np.zeros(2, int))
