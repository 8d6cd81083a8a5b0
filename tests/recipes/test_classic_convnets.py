"""The recipe as a person runs it: smoke, both kinds of data, the study, a kill, bad input."""

import csv
import gzip
import json
import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import visionkit
from tests.conftest import write_classes
from tests.data.formats.labelled.test_idx import idx, write_idx_folder
from tests.recipes.conftest import kill_when
from visionkit.data.formats.small_sets import digits

RECIPE = Path(__file__).parents[2] / "recipes" / "classic_convnets.py"


@pytest.fixture
def run(program) -> Callable:
    """The recipe's status, and what it printed."""

    def run_here(*arguments) -> tuple[int, str, str]:
        done = program(RECIPE, *arguments)
        return done.returncode, done.stdout, done.stderr

    return run_here


def metrics_of(out: Path) -> dict[str, float]:
    return json.loads((out / "metrics.json").read_text())


def test_the_exported_model_has_exactly_the_accuracy_of_the_recipe(smoke_run):
    done, val = smoke_run("classic_convnets"), digits().val
    model = visionkit.load(done.out)
    right = [model.predict(val.as_rgb(i, i + 1)[0]).label == val.class_names[val.labels[i]] for i in range(len(val))]
    assert np.mean(right) == pytest.approx(done.metrics["accuracy"]) and np.mean(right) > 0.7


def test_a_folder_of_idx_files_is_read_and_mirrored_on_request(run, tmp_path, rng):
    data, out = write_idx_folder(tmp_path / "idx", rng, side=20), tmp_path / "run"
    status, printed, _ = run("--data", data, "--epochs", "1", "--flip", "yes", "--out", out)
    assert status == 0 and "6 training and 3 validation images" in printed
    assert visionkit.load(out).metadata["flips"] and set(metrics_of(out)) == {"accuracy", "calibration_error", "seconds"}


@pytest.mark.parametrize(
    ("data", "flips"),
    [("tfds:mnist", False), ("tfds:svhn_cropped:train", False), ("tfds:cifar10", True), ("tfds:fashion_mnist", True)],
)
def test_digits_and_letters_of_tensorflow_datasets_are_not_mirrored(data, flips):
    assert runpy.run_path(str(RECIPE))["Config"](data=data).flips == flips


def test_images_in_files_are_trained_on_and_broken_ones_named(run, tmp_path):
    write_classes(tmp_path / "data" / "train", {"blue": 8, "red": 8})
    write_classes(tmp_path / "data" / "val", {"blue": 3, "red": 3}, seed=1)
    (tmp_path / "data" / "train" / "red" / "empty.jpg").touch()
    out = tmp_path / "run"
    arguments = ["--model", "resnet8", "--size", "32", "--batch-size", "8", "--epochs", "1", "--out", out]
    status, printed, _ = run("--data", tmp_path / "data", *arguments)
    assert status == 0 and "16 training and 6 validation images" in printed and "empty.jpg" in (out / "report.html").read_text()


@pytest.mark.exhaustive
def test_a_study_that_is_killed_within_its_second_network_ends_with_all_of_them(run, tmp_path):
    out = tmp_path / "run"
    history = out / "history.csv"
    start = [sys.executable, RECIPE, "--study", "depth", "--smoke", "--epochs", "2", "--batch-size", "128", "--out", out]
    kill_when(start, lambda: history.is_file() and "resnet8,1," in history.read_text())
    assert run("--resume", out)[0] == 0
    with history.open() as file:
        rows = [(row["phase"], row["epoch"]) for row in csv.DictReader(file)]
    names = ("plain8", "resnet8", "plain14", "resnet14")
    assert rows == [(name, epoch) for name in names for epoch in ("1", "2")]
    metrics = metrics_of(out)
    assert {f"accuracy_{name}" for name in names} | {f"training_error_{name}" for name in names} < set(metrics)
    assert metrics["accuracy"] == pytest.approx(max(metrics["accuracy_resnet8"], metrics["accuracy_resnet14"]), abs=0.01)
    assert "Error and depth" in (out / "report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "nowhere"], "no such file or folder"),
        (["--model", "lenet6"], "did you mean 'lenet5'"),
        (["--study", "depth", "--model", "vgg11"], "leave --model vgg11 out"),
        (["--size", "8"], "lenet5 takes no 8 x 8 pixels: give --size, for example 32"),
    ],
)
def test_bad_input_gets_one_clear_line(run, arguments, message, tmp_path):
    status, _, errors = run("--out", tmp_path / "run", *arguments)
    assert status == 2 and message in errors and len(errors.strip().splitlines()) == 1


def test_a_damaged_idx_file_gets_one_clear_line(run, tmp_path, rng):
    data = write_idx_folder(tmp_path / "idx", rng)
    (data / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(rng.integers(0, 256, (6, 4, 4))))[:-20])
    status, _, errors = run("--data", data, "--out", tmp_path / "run")
    assert status == 2 and "cut off" in errors and len(errors.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()
