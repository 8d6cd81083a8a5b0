"""Weighted boxes fusion by hand."""

import numpy as np
import pytest

from visionkit.ops.box_fusion import weighted_boxes_fusion

A, B, FAR = [0, 0, 4, 1], [0, 0, 3, 1], [8, 8, 9, 9]  # IoU of A and B: 0.75


def test_nothing_fuses_to_nothing():
    fused = weighted_boxes_fusion([[], []], [[], []], [[], []])
    assert fused.boxes.shape == (0, 4) and fused.scores.shape == fused.classes.shape == (0,)


def test_by_hand():
    """A at 0.75 and B at 0.25 become their mean by these scores; what one of two lists has found counts half."""
    fused = weighted_boxes_fusion([[A], [B, FAR, A]], [[0.75], [0.25, 0.8, 0.5]], [[1], [1, 0, 2]])
    np.testing.assert_allclose(fused.boxes, [[0, 0, 3.75, 1], FAR, A], rtol=1e-6)
    np.testing.assert_allclose(fused.scores, [0.5, 0.4, 0.25], rtol=1e-6)
    assert fused.classes.tolist() == [1, 0, 2]


def test_weights_count_in_boxes_and_scores():
    fused = weighted_boxes_fusion([[A], [B]], [[0.5], [0.5]], [[0], [0]], weights=[3, 1])
    np.testing.assert_allclose(fused.boxes, [[0, 0, 3.75, 1]])
    np.testing.assert_allclose(fused.scores, [0.5])
    alone = weighted_boxes_fusion([[A], []], [[0.8], []], [[0], []], weights=[3, 1])
    np.testing.assert_allclose(alone.scores, [0.6])  # three quarters of the trust


def test_equality_is_enough_to_join():
    lists = ([[A], [B]], [[0.5], [0.5]], [[0], [0]])
    assert len(weighted_boxes_fusion(*lists, iou_threshold=0.75).scores) == 1
    assert len(weighted_boxes_fusion(*lists, iou_threshold=0.7501).scores) == 2


def test_one_list_that_does_not_overlap_is_left_as_it_is(rng):
    boxes = np.arange(20)[:, None] + np.array([0, 0, 0.9, 0.9])
    scores, classes = rng.uniform(0.1, 1, 20), rng.integers(0, 3, 20)
    fused = weighted_boxes_fusion([boxes] * 3, [scores] * 3, [classes] * 3)
    order = np.argsort(-scores)
    for part, expected in zip(fused, (boxes, scores, classes), strict=True):
        np.testing.assert_allclose(part, expected[order])


def test_low_scores_take_no_part():
    fused = weighted_boxes_fusion([[A, B]], [[0.5, 0.1]], [[0, 0]], score_threshold=0.1)
    np.testing.assert_array_equal(fused.boxes, [A])
    assert len(weighted_boxes_fusion([[A]], [[0.0]], [[0]]).scores) == 0


@pytest.mark.parametrize("wrong", [{"weights": [1]}, {"weights": [1, 0]}, {"scores": [[0.5]]}])
def test_lists_that_do_not_fit_are_told(wrong):
    lists = {"boxes": [[A], [B]], "scores": [[0.5], [0.5]], "classes": [[0], [0]]} | wrong
    with pytest.raises(ValueError, match="as many of each"):
        weighted_boxes_fusion(lists.pop("boxes"), lists.pop("scores"), lists.pop("classes"), **lists)
