"""IoU and its variants: by hand, against NumPy, and properties that hold for all boxes."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from visionkit.ops import boxes as box_ops

KINDS = [box_ops.iou, box_ops.giou, box_ops.diou, box_ops.ciou]


def call(function, *boxes) -> np.ndarray:
    return ops.convert_to_numpy(function(*(np.asarray(one, "float32") for one in boxes)))


def on_a_grid(least_side):
    """Strategy: six boxes in and around the unit square, on a grid, so that they also touch, coincide, and are empty."""

    def boxes(seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        low, sides = rng.integers(-8, 24, (6, 2)), rng.integers(least_side, 16, (6, 2))
        return (np.concatenate([low, low + sides], axis=-1) / 16).astype("float32")

    return st.builds(boxes, st.integers(0, 2**32 - 1))


PROPER, ANY = on_a_grid(1), on_a_grid(-3)


@pytest.mark.parametrize("kind", KINDS)
def test_no_boxes(kind):
    none = np.zeros((0, 4), "float32")
    assert call(kind, none, none).shape == (0,)
    assert call(box_ops.pairwise_iou, none, np.zeros((3, 4))).shape == (0, 3)
    assert call(box_ops.pairwise_iou, np.zeros((2, 3, 4)), np.zeros((2, 0, 4))).shape == (2, 3, 0)
    assert call(box_ops.area, none).shape == (0,) and call(box_ops.cxcywh_of, none).shape == (0, 4)


# Two squares of side 2, the second shifted by 1: shared 2, union 6, enclosing 3 x 2, diagonal^2 13.
# A 2 x 2 and a 4 x 1 box side by side: nothing shared, union 8, enclosing 6 x 2, centers (1, 1) and (4, 0.5).
@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([0, 0, 2, 2], [0, 0, 2, 2], (1, 1, 1, 1)),
        ([0, 0, 2, 2], [1, 0, 3, 2], (1 / 3, 1 / 3, 1 / 3 - 1 / 13, 1 / 3 - 1 / 13)),
        ([0, 0, 2, 2], [2, 0, 4, 2], (0, 0, -4 / 20, -4 / 20)),
        ([0, 0, 2, 2], [2, 0, 6, 1], (0, -4 / 12, -9.25 / 40, None)),
        ([0, 0, 4, 4], [0, 0, 2, 2], (1 / 4, 1 / 4, 1 / 4 - 2 / 32, 1 / 4 - 2 / 32)),
    ],
)
def test_by_hand(a, b, expected):
    if expected[3] is None:
        other = (2 / np.pi * (np.arctan(1) - np.arctan(4))) ** 2
        expected = (*expected[:3], expected[2] - other * other / (1 + other))
    for kind, value in zip(KINDS, expected, strict=True):
        assert call(kind, a, b) == pytest.approx(value, abs=1e-6), kind.__name__


def test_formats_and_area():
    boxes = [[1, 2, 4, 8], [4, 2, 1, 8]]
    np.testing.assert_array_equal(call(box_ops.area, boxes), [18, 0])
    np.testing.assert_array_equal(call(box_ops.cxcywh_of, boxes[:1]), [[2.5, 5, 3, 6]])
    np.testing.assert_array_equal(call(box_ops.xyxy_of, [[2.5, 5, 3, 6]]), boxes[:1])


def plain_iou(a, b) -> float:
    def area(box):
        return max(box[2] - box[0], 0) * max(box[3] - box[1], 0)

    shared = area([max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])])
    return shared / (area(a) + area(b) - shared) if shared else 0.0


@settings(deadline=None, max_examples=25)
@given(ANY, ANY)
def test_pairwise_is_iou_of_every_pair(a, b):
    table = call(box_ops.pairwise_iou, a, b)
    expected = [[plain_iou(one, other) for other in b.astype("float64")] for one in a.astype("float64")]
    np.testing.assert_allclose(table, expected, atol=1e-6)
    np.testing.assert_array_equal(table, call(box_ops.iou, a[:, None], b[None]))
    np.testing.assert_array_equal(call(box_ops.pairwise_iou, np.stack([a, a]), np.stack([b, b])), np.stack([table, table]))


@settings(deadline=None, max_examples=25)
@given(ANY, ANY)
def test_symmetry_and_bounds(a, b):
    a, b = a[:, None], b[None]
    for kind in KINDS:
        table = call(kind, a, b)
        np.testing.assert_allclose(table, call(kind, b, a), atol=1e-5)
        low = {"iou": 0, "ciou": -2}.get(kind.__name__, -1)
        assert np.all(table >= low - 1e-5) and np.all(table <= 1 + 1e-5)
    assert np.all(call(box_ops.giou, a, b) <= call(box_ops.iou, a, b) + 1e-5)
    assert np.all(call(box_ops.ciou, a, b) <= call(box_ops.diou, a, b) + 1e-5)
    assert np.all(call(box_ops.diou, a, b) <= call(box_ops.iou, a, b) + 1e-5)


@settings(deadline=None, max_examples=25)
@given(PROPER)
def test_a_box_has_an_iou_of_one_with_itself_only(boxes):
    for kind in KINDS:
        np.testing.assert_allclose(call(kind, boxes, boxes), 1, atol=1e-5)
    np.testing.assert_allclose(call(box_ops.xyxy_of, box_ops.cxcywh_of(boxes)), boxes, atol=1e-6)


@settings(deadline=None, max_examples=25)
@given(PROPER, st.floats(0.5, 1000, width=32))
def test_the_unit_does_not_matter(boxes, unit):
    for kind in KINDS:
        np.testing.assert_allclose(
            call(kind, boxes[:-1] * unit, boxes[1:] * unit), call(kind, boxes[:-1], boxes[1:]), atol=1e-4
        )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([0.5, 0.5, 0.5, 0.5], [0.5, 0.5, 0.5, 0.5]),
        ([0.0, 0.0, 0.0, 0.0], [0.2, 0.2, 0.4, 0.4]),
        ([0.6, 0.6, 0.2, 0.2], [0.2, 0.2, 0.6, 0.6]),
        ([0.2, 0.2, 0.4, 0.4], [0.2, 0.2, 0.4, 0.4]),
        ([0.2, 0.3, 0.2, 0.6], [0.2, 0.3, 0.5, 0.3]),
    ],
)
def test_gradients_of_degenerate_boxes_are_finite(kind, a, b):
    a = tf.Variable(a)
    with tf.GradientTape() as tape:
        output = kind(a, tf.constant(b))
    assert np.isfinite(output) and np.all(np.isfinite(tape.gradient(output, a)))


def test_all_but_iou_pull_disjoint_boxes_together():
    """What a loss is for: moving right must help, though nothing is shared."""
    a, b = tf.Variable([0.0, 0.0, 0.1, 0.1]), tf.constant([0.5, 0.0, 0.6, 0.1])
    for kind in KINDS[1:]:
        with tf.GradientTape() as tape:
            output = kind(a, b)
        slope = tape.gradient(output, a).numpy()
        assert slope[0] + slope[2] > 0, kind.__name__


def test_keras_utilities_agree(rng):
    corners = rng.uniform(0, 1, (20, 2, 2))
    boxes = np.concatenate([corners.min(1), corners.max(1)], axis=-1).astype("float32")
    theirs = keras.utils.bounding_boxes.compute_iou(boxes[:8], boxes[8:], "xyxy")
    np.testing.assert_allclose(call(box_ops.pairwise_iou, boxes[:8], boxes[8:]), theirs, atol=1e-5)
