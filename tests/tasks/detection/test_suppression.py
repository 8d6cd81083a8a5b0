"""TensorFlow's kernels keep what the portable algorithm keeps."""

import numpy as np
import pytest
import tensorflow as tf

from visionkit.ops.non_max_suppression import nms
from visionkit.tasks.detection.suppression import FEW, suppress

LIMITS = {"score_threshold": 0.3, "iou_threshold": 0.5, "max_detections": 20}


def both(boxes, scores, **limits):
    boxes, scores = np.asarray(boxes, "float32"), np.asarray(scores, "float32")
    pair = suppress(tf.constant(boxes), tf.constant(scores), **limits), nms(boxes, scores, **limits)
    return [[np.asarray(part) for part in detections] for detections in pair]


@pytest.mark.parametrize("images", [1, 2])
@pytest.mark.parametrize("num_anchors", [0, 5], ids=["no candidates", "none above the threshold"])
def test_nothing_to_find(num_anchors, images):
    found = suppress(tf.zeros((images, num_anchors, 4)), tf.zeros((images, num_anchors, 3)), **LIMITS)
    assert [part.shape for part in found] == [(images, 20, 4), (images, 20), (images, 20)]
    assert (found.classes.numpy() == -1).all() and not found.boxes.numpy().any()


def test_both_thresholds_are_met_as_the_portable_one_meets_them():
    """A score of exactly 0.3 is dropped, and so is a box with an IoU of exactly 0.5."""
    boxes = [[[0, 0, 1, 1], [0, 0, 1, 0.5], [0, 0, 1, 0.49], [0.5, 0.5, 0.6, 0.6]]]
    scores = [[[0.9], [0.8], [0.7], [0.3]]]
    ours, portable = both(boxes, scores, **LIMITS)
    np.testing.assert_allclose(ours[1], portable[1])
    assert ours[1][0, :3].tolist() == pytest.approx([0.9, 0.7, 0])


@pytest.mark.parametrize("num_classes", [1, 4, 80])
@pytest.mark.parametrize("score_threshold", [0.001, 0.6, tf.constant(0.98)])
@pytest.mark.parametrize("images", [1, 3])
def test_the_same_as_the_portable_one(images, num_classes, score_threshold):
    rng = np.random.default_rng(num_classes)
    corners = rng.random((images, 200, 2)) * 1.6 - 0.5
    boxes = np.concatenate([corners, corners + 0.05 + rng.random((images, 200, 2)) * 0.3], axis=2)
    scores = rng.permutation(images * 200 * num_classes).reshape(images, 200, num_classes) / (images * 200 * num_classes)
    limits = {"score_threshold": score_threshold, "iou_threshold": 0.5, "max_detections": 50}
    ours, portable = both(boxes, scores, **limits)
    for mine, theirs in zip(ours, portable, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5)


@pytest.mark.parametrize("is_crowded", [False, True])
def test_one_image_where_few_or_many_anchors_speak(is_crowded):
    """Each has a kernel of its own."""
    rng = np.random.default_rng(0)
    corners = rng.random((1, FEW + 50, 2))
    boxes = np.concatenate([corners, corners + rng.random(corners.shape) * 0.2], axis=2)
    scores = (rng.permutation(boxes.shape[1] * 2).reshape(1, -1, 2) + 1) / (boxes.shape[1] * 2)
    threshold = 0.01 if is_crowded else 0.5
    assert ((scores > threshold).any(axis=2).sum() > FEW) == is_crowded
    ours, portable = both(boxes, scores, score_threshold=threshold, iou_threshold=0.4, max_detections=50)
    assert (ours[2] >= 0).sum() == 50
    for mine, theirs in zip(ours, portable, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5)
