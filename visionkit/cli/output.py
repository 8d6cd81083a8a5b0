"""Output that several subcommands have in common."""

import json
import sys
from typing import TextIO

from visionkit.printable import printable

MOST_NAMED = 20  # problems on the screen


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
