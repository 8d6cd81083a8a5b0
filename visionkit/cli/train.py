"""``visionkit train``: the recipes, by task. They are the files of recipes/, which the wheel carries as visionkit/recipes."""

import ast
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import visionkit
from visionkit.errors import UserError, did_you_mean
from visionkit.files import read_file
from visionkit.training.recipe_names import RECIPES

PACKAGE = Path(visionkit.__file__).parent


def train(arguments: list[str]) -> int:
    """Train a model of your own: visionkit train classification --data my_images/ (without a name: list the recipes).

    Args:
        arguments: the name of a recipe, and its options. Without a name, the recipes are listed.

    Returns:
        the exit status.

    Raises:
        UserError: there is no such recipe.
    """
    if not arguments or arguments[0] in ("-h", "--help"):
        print(listed())
        return 0
    name, *options = arguments
    if name not in RECIPES:
        names = ", ".join(RECIPES)
        raise UserError(f"visionkit train has no recipe {name!r}.{did_you_mean(name, RECIPES)} The recipes are {names}.")
    recipe = imported(recipe_file(name))
    from visionkit.training.recipe import command_line

    command_line(recipe.main, recipe.Config, recipe.__doc__, program=f"visionkit train {name}", arguments=options)
    return 0


def imported(file: Path) -> ModuleType:
    """The module of a recipe's file."""
    name = f"visionkit.recipes.{file.stem}"
    specification = importlib.util.spec_from_file_location(name, file)
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module  # where dataclasses look up the types of their fields
    specification.loader.exec_module(module)
    return module


def recipe_file(name: str) -> Path:
    """The file of a recipe: in the installed package, or beside it in a clone."""
    file = f"{RECIPES[name]}.py"
    installed = PACKAGE / "recipes" / file
    return installed if installed.is_file() else PACKAGE.parent / "recipes" / file


def listed() -> str:
    """The recipes, one a line, with the first line of each docstring."""
    width = max(map(len, RECIPES)) + 2
    summaries = {name: _summary(recipe_file(name)) for name in RECIPES}
    lines = "\n".join(f"  {name:{width}}{summary}" for name, summary in summaries.items())
    return (
        f"usage: visionkit train RECIPE [--data DATA] [OPTIONS]\n\n{lines}\n\n"
        "visionkit train RECIPE --help lists the options; --smoke tries everything in under a minute, with built-in data."
    )


def _summary(file: Path) -> str:
    docstring = ast.get_docstring(ast.parse(read_file(file))) or ""
    return " ".join(docstring.split("\n\n")[0].split())
