"""Whenever a recipe is killed, and however often, it ends with the metrics of a run that was not."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.recipes.conftest import FOLDER, RECIPES

KILLS = int(os.environ.get("VISIONKIT_TEST_KILLS", "1"))  # of each recipe; they are spread over all of a run
LIMIT = 900  # seconds that one process may take
OPTIONS = {
    "transfer_learning": ["--size", "64", "--views", "1", "--base", "resnet8", "--weights", "none", "--epochs", "2"],
    "yolo_detection": ["--size", "64", "--batch-size", "4", "--scales", "1", "--no-multi-scale", "--weights", "none"],
    "unet_segmentation": ["--base", "none", "--filters", "4", "8", "16", "--size", "64"],
    "signals_and_volumes": ["--network", "resnet8", "--epochs", "3"],
    "localization": ["--step", "windows"],
}


def start(recipe: str, out: Path) -> subprocess.Popen:
    """Start a recipe, or go on with it if it got so far as to write its options."""
    begun = (out / "config.json").is_file()
    options = ["--resume", out] if begun else ["--smoke", "--out", out, *OPTIONS.get(recipe, ())]
    command = [sys.executable, str(FOLDER / f"{recipe}.py"), *map(str, options)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def finish(recipe: str, out: Path) -> dict[str, float]:
    """Let a recipe end, and read its metrics but for the time it took."""
    process = start(recipe, out)
    _, errors = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, errors
    metrics = json.loads((out / "metrics.json").read_text())
    return {name: value for name, value in metrics.items() if "seconds" not in name and name != "speed_up"}  # times


@pytest.mark.exhaustive
@pytest.mark.parametrize("recipe", [recipe.name for recipe in RECIPES])
def test_a_recipe_that_is_killed_at_random_moments_ends_with_the_same_metrics(recipe, tmp_path, monkeypatch):
    monkeypatch.setenv("VISIONKIT_CACHE", str(tmp_path / "cache"))
    began = time.monotonic()
    expected = finish(recipe, tmp_path / "whole")
    duration, rng = time.monotonic() - began, random.Random(f"{recipe} {KILLS}")
    kills = attempts = 0
    while kills < KILLS:
        attempts += 1
        out = tmp_path / f"run{attempts}"
        while kills < KILLS and not (out / "metrics.json").exists():
            process = start(recipe, out)
            try:
                process.communicate(timeout=rng.uniform(0.1, 1.0) * duration)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                kills += 1
                print(f"{recipe}: kill {kills}, of {sorted(path.name for path in out.glob('*'))}", flush=True)
            else:
                assert process.returncode == 0
        assert finish(recipe, out) == pytest.approx(expected, rel=1e-3, abs=1e-3), (kills, attempts)
