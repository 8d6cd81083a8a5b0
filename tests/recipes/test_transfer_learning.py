"""The recipe as a person runs it: smoke, a kill at any moment, resume, bad input; and the exported model's own accuracy."""

import csv
import json
import shutil
import sys
from functools import partial
from pathlib import Path

import keras
import pytest

from tests.conftest import CLI, write_classes
from tests.recipes.conftest import kill_when, run_in_process
from visionkit import models

RECIPE = Path(__file__).parents[2] / "recipes" / "transfer_learning.py"
QUICK = ["--size", "32", "--views", "1", "--epochs", "2", "--batch-size", "8", "--base", "resnet8"]


@pytest.fixture
def run(program):
    return partial(program, RECIPE)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Twelve training and eight validation images of two classes, and three broken files."""
    folder = tmp_path_factory.mktemp("data")
    write_classes(folder / "train", {"blue sky": 6, "red": 6})
    write_classes(folder / "val", {"blue sky": 4, "red": 4}, seed=1)
    (folder / "train" / "red" / "empty.jpg").touch()
    (folder / "train" / "red" / "text.jpg").write_text("text")
    (folder / "val" / "red" / "cut.jpg").write_bytes((folder / "val" / "red" / "00.jpg").read_bytes()[:500])
    return folder


@pytest.fixture(scope="module")
def quick(tmp_path_factory) -> list[str]:
    """Options of a run that takes seconds, from the weights of a small base."""
    weights = tmp_path_factory.mktemp("weights") / "base.weights.h5"
    keras.utils.set_random_seed(0)
    models.build("resnet8", (32, 32, 3), None).save_weights(weights)
    return [*QUICK, "--weights", str(weights)]


@pytest.fixture(scope="module")
def finished(data, quick, tmp_path_factory) -> tuple[Path, str]:
    """A whole run through all three approaches: its folder, and what it printed."""
    out = tmp_path_factory.mktemp("runs") / "run"
    status, printed, errors = run_in_process("transfer_learning", "--data", data, "--out", out, "--unfreeze", "all", *quick)
    assert status == 0, errors
    return out, printed


@pytest.mark.exhaustive
def test_a_smoke_run_is_better_than_guessing(tmp_path):
    status, _, errors = run_in_process("transfer_learning", "--smoke", "--unfreeze", "head", "--out", tmp_path / "run")
    assert status == 0, errors
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["accuracy"] > 0.5  # 12 classes


def test_a_run_folder_holds_all_its_files(finished):
    out, _printed = finished
    names = {path.name for path in out.iterdir()}
    assert {"config.json", "history.csv", "checkpoint.npz", "metrics.json", "report.html", "model"} <= names
    metrics = json.loads((out / "metrics.json").read_text())
    assert {"accuracy", "seconds"} <= set(metrics) and all(isinstance(value, float) for value in metrics.values())
    with (out / "history.csv").open() as file:
        assert [row["phase"] for row in csv.DictReader(file)] == ["head"] * 2 + ["all"] * 2
    assert [name for name in names if name.startswith((".", "unfinished"))] == [".lock"]


def test_skipped_files_are_named_counted_and_in_the_report(finished):
    out, printed = finished
    page = (out / "report.html").read_text()
    for name in ("empty.jpg", "text.jpg", "cut.jpg"):
        assert name in page and name in printed
    assert "3 files could not be used" in page
    assert "12 training and 8 validation images of 2 classes" in printed


def test_the_exported_model_has_exactly_the_recipes_accuracy(program, finished, data):
    out, _ = finished
    done = program(CLI, "predict", out / "model", data / "val", "--json")
    assert done.returncode == 1  # one is cut off
    records = [json.loads(line) for line in done.stdout.splitlines()]
    right = [record["label"] == Path(record["path"]).parent.name for record in records if "error" not in record]
    assert len(right) == 8
    assert sum(right) / len(right) == json.loads((out / "metrics.json").read_text())["accuracy"]


def test_a_finished_run_is_not_run_again(run, finished):
    out, printed = finished
    before = (out / "metrics.json").stat().st_mtime_ns
    done = run("--resume", out)
    assert done.returncode == 0 and "finished already" in done.stdout
    assert done.stdout.splitlines()[-3:] == printed.splitlines()[-3:]
    assert (out / "metrics.json").stat().st_mtime_ns == before


@pytest.mark.exhaustive
def test_a_run_that_is_killed_again_and_again_ends_as_one_that_was_not(run, quick, finished, data, tmp_path):
    out = tmp_path / "run"
    start = [sys.executable, RECIPE, "--data", data, "--out", out, "--unfreeze", "all", *quick]
    resume = [sys.executable, RECIPE, "--resume", out]
    kill_when(start, lambda: (out / "plan.json").is_file())
    kill_when(resume, lambda: (out / "history.csv").is_file() and ",1," in (out / "history.csv").read_text())
    kill_when(resume, lambda: list(out.glob(".model-*")))
    done = run("--resume", out)
    assert done.returncode == 0, done.stderr
    assert not list(out.glob(".model-*"))
    histories = ((folder / "history.csv").read_text().splitlines() for folder in (finished[0], out))
    uninterrupted, interrupted = (list(csv.DictReader(lines)) for lines in histories)
    for one, other in zip(uninterrupted, interrupted, strict=True):
        assert (one.pop("phase"), one.pop("epoch")) == (other.pop("phase"), other.pop("epoch"))
        del one["seconds"], other["seconds"]
        assert [float(value) for value in other.values()] == pytest.approx([float(v) for v in one.values()], rel=1e-3, abs=1e-4)
    assert "3 files could not be used" in (out / "report.html").read_text()
    accuracies = [json.loads((o / "metrics.json").read_text())["accuracy"] for o in (finished[0], out)]
    assert accuracies[0] == accuracies[1]


def test_a_start_that_failed_can_be_repeated_and_a_class_without_a_readable_image_is_left_out(run, quick, data, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(data, tmp_path / "data")
    (tmp_path / "data" / "train" / "broken").mkdir()
    (tmp_path / "data" / "train" / "broken" / "a.jpg").write_text("no image")
    failed = run("--data", tmp_path / "data", "--out", out, "--weights", tmp_path / "nowhere.keras", *QUICK)
    assert failed.returncode == 2 and "no such file" in failed.stderr
    done = run("--data", tmp_path / "data", "--out", out, "--unfreeze", "head", *quick)
    assert done.returncode == 0, done.stderr
    assert "no training image of broken can be read: left out" in (out / "report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "nowhere"], "no such file or folder"),
        (["--base", "resnet5000"], "did you mean"),
        (["--resume", "nowhere"], "no config.json"),
        (["--epochs", "0"], "expected at least 1"),
        (["--learning-rate", "-0.1"], "--learning-rate -0.1: expected at least 0"),
        (["--base", "efficientnet_lite4", "--smoke"], "no published 'imagenet' weights"),
    ],
)
def test_bad_input_gets_one_clear_line(run, arguments, message, tmp_path):
    done = run("--out", tmp_path / "run", *arguments)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert message in done.stderr
