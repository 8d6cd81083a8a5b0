"""Opening and ending runs, with a recipe of three lines."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from visionkit.errors import UserError
from visionkit.training.recipe import Story, check_at_least, run_recipe, unused


@dataclass(frozen=True)
class Config:
    data: Path | None = None
    out: Path | None = None
    sides: tuple[int, ...] = (8, 4)
    epochs: int = 5
    seed: int = 0
    resume: Path | None = None
    smoke: bool = False

    def __post_init__(self):
        check_at_least(self, epochs=1, seed=0)


def work(run, config):
    Story(run).tell(f"{config.epochs} epochs of {config.sides}.")
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


def test_smoke_sets_what_was_not_asked_for(tmp_path):
    run = start(Config(out=tmp_path / "run", epochs=3, smoke=True))
    assert run.read_json("story.json") == ["3 epochs of (2,)."]


def test_what_was_interrupted_goes_on_with_its_own_configuration(tmp_path):
    def interrupted(run, config):
        run.release()
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as ended:
        run_recipe(Config(out=tmp_path / "run", data=tmp_path, epochs=2), interrupted, name="example", smoke={})
    assert ended.value.code == 130
    seen = []
    start(Config(resume=tmp_path / "run"), lambda run, config: (seen.append(config), work(run, config)))
    assert seen == [Config(data=tmp_path, out=tmp_path / "run", epochs=2)]


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
        ({"seed": 2**32}, "--seed"),
    ],
)
def test_numbers_out_of_range_are_told(wrong, message):
    with pytest.raises(UserError, match=message):
        Config(**wrong)


def test_a_taken_name_gets_a_number(tmp_path):
    assert unused(tmp_path / "run") == tmp_path / "run"
    (tmp_path / "run").mkdir()
    assert unused(tmp_path / "run") == tmp_path / "run-2"


def test_what_was_told_is_kept(tmp_path):
    run = start(Config(out=tmp_path / "run"))
    assert json.loads((run.path / "story.json").read_text()) == ["5 epochs of (8, 4)."]
