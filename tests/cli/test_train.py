"""``visionkit train``: the recipes by task, from a clone and from a wheel."""

import ast
import importlib
import tomllib
from functools import partial
from pathlib import Path

import pytest

from tests.conftest import CLI

train = importlib.import_module("visionkit.cli.train")  # the package has the function under that name

ROOT = Path(__file__).parents[2]
RECIPES = sorted(path.stem for path in (ROOT / "recipes").glob("*.py"))


@pytest.fixture
def run(program):
    return partial(program, CLI)


def test_without_a_name_the_recipes_are_listed_with_a_line_each(run):
    done = run("train")
    assert done.returncode == 0 and done.stderr == ""
    for name, recipe in train.RECIPES.items():
        summary = ast.get_docstring(ast.parse((ROOT / "recipes" / f"{recipe}.py").read_text())).splitlines()[0]
        assert any(line.split()[:1] == [name] and line.endswith(summary) for line in done.stdout.splitlines()), name
    assert sorted(train.RECIPES.values()) == RECIPES


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["clasification"], "no recipe 'clasification'. Did you mean classification? The recipes are classification, "),
        (["xyz"], "no recipe 'xyz'. The recipes are "),
        (["detection", "--epoch", "3"], "visionkit train detection has no option --epoch. Did you mean --epochs?"),
        (["detection", "my_images"], "visionkit train detection cannot use 'my_images': expected an option before it."),
        (["signals", "--data", "nowhere"], "nowhere"),
    ],
)
def test_what_is_misspelt_ends_in_one_line_that_names_the_nearest(run, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    done = run("train", *arguments)
    assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("name", train.RECIPES)
def test_help_lists_the_options_of_a_recipe(run, name):
    done = run("train", name, "--help")
    assert done.returncode == 0
    assert f"usage: visionkit train {name} " in done.stdout
    assert all(option in done.stdout for option in ("--data", "--out", "--seed", "--smoke", "--resume"))


@pytest.mark.exhaustive
def test_a_recipe_runs_as_its_file_does(run, tmp_path):
    arguments = ("train", "signals", "--smoke", "--network", "resnet8", "--epochs", "1", "--out", tmp_path / "run")
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "metrics.json").is_file() and str(tmp_path / "run" / "model") in done.stdout
    assert "was finished already" in run("train", "signals", "--resume", tmp_path / "run").stdout


def test_the_wheel_has_every_package_and_the_recipes():
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {path.parent.relative_to(ROOT) for path in (ROOT / "visionkit").rglob("*.py")}
    packages = {".".join(folder.parts) for folder in folders}
    assert set(setuptools["packages"]) == packages | {"visionkit.recipes"}
    assert setuptools["package-dir"] == {"visionkit.recipes": "recipes"}


def test_a_recipe_is_found_in_the_installed_package_first(tmp_path, monkeypatch):
    monkeypatch.setattr(train, "PACKAGE", tmp_path / "visionkit")
    assert train.recipe_file("style") == tmp_path / "recipes" / "style_transfer.py"
    installed = tmp_path / "visionkit" / "recipes" / "style_transfer.py"
    installed.parent.mkdir(parents=True)
    installed.write_text("")
    assert train.recipe_file("style") == installed
