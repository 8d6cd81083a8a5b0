"""Files that a command is asked to write: a page, an image, results. None takes the place of what visionkit did not write.

Pages, images and videos carry ``MARK``, by which a later run knows that it may replace them.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from visionkit.errors import UserError
from visionkit.files import kind_of_file, open_file

MARK = "visionkit:output"  # near the beginning or the end of a file
NEAR = 4096  # bytes
PAGES = (".html", ".htm")


def check_output(
    path: Path, option: str, *, suffixes: Sequence[str] = (), inputs: Iterable[str | Path] = (), starts: tuple[bytes, ...] = ()
) -> Path:
    """Check, before the work is done, that a file may be written: it is new, or visionkit wrote it, and it is not an input.

    Args:
        path: the file.
        option: that names it, such as "--html".
        suffixes: that it may have; any if there are none.
        inputs: files that are read, and folders of which all files may be read: nothing in them is replaced.
        starts: with which other files begin that visionkit wrote, of a format that has no place for ``MARK``.

    Returns:
        the file to write: of a link, what it leads to.

    Raises:
        UserError: it may not be written.
    """
    if path.is_dir():
        example = path / f"name{suffixes[0] if suffixes else '.png'}"
        raise UserError(f"{option} {path}: this is a folder; expected the name of a file, such as {example}.")
    if suffixes and path.suffix.lower() not in suffixes:
        raise UserError(f"{option} {path}: expected the name of a {' or '.join(suffixes)} file.")
    if not os.path.lexists(path):
        _check_folder(path, option)
        return path
    what = "a link that leads to nothing" if not path.exists() else kind_of_file(path)
    if what:
        raise UserError(f"{option} {path}: this is {what}, and is not replaced; expected the name of a new file.")
    real = Path(os.path.realpath(path))
    if any(real.is_relative_to(os.path.realpath(each)) for each in inputs):
        raise UserError(f"{option} {path}: this file is one of those that are read, and is not replaced; name a new file.")
    if not is_own(real, starts):
        raise UserError(
            f"{option} {path}: this file exists, and no visionkit command wrote it as such an output, so it is not replaced; "
            "name a new file, or move this one away."
        )
    return real


def check_folder(path: Path, option: str) -> None:
    """Check that the folder of several outputs can be one: it is missing, or a folder.

    Raises:
        UserError: something else has its name.
    """
    if os.path.lexists(path) and not path.is_dir():
        raise UserError(f"{option} {path}: this is {kind_of_file(path) or 'no folder'}; expected a folder, which may be new.")
    _check_folder(path, option)


def is_own(path: Path, starts: tuple[bytes, ...] = ()) -> bool:
    """Whether visionkit wrote a regular file: it carries ``MARK``, or begins as one of ``starts``."""
    with open_file(path) as file:
        first = file.read(NEAR)
        size = os.fstat(file.fileno()).st_size
        file.seek(max(0, size - NEAR))
        return MARK.encode() in first + file.read(NEAR) or (bool(starts) and first.startswith(starts))


def _check_folder(path: Path, option: str) -> None:
    """Refuse a path below a file: what is missing of its folders is made later."""
    for parent in path.parents:
        if os.path.lexists(parent):
            if not parent.is_dir():
                raise UserError(f"{option} {path}: cannot be written: {parent} is no folder. Name a file in a folder.")
            return
