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

from tests.conftest import CLI

RECIPE = Path(__file__).parents[2] / "recipes" / "signals_and_volumes.py"


@pytest.fixture
def run(program):
    return partial(program, RECIPE)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Class folders of slow and of fast waves, 16 each, and a broken file."""
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for name, waves in (("fast", 6), ("slow", 2)):
        (folder / name).mkdir()
        for number in range(16):
            phase = waves * np.linspace(0, 2 * np.pi, 48 + number % 3) + rng.uniform(0, 6)
            np.save(folder / name / f"{number:02d}.npy", 1e5 * np.sin(phase) + rng.normal(size=len(phase)))
    (folder / "fast" / "broken.npy").write_text("text")
    return folder


def test_smoke_needs_nothing(run, tmp_path):
    for kind in ("signals", "volumes"):
        done = run("--smoke", "--kind", kind, "--out", tmp_path / kind, "--epochs", "2")
        assert done.returncode == 0, done.stderr
        out = tmp_path / kind
        assert done.stdout.splitlines()[-2:] == [f"report   {out / 'report.html'}", f"model    {out / 'model'}"]
        metrics = json.loads((out / "metrics.json").read_text())
        peer = {"signals": "nearest_neighbor", "volumes": "logistic_regression"}[kind]
        assert {"accuracy", "balanced_accuracy", "macro_f1", f"accuracy_{peer}", "seconds"} <= set(metrics)
        assert all(isinstance(value, float) for value in metrics.values())
        assert "data:image/jpeg" in (out / "report.html").read_text()


def test_killed_with_9_it_goes_on_and_the_model_answers_for_the_accuracy(run, program, data, tmp_path):
    out, options = tmp_path / "run", ["--epochs", "30", "--batch-size", "8", "--network", "resnet8"]
    process = subprocess.Popen([sys.executable, RECIPE, "--data", data, "--out", out, *options], stdout=-3, stderr=-3)
    deadline = time.monotonic() + 300
    while not ((out / "history.csv").is_file() and ",2," in (out / "history.csv").read_text()):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = (out / "plan.json").read_text()
    np.save(data / "fast" / "later.npy", np.zeros(48))
    done = run("--resume", out)
    (data / "fast" / "later.npy").unlink()
    assert done.returncode == 0, done.stderr
    assert (out / "plan.json").read_text() == kept and "Resumed after epoch" in done.stdout
    epochs = [line.split(",")[1] for line in (out / "history.csv").read_text().splitlines()[1:]]
    assert epochs == [str(number) for number in range(1, 31)]
    assert "broken.npy" in done.stdout and "1 files could not be used" in (out / "report.html").read_text()

    accuracy = json.loads((out / "metrics.json").read_text())["accuracy"]
    held_out = json.loads(kept)["val"]
    predicted = program(CLI, "predict", out, *held_out, "--json")
    assert predicted.returncode == 0, predicted.stderr
    answers = [json.loads(line) for line in predicted.stdout.splitlines()]
    right = [answer["label"] == Path(answer["path"]).parent.name for answer in answers]
    assert len(right) == 6 and sum(right) / len(right) == accuracy >= 5 / 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "{data}", "--kind", "volumes"], "holds signals"),
        (["--data", "{data}/one.txt"], "only one class to train"),
        (["--network", "resnet21"], "did you mean"),
    ],
)
def test_bad_input_gets_one_clear_line(run, arguments, message, data, tmp_path):
    (data / "one.txt").write_text("1 2 3\n1 4 5\n")
    done = run("--out", tmp_path / "run", *(argument.format(data=data) for argument in arguments))
    assert done.returncode == 2 and "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]  # before it, the bar of files that were read
    assert last.startswith("error: ") and message in last
