"""Recipes as a person runs them, each smoke run once for all tests."""

import contextlib
import io
import json
import os
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import keras
import pytest
from filelock import FileLock

from tests.models.small_backbones import small_backbone
from visionkit.models.catalog import CATALOG, Entry

FOLDER = Path(__file__).parents[2] / "recipes"


class Recipe(NamedTuple):
    """A recipe, the options of a smoke run that takes seconds, and what is promised of its ``metrics.json``."""

    name: str
    options: tuple[str, ...]
    metrics: frozenset[str]
    trains: bool = True  # with epochs, each a row of history.csv


SMALL_BASE = ("--base", "small", "--weights", "none")  # see ``small_network``; real networks take half of the time to trace
RECIPES = [
    Recipe("transfer_learning", ("--size", "64", *SMALL_BASE), frozenset(["accuracy"])),
    Recipe("classic_convnets", (), frozenset(["accuracy"])),
    Recipe("signals_and_volumes", ("--network", "resnet8", "--epochs", "2"), frozenset(["accuracy"])),
    Recipe(
        "yolo_detection",
        ("--size", "64", "--batch-size", "4", "--scales", "1", "--no-multi-scale", *SMALL_BASE),
        frozenset(["map50", "map", "threshold"]),
    ),
    Recipe(
        "unet_segmentation",
        ("--base", "none", "--filters", "4", "8", "16", "--size", "64"),
        frozenset(["mean_iou", "pixel_error", "dice"]),
    ),
    Recipe("facenet_verification", SMALL_BASE, frozenset(["auc", "verification_accuracy", "threshold"])),
    Recipe("localization", SMALL_BASE, frozenset(["mean_iou", "accuracy", "presence_accuracy"])),
    Recipe("style_transfer", ("--gif",), frozenset(["style_loss", "content_loss"]), trains=False),
]


class Finished(NamedTuple):
    """A run that has ended: its folder, and what it printed."""

    out: Path
    status: int
    stdout: str
    stderr: str

    @property
    def metrics(self) -> dict[str, Any]:
        return json.loads((self.out / "metrics.json").read_text())


def run_in_process(recipe: str, *arguments: object) -> tuple[int, str, str]:
    """Run a recipe in this process, which has imported TensorFlow already: status, standard output, standard error."""
    before, outputs = sys.argv, (io.StringIO(), io.StringIO())
    for stream in outputs:
        stream.reconfigure = lambda **_: None
    file = FOLDER / f"{recipe}.py"
    sys.argv, status = [str(file), *map(str, arguments)], 0
    try:
        with contextlib.redirect_stdout(outputs[0]), contextlib.redirect_stderr(outputs[1]):
            runpy.run_path(str(file), run_name="__main__")
    except SystemExit as ended:
        status = ended.code or 0
    finally:
        sys.argv = before
    return status, *(stream.getvalue() for stream in outputs)


def kill_when(command: list, happened: Callable[[], bool]) -> None:
    """Start a command, and kill -9 it as soon as ``happened()``."""
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not happened():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.fixture(autouse=True)
def small_network(monkeypatch) -> None:
    """Recipes know a network of four convolutions, besides those of the catalogue, which are tested elsewhere."""

    def small(input_shape: tuple[int, ...] | None, num_classes: None, *, weights: str | None) -> keras.Model:
        return small_backbone((64, 64) if input_shape is None else input_shape[:-1], batch_norm=True)

    monkeypatch.setitem(CATALOG, "small", Entry(small, 64, (), needs_network=False))


@pytest.fixture(scope="session")
def smoke_run(tmp_path_factory) -> Callable[[str], Finished]:
    """The smoke run of a recipe, made once for all processes of the tests: ``smoke_run("yolo_detection")``, or with options."""
    base = tmp_path_factory.getbasetemp()  # with xdist a folder of this process, below that of the session
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "smoke_runs"
    shared.mkdir(exist_ok=True)
    options = {recipe.name: recipe.options for recipe in RECIPES}

    def run(name: str, *more: str) -> Finished:
        called = "-".join([name, *more])
        out, log = shared / called, shared / f"{called}.json"
        with FileLock(shared / f"{called}.lock"):
            if not log.is_file():
                cache = os.environ.get("VISIONKIT_CACHE")
                os.environ["VISIONKIT_CACHE"] = str(shared / "cache")
                try:
                    log.write_text(json.dumps(run_in_process(name, "--smoke", "--out", out, *options[name], *more)))
                finally:
                    os.environ["VISIONKIT_CACHE"] = cache or ""
        return Finished(out, *json.loads(log.read_text()))

    return run
