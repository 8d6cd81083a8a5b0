"""Freezing, schedules, early stopping and found learning rates have the same options and the same meaning in all recipes."""

import csv
import json

import keras
import pytest

import visionkit
from tests.conftest import sweep
from tests.recipes.conftest import run_in_process
from visionkit import models

TINY = ("--smoke", "--epochs", "2")
SMALL = ("--base", "small", "--weights", "{weights}")  # the small network takes any weights
OPTIONS = {
    "transfer_learning": ("--size", "32", "--views", "1", "--base", "resnet8", "--weights", "{weights}"),
    "yolo_detection": ("--size", "64", "--batch-size", "4", "--scales", "1", "--no-multi-scale", *SMALL),
    "unet_segmentation": ("--size", "64", "--filters", "4", *SMALL),
    "facenet_verification": ("--size", "32", "--people", "3", "--images", "2", "--dimensions", "8", *SMALL),
    "localization": ("--size", "64", "--base", "small", "--weights", "{weights}"),
}
PHASES = {"transfer_learning": ["head", "train_none"], "localization": ["training", "training_none"]}


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("weights") / "base.weights.h5"
    keras.utils.set_random_seed(0)
    models.build("resnet8", (32, 32, 3), None).save_weights(path)
    return str(path)


def given(recipe: str, weights: str) -> list[str]:
    return [option.format(weights=weights) for option in OPTIONS[recipe]]


@pytest.mark.parametrize("recipe", sweep(list(OPTIONS), ["transfer_learning"]))
def test_a_base_is_unfrozen_at_rates_of_its_own_and_the_report_shows_the_search(recipe, weights, tmp_path):
    out, options = tmp_path / "run", ("--freeze", "base", "--unfreeze", "2:none", "--stage-decay", "0.5", "--patience", "2")
    called = (*TINY, *given(recipe, weights), *options, "--learning-rate", "auto", "--out", out)
    status, _, errors = run_in_process(recipe, *called)
    assert status == 0, errors
    rows = list(csv.DictReader((out / "history.csv").read_text().splitlines()))
    phases = PHASES.get(recipe, ["train", "train_none"])
    assert [row["phase"] for row in rows] == phases
    found = json.loads((out / "plan.json").read_text())["found_rates"]
    assert set(found) == set(phases) - {"head"}
    page = (out / "report.html").read_text()
    assert "Before a phase was trained, steps with rising rates were tried" in page
    notes = json.loads((out / "notes.json").read_text())
    assert any(note.startswith(f"'{phases[1]}': the weights after epoch 1 are kept") for note in notes)
    config = json.loads((out / "config.json").read_text())
    assert (config["freeze"], config["unfreeze"], config["learning_rate"]) == ("base", ["2:none"], "auto")
    assert visionkit.load(out).metadata["metrics"]
    status, again, errors = run_in_process(recipe, "--resume", out, "--freeze", "base", "--learning-rate", "auto")
    assert status == 0 and "was finished already" in again, errors


@pytest.mark.parametrize("recipe", OPTIONS)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--unfreeze", "5:12"), "is not understood; --unfreeze takes gradual"),
        (("--freeze", "none", "--unfreeze", "3:8"), "freezes as much or more"),
        (("--stage-decay", "2"), "--stage-decay 2.0: expected at most 1"),
        (("--patience", "0"), "--patience 0: expected at least 1"),
    ],
    ids=["no step", "freezing more", "a rate that rises", "no patience"],
)
def test_what_makes_no_sense_ends_in_one_line(recipe, options, message, tmp_path):
    status, _, errors = run_in_process(recipe, *options, "--out", tmp_path / "run")
    assert status == 2 and errors.splitlines()[-1].startswith("error: ") and message in errors
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("recipe", "options", "message"),
    [
        ("transfer_learning", ("--freeze", "8", "--unfreeze", "last"), "both say what is trained"),
        ("transfer_learning", ("--unfreeze", "head", "all"), "expected auto, head, last, all or gradual"),
        ("transfer_learning", ("--weights", "none", "--freeze", "8"), "the base has random weights"),
        ("facenet_verification", ("--freeze", "8"), "the base has random weights"),
        ("unet_segmentation", ("--base", "none", "--freeze", "8"), "there is no pretrained base"),
        ("yolo_detection", ("--model", "keras_cv:yolo_v8_s", "--unfreeze", "gradual"), "has no pretrained base"),
        ("localization", ("--step", "windows", "--stage-decay", "0.5"), "windows has no pretrained base"),
    ],
)
def test_options_for_a_base_need_one(recipe, options, message, tmp_path):
    status, _, errors = run_in_process(recipe, *options, "--out", tmp_path / "run")
    assert status == 2 and errors.splitlines()[-1].startswith("error: ") and message in errors


def test_a_detector_that_was_begun_with_a_number_is_resumed(smoke_run, tmp_path):
    """Its freeze was 0 for none."""
    done = smoke_run("yolo_detection")
    config = json.loads((done.out / "config.json").read_text())
    for name in ("config.json", "metrics.json"):
        (tmp_path / name).write_bytes((done.out / name).read_bytes())
    old = {name: value for name, value in config.items() if name not in ("unfreeze", "stage_decay", "patience")}
    (tmp_path / "config.json").write_text(json.dumps(old | {"freeze": 0}))
    status, printed, errors = run_in_process("yolo_detection", "--resume", tmp_path, "--freeze", "none")
    assert status == 0 and "was finished already" in printed, errors
