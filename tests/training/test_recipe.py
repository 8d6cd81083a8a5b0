"""Opening and ending runs, with a recipe of three lines."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import keras
import numpy as np
import pytest

from visionkit.errors import UserError
from visionkit.files import BUNDLE_METADATA
from visionkit.models import catalog
from visionkit.training.config import RunConfig, TrainConfig
from visionkit.training.fit import Phase
from visionkit.training.options import check_option
from visionkit.training.recipe import run_recipe, unused
from visionkit.training.watching.about import MEANINGLESS


@dataclass(frozen=True)
class Config(RunConfig):
    sides: tuple[int, ...] = (8, 4)
    epochs: int = 5
    masks: Path | None = None

    LEAST: ClassVar[dict[str, float]] = {"epochs": 1}


def work(run, config):
    run.note(f"{config.epochs} epochs of {config.sides}.")
    run.write_json("metrics.json", {"accuracy": 0.5, "seconds": 1.0})


def start(config, work=work):
    run = run_recipe(config, work, name="example", smoke={"epochs": 1, "sides": (2,)})
    run.release()
    return run


def test_a_run_of_defaults_gets_a_folder_of_its_own(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run = start(Config())
    assert run.path.parent == tmp_path / "runs" and run.path.name.startswith("example-")
    assert capsys.readouterr().out.splitlines()[-3:] == [
        "accuracy 0.5000 in 1 seconds",
        f"report   {run.path / 'report.html'}",
        f"model    {run.path / 'model'}",
    ]
    described = run.described(Config())
    assert described["made_by"].endswith("recipes/example.py") and run.model == run.path / "model"
    assert described["training"] == {"recipe": "example", "options": {}}


def test_smoke_sets_what_was_not_requested(tmp_path):
    run = start(Config(out=tmp_path / "run", epochs=3, smoke=True))
    assert run.read_json("notes.json") == run.notes == [MEANINGLESS, "3 epochs of (2,)."]


def test_an_interrupted_run_continues_with_its_own_configuration(tmp_path):
    def interrupted(run, config):
        run.release()
        raise KeyboardInterrupt

    begun = Config(out=tmp_path / "run", data=str(tmp_path / "images"), epochs=2, masks=tmp_path / "masks")
    with pytest.raises(SystemExit) as ended:
        run_recipe(begun, interrupted, name="example", smoke={})
    assert ended.value.code == 130
    configs = []
    start(Config(resume=tmp_path / "run"), lambda run, config: (configs.append(config), work(run, config)))
    assert configs == [begun]


def test_a_run_that_was_begun_under_old_names_is_read(tmp_path):
    @dataclass(frozen=True)
    class Transfer(RunConfig):
        unfreeze: str = "auto"

    def work(run, config):
        run.write_json("metrics.json", {"accuracy": 1, "seconds": 1})

    run = start(Transfer(out=tmp_path / "run"), work)
    config = run.read_json("config.json")
    config["thaw"] = config.pop("unfreeze")
    (run.path / "config.json").write_text(json.dumps(config))
    (run.path / "digests.json").unlink()  # which older runs do not have
    (run.path / "notes.json").unlink(missing_ok=True)
    (run.path / "story.json").write_text('["An old note."]')
    resumed = start(Transfer(resume=run.path), None)
    assert resumed.notes == ["An old note."]


def test_a_finished_run_is_not_run_again(tmp_path, capsys):
    start(Config(out=tmp_path / "run"))
    start(Config(resume=tmp_path / "run"), work=None)
    assert "was finished already" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"epochs": 0}, "--epochs 0: expected at least 1"),
        ({"epochs": float("nan")}, "--epochs nan: expected at least 1, and finite"),
        ({"epochs": float("inf")}, "--epochs inf: expected at least 1, and finite"),
        ({"seed": -1}, "--seed -1: expected at least 0"),
        ({"seed": 2**32}, f"--seed {2**32}: expected at most {2**32 - 1}"),
    ],
)
def test_numbers_out_of_range_are_refused(wrong, message):
    with pytest.raises(UserError, match=message):
        Config(**wrong).check_options()


def test_an_option_without_a_value_is_not_checked():
    check_option("size", None, 32)
    with pytest.raises(UserError, match="--batch-size 0: expected at least 1"):
        TrainConfig(batch_size=0).check_options()


@pytest.mark.parametrize(("base", "message"), [("lenet5", "begins with b'junk'"), ("lenet6", "Unknown network 'lenet6'")])
def test_weights_that_are_refused_are_said_before_a_folder_is_made(tmp_path, base, message):
    (tmp_path / "a.weights.h5").write_bytes(b"junk")
    with pytest.raises(UserError, match=message):
        start(TrainConfig(base=base, weights=str(tmp_path / "a.weights.h5"), out=tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_weights_of_another_network_are_refused_and_those_of_the_same_taken(tmp_path):
    file = str(tmp_path / "a.weights.h5")
    catalog.build("lenet5").save_weights(file)
    assert TrainConfig(base="lenet5", weights=file).checked().weights == file
    assert TrainConfig(base="none", weights=file).checked().weights == file
    with pytest.raises(UserError, match=r"a\.weights\.h5"):
        TrainConfig(base="resnet8", weights=file).checked()


def test_paths_become_whole_and_names_stay(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = TrainConfig(data="images", weights="w.keras").checked()
    assert config.data == str(tmp_path / "images") and config.weights == str(tmp_path / "w.keras")
    config = TrainConfig(data="tfds:mnist", weights="none").checked()
    assert config.data == "tfds:mnist" and config.pretrained_weights is None


def test_a_taken_name_gets_a_number(tmp_path):
    assert unused(tmp_path / "run") == tmp_path / "run"
    (tmp_path / "run").mkdir()
    assert unused(tmp_path / "run") == tmp_path / "run-2"


@dataclass(frozen=True)
class Plan:
    size: int
    anchors: list[float]


class Page:
    """A report that writes its arguments."""

    def write(self, path, *, notes, metrics, config, **others):
        path.write_text(json.dumps({"notes": notes, "metrics": metrics, "config": config, "phases": others["phases"]}))
        return path


def test_a_plan_is_decided_once_and_other_values_stay(tmp_path):
    plans = []

    def decide():
        plans.append(Plan(64, [0.5, 1.0]))
        return plans[-1]

    def work(run, config):
        run.write_json("plan.json", {"data": ["a.jpg"]})
        for _ in range(2):
            assert run.plan(Plan, decide) == Plan(64, [0.5, 1.0])
        run.write_json("metrics.json", {"accuracy": 0.5, "seconds": 1.0})

    run = start(Config(out=tmp_path / "run"), work)
    assert len(plans) == 1
    assert run.read_json("plan.json") == {"data": ["a.jpg"], "size": 64, "anchors": [0.5, 1.0]}


def test_what_is_not_measured_is_null_and_said(tmp_path, capsys):
    def work(run, config):
        (run.model / BUNDLE_METADATA).parent.mkdir(parents=True)
        (run.model / BUNDLE_METADATA).write_text("{}")
        run.finish(run.model, {"map50": float("nan"), "threshold": 0.5}, Page())

    run = start(Config(out=tmp_path / "run"), work)
    metrics = run.read_json("metrics.json")
    assert metrics["map50"] is None and metrics["threshold"] == 0.5
    assert json.loads((run.model / BUNDLE_METADATA).read_text())["metrics"] == metrics
    assert "map50 not measured in 0 seconds" in capsys.readouterr().out


def test_a_run_trains_and_its_metrics_are_in_the_bundle_the_report_and_last_in_metrics_json(tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])

    def batches(epoch):
        return [(np.ones((4, 3), "float32"), np.eye(2, dtype="float32")[[0, 1, 0, 1]])]

    def work(run, config):
        phase = Phase("only", model, 2, 1e-3, 1, batches, lambda: {"loss": 1.0}, loss="mse", loop="train_on_batch")
        history = run.train({"only": lambda: phase}, model)
        assert [row["epoch"] for row in history] == [1, 2] and history[-1]["val_loss"] == 1.0
        metadata = run.model / BUNDLE_METADATA
        metadata.parent.mkdir(parents=True)
        metadata.write_text('{"task": "none"}')
        run.note("Trained.")
        run.finish(run.model, {"accuracy": 0.25}, Page())

    run = start(Config(out=tmp_path / "run"), work)
    metrics = run.read_json("metrics.json")
    assert metrics["accuracy"] == 0.25 and metrics["seconds"] > 0
    assert json.loads((run.model / BUNDLE_METADATA).read_text()) == {"task": "none", "metrics": metrics}
    page = json.loads((run.path / "report.html").read_text())
    assert page["notes"] == ["Trained."] and page["metrics"] == metrics
    assert page["config"]["epochs"] == "5" and "resume" not in page["config"]
    assert page["phases"]["only"]["epochs"] == 2 and page["phases"]["only"]["weights_trained"] == 8
    assert dataclasses.fields(Config)[0].name == "data"
