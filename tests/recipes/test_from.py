"""``--from``: training goes on from a run, its model, or a saved model, with the same classes or others."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import visionkit
from tests.recipes.conftest import run_in_process

SAVED_MODELS = Path(__file__).parents[2] / "saved_models"
QUICK = {
    "flowers": ("transfer_learning", "--views", "0", "--epochs", "1", "--unfreeze", "head"),
    "blood_cells": ("yolo_detection", "--size", "96", "--batch-size", "4", "--no-multi-scale"),
    "membranes": ("unet_segmentation", "--size", "64"),
    "orl_faces": ("facenet_verification",),
    "painting": ("style_transfer", "--epochs", "1", "--window", "64"),
}


def first_row(run: Path) -> dict[str, str]:
    return next(csv.DictReader((run / "history.csv").read_text().splitlines()))


def test_training_goes_on_from_a_run(smoke_run, tmp_path):
    first = smoke_run("signals_and_volumes")
    status, out, err = run_in_process(
        "signals_and_volumes", "--smoke", "--epochs", "1", "--from", first.out, "--out", tmp_path / "next"
    )
    assert status == 0, err
    assert f"Training goes on from {first.out / 'model'}, with the same 11 classes." in out
    first_loss, next_loss = (float(first_row(folder)["loss"]) for folder in (first.out, tmp_path / "next"))
    assert next_loss < first_loss
    assert visionkit.load(tmp_path / "next").keras_model.count_params() == visionkit.load(first.out).keras_model.count_params()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--network", "resnet20"), "--network resnet20: the model of --from has resnet8; leave the option out."),
        (("--size", "8"), "--size 8: the model of --from has 16; leave the option out."),
    ],
)
def test_options_that_contradict_the_model_are_refused(smoke_run, tmp_path, options, message):
    first = smoke_run("signals_and_volumes")
    status, _, err = run_in_process("signals_and_volumes", "--smoke", *options, "--from", first.out, "--out", tmp_path / "next")
    assert status == 2 and err == f"error: {message}\n" and not (tmp_path / "next").exists()


def test_weights_have_one_source(smoke_run, tmp_path):
    first = smoke_run("transfer_learning")
    for options in (("--weights", "none", "--from", first.out), ("--weights", "from")):
        status, _, err = run_in_process("transfer_learning", "--smoke", *options, "--out", tmp_path / "next")
        assert status == 2 and "--from" in err and not (tmp_path / "next").exists()


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", QUICK)
def test_training_goes_on_from_each_saved_model(name, tmp_path, photograph):
    recipe, *options = QUICK[name]
    if recipe == "style_transfer":
        from PIL import Image

        (tmp_path / "photographs").mkdir()
        for number in range(8):
            Image.fromarray(np.roll(photograph, 20 * number, 1)).save(tmp_path / "photographs" / f"{number}.png")
        options = ["--data", tmp_path / "photographs", *options]
    status, out, err = run_in_process(recipe, "--smoke", "--from", SAVED_MODELS / name, *options, "--out", tmp_path / "run")
    assert status == 0, err
    assert f"Training goes on from {SAVED_MODELS / name}" in out
    metadata = json.loads((tmp_path / "run" / "model" / "assets.extra" / "bundle.json").read_text())
    assert metadata["training"]["recipe"] == recipe
    assert visionkit.load(SAVED_MODELS / name).keras_model.layers
