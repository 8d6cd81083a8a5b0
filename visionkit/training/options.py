"""The options of a run: which of them a command line names, how ``config.json`` stores them, and which values they may have."""

import dataclasses
import io
import math
import typing
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any, Literal

from visionkit.command_line import flag_of
from visionkit.errors import UserError
from visionkit.files import resolved
from visionkit.models import catalog
from visionkit.training.run_folder import RunFolderError

OWN = "from"  # the weights of a base that --from gives
RENAMED_OPTIONS = {"thaw": "unfreeze", "pictures": "images"}  # in config.json of runs that were begun under the old names

# in config.json of runs that were begun when these were numbers
OLD_VALUES = {"freeze": {0: "none", 2: "2", 4: "4", 8: "8", 16: "16", 32: "32"}}


def named_options(config: Any, arguments: list[str]) -> frozenset[str]:
    """The options that a command line names, also those that it gives the value of the default."""
    words = {argument.split("=")[0].replace("_", "-") for argument in arguments if argument.startswith("--")}
    flags = {field.name: flag_of(field.name) for field in dataclasses.fields(config)}
    return frozenset(name for name, flag in flags.items() if words & {flag, f"--no-{flag[2:]}"})


def from_plain(config: Any, stored: dict[str, Any]) -> dict[str, Any]:
    """The values of ``config.json`` with the types of the configuration: paths, and tuples where JSON has lists."""
    fields = {field.name: plain_type(field.type) for field in dataclasses.fields(config)}
    stored = {name if name in fields else RENAMED_OPTIONS.get(name, name): value for name, value in stored.items()}
    unknown = sorted(stored.keys() - fields.keys())
    if unknown:
        raise UserError(
            f"The run has the option {flag_of(unknown[0])}, which this recipe does not have: resume it with the "
            "recipe that began it."
        )
    values = {name: _as_now(name, value, fields[name]) for name, value in stored.items()}
    wrong = [name for name, value in values.items() if not fits(value, fields[name])]
    if wrong or "out" not in values:
        name = (wrong or ["out"])[0]
        raise RunFolderError(
            f"{config.resume}/config.json is damaged: its option '{name}' is {values.get(name)!r}. Put the file back, or "
            "start a new run with another --out."
        )
    paths = {name for name, kind in fields.items() if kind in (Path, Path | None)}
    return values | {name: Path(values[name]) for name in paths if values.get(name) is not None}


def plain_type(kind: Any) -> Any:
    """A type without what tyro is told about it."""
    return typing.get_args(kind)[0] if typing.get_origin(kind) is typing.Annotated else kind


def _as_now(name: str, value: Any, kind: Any) -> Any:
    """A value of ``config.json`` in today's form: tuples where JSON has lists, and where an option was a single word."""
    if isinstance(value, int) and not isinstance(value, bool):
        return OLD_VALUES.get(name, {}).get(value, value)
    if isinstance(value, str) and typing.get_origin(kind) is tuple:
        return (value,)
    return tuple(value) if isinstance(value, list) else value


def fits(value: Any, kind: Any) -> bool:
    """Whether a value of ``config.json`` can be that of an option of a type; paths are texts, and tuples were lists."""
    if value is None:
        return kind is None or type(None) in typing.get_args(kind)
    if typing.get_origin(kind) is Literal:
        return value in typing.get_args(kind)
    if typing.get_origin(kind) is tuple:
        return isinstance(value, tuple) and all(fits(each, typing.get_args(kind)[0]) for each in value)
    if typing.get_args(kind):  # a union
        return any(fits(value, each) for each in typing.get_args(kind))
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, str if kind is Path else kind) and (kind is bool or not isinstance(value, bool))


def check_option(name: str, value: float | str | None, least: float, most: float = math.inf) -> None:
    """Check the number of an option; None stands for the default, and a word for what is not decided yet.

    Raises:
        UserError: the number lies below ``least`` or above ``most``, or is not finite.
    """
    if value is None or isinstance(value, str) or (math.isfinite(value) and least <= value <= most):
        return
    expected = f"at least {least}, and finite" if not math.isfinite(value) else f"at least {least}"
    expected = f"at most {most}" if most < value < math.inf else expected
    raise UserError(f"{flag_of(name)} {value}: expected {expected}.")


def whole_path(data: str | None, option: str = "--data") -> str | None:
    """The absolute path of a data set or a file; tfds:NAME stays as it is.

    Raises:
        UserError: see ``files.resolved``; ``option`` is named.
    """
    if data is None or data.startswith("tfds:"):
        return data
    return str(resolved(data, option))


def checked_weights(base: str | None, weights: str) -> str:
    """The absolute path of a file of weights, which was loaded once: a file that is refused is said before data are read.

    Args:
        base: the network of the catalogue that they are for; None for one that takes none.
        weights: a file, or the name of known weights, which stays as it is.

    Raises:
        UserError: the file is missing, damaged or of another network, or the network has no weights of that name.
    """
    weights = weights_path(weights)
    if base is not None and weights not in ("none", OWN, *catalog.CATALOG[catalog.find(base)].weights):
        try:
            with redirect_stderr(io.StringIO()):  # what is left out is said when the weights are used
                catalog.build(base, None, None, weights=weights)
        except UserError as error:
            raise UserError(f"--base {base}: {error}") from error
    return weights


def weights_path(weights: str) -> str:
    """The absolute path of a file of weights; the name of known weights stays as it is."""
    return weights if weights in ("imagenet", "none", "hed", OWN) else whole_path(weights, "--weights")
