"""The options of a run: which of them a command line names, how ``config.json`` stores them, and which values they may have."""

import dataclasses
import math
import typing
from pathlib import Path
from typing import Any, Literal

from visionkit.errors import UserError
from visionkit.files import home_expanded
from visionkit.training.run_folder import RunFolderError

RENAMED_OPTIONS = {"thaw": "unfreeze", "pictures": "images"}  # in config.json of runs that were begun under the old names


def named_options(config: Any, arguments: list[str]) -> frozenset[str]:
    """The options that a command line names, also those that it gives the value of the default."""
    words = {argument.split("=")[0].replace("_", "-") for argument in arguments if argument.startswith("--")}
    flags = {field.name: field.name.replace("_", "-") for field in dataclasses.fields(config)}
    return frozenset(name for name, flag in flags.items() if words & {f"--{flag}", f"--no-{flag}"})


def from_plain(config: Any, stored: dict[str, Any]) -> dict[str, Any]:
    """The values of ``config.json`` with the types of the configuration: paths, and tuples where JSON has lists."""
    fields = {field.name: field for field in dataclasses.fields(config)}
    stored = {name if name in fields else RENAMED_OPTIONS.get(name, name): value for name, value in stored.items()}
    unknown = sorted(stored.keys() - fields.keys())
    if unknown:
        raise UserError(
            f"The run has the option --{unknown[0].replace('_', '-')}, which this recipe does not have: resume it with the "
            "recipe that began it."
        )
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()}
    wrong = [name for name, value in values.items() if not _fits(value, fields[name].type)]
    if wrong or "out" not in values:
        name = (wrong or ["out"])[0]
        raise RunFolderError(
            f"{config.resume}/config.json is damaged: its option '{name}' is {values.get(name)!r}. Put the file back, or "
            "start a new run with another --out."
        )
    paths = {name for name, field in fields.items() if field.type in (Path, Path | None)}
    return values | {name: Path(values[name]) for name in paths if values.get(name) is not None}


def _fits(value: Any, kind: Any) -> bool:
    """Whether a value of ``config.json`` can be that of an option of a type; paths are texts, and tuples were lists."""
    if value is None:
        return kind is None or type(None) in typing.get_args(kind)
    if typing.get_origin(kind) is Literal:
        return value in typing.get_args(kind)
    if typing.get_origin(kind) is tuple:
        return isinstance(value, tuple) and all(_fits(each, typing.get_args(kind)[0]) for each in value)
    if typing.get_args(kind):  # a union
        return any(_fits(value, each) for each in typing.get_args(kind))
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, str if kind is Path else kind) and (kind is bool or not isinstance(value, bool))


def check_option(name: str, value: float | None, least: float, most: float = math.inf) -> None:
    """Check the number of an option; None stands for the default.

    Raises:
        UserError: the number lies below ``least`` or above ``most``, or is not finite.
    """
    if value is None or (math.isfinite(value) and least <= value <= most):
        return
    expected = f"at least {least}, and finite" if not math.isfinite(value) else f"at least {least}"
    expected = f"at most {most}" if most < value < math.inf else expected
    raise UserError(f"--{name.replace('_', '-')} {value}: expected {expected}.")


def whole_path(data: str | None) -> str | None:
    """The absolute path of a data set or a file; tfds:NAME stays as it is."""
    if data is None or data.startswith("tfds:"):
        return data
    return str(Path(home_expanded(data)).resolve())


def weights_path(weights: str) -> str:
    """The absolute path of a file of weights; the name of known weights stays as it is."""
    return weights if weights in ("imagenet", "none", "hed") else whole_path(weights)
