"""Metrics of localization: one object and its box, or landmarks. NumPy."""

from typing import NamedTuple

import keras
import numpy as np

from visionkit.ops.boxes import iou, xyxy_of

BOX, CLASSES = slice(1, 5), slice(5, None)  # columns after the presence


class LocalizationMetrics(NamedTuple):
    """The metrics of predictions of at most one object per image.

    Attributes:
        presence_accuracy: share of the images for which the presence of an object is predicted correctly.
        accuracy: share of the objects whose class is predicted correctly.
        mean_iou: mean IoU of the boxes of all objects, whether the network predicts their presence or not.
    """

    presence_accuracy: float
    accuracy: float
    mean_iou: float


def localization_metrics(truth: np.ndarray, predictions: np.ndarray) -> LocalizationMetrics:
    """Evaluate predictions ``(N, 5 + num_classes)``, the columns of ``losses.localization_loss``; nan without objects.

    Args:
        truth: 1 or 0; box as x, y of the center, width, height; one-hot class.
        predictions: a logit; such a box; logits or probabilities of the classes.
    """
    has_object = truth[:, 0] > 0.5
    right = truth[has_object, CLASSES].argmax(axis=1) == predictions[has_object, CLASSES].argmax(axis=1)
    true_boxes, boxes = (xyxy_of(rows[has_object, BOX].astype(np.float32)) for rows in (truth, predictions))
    overlap = keras.ops.convert_to_numpy(iou(true_boxes, boxes))
    predicts_object = predictions[:, 0] > 0
    return LocalizationMetrics(*(_mean(values) for values in (predicts_object == has_object, right, overlap)))


def landmark_errors(truth: np.ndarray, points: np.ndarray, shapes: np.ndarray) -> np.ndarray:
    """Mean distance of the visible landmarks, in diagonals of the box around them.

    Args:
        truth: ``(N, K, 3)``: x and y, relative to the image, and visibility; landmarks with 0 do not count.
        points: ``(N, K, 2)``.
        shapes: ``(N, 2)``: height and width of each image, in pixels.

    Returns:
        ``(N,)``; nan where fewer than two landmarks are visible.
    """
    errors = np.full(len(truth), np.nan)
    for row, (visible, size) in enumerate(zip(truth[..., 2] > 0, shapes[:, ::-1], strict=True)):
        if visible.sum() > 1:
            true, predicted = truth[row, visible, :2] * size, points[row, visible] * size
            errors[row] = np.linalg.norm(predicted - true, axis=1).mean() / np.linalg.norm(np.ptp(true, axis=0))
    return errors


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")
