"""Bundles of signals and volumes, measured beside a simple baseline."""

import numpy as np
import pytest

from visionkit.data.arrays.samples import ArraySplits
from visionkit.data.index import Index
from visionkit.tasks.classification.evaluate_arrays import baseline, scores, standardized


def splits(kind, values, labels):
    index = Index(("a", "b"), tuple(map(str, range(len(labels)))), np.array(labels, np.int32))
    return ArraySplits(kind, "resize", index, index, values, values)


def test_classes_without_validation_samples_do_not_count():
    labels, predictions = np.array([0, 0, 0, 1]), np.array([0, 0, 2, 1])
    assert scores(labels, predictions) == pytest.approx({"accuracy": 0.75, "balanced_accuracy": 5 / 6, "macro_f1": 0.9})


def test_each_channel_of_each_sample_is_standardized_and_a_constant_is_zero(rng):
    values = rng.normal(5, 3, (2, 40, 2))
    values[1, :, 1] = 7
    result = standardized(values)
    np.testing.assert_allclose(result.mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(result.std(axis=1), [[1, 1], [1, 0]])


@pytest.mark.parametrize(("kind", "name", "rank"), [("signal", "nearest_neighbor", 1), ("volume", "logistic_regression", 3)])
def test_the_baseline_does_not_see_scale_and_offset(kind, name, rank, rng):
    labels = [0, 1] * 6
    shapes = np.stack([rng.normal(size=(6,) * rank), rng.normal(size=(6,) * rank)])[labels]
    factors = rng.uniform(1, 9, (12, *[1] * rank))
    values = (factors * (shapes + 5))[..., None].astype(np.float32)
    predicted_by, predictions = baseline(splits(kind, values, labels), seed=0)
    assert predicted_by == name and predictions.tolist() == labels
