"""Bundles of signals and volumes, measured beside a simple baseline."""

import keras
import numpy as np
import pytest

from visionkit.data.arrays.samples import ArraySplits
from visionkit.data.index import Index
from visionkit.errors import UserError
from visionkit.export.bundle import read_metadata
from visionkit.inference.measuring import EvaluateOptions
from visionkit.tasks.classification.evaluate import evaluate_data, read_data
from visionkit.tasks.classification.evaluate_arrays import baseline, scores, standardized
from visionkit.tasks.classification.export_arrays import export_array_classifier
from visionkit.tasks.classification.report import report_on


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


@pytest.fixture(scope="module")
def signals(tmp_path_factory):
    """A classifier of signals of 8 values: those that end higher than they begin are "up", the others "down"."""
    values = keras.Input((8, 1))
    slope = keras.layers.Dense(2, use_bias=False)(keras.layers.Flatten()(values))
    model = keras.Model(values, slope)
    up = np.linspace(-9, 9, 8)
    model.layers[-1].set_weights([np.stack([-up, up], axis=1)])
    options = {"kind": "signal", "fit": "resample", "class_names": ("down", "up"), "metadata": {}}
    return export_array_classifier(model, tmp_path_factory.mktemp("signals") / "model", **options)


def table(path, *rows):
    path.write_text("".join(f"{name},{','.join(map(str, values))}\n" for name, values in rows))
    return str(path)


def measured(bundle, source, **options):
    options = EvaluateOptions(**options)
    opened = read_data(source, read_metadata(bundle), options)
    return opened, evaluate_data(bundle, opened, options)


def test_signals_of_any_length_are_measured_and_unknown_classes_are_left_out(signals, tmp_path):
    rows = [("up", range(8)), ("up", range(9, 0, -1)), ("down", [3, 2, 1]), ("flat", [1, 1, 2])]
    opened, result = measured(signals, table(tmp_path / "data.csv", *rows))
    assert opened.sentence.endswith("it has no splits, so all of it is measured: 4 signals.")
    assert result.images == 3 and result.metrics["accuracy"] == pytest.approx(2 / 3)
    assert list(result.metrics) == ["accuracy", "balanced_accuracy", "macro_f1", "calibration_error"]
    assert result.notes == ("left out: 1 signal of flat, which the model does not know",) and result.seconds_an_image > 0
    page = report_on(result, "T").write(tmp_path / "r.html", notes=[], metrics=result.metrics, config={}).read_text()
    assert "1 of 3 measured images are classified wrongly" in page


def test_the_test_table_is_measured_where_there_is_one(signals, tmp_path):
    table(tmp_path / "Waves_TRAIN.csv", *[("up", range(8))] * 3)
    table(tmp_path / "Waves_TEST.csv", ("up", range(8)), ("down", range(8, 0, -1)), ("up", range(7)))
    opened, result = measured(signals, str(tmp_path))
    assert opened.split == "test" and result.images == 3 and result.metrics["accuracy"] == 1
    assert measured(signals, str(tmp_path), split="all")[1].images == 6


def test_volumes_are_no_signals_and_other_channels_are_named(signals, tmp_path):
    (tmp_path / "a").mkdir()
    np.save(tmp_path / "a" / "0.npy", np.zeros((4, 4, 4)))
    with pytest.raises(UserError, match="holds volumes, and the model classifies signals"):
        measured(signals, str(tmp_path))
    (tmp_path / "s" / "up").mkdir(parents=True)
    np.save(tmp_path / "s" / "up" / "0.npy", np.zeros((4, 3)))
    with pytest.raises(UserError, match=r"no signal can be measured \(.*0.npy: 3 channels; expected 1\)"):
        measured(signals, str(tmp_path / "s"))
