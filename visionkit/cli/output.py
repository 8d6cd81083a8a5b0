"""Output that several subcommands have in common."""

import errno
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from visionkit.printable import duration, printable

MOST_NAMED = 20  # problems on the screen
LONG_WORK = 10.0  # seconds, after which a command says how long it took


def to_json(record: dict) -> str:
    """Format one line of ``--json``; file names that are not valid UTF-8 stay printable."""
    return json.dumps(record, ensure_ascii=True)


def say(*lines: object, file: TextIO | None = None) -> None:
    """Print lines for people. A name in a line cannot end it, nor command the terminal.

    Args:
        lines: each becomes one line.
        file: the stream; standard output by default.
    """
    for line in lines:
        print(printable(line), file=file)


def say_duration(what: str, began: float) -> None:
    """Say on standard error how long work took, if it took long.

    Args:
        what: was done, such as "1,200 images".
        began: the value of ``time.monotonic()`` at the beginning.
    """
    if (seconds := time.monotonic() - began) > LONG_WORK:
        say(f"{what} in {duration(seconds)}", file=sys.stderr)


@contextmanager
def full_disk_named() -> Iterator[None]:
    """Say what was kept, and how to go on, where the disk is full on which outputs are written.

    Raises:
        OSError: the disk is full; ``strerror`` says all that.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT) or error.filename is None:  # standard output has no name
            raise
        kept = "what was written before this file is whole, and kept. Make room, or name another folder"
        raise OSError(error.errno, f"{error.strerror}; {kept}", error.filename) from error


def exit_status(num_failures: int, num_files: int, outcome: str) -> int:
    """Report how many images failed on standard error.

    Args:
        num_failures: number of images that failed.
        num_files: number of all images.
        outcome: what happened to those that failed, as "skipped".

    Returns:
        the exit status: 1 if an image failed.
    """
    if num_failures:
        print(f"{num_failures} of {num_files} images {outcome}.", file=sys.stderr)
    return 1 if num_failures else 0
