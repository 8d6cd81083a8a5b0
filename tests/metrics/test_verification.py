"""Verification and identification: by hand, by brute force, and against scikit-learn."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve

from visionkit.errors import UserError
from visionkit.metrics.verification import NOWHERE, best_threshold, identification_metrics, verification_metrics


def drawn(seed, count=400, *, ties=False):
    """Distances that classify most pairs correctly."""
    rng = np.random.default_rng(seed)
    same = rng.random(count) < 0.4
    distances = np.abs(rng.normal(np.where(same, 0.8, 1.5), 0.3))
    return np.round(distances, 1) if ties else distances, same


def right(distances, same, threshold):
    return np.mean([(distance <= threshold) == alike for distance, alike in zip(distances, same, strict=True)])


def test_without_pairs_metrics_are_nan():
    measured = verification_metrics(np.zeros(0), np.zeros(0, bool))
    assert measured.numbers() == {} and measured.pairs == 0
    assert np.isnan(list(measured.tar_at_far.values())).all() and len(measured.fpr) == len(measured.tpr)
    with pytest.raises(UserError, match="0 pairs of the same and 0 of different"):
        best_threshold(np.zeros(0), np.zeros(0, bool))


@pytest.mark.parametrize("same", [True, False])
def test_pairs_of_one_kind_have_no_curve_and_no_threshold(same):
    pairs = np.array([0.2, 0.4]), np.array([same, same])
    assert verification_metrics(*pairs).numbers() == {}
    assert verification_metrics(*pairs, threshold=0.3).numbers() == {"verification_accuracy": 0.5, "threshold": 0.3}
    with pytest.raises(UserError, match="expected some of both"):
        best_threshold(*pairs)


def test_identification_without_queries_or_templates():
    nobody = identification_metrics(np.zeros((0, 3)), np.zeros(0, int), np.arange(3), 0.5)
    assert nobody.numbers() == {} and nobody.known == nobody.strangers == 0
    empty_gallery = identification_metrics(np.zeros((2, 0)), np.array([4, 5]), np.zeros(0, int), 0.5)
    assert empty_gallery.numbers() == {"strangers_recognized": 0.0} and empty_gallery.strangers == 2


def test_verification_by_hand():
    distances, same = np.array([0.1, 0.2, 0.5, 0.3, 0.7, 0.9]), np.array([True, True, True, False, False, False])
    measured = verification_metrics(distances, same)
    assert measured.auc == pytest.approx(8 / 9)
    assert measured.accuracy == pytest.approx(5 / 6)
    assert measured.threshold == pytest.approx(0.6)  # 0.25 is as good, and its gap is narrower
    assert measured.equal_error_rate == pytest.approx(1 / 3)
    assert set(measured.numbers()) == {"auc", "verification_accuracy", "threshold", "equal_error_rate"}
    assert measured.pairs == 6


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_the_curve_is_scikit_learns(seed, ties):
    distances, same = drawn(seed, ties=ties)
    measured = verification_metrics(distances, same)
    fpr, tpr, _ = roc_curve(same, -distances, drop_intermediate=False)
    assert measured.auc == pytest.approx(roc_auc_score(same, -distances))
    np.testing.assert_array_equal(measured.fpr, fpr)
    np.testing.assert_array_equal(measured.tpr, tpr)
    closer = [(a < b) + (a == b) / 2 for a in distances[same] for b in distances[~same]]
    assert measured.auc == pytest.approx(np.mean(closer))


@pytest.mark.parametrize("ties", [False, True])
def test_true_accepts_at_false_accept_rates_by_brute_force(ties):
    distances, same = drawn(7, 4000, ties=ties)
    measured = verification_metrics(distances, same)
    for far, tar in measured.tar_at_far.items():
        allowed = [t for t in (-1, *distances) if np.mean(distances[~same] <= t) <= far]
        assert tar == max(np.mean(distances[same] <= t) for t in allowed)


@pytest.mark.parametrize(("different", "known"), [(99, 0), (100, 1), (999, 1), (1000, 2)])
def test_too_few_different_pairs_have_no_rate(different, known):
    distances = np.concatenate([[0.5], np.linspace(1, 2, different)])
    measured = verification_metrics(distances, np.arange(different + 1) == 0)
    assert sum(not math.isnan(tar) for tar in measured.tar_at_far.values()) == known
    assert sorted(name for name in measured.numbers() if "far" in name) == ["tar_at_far_1e-2", "tar_at_far_1e-3"][:known]


def test_exactly_a_hundredth_is_allowed():
    distances = np.concatenate([[1.0, 3.0], [2.0], np.linspace(4, 5, 99)])
    same = np.array([True, True] + 100 * [False])
    assert verification_metrics(distances, same).tar_at_far[1e-2] == 1.0
    distances[3] = 2.5
    assert verification_metrics(distances, same).tar_at_far[1e-2] == 0.5


def test_the_equal_error_rate_is_where_both_errors_are_equal():
    distances, same = drawn(3, 5000)
    rate = verification_metrics(distances, same).equal_error_rate
    threshold = np.quantile(distances[~same], rate)
    assert np.mean(distances[same] > threshold) == pytest.approx(rate, abs=2e-3)
    assert verification_metrics(np.array([1.0, 2.0]), np.array([True, False])).equal_error_rate == 0
    assert verification_metrics(np.array([2.0, 1.0]), np.array([True, False])).equal_error_rate == 1
    assert verification_metrics(np.array([1.0, 1.0]), np.array([True, False])).equal_error_rate == 0.5


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=12))
def test_no_threshold_is_better_than_the_best(pairs):
    distances, same = np.array([pair[0] for pair in pairs]) / 4, np.array([pair[1] for pair in pairs])
    if same.all() or not same.any():
        return
    threshold = best_threshold(distances, same)
    best = max(right(distances, same, t) for t in np.arange(-1, 20) / 8)
    assert right(distances, same, threshold) == best
    assert verification_metrics(distances, same).accuracy == pytest.approx(best)
    if not np.isclose(distances.max(), threshold) and threshold >= distances.min():
        below, above = distances[distances <= threshold].max(), distances[distances > threshold].min()
        assert threshold == (below + above) / 2


def test_thresholds_at_the_ends():
    assert best_threshold([2.0, 1.0], [True, False]) in (2.0, np.nextafter(1.0, 0))
    assert best_threshold([1.0, 2.0, 3.0, 4.0], [False, True, True, True]) == 4.0
    refusing = best_threshold([1.0, 1.0, 1.0], [False, False, True])
    assert refusing < 1.0 and right([1.0, 1.0, 1.0], [False, False, True], refusing) == pytest.approx(2 / 3)


def test_a_threshold_separates_adjacent_floats():
    low = 0.7
    for _ in range(4):
        high = float(np.nextafter(low, 1))
        assert low <= best_threshold([low, high], [True, False]) < high
        low = high


def test_folds_are_measured_at_thresholds_from_the_others():
    distances, same = drawn(11)
    folds = np.random.default_rng(0).integers(0, 5, len(same))
    accuracies = []
    for fold in range(5):
        threshold = best_threshold(distances[folds != fold], same[folds != fold])
        accuracies.append(right(distances[folds == fold], same[folds == fold], threshold))
    measured = verification_metrics(distances, same, folds=folds)
    assert measured.accuracy == pytest.approx(np.mean(accuracies))
    assert measured.accuracy_deviation == pytest.approx(np.sqrt(np.sum((accuracies - np.mean(accuracies)) ** 2) / 4))
    assert measured.threshold == best_threshold(distances, same)
    at_it = verification_metrics(distances, same, folds=folds, threshold=1.0)
    accuracies = [right(distances[folds == fold], same[folds == fold], 1.0) for fold in range(5)]
    assert at_it.accuracy == pytest.approx(np.mean(accuracies)) and at_it.threshold == 1.0
    assert at_it.accuracy_deviation == pytest.approx(np.std(accuracies, ddof=1)) and at_it.auc == measured.auc


def test_pairs_of_no_fold_count_in_the_curve_alone():
    distances, same = drawn(12)
    folds = np.random.default_rng(1).integers(0, 4, len(same))
    more = np.concatenate([distances, np.full(1000, 0.9)]), np.concatenate([same, np.zeros(1000, bool)])
    few, many = (
        verification_metrics(distances, same, folds=folds),
        verification_metrics(*more, folds=np.concatenate([folds, np.full(1000, NOWHERE)])),
    )
    assert (few.accuracy, few.accuracy_deviation, few.threshold) == (many.accuracy, many.accuracy_deviation, many.threshold)
    assert few.auc > many.auc and math.isnan(few.tar_at_far[1e-3]) and not math.isnan(many.tar_at_far[1e-3])


def test_one_fold_is_none():
    distances, same = drawn(13)
    one = verification_metrics(distances, same, folds=np.full(len(same), 3))
    assert one.numbers() == verification_metrics(distances, same).numbers() and math.isnan(one.accuracy_deviation)


def test_numbers_are_plain():
    distances, same = drawn(14, 3000)
    numbers = verification_metrics(distances.astype("float32"), same, folds=np.arange(3000) % 3).numbers()
    names = ["auc", "verification_accuracy", "verification_deviation", "threshold", "equal_error_rate"]
    assert list(json.loads(json.dumps(numbers))) == [*names, "tar_at_far_1e-2", "tar_at_far_1e-3"]


def test_identification_by_hand():
    """Two people are known, by three templates; four queries are theirs, two are strangers'."""
    gallery, queries = np.array([1, 1, 2]), np.array([1, 1, 2, 2, 7, 8])
    distances = np.array(
        [
            [0.9, 0.2, 0.8],  # right, by the second template
            [0.7, 0.9, 0.8],  # right, but too far
            [0.3, 0.9, 0.4],  # taken for the other
            [0.9, 0.9, 0.5],  # right, exactly at the threshold
            [0.6, 0.6, 0.6],  # a stranger, refused
            [0.9, 0.4, 0.9],  # a stranger, taken for someone
        ]
    )
    measured = identification_metrics(distances, queries, gallery, 0.5)
    assert measured.numbers() == {
        "rank_1": 3 / 4,
        "known_refused": 1 / 4,
        "known_mistaken": 1 / 4,
        "strangers_recognized": 1 / 2,
    }
    assert (measured.known, measured.strangers) == (4, 2)


def test_mismatched_inputs_are_an_error():
    with pytest.raises(UserError, match=r"shape \(3,\) and same of shape \(2,\)"):
        verification_metrics(np.zeros(3), np.zeros(2, bool))
    with pytest.raises(UserError, match="Folds of shape"):
        verification_metrics(np.zeros(2), np.zeros(2, bool), folds=np.zeros(3, int))
    with pytest.raises(UserError, match="1 of 2 distances are not finite"):
        verification_metrics(np.array([np.nan, 1]), np.zeros(2, bool))
    with pytest.raises(UserError, match="besides fold 0 hold 0 same and 1 different"):
        verification_metrics(np.arange(3.0), np.array([True, False, False]), folds=np.array([0, 0, 1]))
    with pytest.raises(UserError, match="one row per query and one column per template"):
        identification_metrics(np.zeros((3, 2)), np.zeros(2), np.zeros(3), 0.5)
    with pytest.raises(UserError, match="not finite"):
        identification_metrics(np.full((1, 1), np.inf), np.zeros(1), np.zeros(1), 0.5)
