"""Metrics of verification (is it the same person?) and identification (who is it?) by distances of embeddings.

A pair is accepted as the same person if its distance is at most the threshold. FAR, the false accept rate, is the share of the
pairs of different people that are accepted; TAR, the true accept rate, the share of the pairs of one person that are.
"""

from dataclasses import dataclass, field

import numpy as np
from sklearn.metrics import auc, roc_curve

from visionkit.errors import UserError

FAR = (1e-2, 1e-3)  # false accept rates at which true accept rates are reported
NOWHERE = -1  # the fold of pairs that count in the curve only


@dataclass(frozen=True)
class Verification:
    """The metrics of pairs of images. Undefined values are nan.

    Attributes:
        auc: area under the ROC curve: the probability that a same pair is closer than a different one.
        accuracy: share of the pairs that are classified correctly; with folds the mean over them, each at the threshold that is
            best for the others.
        accuracy_deviation: sample standard deviation of the folds' accuracies (LFW divides it by the square root of their
            number, and calls that the standard error); nan without folds.
        threshold: the threshold that was passed; else the best for the pairs of all folds together, for use on other images.
        equal_error_rate: the FAR that equals the share of rejected same pairs, interpolated between points of the curve.
        tar_at_far: for each FAR the largest TAR at no higher FAR; nan where there are fewer different pairs than 1 / FAR.
        fpr: FAR at each point of the ROC curve, ascending, float ``(K,)``, from 0 to 1.
        tpr: TAR at each point of the ROC curve, float ``(K,)``.
        pairs: number of pairs.
    """

    auc: float
    accuracy: float
    accuracy_deviation: float
    threshold: float
    equal_error_rate: float
    tar_at_far: dict[float, float]
    fpr: np.ndarray = field(repr=False)
    tpr: np.ndarray = field(repr=False)
    pairs: int

    def numbers(self) -> dict[str, float]:
        """The values for ``metrics.json``, without those that are nan."""
        named = {
            "auc": self.auc,
            "verification_accuracy": self.accuracy,
            "verification_deviation": self.accuracy_deviation,
            "threshold": self.threshold,
            "equal_error_rate": self.equal_error_rate,
        } | {f"tar_at_far_{_plain(far)}": tar for far, tar in self.tar_at_far.items()}
        return {name: value for name, value in named.items() if not np.isnan(value)}


@dataclass(frozen=True)
class Identification:
    """The metrics of a search for query images in a gallery of people. Undefined values are nan.

    Attributes:
        rank_1: share of the known queries (whose person is in the gallery) whose closest template shows their person.
        known_refused: share of the known queries whose closest template is beyond the threshold, so that they are rejected.
        known_mistaken: share of the known queries that are recognized as someone else.
        strangers_recognized: share of the strangers (whose person is not in the gallery) who are recognized as someone in it.
        known: number of known queries.
        strangers: number of strangers.
    """

    rank_1: float
    known_refused: float
    known_mistaken: float
    strangers_recognized: float
    known: int
    strangers: int

    def numbers(self) -> dict[str, float]:
        """The values for ``metrics.json``, without those that are nan."""
        shares = ("rank_1", "known_refused", "known_mistaken", "strangers_recognized")
        return {name: getattr(self, name) for name in shares if not np.isnan(getattr(self, name))}


def verification_metrics(
    distances: np.ndarray, same: np.ndarray, *, folds: np.ndarray | None = None, threshold: float | None = None
) -> Verification:
    """Measure how well distances distinguish same from different people.

    Without folds and without a threshold, the accuracy is optimistic: its threshold is the best for these very pairs.

    Args:
        distances: float ``(N,)``, finite; smaller is more alike.
        same: bool ``(N,)``.
        folds: int ``(N,)``: the accuracy of each fold is measured at the threshold that is best for the other folds, as on LFW.
            Pairs of fold ``NOWHERE`` count in the curve only. A single fold is the same as none.
        threshold: a fixed threshold for all accuracies; by default the best one is chosen.

    Raises:
        UserError: the arrays have different lengths, distances are not finite, or all folds but one hold only same or only
            different pairs.
    """
    distances, same = _checked(distances, same)
    folds = np.zeros(len(same), int) if folds is None else np.asarray(folds)
    if folds.shape != same.shape:
        raise UserError(f"Folds of shape {folds.shape} for {len(same)} pairs; expected one per pair.")
    counts = folds != NOWHERE
    names = np.unique(folds[counts])
    common_threshold = threshold
    if common_threshold is None:
        common_threshold = best_threshold(distances[counts], same[counts]) if _both(same[counts]) else float("nan")
    accuracies = [_fold_accuracy(distances, same, folds, name, threshold) for name in names] if len(names) > 1 else []
    accuracy = float(np.mean(accuracies)) if accuracies else _accuracy(distances[counts], same[counts], common_threshold)
    fpr, tpr = _curve(distances, same)
    return Verification(
        auc=float(auc(fpr, tpr)) if _both(same) else float("nan"),
        accuracy=accuracy,
        accuracy_deviation=float(np.std(accuracies, ddof=1)) if accuracies else float("nan"),
        threshold=float(common_threshold),
        equal_error_rate=_equal_error_rate(fpr, tpr),
        tar_at_far={far: _tar(fpr, tpr, far) if (~same).sum() >= round(1 / far) else float("nan") for far in FAR},
        fpr=fpr,
        tpr=tpr,
        pairs=len(same),
    )


def best_threshold(distances: np.ndarray, same: np.ndarray) -> float:
    """The threshold that classifies most pairs correctly, halfway between the distances on both sides of it.

    Of several equally good ones it is that in the widest gap between distances; of these the smallest, which accepts fewer
    pairs. All pairs weigh alike: where there are ten times as many different pairs as same ones, it rejects more.

    Args:
        distances: float ``(N,)``, finite; smaller is more alike.
        same: bool ``(N,)``.

    Returns:
        The threshold: the largest distance if it is best to accept all pairs, a value just below the smallest distance if it is
        best to accept none.

    Raises:
        UserError: the arrays have different lengths, distances are not finite, or there are only same or only different pairs,
            from which no threshold can be determined.
    """
    distances, same = _checked(distances, same)
    if not _both(same):
        raise UserError(
            f"{same.sum()} pairs of the same and {(~same).sum()} of different people: expected some of both, "
            "to choose a threshold between them."
        )
    steps, positions = np.unique(distances, return_inverse=True)
    gained = np.bincount(positions, weights=np.where(same, 1.0, -1.0), minlength=len(steps))
    right = np.concatenate([[0.0], np.cumsum(gained)])  # correct pairs if the first k distances are accepted, relative to k = 0
    gaps = np.concatenate([[0.0], np.diff(steps), [0.0]])
    best = np.flatnonzero(right == right.max())
    cut = int(best[np.argmax(gaps[best])])
    if cut == 0:
        return float(np.nextafter(steps[0], -np.inf))
    if cut == len(steps):
        return float(steps[-1])
    middle = steps[cut - 1] + (steps[cut] - steps[cut - 1]) / 2
    return float(middle if middle < steps[cut] else steps[cut - 1])  # there is nothing between adjacent floats


def identification_metrics(
    distances: np.ndarray, query_labels: np.ndarray, gallery_labels: np.ndarray, threshold: float
) -> Identification:
    """Measure how well people are recognized from a gallery, and strangers rejected.

    A query is recognized as the person of its closest template, unless that is beyond the threshold.

    Args:
        distances: float ``(Q, G)``, of each query to each template, finite; smaller is more alike. No image may be in both.
        query_labels: int ``(Q,)``, the person of each query.
        gallery_labels: int ``(G,)``, the person of each template; a person may have several templates.
        threshold: largest distance at which a query is recognized.

    Raises:
        UserError: the shapes do not match, or distances are not finite.
    """
    distances, query_labels, gallery_labels = (np.asarray(array) for array in (distances, query_labels, gallery_labels))
    if distances.shape != (len(query_labels), len(gallery_labels)):
        raise UserError(
            f"Distances of shape {distances.shape} for {len(query_labels)} queries and {len(gallery_labels)} templates; "
            "expected one row per query and one column per template."
        )
    _check_finite(distances)
    known = np.isin(query_labels, gallery_labels)
    if len(gallery_labels):
        nearest = distances.argmin(axis=1)
        recognized, right = distances.min(axis=1) <= threshold, gallery_labels[nearest] == query_labels
    else:
        recognized = right = np.zeros(len(query_labels), bool)
    return Identification(
        rank_1=_share(right[known]),
        known_refused=_share(~recognized[known]),
        known_mistaken=_share((recognized & ~right)[known]),
        strangers_recognized=_share(recognized[~known]),
        known=int(known.sum()),
        strangers=int((~known).sum()),
    )


def _checked(distances: np.ndarray, same: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Check the arrays, and convert them to float64 and bool."""
    distances, same = np.asarray(distances, float), np.asarray(same, bool)
    if distances.shape != same.shape or distances.ndim != 1:
        raise UserError(f"Distances of shape {distances.shape} and same of shape {same.shape}; expected one of each per pair.")
    _check_finite(distances)
    return distances, same


def _check_finite(distances: np.ndarray) -> None:
    odd = int((~np.isfinite(distances)).sum())
    if odd:
        raise UserError(
            f"{odd} of {distances.size} distances are not finite; expected finite embeddings. "
            "If training diverged, try a smaller learning rate."
        )


def _both(same: np.ndarray) -> bool:
    return bool(same.any() and not same.all())


def _accuracy(distances: np.ndarray, same: np.ndarray, threshold: float) -> float:
    return float("nan") if np.isnan(threshold) else _share((distances <= threshold) == same)


def _fold_accuracy(distances, same, folds, name, threshold: float | None) -> float:
    inside, others = folds == name, (folds != name) & (folds != NOWHERE)
    if threshold is None:
        if not _both(same[others]):
            raise UserError(
                f"The folds besides fold {name} hold {same[others].sum()} same and {(~same[others]).sum()} different pairs; "
                "expected some of both, to choose a threshold there. Use fewer folds, or pass a threshold."
            )
        threshold = best_threshold(distances[others], same[others])
    return _accuracy(distances[inside], same[inside], threshold)


def _curve(distances: np.ndarray, same: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if not _both(same):
        return np.array([0.0, 1.0]), np.array([np.nan, np.nan])
    fpr, tpr, _ = roc_curve(same, -distances, drop_intermediate=False)
    return fpr, tpr


def _tar(fpr: np.ndarray, tpr: np.ndarray, far: float) -> float:
    return float(tpr[np.searchsorted(fpr, far, side="right") - 1])


def _equal_error_rate(fpr: np.ndarray, tpr: np.ndarray) -> float:
    """The point of the curve where false accepts equal false rejections; their difference rises along it, from -1 to 1."""
    if np.isnan(tpr).any():
        return float("nan")
    difference = fpr + tpr - 1
    after = int(np.argmax(difference >= 0))
    share = -difference[after - 1] / (difference[after] - difference[after - 1])
    return float(fpr[after - 1] + share * (fpr[after] - fpr[after - 1]))


def _share(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _plain(far: float) -> str:
    """E.g. 1e-2 for 0.01."""
    return f"{far:.0e}".replace("e-0", "e-")
