"""The transfer recipe on images with several labels each: its phases, the bundle and its thresholds, an interruption."""

import csv
import json
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest
from sklearn.metrics import average_precision_score

import visionkit
from tests.colored_quadrants import COLORS, quadrants
from tests.recipes.conftest import SMALL_BASE
from visionkit import models
from visionkit.cli.predict import predict
from visionkit.data import sources
from visionkit.data.split_names import WHOLE
from visionkit.data.splits import DataSet
from visionkit.tasks.classification import train

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.fixture
def run(program):
    return partial(program, RECIPES / "transfer_learning.py")


@pytest.fixture
def data(tmp_path, monkeypatch) -> DataSet:
    """Images of colored quadrants, which are what any ``--data`` holds."""
    data_set = quadrants(tmp_path / "data", train=96, side=32)
    monkeypatch.setattr(sources, "read", lambda _, **options: data_set)
    return data_set


@pytest.fixture
def base(tmp_path) -> tuple:
    """Options of a small base with weights, so that its head is trained first."""
    keras.utils.set_random_seed(0)
    models.build("resnet8", (32, 32, 3), None).save_weights(tmp_path / "base.weights.h5")
    return ("--base", "resnet8", "--size", 32, "--batch-size", 8, "--views", 1, "--weights", tmp_path / "base.weights.h5")


def test_the_colors_of_quadrants_are_learnt_and_reported(run, data, tmp_path, capsys):
    out = tmp_path / "run"
    done = run("--data", tmp_path / "data", "--out", out, "--size", 32, "--batch-size", 8, "--epochs", 14, *SMALL_BASE)
    assert done.returncode == 0, done.stderr
    metrics = json.loads((out / "metrics.json").read_text())
    assert list(metrics)[:3] == ["map", "macro_f1", "exact_match"] and "\nmap " in done.stdout
    assert metrics["map"] >= 0.95 and metrics["macro_f1"] > 0.9
    metadata = json.loads((out / "model" / "assets.extra" / "bundle.json").read_text())
    assert metadata["multi_label"] is True and metadata["thresholds"].keys() == set(COLORS)

    model, val = visionkit.load(out), data.splits["val"]
    results = list(model.predict_many(val.paths))
    scores = np.array([[dict(result.top)[name] for name in COLORS] for result in results])
    assert metrics["map"] == pytest.approx(average_precision_score(val.label_sets, scores), abs=1e-6)
    thresholds = np.array([metadata["thresholds"][name] for name in COLORS])
    predicted = [{label for label, _ in result.labels} for result in results]
    assert predicted == [{name for name, reached in zip(COLORS, row, strict=True) if reached} for row in scores >= thresholds]
    assert metrics["exact_match"] == pytest.approx(((scores >= thresholds) == val.label_sets).all(axis=1).mean())

    notes = json.loads((out / "notes.json").read_text())
    assert "An image may have several labels" in notes[0]
    assert any("at which its F1 is best on these same validation images" in note for note in notes)
    page = (out / "report.html").read_text()
    assert "Confusion matrix" not in page and "data:image/jpeg" in page and "<td>blue</td>" in page
    row = next(csv.DictReader((out / "history.csv").read_text().splitlines()))
    assert {"loss", "val_loss", "val_map"} <= row.keys() and "accuracy" not in row

    capsys.readouterr()
    plain = int(np.flatnonzero(~val.label_sets.any(axis=1) & ~(scores >= thresholds).any(axis=1))[0])
    assert predict(out, (val.paths[plain],), as_json=True) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["label"], printed["score"], printed["labels"]) == (None, None, []) and len(printed["top"]) == 3
    predict(out, (val.paths[plain],))
    assert capsys.readouterr().out == f"{val.paths[plain]}\n    no label reaches its threshold\n"


@pytest.mark.exhaustive
def test_an_interrupted_run_keeps_its_sets_of_labels_through_all_phases(run, data, base, tmp_path, monkeypatch):
    data_set = DataSet({WHOLE: data.splits["train"].take(range(40))})
    monkeypatch.setattr(sources, "read", lambda _, **options: data_set)
    out, measured, calls = tmp_path / "run", train.measured, []

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return measured(*arguments)

    monkeypatch.setattr(train, "measured", interrupted)
    options = ("--epochs", 2, "--mix", "mixup", "--unfreeze", "all", "--half-precision", *base)
    assert run("--data", tmp_path / "data", "--out", out, *options).returncode == 130
    plan = json.loads((out / "plan.json").read_text())
    assert len(plan["data"]["train"]["label_sets"]) == len(plan["data"]["train"]["paths"]) > len(plan["data"]["val"]["paths"])
    monkeypatch.setattr(sources, "read", lambda _, **options: pytest.fail("a resumed run keeps to its plan"))
    done = run("--resume", out)
    assert done.returncode == 0, done.stderr
    assert "20% of each class is held out" in done.stdout and "mAP after each approach" in done.stdout
    metrics = json.loads((out / "metrics.json").read_text())
    assert {"map_after_head", "map_after_all"} <= metrics.keys() and 0 < metrics["map"] <= 1


def test_without_any_label_in_validation_nothing_is_measured(run, data, base, tmp_path):
    data.splits["train"] = data.splits["train"].take(range(16))
    data.splits["val"].label_sets[:] = False
    out = tmp_path / "run"
    done = run("--data", tmp_path / "data", "--out", out, "--epochs", 1, "--unfreeze", "head", *base)
    assert done.returncode == 0, done.stderr
    metrics = json.loads((out / "metrics.json").read_text(), parse_constant=pytest.fail)
    assert metrics["map"] is None and metrics["macro_f1"] is None and "map not measured in" in done.stdout
    assert "the validation images have no labels: nothing can be measured" in done.stdout and "F1 is best" not in done.stdout


def test_a_network_from_scratch_takes_one_label_an_image(program, data, tmp_path):
    done = program(RECIPES / "classic_convnets.py", "--data", tmp_path / "data", "--out", tmp_path / "run")
    assert done.returncode == 2 and "visionkit train classification" in done.stderr and not (tmp_path / "run").exists()
