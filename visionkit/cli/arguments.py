"""Arguments that several subcommands have in common."""

from collections.abc import Sequence
from typing import Annotated

import tyro

from visionkit.errors import UserError

MaskValues = tuple[str, ...]  # tokens of ``masks.names.parse_values``
Trust = Annotated[bool, tyro.conf.FlagCreatePairsOff]  # of a model whose graph does more than compute
AllowOutside = Annotated[bool, tyro.conf.FlagCreatePairsOff]
AsJson = Annotated[bool, tyro.conf.arg(name="json"), tyro.conf.FlagCreatePairsOff]


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
