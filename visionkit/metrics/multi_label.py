"""Metrics of images that may have several labels, or none; values agree with scikit-learn's.

A class of which no image is labelled has neither an average precision nor an F1, and is left out of their means.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from visionkit.errors import UserError

NO_THRESHOLD = 0.5  # of a class without a labelled image: no threshold is better than another


@dataclass(frozen=True)
class MultiLabelMetrics:
    """The metrics of all classes.

    Attributes:
        thresholds: float ``(C,)``, the score from which an image is predicted to have a class.
        average_precision: float ``(C,)``; nan where no image has the class.
        precision, recall, f1: float ``(C,)`` at the thresholds; nan where no image has the class. A class that is never
            predicted has a precision of 0.
        counts: int ``(C,)``, number of images that have the class.
        map: mean of ``average_precision`` without nan; nan where no image has any class.
        macro_f1: mean of ``f1``, likewise.
        exact_match: share of the images of which all classes are right; nan without images.
    """

    thresholds: np.ndarray
    average_precision: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    counts: np.ndarray
    map: float
    macro_f1: float
    exact_match: float

    def numbers(self) -> dict[str, float]:
        """The values for ``metrics.json``."""
        return {"map": self.map, "macro_f1": self.macro_f1, "exact_match": self.exact_match}


def multi_label_metrics(truth: np.ndarray, scores: np.ndarray, thresholds: Sequence[float] | None = None) -> MultiLabelMetrics:
    """Compute the metrics of predictions.

    Args:
        truth: bool ``(N, C)``, the classes of each image.
        scores: float ``(N, C)``, 0..1.
        thresholds: one a class. Default: those of ``best_thresholds``.

    Raises:
        UserError: the shapes differ.
    """
    truth, scores = np.asarray(truth, bool), np.asarray(scores)
    if truth.shape != scores.shape or truth.ndim != 2:
        raise UserError(f"Labels of shape {truth.shape} and scores of shape {scores.shape}; expected twice the same (N, C).")
    chosen = best_thresholds(truth, scores) if thresholds is None else np.asarray(thresholds, float)
    predicted, counts = scores >= chosen, truth.sum(axis=0)
    right, known = (predicted & truth).sum(axis=0), counts > 0
    precisions = average_precisions(truth, scores)
    f1 = np.where(known, 2 * right / np.maximum(predicted.sum(axis=0) + counts, 1), np.nan)
    return MultiLabelMetrics(
        thresholds=chosen,
        average_precision=precisions,
        precision=np.where(known, right / np.maximum(predicted.sum(axis=0), 1), np.nan),
        recall=np.where(known, right / np.maximum(counts, 1), np.nan),
        f1=f1,
        counts=counts,
        map=_mean(precisions),
        macro_f1=_mean(f1),
        exact_match=float((predicted == truth).all(axis=1).mean()) if len(truth) else float("nan"),
    )


def average_precision(truth: np.ndarray, scores: np.ndarray) -> float:
    """The mean of the precision at each threshold, weighted by the gain of recall; nan where nothing is true.

    Args:
        truth: bool ``(N,)``.
        scores: float ``(N,)``.
    """
    if not truth.any():
        return float("nan")
    _, above, right = _at_thresholds(truth, scores)
    return float((right / above * np.diff(right, prepend=0)).sum() / truth.sum())


def average_precisions(truth: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The average precision of each class, float ``(C,)``; nan where no image has the class."""
    return np.array([average_precision(*column) for column in zip(truth.T, scores.T, strict=True)])


def mean_average_precision(truth: np.ndarray, scores: np.ndarray) -> float:
    """The mean over the classes that some image has; nan where none has any. Takes bool and float ``(N, C)``."""
    return _mean(average_precisions(truth, scores))


def best_thresholds(truth: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The threshold of each class at which its F1 is best, float ``(C,)``; ``NO_THRESHOLD`` where no image has the class.

    A threshold lies in the middle between the last score that it includes and the next; it is the highest of equally good ones.

    Args:
        truth: bool ``(N, C)``.
        scores: float ``(N, C)``, 0..1.
    """
    return np.array([_best_threshold(*column) for column in zip(truth.T, scores.T, strict=True)], float)


def _best_threshold(truth: np.ndarray, scores: np.ndarray) -> float:
    if not truth.any():
        return NO_THRESHOLD
    levels, above, right = _at_thresholds(truth, scores)
    best = int((2 * right / (above + truth.sum())).argmax())
    following = levels[best + 1] if best + 1 < len(levels) else 0.0
    return (float(levels[best]) + float(following)) / 2


def _at_thresholds(truth: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The scores that occur, descending, how many are as high, and how many of these are true."""
    levels, numbers = np.unique(-scores, return_inverse=True)  # equal scores stay together
    above = np.cumsum(np.bincount(numbers, minlength=len(levels)))
    return -levels, above, np.cumsum(np.bincount(numbers, weights=truth, minlength=len(levels)))


def _mean(values: np.ndarray) -> float:
    """The mean of the values that are not nan; nan if all are."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
