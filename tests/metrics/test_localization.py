"""Metrics of localization by hand."""

import numpy as np

from visionkit.metrics.localization import landmark_errors, localization_metrics


def test_without_samples_metrics_are_nan():
    assert np.isnan(localization_metrics(np.zeros((0, 7)), np.zeros((0, 7)))).all()
    measured = localization_metrics(np.zeros((2, 7)), np.array([[-1.0] * 7, [1.0] * 7]))
    assert measured.presence_accuracy == 0.5 and np.isnan(measured.mean_iou)
    assert landmark_errors(np.zeros((0, 3, 3)), np.zeros((0, 3, 2)), np.zeros((0, 2))).shape == (0,)


def test_objects_by_hand():
    truth = np.array([[1, 0.5, 0.5, 0.4, 0.4, 1, 0], [1, 0.5, 0.5, 0.4, 0.4, 0, 1], [0, 9, 9, 9, 9, 9, 9]])
    predictions = np.array([[2.0, 0.5, 0.5, 0.4, 0.4, 3, 1], [-1, 0.7, 0.5, 0.4, 0.4, 3, 1], [-5, 0, 0, 0, 0, 0, 0]])
    measured = localization_metrics(truth, predictions)
    np.testing.assert_allclose(measured, [2 / 3, 1 / 2, (1 + 1 / 3) / 2], rtol=1e-6)


def test_landmarks_are_measured_in_pixels_and_in_diagonals():
    truth = np.array([[[0.0, 0.0, 2], [0.3, 0.8, 2], [5, 5, 0]]])
    points = np.array([[[0.1, 0.0], [0.3, 0.8], [0, 0]]])
    of_square, of_wide = (landmark_errors(truth, points, np.array([shape]))[0] for shape in ((100, 100), (50, 100)))
    np.testing.assert_allclose(of_square, 0.05 / np.hypot(0.3, 0.8))
    np.testing.assert_allclose(of_wide, 0.05 / np.hypot(0.3, 0.4))
    truth[0, 0, 2] = 0
    assert np.isnan(landmark_errors(truth, points, np.array([(100, 100)]))[0])
