"""Text for terminals: names of files, classes and people are any text, and some of it commands a terminal."""

import math
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, TextIO

# Control characters; ends of lines and marks that turn the direction of reading; halves of characters, and what is none.
CONTROLS = (
    "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb\ud800-\udfff\ufffe\uffff"
)
UNPRINTABLE = re.compile(f"[\t\n\r{CONTROLS}]")
COMMANDS = re.compile(f"[{CONTROLS}]")
MOVES = re.compile(r"(\x1b\[A)+")  # up; what progress bars write between their lines, alone


def printable(text: object) -> str:
    r"""One line without characters that a terminal obeys; they become escapes: ``\x1b``, ``\n``, ``\u202e``."""
    return UNPRINTABLE.sub(_escaped, as_utf8(str(text)))


def some(names: Sequence[str], most: int = 4) -> str:
    """The first names of a list, and how many more there are: "a, b and 3 more"."""
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")


def duration(seconds: float, *, rough: bool = False) -> str:
    """A time in words: "1.2 s", "34 s", "1 min 35 s", "2 h 5 min"; ``rough`` leaves the seconds out where there are minutes."""
    if seconds < 9.95 and not rough:
        return f"{seconds:.1f} s" if seconds >= 0.095 else f"{seconds:.1g} s"
    if round(seconds) < (90 if rough else 60):
        return f"{round(seconds)} s"
    minutes, rest = (round(seconds / 60), 0) if rough or seconds >= 3600 else divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "min"), (rest, "s"))
    return " ".join(f"{count} {unit}" for count, unit in parts if count)


def number(value: float) -> str:
    """A number with the digits that matter: three, or all those before the point."""
    if not math.isfinite(value):
        return str(value)
    if abs(value) >= 999.5 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"


def as_utf8(name: str) -> str:
    """The name of a file read as UTF-8 where the locale is another one (``LC_ALL=C``); other bytes stay as they are."""
    try:
        return name if name.isascii() else name.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # other halves of characters
        return name


def without_commands(text: str) -> str:
    """Text of several lines, in which all that ``printable`` escapes is escaped but line breaks, tabs and carriage returns."""
    return COMMANDS.sub(_escaped, text)


def _escaped(match: re.Match) -> str:
    letter = match[0]
    if "\udc80" <= letter <= "\udcff":  # a byte of a file name that is no UTF-8
        return f"\\x{ord(letter) - 0xDC00:02x}"
    return letter.encode("unicode_escape").decode()


class PrintableStream:
    """A text stream that escapes what a terminal obeys, except line breaks, tabs and the carriage returns of progress bars.

    Args:
        stream: takes the text.
        is_plain: whether the stream says that it is no terminal, so that nobody colors what is written to it.
    """

    def __init__(self, stream: TextIO, *, is_plain: bool = False):
        self._stream, self._is_plain = stream, is_plain

    def write(self, text: str) -> int:
        """Write the text; see the class."""
        self._stream.write(text if MOVES.fullmatch(text) else without_commands(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def isatty(self) -> bool:
        """Whether the stream is a terminal that may be colored."""
        return not self._is_plain and self._stream.isatty()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def printable_streams() -> Iterator[None]:
    """Escape in standard output and standard error what a terminal obeys, and what they cannot encode.

    Standard output says that it is no terminal: the help of a command would be colored by what is escaped here.
    """
    for number in range(3):  # what is opened next would take the number of a stream that is closed, and its text
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    with Path(os.devnull).open("w") as nowhere:
        out, err = sys.stdout or nowhere, sys.stderr or nowhere  # a closed stream is None
        for stream in (out, err):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")
        with redirect_stdout(PrintableStream(out, is_plain=True)), redirect_stderr(PrintableStream(err)):
            yield


def metric_text(name: str, value: float | None, absent: str = "not measured") -> str:
    """A metric for people: four digits, a whole number, or a time in words; ``absent`` where it was not measured."""
    if value is None:
        return absent
    if name == "seconds":
        return duration(value)
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if name == "megabytes" else f"{value:.4g}"
