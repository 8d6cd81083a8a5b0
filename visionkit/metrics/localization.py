"""How well one object, or landmarks, were found. NumPy."""

from typing import NamedTuple

import keras
import numpy as np

from visionkit.ops.boxes import iou, xyxy_of

BOX, CLASSES = slice(1, 5), slice(5, None)  # columns behind the presence


class LocalizationMetrics(NamedTuple):
    """What is measured of answers about one object an image.

    Attributes:
        presence_accuracy: share of the images of which it is known whether there is an object.
        accuracy: share of the objects whose class is known.
        mean_iou: of the boxes of all objects, whether the network believes in them or not.
    """

    presence_accuracy: float
    accuracy: float
    mean_iou: float


def measure_localization(truth: np.ndarray, answer: np.ndarray) -> LocalizationMetrics:
    """Measure answers ``(N, 5 + num_classes)``, the columns of ``losses.localization_loss``; nan where there is no object.

    Args:
        truth: 1 or 0; box as x, y of the center, width, height; one-hot class.
        answer: a logit; such a box; logits or probabilities of the classes.
    """
    there = truth[:, 0] > 0.5
    right = truth[there, CLASSES].argmax(axis=1) == answer[there, CLASSES].argmax(axis=1)
    overlap = keras.ops.convert_to_numpy(iou(*(xyxy_of(boxes[there, BOX].astype(np.float32)) for boxes in (truth, answer))))
    believed = answer[:, 0] > 0
    return LocalizationMetrics(*(_mean(values) for values in (believed == there, right, overlap)))


def landmark_errors(truth: np.ndarray, points: np.ndarray, shapes: np.ndarray) -> np.ndarray:
    """Mean distance of the landmarks that are seen, in diagonals of the box around them.

    Args:
        truth: ``(N, K, 3)``: x and y, relative to the image, and visibility; 0 does not count.
        points: ``(N, K, 2)``.
        shapes: ``(N, 2)``: height and width of each image, in pixels.

    Returns:
        ``(N,)``; nan where fewer than two landmarks are seen.
    """
    errors = np.full(len(truth), np.nan)
    for row, (seen, size) in enumerate(zip(truth[..., 2] > 0, shapes[:, ::-1], strict=True)):
        if seen.sum() > 1:
            there, found = truth[row, seen, :2] * size, points[row, seen] * size
            errors[row] = np.linalg.norm(found - there, axis=1).mean() / np.linalg.norm(np.ptp(there, axis=0))
    return errors


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")
