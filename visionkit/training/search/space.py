"""What a search varies in each recipe: a table. A recipe that lacks an option, or refuses a value, is searched without it."""

import dataclasses
import math
import typing
from collections.abc import Set
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from visionkit.command_line import flag_of
from visionkit.errors import UserError

FACTOR = 10  # a learning rate is searched from a tenth of the usual one to ten times as much
FROZEN = ("freeze", "unfreeze")  # both say how much is trained: where one was given, neither is searched
ALONE = ("head", "base")  # their values with which the shared phase is the only one


class Option(NamedTuple):
    """An option of a recipe, and the values that are tried.

    Attributes:
        name: of the field of the recipe's configuration.
        values: as on the command line. The first trial has the recipe's default, or the first of them.
        rate: the usual learning rate, where it is one; numbers around it are tried.
        from_random: that of a base with random weights, where it differs.
        unless: another option and the value with which this one has no effect.
        on_base: it has an effect on a pretrained base alone.
    """

    name: str
    values: tuple[str, ...] = ()
    rate: float | None = None
    from_random: float | None = None
    unless: tuple[str, str] | None = None
    on_base: bool = False

    @property
    def flag(self) -> str:
        """As on the command line."""
        return flag_of(self.name)

    @property
    def rates(self) -> tuple[float, float]:
        """The lowest and the highest learning rate."""
        return self.rate / FACTOR, self.rate * FACTOR

    @property
    def in_words(self) -> str:
        """The option and what is tried, for a person."""
        tried = " ".join(self.values) if self.rate is None else "{:g} to {:g}".format(*self.rates)
        return f"{self.flag} ({tried})"


@dataclass(frozen=True)
class Space:
    """What is searched in a recipe, and what is measured.

    Attributes:
        options: what is varied.
        metrics: what is compared: the first of them that ``metrics.json`` has, and after each epoch the first that
            ``history.csv`` has, as ``val_<metric>``.
        direction: which values of the metric are better.
        shared: a phase that trains the same in all trials and is short, so that none is stopped in it.
    """

    options: tuple[Option, ...]
    metrics: tuple[str, ...]
    direction: Literal["maximize", "minimize"] = "maximize"
    shared: str | None = None


AUGMENT = Option("augment", ("medium", "light", "strong"))
HEAD = ("unfreeze", "head")

SPACES = {
    "classification": Space(
        (
            Option("unfreeze", ("last", "head", "all"), on_base=True),
            Option("learning_rate", rate=1e-4, from_random=1e-3, unless=HEAD),  # the head has a rate of its own
            AUGMENT,
            Option("mix", ("none", "mixup", "cutmix"), unless=HEAD),
        ),
        ("accuracy", "map"),
        shared="head",
    ),
    "detection": Space(
        (Option("learning_rate", rate=2e-3), AUGMENT, Option("freeze", ("4", "none", "8", "16"), on_base=True)),
        ("map50",),
    ),
    "segmentation": Space(
        (Option("learning_rate", rate=3e-3), AUGMENT, Option("freeze", ("none", "4", "16"), on_base=True)),
        ("mean_iou",),
    ),
    "verification": Space(
        (Option("learning_rate", rate=3e-3), AUGMENT, Option("freeze", ("none", "8", "base"), on_base=True)),
        ("auc",),
    ),
    "localization": Space(
        (Option("learning_rate", rate=2e-3), Option("freeze", ("base", "16", "8", "none"), on_base=True)),
        ("mean_iou", "accuracy"),
    ),
    "from-scratch": Space((Option("learning_rate", rate=2e-3),), ("accuracy",)),
    "signals": Space((Option("learning_rate", rate=2e-3),), ("accuracy",)),
}
LANDMARKS = {"metrics": ("median_error",), "direction": "minimize"}  # of localization


def find_space(recipe: str) -> Space:
    """The row of a recipe.

    Raises:
        UserError: it has none, since nothing measures its results.
    """
    if recipe not in SPACES:
        raise UserError(
            f"visionkit tune {recipe}: nothing says which of two results is better. The recipes that can be tuned are "
            f"{', '.join(SPACES)}."
        )
    return SPACES[recipe]


def space_of(recipe: str, config: Any, given: Set[str]) -> Space:
    """What is searched with the options that were given, which all trials have.

    Args:
        recipe: its name in ``visionkit train``.
        config: its configuration, with what was given and, of the rest, the defaults.
        given: names of the options that were given.

    Raises:
        UserError: nothing is left to search, or the results of a study of depth would be compared.
    """
    space = find_space(recipe)
    if getattr(config, "study", None) == "depth":
        raise UserError(f"visionkit tune {recipe}: leave --study depth out, which compares networks that are trained alike.")
    if getattr(config, "step", None) == "landmarks":
        space = dataclasses.replace(space, **LANDMARKS)
    if any(_word(getattr(config, name, "")) in ALONE for name in given & set(FROZEN)):
        space = dataclasses.replace(space, shared=None)
    options = tuple(_accepted(option, config) for option in space.options if _has_effect(option, config, given))
    options = tuple(option for option in options if option.rate is not None or len(option.values) > 1)
    if not options:
        flags = ", ".join(option.flag for option in space.options)
        raise UserError(f"visionkit tune {recipe}: nothing is left to search. Leave out one of {flags}.")
    return dataclasses.replace(space, options=options)


def first_values(space: Space, config: Any) -> dict[str, str | float]:
    """The values of the first trial: the recipe's defaults, or the usual ones where a default decides by the data."""
    usual = {option.name: option.values[0] if option.rate is None else option.rate for option in space.options}
    defaults = {name: _word(getattr(config, name)) for name in usual}
    tried = {option.name: option.values for option in space.options}
    return {name: defaults[name] if defaults[name] in tried[name] else value for name, value in usual.items()}


def _has_effect(option: Option, config: Any, given: Set[str]) -> bool:
    is_known = any(field.name == option.name for field in dataclasses.fields(config))
    is_given = option.name in given or (option.name in FROZEN and not given.isdisjoint(FROZEN))
    if not is_known or is_given or (option.on_base and "none" in (_word(getattr(config, "base", "")), config.weights)):
        return False
    return (
        option.unless is None or option.unless[0] not in given or _word(getattr(config, option.unless[0])) != option.unless[1]
    )


def _accepted(option: Option, config: Any) -> Option:
    """The option with the values that the recipe knows and does not refuse beside the options that were given."""
    if option.rate is not None:
        is_random = option.from_random is not None and getattr(config, "weights", None) == "none"
        return option._replace(rate=option.from_random if is_random else option.rate)
    kind = next(field.type for field in dataclasses.fields(config) if field.name == option.name)
    known = {str(value): value for value in literals(kind)}
    typed = {word: known.get(word, (word,)) for word in option.values if not known or word in known}
    return option._replace(values=tuple(word for word, value in typed.items() if not _refuses(config, option.name, value)))


def literals(kind: Any) -> tuple[Any, ...]:
    """All values that the Literals in a type name; none if there is no Literal in it."""
    if typing.get_origin(kind) is Literal:
        return typing.get_args(kind)
    return tuple(value for part in typing.get_args(kind) for value in literals(part))


def _refuses(config: Any, name: str, value: Any) -> bool:
    try:
        dataclasses.replace(config, **{name: value}).check_options()
    except UserError:
        return True
    return False


def _word(value: Any) -> str:
    """An option's value as on the command line."""
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def words_of(options: tuple[Option, ...], values: dict[str, str | float]) -> list[str]:
    """The words of a command line with these values; learning rates have three digits."""
    flags = {option.name: option.flag for option in options}
    return [word for name, value in values.items() for word in (flags[name], shown(value))]


def shown(value: str | float) -> str:
    """A value as the command line has it."""
    return f"{value:.3g}" if isinstance(value, float) and math.isfinite(value) else str(value)
