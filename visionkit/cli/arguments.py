"""Arguments that several subcommands have in common."""

import functools
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import tyro

from visionkit.command_line import parse_options
from visionkit.errors import UserError

MaskValues = tuple[str, ...]  # tokens of ``masks.names.parse_values``
Trust = Annotated[bool, tyro.conf.FlagCreatePairsOff]  # of a model whose graph does more than compute
AllowOutside = Annotated[bool, tyro.conf.FlagCreatePairsOff]
AsJson = Annotated[bool, tyro.conf.arg(name="json"), tyro.conf.FlagCreatePairsOff]


def parse(command: Callable[..., int], program: str, arguments: Sequence[str]) -> int:
    """Call a command with the options that a command line gives, and return its exit status.

    Raises:
        UserError: an option is not known; the message names the nearest one.
    """

    @functools.wraps(command)
    def chosen(*values: Any, **options: Any) -> Callable[[], int]:
        return functools.partial(command, *values, **options)

    return parse_options(chosen, program, arguments)()


def check_between(option: str, value: int, least: int, most: int) -> None:
    """Refuse an integer option out of range.

    Raises:
        UserError: the value is not in ``least``..``most``.
    """
    if not least <= value <= most:
        raise UserError(f"--{option} {value}: expected {least} to {most}.")


def image_files(images: Sequence[str]) -> list[str]:
    """Expand files, folders and globs to a list of files.

    Raises:
        UserError: nothing was named, or the folders hold no images.
    """
    if not images:
        raise UserError("No images given; expected files, folders or globs.")
    from visionkit import quiet_tensorflow

    quiet_tensorflow()
    from visionkit.data.images.listing import list_files

    files = list_files(images)
    if not files:
        raise UserError(f"No images in {', '.join(images)}.")
    return files
