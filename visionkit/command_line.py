"""The options of a command or a recipe: parsed by tyro; a misspelt one is an error that names the nearest."""

import inspect
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import tyro

from visionkit.errors import UserError, did_you_mean

FLAGS = {"as_json": "--json", "from_model": "--from"}  # of parameters that are not named like their options


def flag_of(name: str) -> str:
    """The option of a parameter: "--batch-size" of "batch_size"."""
    return FLAGS.get(name, f"--{name.replace('_', '-')}")


def parse_options(kind: Callable[..., Any], program: str, arguments: Sequence[str], description: str | None = None) -> Any:
    """What ``kind``, a class or a function, makes of the options of a command line.

    Raises:
        UserError: an option is not known; the message names the nearest one.
        SystemExit: help was printed, or a value cannot be used.
    """
    names = [flag_of(name) for name in inspect.signature(kind).parameters]
    known = [*names, *(f"--no-{name[2:]}" for name in names), "--help"]
    words = [word.split("=")[0].replace("_", "-") for word in itertools.takewhile(lambda word: word != "--", arguments)]
    for option in (word for word in words if word.startswith("--") and word not in known):
        raise UserError(f"{program} has no option {option}.{did_you_mean(option, known)} `{program} --help` lists the options.")
    options = {"prog": program, "description": description, "args": list(arguments), "return_unknown_args": True}
    made, others = tyro.cli(kind, **options)
    if others and others[0].startswith("--"):  # the name of a parameter without an option
        raise UserError(f"{program} has no option {others[0]}. `{program} --help` lists the options.")
    if others:
        raise UserError(f"{program} cannot use {others[0]!r}: expected an option before it. `{program} --help` lists them.")
    return made
