"""The recipe for signals and volumes as a person runs it."""

import json
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import visionkit
from tests.conftest import CLI
from visionkit.tasks.classification import train

RECIPE = Path(__file__).parents[2] / "recipes" / "signals_and_volumes.py"
QUICK = ("--network", "resnet8", "--batch-size", "8")


@pytest.fixture
def run(program):
    return partial(program, RECIPE)


@pytest.fixture
def data(tmp_path) -> Path:
    """Class folders of slow and of fast waves, 16 each, and a broken file."""
    folder, rng = tmp_path / "data", np.random.default_rng(0)
    for name, waves in (("fast", 6), ("slow", 2)):
        (folder / name).mkdir(parents=True)
        for number in range(16):
            phase = waves * np.linspace(0, 2 * np.pi, 48 + number % 3) + rng.uniform(0, 6)
            np.save(folder / name / f"{number:02d}.npy", 1e5 * np.sin(phase) + rng.normal(size=len(phase)))
    (folder / "fast" / "broken.npy").write_text("text")
    return folder


SCORES = ("accuracy", "balanced_accuracy", "macro_f1")


def assert_scores_beside(baseline, metrics):
    names = [
        *SCORES,
        "calibration_error",
        *(f"{score}_{baseline}" for score in SCORES),
        "accuracy_most_frequent_class",
        "seconds",
    ]
    assert list(metrics) == names and all(isinstance(value, float) for value in metrics.values())


def test_signals_are_measured_beside_the_nearest_neighbor(smoke_run):
    done = smoke_run("signals_and_volumes")
    assert_scores_beside("nearest_neighbor", done.metrics)
    assert "data:image/jpeg" in (done.out / "report.html").read_text()
    assert "of 11 classes: built-in data." in done.stdout and "LiteRT model's probabilities differ" in done.stdout


def test_volumes_are_measured_beside_logistic_regression(run, tmp_path):
    out = tmp_path / "run"
    done = run("--smoke", "--kind", "volumes", "--out", out, "--epochs", "1")
    assert done.returncode == 0, done.stderr
    assert_scores_beside("logistic_regression", json.loads((out / "metrics.json").read_text()))
    assert "data:image/jpeg" in (out / "report.html").read_text()
    assert "Network resnet8: the default for volumes." in done.stdout and "1 epochs: as requested." in done.stdout


def resume(run, out, data, num_epochs):
    """Resume a run whose data have grown: it keeps its split and trains the epochs that are left."""
    stored = (out / "plan.json").read_text()
    np.save(data / "fast" / "later.npy", np.zeros(48))
    done = run("--resume", out)
    assert done.returncode == 0, done.stderr
    assert (out / "plan.json").read_text() == stored and "Resumed after epoch" in done.stdout
    epochs = [line.split(",")[1] for line in (out / "history.csv").read_text().splitlines()[1:]]
    assert epochs == [str(number) for number in range(1, num_epochs + 1)]
    assert "broken.npy" in done.stdout and "1 files could not be used" in (out / "report.html").read_text()
    return json.loads((out / "metrics.json").read_text())["accuracy"], json.loads(stored)["val"]


@pytest.mark.exhaustive
def test_an_interrupted_run_is_resumed_and_its_model_has_the_accuracy_of_its_metrics(run, data, tmp_path, monkeypatch):
    out, calls = tmp_path / "run", []

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return measure(*arguments)

    measure = train.loss_and_accuracy
    monkeypatch.setattr(train, "loss_and_accuracy", interrupted)
    done = run("--data", data, "--out", out, "--epochs", "3", *QUICK)
    assert done.returncode == 130 and f"--resume {out}" in done.stderr
    accuracy, held_out = resume(run, out, data, 3)
    results = list(visionkit.load(out).predict_many(held_out))
    correct = [result.label == Path(result.path).parent.name for result in results]
    assert len(correct) == 6 and sum(correct) / len(correct) == accuracy


@pytest.mark.exhaustive
def test_a_killed_run_is_resumed_and_its_model_has_the_accuracy_of_its_metrics(run, program, data, tmp_path):
    out, options = tmp_path / "run", ["--epochs", "30", *QUICK]
    process = subprocess.Popen([sys.executable, RECIPE, "--data", data, "--out", out, *options], stdout=-3, stderr=-3)
    deadline = time.monotonic() + 300
    while not ((out / "history.csv").is_file() and ",2," in (out / "history.csv").read_text()):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    accuracy, held_out = resume(run, out, data, 30)
    predicted = program(CLI, "predict", out, *held_out, "--json")
    assert predicted.returncode == 0, predicted.stderr
    lines = [json.loads(line) for line in predicted.stdout.splitlines()]
    correct = [line["label"] == Path(line["path"]).parent.name for line in lines]
    assert len(correct) == 6 and sum(correct) / len(correct) == accuracy >= 5 / 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "{data}", "--kind", "volumes"], "holds signals"),
        (["--data", "{data}/one.txt"], "only one class to train"),
        (["--network", "resnet21"], "did you mean"),
    ],
)
def test_bad_input_ends_in_one_line(run, arguments, message, data, tmp_path):
    (data / "one.txt").write_text("1 2 3\n1 4 5\n")
    done = run("--out", tmp_path / "run", *(argument.format(data=data) for argument in arguments))
    assert done.returncode == 2 and "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]  # before it, the progress bar of reading
    assert last.startswith("error: ") and message in last


def test_cubes_have_a_smallest_size(run, tmp_path):
    done = run("--size", "3", "--out", tmp_path / "run")
    assert done.returncode == 2 and "--size 3: expected at least 4" in done.stderr and not (tmp_path / "run").exists()
