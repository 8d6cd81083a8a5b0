"""Losses of segmentation by hand, against references, and where nothing counts."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, softmax
from sklearn.metrics import log_loss

from visionkit.losses.segmentation import boundary, cross_entropy, dice, focal, jaccard, tversky
from visionkit.ops.colors import IGNORE

LOSSES = [cross_entropy, focal, dice, jaccard]


def drawn(seed, *, num_classes=3, shape=(2, 5, 4)):
    rng = np.random.default_rng(seed)
    return rng.normal(0, 2, (*shape, num_classes)).astype("float32"), rng.integers(0, max(num_classes, 2), shape)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("num_classes", [1, 3])
def test_without_counted_pixels_there_is_no_gradient(loss, num_classes):
    logits, labels = drawn(0, num_classes=num_classes)
    logits = keras.Variable(logits)
    import tensorflow as tf

    with tf.GradientTape() as tape:
        loss_value = loss(logits, np.full_like(labels, IGNORE))
    assert float(loss_value) == pytest.approx(0, abs=1e-6)
    assert not np.any(tape.gradient(loss_value, logits.value))
    assert np.isfinite(float(loss(np.zeros((0, 4, 4, num_classes), "float32"), np.zeros((0, 4, 4), "int32"))))


def test_cross_entropy_is_that_of_scikit_learn():
    logits, labels = drawn(1)
    expected = log_loss(labels.ravel(), softmax(logits, -1).reshape(-1, 3), labels=[0, 1, 2])
    assert float(cross_entropy(logits, labels)) == pytest.approx(expected, rel=1e-5)
    logits, labels = drawn(2, num_classes=1)
    expected = log_loss(labels.ravel(), expit(logits).ravel())
    assert float(cross_entropy(logits, labels)) == pytest.approx(expected, rel=1e-5)


def test_weights_multiply_pixels():
    logits, labels = drawn(3)
    weights = np.random.default_rng(0).integers(1, 4, labels.shape)
    log_p = np.log(softmax(logits, -1))
    expected = -(weights * np.take_along_axis(log_p, labels[..., None], -1)[..., 0]).mean()
    assert float(cross_entropy(logits, labels, weights)) == pytest.approx(expected, rel=1e-5)


def test_focal_by_hand():
    """With a probability of 3/4 for the label, the loss is its cross-entropy times a quarter squared."""
    logits = np.array([[[0.0, np.log(3.0)]]], "float32")
    assert float(focal(logits, np.array([[1]]))) == pytest.approx(-np.log(0.75) / 16, rel=1e-5)
    assert float(focal(logits, np.array([[1]]), gamma=0.0)) == pytest.approx(-np.log(0.75), rel=1e-5)


def test_regions_by_hand():
    """One of two pixels of a class is predicted, and one pixel falsely: intersection 1, union 3."""
    sure = 50.0
    logits = np.array([[sure, -sure, sure, -sure]], "float32")[..., None]
    labels = np.array([[1, 1, 0, 0]])
    assert float(dice(logits, labels, smooth=0.0)) == pytest.approx(1 - 2 / 4, abs=1e-6)
    assert float(jaccard(logits, labels, smooth=0.0)) == pytest.approx(1 - 1 / 3, abs=1e-6)
    assert float(tversky(logits, labels, false=0.0, missed=1.0, smooth=0.0)) == pytest.approx(1 - 1 / 2, abs=1e-6)
    assert float(dice(logits, labels)) == pytest.approx(1 - 2 / 3, abs=1e-6)


def test_boundary_by_hand():
    """One pixel lies 3 beyond the border, with probability 1, another 2 inside, with probability 1/2."""
    logits = np.array([[50.0, 0.0]], "float32")[..., None]
    distances = np.array([[3.0, -2.0]])[..., None]
    assert float(boundary(logits, np.array([[0, 1]]), distances)) == pytest.approx((3 - 1) / 2, abs=1e-5)
    assert float(boundary(logits, np.array([[IGNORE, 1]]), distances)) == pytest.approx(-1, abs=1e-5)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2, 4]))
def test_ignored_pixels_change_nothing(seed, num_classes):
    logits, labels = drawn(seed, num_classes=num_classes)
    ignored = np.random.default_rng(seed).random(labels.shape) < 0.5
    labels = np.where(ignored, IGNORE, labels)
    others = np.where(ignored[..., None], -3 * logits + 1, logits)
    for loss in LOSSES:
        assert float(loss(logits, labels)) == pytest.approx(float(loss(others, labels)), rel=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_both_forms_of_labels_agree_for_one_class(loss):
    """With one foreground class, both forms of labels mean the same."""
    logits, labels = drawn(5, num_classes=1)
    assert float(loss(logits, labels)) == pytest.approx(float(loss(logits, labels[..., None].astype("float32"))), rel=1e-6)
    several = np.concatenate([labels[..., None], np.full((*labels.shape, 1), -1)], -1).astype("float32")
    both = np.concatenate([logits, logits], -1)
    if loss in (cross_entropy, focal):
        assert float(loss(both, several)) == pytest.approx(float(loss(logits, labels)), rel=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_ground_truth_is_the_best_prediction(loss):
    _, labels = drawn(6)
    truth = 50 * np.eye(3, dtype="float32")[labels] - 25
    assert float(loss(truth, labels)) == pytest.approx(0, abs=1e-5)
    assert float(loss(-truth, labels)) > 0.3


def test_mismatched_labels_are_an_error():
    with pytest.raises(ValueError, match=r"expected \(N, spatial\.\.\.\)"):
        dice(np.zeros((1, 4, 4, 2), "float32"), np.zeros((1, 4), "int32"))
