"""Soft-NMS by hand, and at its limits."""

import numpy as np
import pytest

from visionkit.ops.nms import class_wise_nms
from visionkit.ops.soft_nms import soft_nms

PAIR = np.array([[0, 0, 4, 1], [0, 0, 2, 1], [0, 0, 4, 1]], "float32")  # IoU 0.5; the third is of another class
SCORES, CLASSES = np.array([0.8, 0.6, 0.7], "float32"), np.array([0, 0, 1])


@pytest.mark.parametrize("decay", ["gaussian", "linear"])
def test_nothing_stays_nothing(decay):
    assert soft_nms([], [], [], decay=decay).boxes.shape == (0, 4)


def test_by_hand():
    soft = soft_nms(PAIR, SCORES, CLASSES, sigma=0.5)
    np.testing.assert_allclose(soft.scores, [0.8, 0.7, 0.6 * np.exp(-0.5)], rtol=1e-6)
    np.testing.assert_array_equal(soft.boxes, PAIR[[0, 2, 1]])
    assert soft.classes.tolist() == [0, 1, 0]
    np.testing.assert_allclose(soft_nms(PAIR, SCORES, CLASSES, decay="linear", iou_threshold=0.5).scores, [0.8, 0.7, 0.3])
    np.testing.assert_allclose(soft_nms(PAIR, SCORES, CLASSES, decay="linear", iou_threshold=0.51).scores, [0.8, 0.7, 0.6])
    assert SCORES.tolist() == np.array([0.8, 0.6, 0.7], "float32").tolist()  # the caller's are his


def test_the_order_follows_the_lowered_scores():
    """The second best is lowered below the third, which then is taken before it, and lowers it again."""
    boxes = np.array([[0, 0, 4, 1], [0, 0, 3, 1], [0, 0, 1.5, 1]], "float32")  # IoU 0.75, 0.375, 0.5
    soft = soft_nms(boxes, [0.9, 0.8, 0.7], [0, 0, 0], decay="linear", iou_threshold=0.4)
    np.testing.assert_allclose(soft.scores, [0.9, 0.7, 0.8 * 0.25 * 0.5], rtol=1e-6)


def test_a_tiny_sigma_is_hard_suppression(rng):
    low = rng.integers(0, 8, (60, 2))
    boxes = np.concatenate([low, low + 3], axis=-1).astype("float32")
    scores, classes = rng.permutation(60) / 60 + 0.1, rng.integers(0, 2, 60)
    table = np.where(classes[:, None] == np.arange(2), scores[:, None], 0).astype("float32")
    hard = class_wise_nms(boxes[None], table[None], score_threshold=0.0, iou_threshold=1e-6)
    soft = soft_nms(boxes, scores.astype("float32"), classes, sigma=1e-6)
    assert 2 < len(soft.scores) < 60
    for part, expected in zip(soft, hard, strict=True):
        np.testing.assert_array_equal(part, np.asarray(expected)[0, : len(part)])
    assert np.all(np.asarray(hard.classes)[0, len(soft.scores) :] == -1)


def test_what_is_low_is_left_out():
    assert soft_nms(PAIR, SCORES, CLASSES, score_threshold=0.7).scores.tolist() == pytest.approx([0.8])


def test_an_unknown_decay_is_told():
    with pytest.raises(ValueError, match="'gaussian' or 'linear'"):
        soft_nms(PAIR, SCORES, CLASSES, decay="cubic")
