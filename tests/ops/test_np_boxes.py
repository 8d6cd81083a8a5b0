"""Boxes in NumPy."""

import numpy as np
import pytest

from visionkit.ops import boxes
from visionkit.ops.np_boxes import pairwise_iou


def random_boxes(rng, count: int) -> np.ndarray:
    """Some of them are inverted."""
    low = rng.uniform(0, 0.7, (count, 2))
    return np.concatenate([low, low + rng.uniform(-0.02, 0.3, low.shape)], axis=-1).astype("float32")


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (2, 0)])
def test_no_boxes(shape):
    assert pairwise_iou(np.zeros((shape[0], 4)), np.zeros((shape[1], 4))).shape == shape


def test_iou_by_hand():
    a = np.array([[0, 0, 4, 1], [5, 5, 5, 9], [3, 1, 0, 0]])  # the second has no area, the third is inverted
    b = np.array([[0, 0, 2, 1], [2, 0, 6, 1], [5, 5, 5, 9]])
    assert pairwise_iou(a, b).tolist() == [[0.5, pytest.approx(1 / 3), 0], [0, 0, 0], [0, 0, 0]]


def test_iou_is_that_of_the_graph(rng):
    a, b = random_boxes(rng, 50), random_boxes(rng, 30)
    ours = pairwise_iou(a, b)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, np.asarray(boxes.pairwise_iou(a, b)), atol=1e-6)
