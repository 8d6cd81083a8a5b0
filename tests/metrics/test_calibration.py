"""The calibration error is the mean distance of accuracy and probability, bin by bin."""

import numpy as np
import pytest

from visionkit.errors import UserError
from visionkit.metrics.calibration import BINS, calibration


def test_without_predictions_there_is_no_error():
    nothing = calibration(np.zeros((0, 2)), np.zeros(0, int))
    assert np.isnan(nothing.error) and nothing.counts.tolist() == [0] * BINS and np.isnan(nothing.accuracy).all()


def test_a_model_that_is_as_often_right_as_it_says_has_no_error_and_one_that_is_too_sure_has():
    probabilities = np.tile([0.75, 0.25], (4, 1))
    assert calibration(probabilities, np.array([0, 0, 0, 1])).error == pytest.approx(0)
    assert calibration(probabilities, np.array([0, 1, 1, 1])).error == pytest.approx(0.5)
    assert calibration(np.eye(2)[[0, 1]], np.array([0, 0])).error == pytest.approx(0.5)


def test_bins_are_weighted_by_their_predictions_and_include_their_upper_edge():
    probabilities = np.array([[0.6, 0.4], [0.6, 0.4], [0.6, 0.4], [0.05, 0.95]])
    measured = calibration(probabilities, np.array([0, 0, 1, 1]))
    assert measured.counts[8] == 3 and measured.counts[14] == 1  # 0.6 is the upper edge of the ninth of 15 bins
    assert measured.error == pytest.approx(0.75 * abs(2 / 3 - 0.6) + 0.25 * 0.05)
    assert measured.confidence[14] == pytest.approx(0.95) and measured.accuracy[8] == pytest.approx(2 / 3)


def test_one_class_is_always_sure():
    assert calibration(np.ones((1, 1)), np.zeros(1, int)).error == 0


def test_rows_without_a_label_are_an_error():
    with pytest.raises(UserError, match=r"Probabilities of shape \(2, 2\), labels of shape \(3,\)"):
        calibration(np.zeros((2, 2)), np.zeros(3, int))
