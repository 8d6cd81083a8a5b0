"""Is it the same person, and who is it: how well distances of embeddings answer. NumPy, scikit-learn.

A pair is taken for the same person where its distance is at most the threshold. FAR, the false accept rate, is the share of the
pairs of two people that are taken for one; TAR, the true accept rate, the share of the pairs of one person that are.
"""

from dataclasses import dataclass, field

import numpy as np
from sklearn.metrics import auc, roc_curve

from visionkit.errors import UserError

FAR = (1e-2, 1e-3)  # false accept rates at which the true ones are told
NOWHERE = -1  # the fold of pairs that count in the curve, and in no fold


@dataclass(frozen=True)
class Verification:
    """Of pairs of images. What there is nothing to say of is nan.

    Attributes:
        auc: area under the curve: how likely a same pair is closer than a different one.
        accuracy: share of the pairs that are told right; with folds the mean of theirs, each at a threshold from the others.
        accuracy_deviation: standard deviation of the folds' accuracies, of a sample (LFW divides it by the square root of their
            number, and calls that the standard error); nan without folds.
        threshold: the one given; else the best for the pairs of all folds together, the one to use on other images.
        equal_error_rate: FAR where it is the share of same pairs that are refused, read from the curve between its points.
        tar_at_far: TAR by FAR: the largest whose FAR is not above; nan where there are fewer different pairs than 1 / FAR.
        fpr: of the curve: FAR at each threshold, ascending, float ``(K,)``, from 0 to 1.
        tpr: of the curve: TAR, the same.
        pairs: how many there were.
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
        """What ``metrics.json`` holds; what is nan is left out."""
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
    """Of images asked for in a gallery of people. What there is nothing to say of is nan.

    Attributes:
        rank_1: share of the known (those whose person is in the gallery) whose closest template is of their person.
        known_refused: share of the known whose closest template is beyond the threshold: not recognized.
        known_mistaken: share of the known who are recognized as someone else.
        strangers_recognized: share of the strangers (whose person is not in the gallery) who are taken for someone in it.
        known: how many there were.
        strangers: how many there were.
    """

    rank_1: float
    known_refused: float
    known_mistaken: float
    strangers_recognized: float
    known: int
    strangers: int

    def numbers(self) -> dict[str, float]:
        """What ``metrics.json`` holds; what is nan is left out."""
        shares = ("rank_1", "known_refused", "known_mistaken", "strangers_recognized")
        return {name: getattr(self, name) for name in shares if not np.isnan(getattr(self, name))}


def measure(
    distances: np.ndarray, same: np.ndarray, *, folds: np.ndarray | None = None, threshold: float | None = None
) -> Verification:
    """Measure how well distances tell the same from different people.

    Without folds and without a threshold the accuracy is that at the threshold which suits these very pairs best: it flatters.

    Args:
        distances: float ``(N,)``, finite; smaller is more alike.
        same: bool ``(N,)``.
        folds: int ``(N,)``: the accuracy of each fold is measured at the threshold that is best for the other folds, as on LFW.
            Pairs of fold ``NOWHERE`` count in the curve alone. With one fold it is as without.
        threshold: given, accuracies are at it, and none is chosen.

    Raises:
        UserError: arrays of different lengths, distances that are not finite, or folds of which the others hold only same or
            only different pairs.
    """
    distances, same = _checked(distances, same)
    folds = np.zeros(len(same), int) if folds is None else np.asarray(folds)
    if folds.shape != same.shape:
        raise UserError(f"Folds of shape {folds.shape} for {len(same)} pairs; expected one a pair.")
    counts = folds != NOWHERE
    names = np.unique(folds[counts])
    chosen = threshold
    if chosen is None:
        chosen = best_threshold(distances[counts], same[counts]) if _both(same[counts]) else float("nan")
    each = [_fold_accuracy(distances, same, folds, name, threshold) for name in names] if len(names) > 1 else []
    accuracy = float(np.mean(each)) if each else _accuracy(distances[counts], same[counts], chosen)
    fpr, tpr = _curve(distances, same)
    return Verification(
        auc=float(auc(fpr, tpr)) if _both(same) else float("nan"),
        accuracy=accuracy,
        accuracy_deviation=float(np.std(each, ddof=1)) if each else float("nan"),
        threshold=float(chosen),
        equal_error_rate=_equal_error_rate(fpr, tpr),
        tar_at_far={far: _tar(fpr, tpr, far) if (~same).sum() >= round(1 / far) else float("nan") for far in FAR},
        fpr=fpr,
        tpr=tpr,
        pairs=len(same),
    )


def best_threshold(distances: np.ndarray, same: np.ndarray) -> float:
    """The threshold at which most pairs are told right: halfway between the distances on both sides of it.

    Of several that are as good, the one in the widest gap between distances; of such the smallest, which accepts fewer. All
    pairs weigh alike: where there are ten times as many different pairs as same ones, it refuses more.

    Args:
        distances: float ``(N,)``, finite; smaller is more alike.
        same: bool ``(N,)``.

    Returns:
        A float; the largest distance where it is best to accept all, a value just below the smallest where it is best to accept
        none.

    Raises:
        UserError: arrays of different lengths, distances that are not finite, or only same or only different pairs, which
            calibrate nothing.
    """
    distances, same = _checked(distances, same)
    if not _both(same):
        raise UserError(
            f"{same.sum()} pairs of the same and {(~same).sum()} of different people: expected some of both, "
            "to choose a threshold between them."
        )
    steps, place = np.unique(distances, return_inverse=True)
    gained = np.bincount(place, weights=np.where(same, 1.0, -1.0), minlength=len(steps))
    right = np.concatenate([[0.0], np.cumsum(gained)])  # more than by refusing all, if the first k distances are accepted
    gaps = np.concatenate([[0.0], np.diff(steps), [0.0]])
    best = np.flatnonzero(right == right.max())
    cut = int(best[np.argmax(gaps[best])])
    if cut == 0:
        return float(np.nextafter(steps[0], -np.inf))
    if cut == len(steps):
        return float(steps[-1])
    middle = steps[cut - 1] + (steps[cut] - steps[cut - 1]) / 2
    return float(middle if middle < steps[cut] else steps[cut - 1])  # between neighboring floats there is nothing


def identification(
    distances: np.ndarray, query_labels: np.ndarray, gallery_labels: np.ndarray, threshold: float
) -> Identification:
    """Measure how well people are found in a gallery, and strangers refused.

    A query is recognized as the person of its closest template, if that is not beyond the threshold.

    Args:
        distances: float ``(Q, G)``, of each query to each template, finite; smaller is more alike. No image may be in both.
        query_labels: int ``(Q,)``, the person of each.
        gallery_labels: int ``(G,)``, the person of each template; there may be several of one.
        threshold: the largest distance that is recognized.

    Raises:
        UserError: shapes that do not fit, or distances that are not finite.
    """
    distances, query_labels, gallery_labels = (np.asarray(each) for each in (distances, query_labels, gallery_labels))
    if distances.shape != (len(query_labels), len(gallery_labels)):
        raise UserError(
            f"Distances of shape {distances.shape} for {len(query_labels)} queries and {len(gallery_labels)} templates; "
            "expected a row a query and a column a template."
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
    """As float64 and bool."""
    distances, same = np.asarray(distances, float), np.asarray(same, bool)
    if distances.shape != same.shape or distances.ndim != 1:
        raise UserError(f"Distances of shape {distances.shape} and same of shape {same.shape}; expected one of each a pair.")
    _check_finite(distances)
    return distances, same


def _check_finite(distances: np.ndarray) -> None:
    odd = int((~np.isfinite(distances)).sum())
    if odd:
        raise UserError(
            f"{odd} of {distances.size} distances are no finite numbers; expected embeddings that are. "
            "If training diverged, try a smaller learning rate."
        )


def _both(same: np.ndarray) -> bool:
    return bool(same.any() and not same.all())


def _accuracy(distances: np.ndarray, same: np.ndarray, threshold: float) -> float:
    return float("nan") if np.isnan(threshold) else _share((distances <= threshold) == same)


def _fold_accuracy(distances, same, folds, name, threshold: float | None) -> float:
    its, others = folds == name, (folds != name) & (folds != NOWHERE)
    if threshold is None:
        if not _both(same[others]):
            raise UserError(
                f"The folds besides fold {name} hold {same[others].sum()} same and {(~same[others]).sum()} different pairs; "
                "expected some of both, to choose a threshold there. Make fewer folds, or give a threshold."
            )
        threshold = best_threshold(distances[others], same[others])
    return _accuracy(distances[its], same[its], threshold)


def _curve(distances: np.ndarray, same: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if not _both(same):
        return np.array([0.0, 1.0]), np.array([np.nan, np.nan])
    fpr, tpr, _ = roc_curve(same, -distances, drop_intermediate=False)
    return fpr, tpr


def _tar(fpr: np.ndarray, tpr: np.ndarray, far: float) -> float:
    return float(tpr[np.searchsorted(fpr, far, side="right") - 1])


def _equal_error_rate(fpr: np.ndarray, tpr: np.ndarray) -> float:
    """Where the curve's line crosses false accepts = false refusals; their difference rises along it, from -1 to 1."""
    if np.isnan(tpr).any():
        return float("nan")
    difference = fpr + tpr - 1
    after = int(np.argmax(difference >= 0))
    share = -difference[after - 1] / (difference[after] - difference[after - 1])
    return float(fpr[after - 1] + share * (fpr[after] - fpr[after - 1]))


def _share(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _plain(far: float) -> str:
    """1e-2 for 0.01."""
    return f"{far:.0e}".replace("e-0", "e-")
