"""``visionkit tune``: its options, what it prints and writes, and a study of real trials."""

import dataclasses
import importlib
import json
import shlex
import sys
from functools import partial

import pytest

from tests.conftest import CLI
from tests.training.search import fake_trial
from visionkit.training.search import study as studies
from visionkit.training.search import trial as trials
from visionkit.training.search.space import space_of
from visionkit.training.search.trial import Outcome

tune = importlib.import_module("visionkit.cli.tune")  # the package has the function under that name


@pytest.fixture
def run(program):
    return partial(program, CLI, "tune")


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setattr(trials, "POLL", 0.01)
    monkeypatch.setattr(tune, "_process", lambda arguments: [sys.executable, "-S", "-P", fake_trial.__file__, *arguments])


@pytest.mark.parametrize("arguments", [(), ("--help",)])
def test_without_a_recipe_the_usage_is_printed(run, arguments):
    done = run(*arguments)
    assert done.returncode == 0 and done.stdout.startswith("usage: visionkit tune RECIPE ")
    assert "RECIPE is classification, detection," in done.stdout and "style" not in done.stdout


def test_help_says_what_is_searched(run):
    done = run("classification", "--help")
    assert (
        done.returncode == 0
        and "--learning-rate (1e-05 to 0.001)" in done.stdout
        and "--unfreeze (last head all)" in done.stdout
    )
    assert all(option in done.stdout for option in tune.OWN)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["clasification"], "no recipe 'clasification'. Did you mean classification?"),
        (["style"], "visionkit tune style: nothing says which of two results is better. The recipes that can be tuned are "),
        (["--trials", "3"], "expected a recipe first, or --resume DIR"),
        (["signals", "--trials", "0"], "--trials 0: expected 1 to 10000."),
        (["signals", "--timeout-minutes", "0"], "--timeout-minutes 0.0: expected a number above 0."),
        (["signals", "--study", "a", "--resume", "b"], "--study and --resume both name the folder of the study"),
        (["signals", "--trails", "3"], "visionkit tune signals has no option --trails. Did you mean --trials?"),
        (["signals", "--out", "x"], "--out: each trial has a run folder in that of the study, which --study names."),
        (["signals", "--data", "nowhere"], "nowhere"),
        (["signals", "--learning-rate", "0.1"], "nothing is left to search. Leave out one of --learning-rate."),
        (["--resume", "nowhere"], "no study.json there; expected the folder of a study that visionkit tune began."),
    ],
)
def test_what_cannot_be_used_is_an_error_of_one_line_and_leaves_nothing(run, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    done = run(*arguments)
    assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1
    assert not any(tmp_path.iterdir())


def test_without_optuna_one_line_says_how_to_install_it(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tune.importlib.util, "find_spec", lambda name: None)
    done = run("signals")
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "pip install 'visionkit[tune]'" in done.stderr
    assert not any(tmp_path.iterdir())


def test_a_study_prints_a_line_a_trial_and_the_best_command(run, fake, tmp_path):
    done = run("signals", "--epochs", "4", "--study", tmp_path / "study", "--trials", "3")
    assert done.returncode == 0 and done.stderr == ""
    lines = [line for line in done.stdout.splitlines() if line.startswith("trial ")]
    assert [line.split("  ")[0] for line in lines] == ["trial 1/3", "trial 2/3", "trial 3/3"]
    assert lines[0].startswith("trial 1/3  learning-rate 0.002  accuracy 0.0080  8 s  best 0.0080 (trial 1)")
    command = (tmp_path / "study" / "best.txt").read_text()
    assert command.startswith("visionkit train signals --epochs 4 --learning-rate 0.") and f"  {command}" in done.stdout
    assert "was chosen by these validation images, so its accuracy is optimistic" in done.stdout
    page = (tmp_path / "study" / "report.html").read_text()
    assert command.strip() in page and "optimistic" in page and page.count("<tr") == 1 + 3

    again = run("--resume", tmp_path / "study", "--trials", "4")
    assert "3 trials of 4 had ended before, and are kept." in again.stdout and "trial 4/4" in again.stdout
    assert "trial 1/4" not in again.stdout
    assert json.loads((tmp_path / "study" / "study.json").read_text())["trials"] == 4
    assert "trial 4" not in run("signals", "--epochs", "4", "--study", tmp_path / "study").stdout.split("The best of")[0]


def test_a_study_is_not_mixed_with_another(run, fake, tmp_path):
    run("signals", "--study", tmp_path / "study", "--trials", "1")
    for other in (["localization"], ["signals", "--epochs", "5"]):
        done = run(*other, "--study", tmp_path / "study")
        assert done.returncode == 2 and f"visionkit tune --resume {tmp_path}/study." in done.stderr
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").touch()
    done = run("signals", "--study", tmp_path / "mine")
    assert done.returncode == 2 and "holds no study, and is not an empty folder" in done.stderr


def test_a_folder_that_cannot_be_used_is_said_before_data_are_read(run, tmp_path):
    (tmp_path / "file").touch()
    done = run("signals", "--data", "nowhere", "--study", tmp_path / "file")
    assert done.returncode == 2 and "holds no study, and is not an empty folder" in done.stderr


def test_a_model_without_a_base_is_not_searched_for_what_is_frozen(tmp_path, monkeypatch):
    def with_model(config, start):
        return dataclasses.replace(config, base="none", weights="from")

    asked = []
    monkeypatch.setattr("visionkit.training.config.start_of", lambda config, recipe: asked.append((config.from_model, recipe)))
    monkeypatch.setattr("visionkit.training.config.with_start_model", with_model)
    config = tune._parsed("segmentation", ["--from", str(tmp_path), "--augment", "light"])
    assert asked == [(tmp_path, "unet_segmentation")] and config.named == {"from_model", "augment"}
    space = space_of("segmentation", config, {"from_model", "augment"})
    assert [option.name for option in space.options] == ["learning_rate"]


def test_an_interruption_says_how_to_go_on(run, fake, tmp_path, monkeypatch):
    def interrupted(*args, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(trials, "follow", interrupted)
        done = run("signals", "--study", tmp_path / "a study", "--trials", "2")
    assert done.returncode == 130
    assert done.stderr == f"Interrupted. Go on with: visionkit tune --resume {shlex.quote(str(tmp_path / 'a study'))}\n"
    done = run("--resume", tmp_path / "a study")
    assert done.returncode == 0 and "trial 1/2" in done.stdout and "trial 2/2" in done.stdout


def test_when_the_time_is_over_the_best_so_far_is_said(run, fake, tmp_path):
    done = run("signals", "--study", tmp_path / "study", "--timeout-minutes", "0.00001")
    assert done.returncode == 1 and "The 1e-05 minutes are over. Go on with: visionkit tune --resume " in done.stdout
    assert "No trial has finished, so there is no best one." in done.stderr


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Outcome("finished", 0.5, "map50", 3, 12.4), "trial  2/20  augment light  map50 0.5000  12 s"),
        (Outcome("pruned", 0.25, "auc", 1, 3), "trial  2/20  augment light  pruned after 1 epoch, auc 0.2500  3 s"),
        (Outcome("failed", error="no images", seconds=1), "trial  2/20  augment light  failed: no images  1 s"),
        (Outcome("interrupted"), "trial  2/20  augment light  interrupted  0 s"),
    ],
)
def test_a_trial_has_a_line(outcome, expected):
    trial = studies.Trial(2, {"augment": "light"}, outcome)
    assert tune.line(trial, 20, None) == expected
    if outcome.state == "finished":
        assert tune.line(trial, 20, trial) == f"{expected}  best 0.5000 (trial 2)"


def test_options_of_the_search_are_taken_from_those_of_the_recipe():
    assert tune.divided([]) == ([], [])
    words = ["--trials=3", "--data", "x", "--timeout_minutes", "5", "--smoke", "--study"]
    assert tune.divided(words) == (["--trials=3", "--timeout_minutes", "5", "--study"], ["--data", "x", "--smoke"])


@pytest.mark.exhaustive
def test_a_study_of_real_trials(run, tmp_path):
    arguments = ("signals", "--smoke", "--network", "resnet8", "--epochs", "1", "--study", tmp_path / "study", "--trials", "2")
    done = run(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    for number in (1, 2):
        assert json.loads((tmp_path / "study" / f"trial_{number:03}" / "metrics.json").read_text())["accuracy"] >= 0
    assert (tmp_path / "study" / "best.txt").is_file() and (tmp_path / "study" / "report.html").is_file()
