"""One contract for all recipes: what a smoke run leaves behind, how a run ends that was finished, and bad input."""

import csv
import json
import subprocess
import sys

import pytest

import visionkit
from tests.recipes.conftest import FOLDER, RECIPES, run_in_process

ALL = pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)


def test_every_recipe_is_swept():
    assert sorted(recipe.name for recipe in RECIPES) == sorted(file.stem for file in FOLDER.glob("*.py"))


@ALL
def test_a_smoke_run_needs_nothing_and_says_where_its_results_are(recipe, smoke_run):
    done = smoke_run(recipe.name)
    assert done.status == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == [f"report   {done.out / 'report.html'}", f"model    {done.out / 'model'}"]
    names = {path.name for path in done.out.iterdir()}
    assert {"config.json", "notes.json", "metrics.json", "report.html", "model"} <= names
    assert [name for name in names if name.startswith((".", "unfinished"))] == [".lock"]


@ALL
def test_metrics_are_one_flat_object_and_those_of_the_bundle(recipe, smoke_run):
    done = smoke_run(recipe.name)
    assert recipe.metrics | {"seconds"} <= set(done.metrics)
    assert all(isinstance(value, int | float) for value in done.metrics.values())
    model = visionkit.load(done.out)
    assert model.metadata["made_by"] == f"visionkit {visionkit.__version__}, recipes/{recipe.name}.py"
    shared = set(model.metadata["metrics"]) & set(done.metrics) - {"seconds"}
    assert shared and all(model.metadata["metrics"][name] == done.metrics[name] for name in shared)


@ALL
def test_the_report_says_what_happened_and_with_which_options(recipe, smoke_run):
    done = smoke_run(recipe.name)
    page = (done.out / "report.html").read_text(encoding="utf-8")
    notes = json.loads((done.out / "notes.json").read_text())
    assert notes and all(note in done.stdout for note in notes)
    for part in ("Configuration", "Skipped files", "data:image/", *(name for name in recipe.metrics if "_" not in name)):
        assert part in page
    for name in json.loads((done.out / "config.json").read_text()):
        assert name == "resume" or f"<td>{name}</td>" in page
    assert "{{" not in page


@ALL
def test_every_epoch_is_a_row_of_the_history(recipe, smoke_run):
    history = smoke_run(recipe.name).out / "history.csv"
    if recipe.trains:
        rows = list(csv.DictReader(history.read_text().splitlines()))
        assert rows and all(row["phase"] and int(row["epoch"]) >= 1 and float(row["loss"]) >= 0 for row in rows)


@ALL
def test_a_finished_run_is_not_run_again(recipe, smoke_run):
    done = smoke_run(recipe.name)
    before = (done.out / "metrics.json").stat().st_mtime_ns
    status, printed, _ = run_in_process(recipe.name, "--resume", done.out)
    assert status == 0 and "finished already" in printed
    assert printed.splitlines()[-3:] == done.stdout.splitlines()[-3:]
    assert (done.out / "metrics.json").stat().st_mtime_ns == before


@ALL
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--data", "nowhere"), "nowhere"),
        (("--resume", "nowhere"), "no config.json"),
        (("--epochs", "0"), "--epochs 0: expected at least 1"),
        (("--seed", "-1"), "--seed -1: expected at least 0"),
    ],
    ids=["no data", "no run", "no epochs", "a negative seed"],
)
def test_bad_input_ends_in_one_line_and_leaves_no_folder(recipe, options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, _, errors = run_in_process(recipe.name, "--out", tmp_path / "run", *options)
    assert status == 2 and "Traceback" not in errors
    assert errors.splitlines()[-1].startswith("error: ") and message in errors
    assert not (tmp_path / "run").exists() and not (tmp_path / "nowhere").exists()


def test_a_run_of_another_recipe_is_not_resumed(smoke_run, tmp_path):
    done = smoke_run("transfer_learning")
    status, _, errors = run_in_process("unet_segmentation", "--resume", done.out)
    assert status == 2 and "Traceback" not in errors
    assert "which this recipe does not have: resume it with the recipe that began it" in errors


@ALL
def test_help_explains_every_option(recipe):
    status, printed, _ = run_in_process(recipe.name, "--help")
    assert status == 0
    for option in ("--data", "--out", "--seed", "--resume", "--smoke"):
        assert option in printed


@pytest.mark.exhaustive
@ALL
def test_a_smoke_run_as_a_person_starts_it(recipe, tmp_path):
    """With its own options, in a process of its own."""
    command = [sys.executable, FOLDER / f"{recipe.name}.py", "--smoke", "--out", tmp_path / "run"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert recipe.metrics <= set(json.loads((tmp_path / "run" / "metrics.json").read_text()))
    assert visionkit.load(tmp_path / "run").metadata["made_by"].endswith(f"recipes/{recipe.name}.py")
