"""Greedy merging on the host: by hand, and as the graph does it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visionkit.ops import nms
from visionkit.ops.box_merging import merge


def crowd(rng, number=200, num_classes=3):
    low = rng.uniform(0, 0.7, (number, 2))
    boxes = np.concatenate([low, low + rng.uniform(-0.02, 0.3, low.shape)], axis=-1).astype("float32")
    return boxes, rng.permutation(number).astype("float32") / number, rng.integers(0, num_classes, number)


def test_nothing_merges_to_nothing():
    merged = merge([], [], [])
    assert merged.boxes.shape == (0, 4) and merged.scores.shape == merged.classes.shape == (0,)
    assert merged.classes.dtype == np.int32


def test_equality_is_enough_to_be_dropped():
    boxes = [[0, 0, 2, 1], [0, 0, 4, 1], [0, 0, 4, 1]]
    merged = merge(boxes, [0.5, 0.75, 0.25], [3, 3, 1], iou_threshold=0.5)
    np.testing.assert_array_equal(merged.boxes, [[0, 0, 4, 1]] * 2)
    assert merged.scores.tolist() == [0.75, 0.25] and merged.classes.tolist() == [3, 1]
    assert len(merge(boxes, [0.5, 0.75, 0.25], [3, 3, 1], iou_threshold=0.51).scores) == 3


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.1, 0.4, 0.8]))
def test_it_keeps_what_the_graph_keeps(seed, iou_threshold):
    boxes, scores, classes = crowd(np.random.default_rng(seed))
    merged = merge(boxes, scores, classes, iou_threshold=iou_threshold)
    table = np.where(classes[:, None] == np.arange(3), scores[:, None], -1).astype("float32")
    answer = nms.class_wise_nms(boxes[None], table[None], score_threshold=-0.5, iou_threshold=iou_threshold)
    for part, expected in zip(merged, answer, strict=True):
        np.testing.assert_array_equal(part, np.asarray(expected)[0, : len(part)])
    assert np.all(np.asarray(answer.classes)[0, len(merged.scores) :] == -1)


def test_arrays_that_do_not_fit_are_told():
    with pytest.raises(ValueError, match="of the same K"):
        merge(np.zeros((3, 4)), np.zeros(3), np.zeros(2, int))
