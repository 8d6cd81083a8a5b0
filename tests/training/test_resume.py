"""What a command line may change of a run that it resumes, with a small recipe that trains."""

import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import keras
import numpy as np
import pytest

from tests.conftest import sweep
from visionkit.errors import UserError
from visionkit.files import BUNDLE_METADATA
from visionkit.training.config import RunConfig
from visionkit.training.fit import Phase
from visionkit.training.recipe import command_line, run_recipe


@dataclass(frozen=True)
class Config(RunConfig):
    epochs: int = 2
    size: int | None = None
    mode: Literal["a", "b"] = "a"
    weights: str = "none"
    names: tuple[str, ...] = ()

    LEAST: ClassVar[dict[str, float]] = {"epochs": 1}


@dataclass(frozen=True)
class Plan:
    epochs: int
    paths: list[str]


class Page:
    """A report without contents."""

    def write(self, path, *, notes, metrics, config, **others):
        path.write_text("report")
        return path


def work(run, config):
    """Train a line of weights for some epochs; the metric is their sum."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    paths = sorted(map(str, Path(config.data).rglob("*.jpg"))) if config.data else []
    run.note("A note that is long enough to be damaged in the middle, at its fiftieth byte.")
    plan = run.plan(Plan, lambda: Plan(config.epochs, paths))
    assert all(Path(path).exists() for path in plan.paths)
    batch = (np.ones((4, 3), "float32"), np.eye(2, dtype="float32")[[0, 1, 0, 1]])
    phase = Phase("only", model, plan.epochs, 0.1, 1, lambda epoch: [batch], dict, loss="mse", loop="train_on_batch")
    history = run.train({"only": lambda: phase}, model)
    (run.model / BUNDLE_METADATA).parent.mkdir(parents=True, exist_ok=True)
    (run.model / BUNDLE_METADATA).write_text("{}")
    total = sum(float(np.abs(weights).sum()) for weights in model.get_weights())
    run.finish(run.model, {"total": total, "epochs": len(history)}, Page())


def main(config):
    return run_recipe(config, work, name="example", smoke={})


@pytest.fixture
def recipe(monkeypatch, capsys):
    """Run the recipe from a command line: status, output, errors."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["example.py", *map(str, arguments)])
        for stream in (sys.stdout, sys.stderr):
            monkeypatch.setattr(stream, "reconfigure", lambda **_: None, raising=False)
        status = 0
        try:
            command_line(main, Config, "An example.")
        except SystemExit as ended:
            status = ended.code
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def data(tmp_path) -> Path:
    folder = tmp_path / "data"
    for name in ("a/1.jpg", "a/2.jpg", "b/1.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def metrics_of(out: Path) -> dict:
    return json.loads((out / "metrics.json").read_text())


def test_a_run_without_data_goes_on_with_no_option(recipe, tmp_path):
    assert recipe("--out", tmp_path / "run")[0] == 0
    status, printed, _ = recipe("--resume", tmp_path / "run")
    assert status == 0 and "finished already" in printed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--size", "64"], "--size 64 (the run has the default)"),
        (["--mode", "a", "--seed", "0"], "--seed 0 (the run has 3)"),
        (["--mode=a", "--names", "x", "z"], "--mode a (the run has b), --names x z (the run has x y)"),
        (["--epochs", "2"], "--epochs 2 (the run has 4)"),
        (["--out", "elsewhere"], "--out elsewhere (the run has "),
        (["--smoke"], "--smoke True (the run has False)"),
        (["--data", "nowhere"], "nowhere"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_options_that_contradict_a_run_are_refused_with_both_values(recipe, tmp_path, data, options, message):
    out = tmp_path / "run"
    begun = ["--seed", "3", "--mode", "b", "--epochs", "4", "--names", "x", "y", "--data", data]
    assert recipe("--out", out, *begun)[0] == 0
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    status, _, errors = recipe("--resume", out, *options)
    (line,) = errors.splitlines()
    assert status == 2 and line.startswith("error: ") and message in line
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_options_that_agree_with_a_run_are_no_contradiction(recipe, tmp_path, data, monkeypatch):
    monkeypatch.chdir(tmp_path)
    begun = ["--seed", "3", "--mode", "b", "--names", "x", "y", "--data", "data", "--epochs", "2", "--out", "run"]
    assert recipe(*begun)[0] == 0
    status, _, errors = recipe(*begun, "--resume", "run")
    assert (status, errors) == (0, "")


def test_more_epochs_continue_a_finished_run_as_if_it_were_one(recipe, tmp_path):
    """A constant optimizer would show it; AdamW follows the longer schedule from the epoch where the run stands."""
    out = tmp_path / "run"
    assert recipe("--out", out, "--epochs", "3")[0] == 0
    before = metrics_of(out)
    status, printed, errors = recipe("--resume", out, "--epochs", "5")
    assert (status, errors.count("error")) == (0, 0)
    after = metrics_of(out)
    assert (before["epochs"], after["epochs"]) == (3, 5) and after["total"] != before["total"]
    assert "goes on from epoch 3 to 5" in printed and "goes on from epoch 3 to 5" in (out / "notes.json").read_text()
    assert json.loads((out / "config.json").read_text())["epochs"] == 5
    assert json.loads((out / "plan.json").read_text())["epochs"] == 5
    rows = (out / "history.csv").read_text().splitlines()
    assert [row.split(",")[1] for row in rows[1:]] == list("12345")
    assert "finished already" in recipe("--resume", out, "--epochs", "5")[1]
    assert recipe("--resume", out, "--epochs", "4")[0] == 2


def test_a_longer_run_that_is_killed_still_has_its_bundle_and_goes_on(recipe, tmp_path, monkeypatch):
    out = tmp_path / "run"
    assert recipe("--out", out, "--epochs", "1")[0] == 0
    with monkeypatch.context() as patch:
        patch.setattr("visionkit.training.fit.run_epoch", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert recipe("--resume", out, "--epochs", "2")[0] == 130
    assert (out / "model" / BUNDLE_METADATA).is_file() and not (out / "metrics.json").exists()
    assert recipe("--resume", out)[0] == 0
    assert metrics_of(out)["epochs"] == 2


def test_a_recipe_says_why_a_run_cannot_be_longer(recipe, tmp_path, monkeypatch):
    assert recipe("--out", tmp_path / "run")[0] == 0
    monkeypatch.setattr(Config, "why_not_longer", lambda self: "it has no network")
    status, _, errors = recipe("--resume", tmp_path / "run", "--epochs", "9")
    assert status == 2 and "--epochs 9: it has no network" in errors


def test_data_that_have_moved_are_found(recipe, tmp_path, data):
    out = tmp_path / "run"
    assert recipe("--out", out, "--data", data)[0] == 0
    (out / "metrics.json").unlink()
    shutil.move(data, tmp_path / "moved")
    for _ in range(2):  # the second time there is nothing to move
        status, _, errors = recipe("--resume", out, "--data", tmp_path / "moved")
        assert status == 0, errors
    assert json.loads((out / "plan.json").read_text())["paths"][0] == str(tmp_path / "moved" / "a" / "1.jpg")
    assert json.loads((out / "config.json").read_text())["data"] == str(tmp_path / "moved")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "a" / "1.jpg").unlink(), "1 of the 3 files that the run uses are not there"),
        (lambda folder: (folder / "a" / "3.jpg").touch(), "it holds 4 .jpg files, and the run was begun with 3"),
        (shutil.rmtree, "no such file or folder"),
    ],
    ids=["fewer", "more", "none"],
)
def test_other_data_are_refused(recipe, tmp_path, data, change, message):
    out = tmp_path / "run"
    assert recipe("--out", out, "--data", data)[0] == 0
    shutil.copytree(data, tmp_path / "other")
    change(tmp_path / "other")
    status, _, errors = recipe("--resume", out, "--data", tmp_path / "other")
    assert status == 2 and message in errors
    assert json.loads((out / "config.json").read_text())["data"] == str(data)


def test_a_file_does_not_take_the_place_of_a_folder(recipe, tmp_path, data):
    (data / "list.csv").touch()
    for begun, other, said in (
        (data, data / "list.csv", "is a file, and the run was begun with a folder"),
        (data / "list.csv", data, "is a folder, and the run was begun with a file"),
    ):
        out = tmp_path / f"run_{begun.name}"
        assert recipe("--out", out, "--data", begun)[0] == 0
        before = (out / "config.json").read_bytes()
        status, _, errors = recipe("--resume", out, "--data", other)
        assert status == 2 and said in errors and len(errors.splitlines()) == 1
        assert (out / "config.json").read_bytes() == before


def test_a_changed_plan_fits_its_checkpoint_although_the_digests_are_lost(recipe, tmp_path, data, monkeypatch):
    """The checkpoint is of the plan before the change until the next epoch is finished."""
    out = tmp_path / "run"
    assert recipe("--out", out, "--data", data, "--epochs", "1")[0] == 0
    shutil.move(data, tmp_path / "moved")
    with monkeypatch.context() as patch:
        patch.setattr("visionkit.training.fit.run_epoch", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert recipe("--resume", out, "--data", tmp_path / "moved", "--epochs", "2")[0] == 130
    (out / "digests.json").write_bytes(b"damaged")
    status, printed, errors = recipe("--resume", out)
    assert status == 0 and "digests.json is damaged" in printed and "Resumed after epoch 1" in printed + errors
    assert metrics_of(out)["epochs"] == 2


@pytest.mark.parametrize("place", ["run", "", "link/run"])
def test_a_run_does_not_write_into_its_data(recipe, tmp_path, data, place):
    (tmp_path / "link").symlink_to(data)
    out = tmp_path / place if place.startswith("link") else data / place
    before = sorted(data.rglob("*"))
    status, _, errors = recipe("--data", data, "--out", out)
    assert status == 2 and "it lies in the data" in errors and sorted(data.rglob("*")) == before


def test_a_run_does_not_hold_its_data(recipe, tmp_path, data):
    status, _, errors = recipe("--data", data, "--out", tmp_path)
    assert status == 2 and "it lies in the folder of the run" in errors
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


DAMAGED = {
    "empty": lambda file: file.write_bytes(b""),
    "garbage": lambda file: file.write_bytes(bytes(range(256))),
    "object": lambda file: file.write_text("{}"),
    "list": lambda file: file.write_text("[1, 2]"),
    "number": lambda file: file.write_text("3"),
    "half": lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
    "flipped": lambda file: file.write_bytes(bytes(byte ^ (place == 50) for place, byte in enumerate(file.read_bytes()))),
    "folder": lambda file: (file.unlink(), file.mkdir()),
    "pipe": lambda file: (file.unlink(), os.mkfifo(file)),
    "missing": lambda file: file.unlink(),
}
FILES = ["plan.json", "notes.json", "checkpoint.npz", "after_only.weights.h5", "history.csv", "digests.json", "data.json"]


@pytest.mark.parametrize("name", sweep(FILES, ["checkpoint.npz"]))
def test_a_damaged_file_is_said_and_the_run_ends_alike(recipe, tmp_path, data, name):
    assert recipe("--out", tmp_path / "whole", "--data", data)[0] == 0
    expected = metrics_of(tmp_path / "whole")
    for kind, damage in DAMAGED.items():
        out = tmp_path / kind
        shutil.copytree(tmp_path / "whole", out)
        (out / "metrics.json").unlink()
        damage(out / name)
        status, printed, errors = recipe("--resume", out)
        assert status == 0, (kind, errors)
        assert metrics_of(out)["total"] == pytest.approx(expected["total"]), kind
        written_anew = kind == "missing" or name in ("after_only.weights.h5", "history.csv", "data.json")
        harmless = (name, kind) in [("notes.json", "flipped")]
        assert written_anew or harmless or f"{name} is damaged" in printed, (name, kind)


@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_metrics_do_not_finish_a_run(recipe, tmp_path, kind):
    out = tmp_path / "run"
    assert recipe("--out", out)[0] == 0
    expected = metrics_of(out)
    DAMAGED[kind](out / "metrics.json")
    assert kind == "missing" or (out / "metrics.json").exists()
    assert recipe("--resume", out)[0] == 0
    assert metrics_of(out)["total"] == pytest.approx(expected["total"])


@pytest.mark.parametrize("kind", DAMAGED)
def test_without_its_options_a_run_is_refused_in_one_line(recipe, tmp_path, kind):
    out = tmp_path / "run"
    assert recipe("--out", out)[0] == 0
    DAMAGED[kind](out / "config.json")
    status, _, errors = recipe("--resume", out)
    (line,) = errors.splitlines()
    assert status == 2 and line.startswith("error: ") and "config.json" in line


@pytest.mark.parametrize("wrong", [{"epochs": "three"}, {"epochs": True}, {"names": 3}, {"mode": "c"}, {"smoke": None}])
def test_options_of_another_type_are_damage(recipe, tmp_path, wrong):
    out = tmp_path / "run"
    assert recipe("--out", out)[0] == 0
    (out / "config.json").write_text(json.dumps(json.loads((out / "config.json").read_text()) | wrong))
    (out / "digests.json").unlink()  # which older runs do not have
    status, _, errors = recipe("--resume", out)
    assert status == 2 and f"its option '{next(iter(wrong))}' is" in errors


def test_a_lost_plan_that_is_decided_otherwise_is_refused(recipe, tmp_path, data):
    out = tmp_path / "run"
    assert recipe("--out", out, "--data", data)[0] == 0
    (out / "metrics.json").unlink()
    (out / "plan.json").unlink()
    (data / "a" / "3.jpg").touch()
    status, _, errors = recipe("--resume", out)
    assert status == 2 and "is not the plan that checkpoint.npz was written under" in errors


@pytest.mark.parametrize("damage", sweep(["cut", "other"], ["cut"]))
def test_a_lost_plan_is_no_hindrance_for_more_epochs_of_the_same_data(recipe, tmp_path, data, damage):
    out = tmp_path / "run"
    assert recipe("--out", out, "--data", data, "--epochs", "1")[0] == 0
    plan = json.loads((out / "plan.json").read_text())
    (out / "plan.json").write_text("{" if damage == "cut" else json.dumps(plan | {"paths": []}))
    status, printed, errors = recipe("--resume", out, "--epochs", "2")
    assert status == 0 and "plan.json is damaged" in printed and "Resumed after epoch 1" in printed, errors
    assert metrics_of(out)["epochs"] == 2 and json.loads((out / "plan.json").read_text()) == plan | {"epochs": 2}


def test_a_finished_run_without_its_checkpoint_is_trained_on_in_a_new_run(recipe, tmp_path):
    out = tmp_path / "run"
    assert recipe("--out", out)[0] == 0
    (out / "checkpoint.npz").write_bytes((out / "checkpoint.npz").read_bytes()[:60])
    for _ in range(2):
        status, printed, errors = recipe("--resume", out, "--epochs", "3")
        assert status == 2 and f"Start a new run from its model with --from {out}." in errors and "goes on" not in printed
    assert "damaged_checkpoint.npz: the finished model stays as it is." in (out / "log.txt").read_text()
    status, printed, _ = recipe("--resume", out)
    assert status == 0 and "finished already" in printed


@pytest.mark.parametrize("kind", ["link", "link to nothing", "folder", "file"])
def test_a_model_that_cannot_be_replaced_is_said_before_training(recipe, tmp_path, kind):
    out = tmp_path / "run"
    assert recipe("--out", out)[0] == 0
    shutil.move(out / "model", tmp_path / "model")
    if "link" in kind:
        (out / "model").symlink_to(tmp_path / ("model" if kind == "link" else "nothing"))
    else:
        (out / "model").mkdir() if kind == "folder" else (out / "model").touch()
    expected = f"{out / 'model'} is a {kind.split()[0]}"
    status, printed, errors = recipe("--resume", out, "--epochs", "3")
    assert status == 2 and expected in errors and "epoch" not in printed and metrics_of(out)["epochs"] == 2
    (out / "metrics.json").unlink()
    status, printed, errors = recipe("--resume", out)
    assert status == 2 and expected in errors and "epoch" not in printed


def test_run_recipe_of_a_program_takes_what_differs_from_the_defaults_as_given(tmp_path):
    main(Config(out=tmp_path / "run", mode="b")).release()
    main(Config(resume=tmp_path / "run")).release()
    with pytest.raises(UserError, match=r"--weights hed \(the run has none\)"):
        main(Config(resume=tmp_path / "run", weights="hed"))
    main(Config(resume=tmp_path / "run")).release()  # the refusal released the folder
