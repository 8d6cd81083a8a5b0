"""Metrics of several labels an image are scikit-learn's; what no image can measure is left out."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, precision_score, recall_score

from visionkit.errors import UserError
from visionkit.metrics.multi_label import NO_THRESHOLD, average_precision, best_thresholds, multi_label_metrics


def test_without_images_or_classes_nothing_is_measured():
    measured = multi_label_metrics(np.zeros((0, 2), bool), np.zeros((0, 2)))
    assert np.isnan(list(measured.numbers().values())).all() and measured.thresholds.tolist() == [NO_THRESHOLD] * 2
    measured = multi_label_metrics(np.zeros((3, 0), bool), np.zeros((3, 0)))
    assert np.isnan(measured.map) and measured.thresholds.shape == (0,)


@pytest.mark.parametrize("decimals", [1, 6])  # many equal scores, and none
def test_values_are_those_of_scikit_learn(rng, decimals):
    truth, scores = rng.random((200, 5)) < (0.02, 0.1, 0.5, 0.9, 0.3), rng.random((200, 5)).round(decimals).astype(np.float32)
    truth[0, 0] = True
    scores = np.where(truth, np.sqrt(scores), scores)
    measured = multi_label_metrics(truth, scores)
    expected = average_precision_score(truth, scores, average=None)
    np.testing.assert_allclose(measured.average_precision, expected, atol=1e-9)
    assert measured.map == pytest.approx(average_precision_score(truth, scores, average="macro"), abs=1e-6)
    predicted = scores >= measured.thresholds
    assert measured.macro_f1 == pytest.approx(f1_score(truth, predicted, average="macro"))
    np.testing.assert_allclose(measured.precision, precision_score(truth, predicted, average=None))
    np.testing.assert_allclose(measured.recall, recall_score(truth, predicted, average=None))
    assert measured.exact_match == pytest.approx((predicted == truth).all(axis=1).mean())
    assert measured.counts.tolist() == truth.sum(axis=0).tolist()


def test_no_other_threshold_has_a_better_f1(rng):
    truth, scores = rng.random((60, 1)) < 0.3, rng.random((60, 1))
    best = multi_label_metrics(truth, scores).f1[0]
    assert best == pytest.approx(max(multi_label_metrics(truth, scores, [each]).f1[0] for each in np.unique(scores)))


def test_thresholds_lie_between_scores():
    truth = np.array([[1, 1, 0], [1, 1, 0], [0, 1, 0]], bool)
    scores = np.array([[0.9, 0.4, 0.9], [0.7, 0.6, 0.1], [0.1, 0.8, 0.2]])
    assert best_thresholds(truth, scores) == pytest.approx([0.4, 0.2, NO_THRESHOLD])


def test_a_class_that_no_image_has_is_left_out_of_the_means():
    truth, scores = np.array([[1, 0], [0, 0]], bool), np.array([[0.9, 0.9], [0.1, 0.8]])
    measured = multi_label_metrics(truth, scores)
    assert (measured.map, measured.macro_f1) == (1.0, 1.0) and np.isnan(measured.average_precision[1])
    assert np.isnan([measured.precision[1], measured.recall[1], measured.f1[1]]).all()
    assert measured.exact_match == 0.0  # it counts that the class is predicted
    assert np.isnan(average_precision(truth[:, 1], scores[:, 1]))


def test_a_class_that_is_never_predicted_has_no_precision():
    measured = multi_label_metrics(np.array([[1], [0]], bool), np.array([[0.4], [0.1]]), [0.5])
    assert (measured.precision[0], measured.recall[0], measured.f1[0], measured.macro_f1) == (0.0, 0.0, 0.0, 0.0)


def test_shapes_must_agree():
    with pytest.raises(UserError, match="expected twice the same"):
        multi_label_metrics(np.zeros((2, 3), bool), np.zeros((2, 2)))
