"""Calibration: how often a classifier is right where it says that it is right with some probability.

Guo et al. 2017, "On Calibration of Modern Neural Networks", https://arxiv.org/abs/1706.04599
"""

from dataclasses import dataclass

import numpy as np

from visionkit.errors import UserError

BINS = 15  # as in the paper


@dataclass(frozen=True)
class Calibration:
    """Predictions in bins of equal width, by the probability of the predicted class.

    Attributes:
        error: the expected calibration error: the mean over all predictions of how far the accuracy in a bin is from the mean
            probability there; nan without predictions.
        counts: int ``(BINS,)``, number of predictions in each bin.
        confidence: float ``(BINS,)``, their mean probability; nan in an empty bin.
        accuracy: float ``(BINS,)``, the share of them that is right; nan in an empty bin.
    """

    error: float
    counts: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray


def calibration(probabilities: np.ndarray, labels: np.ndarray) -> Calibration:
    """Compare the probabilities of predicted classes with the share of the predictions that is right.

    Args:
        probabilities: float ``(N, num_classes)``, 0..1.
        labels: the true classes, int ``(N,)``.

    Raises:
        UserError: there is not one label for each row of probabilities.
    """
    probabilities, labels = np.asarray(probabilities, float), np.asarray(labels)
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1]:
        raise UserError(
            f"Probabilities of shape {probabilities.shape}, labels of shape {labels.shape}; expected (N, C) and (N,)."
        )
    if not len(labels):
        return Calibration(float("nan"), np.zeros(BINS, int), np.full(BINS, np.nan), np.full(BINS, np.nan))
    highest, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    bins = np.clip(np.ceil(highest * BINS).astype(int) - 1, 0, BINS - 1)  # a bin includes its upper edge
    counts = np.bincount(bins, minlength=BINS)
    known = np.where(counts > 0, counts, np.nan)
    confidence, accuracy = (np.bincount(bins, weights=values, minlength=BINS) / known for values in (highest, right))
    error = float(np.nansum(counts / len(labels) * np.abs(accuracy - confidence)))
    return Calibration(error, counts, confidence, accuracy)
