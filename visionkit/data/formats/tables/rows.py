"""The rows of a table as text: its encoding, its delimiter, and lines that cannot be parsed."""

import csv
import io
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from visionkit.data.images.contents import encoding_of, read_text
from visionkit.data.index import DataError, Problem
from visionkit.files import open_file

DELIMITERS = ",;\t|"
HEAD = 1 << 18  # bytes of a table that are read to understand its columns
SAMPLE = 1000  # rows
EXCEL_DELIMITER = re.compile(r"sep=(.)", re.IGNORECASE)  # the first line of some tables


def read_head(file: Path) -> list[list[str]]:
    """The first rows of a table, with the header.

    Raises:
        DataError: the file cannot be read or is not text.
    """
    try:
        with open_file(file) as opened:
            contents = opened.read(HEAD)
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror or error}).") from error
    text = _decoded(contents)
    if len(contents) == HEAD:
        text = text[: max(text.rfind("\n"), text.rfind("\r")) + 1]
    _check_is_text(file, text)
    return [fields for _, fields in islice(rows_of(text, str(file), []), SAMPLE + 1)]


def _decoded(contents: bytes) -> str:
    """As ``read_text``, for contents that may end within a character."""
    encoding = encoding_of(contents)
    if encoding.startswith("utf-16"):
        return contents[: len(contents) // 2 * 2].decode(encoding, "ignore")
    for missing in range(4):
        try:
            return contents[: len(contents) - missing].decode("utf-8-sig")
        except UnicodeDecodeError:
            continue
    return contents.decode("latin-1")


def open_rows(file: Path, problems: list[Problem]) -> tuple[str, Iterator[tuple[int, list[str]]]]:
    """The delimiter and the rows of a table; the header is the first.

    Args:
        file: the table.
        problems: list that receives the lines that cannot be parsed.

    Returns:
        the delimiter; line numbers with fields, without empty lines.

    Raises:
        DataError: the file cannot be read or is not text.
    """
    try:
        text = read_text(file)
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror or error}).") from error
    _check_is_text(file, text)
    return delimiter_of(text), rows_of(text, str(file), problems)


def _check_is_text(file: Path, text: str) -> None:
    if "\0" in text:
        raise DataError(f"{file}: not a text table, since it holds null characters. Expected UTF-8 or UTF-16.")


def delimiter_of(text: str) -> str:
    """The delimiter of ``DELIMITERS`` that is most frequent in the first line, or the one that this line declares."""
    first_line = re.match(r"\s*([^\r\n]*)", text)[1]
    declared = EXCEL_DELIMITER.fullmatch(first_line)
    return declared[1] if declared else max(DELIMITERS, key=first_line.count)


def rows_of(text: str, name: str, problems: list[Problem]) -> Iterator[tuple[int, list[str]]]:
    """Line numbers and fields of the rows in a text, without empty lines; see ``open_rows``."""
    delimiter = delimiter_of(text)
    lines = _Lines(text)
    if EXCEL_DELIMITER.fullmatch(text.lstrip().partition("\n")[0].strip()):
        next(lines)
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    width = 0
    while True:
        first = lines.number
        lines.consumed.clear()
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            problems.append(Problem("bad annotation", name, f"line {first + 1}: {error}"))
            lines.back_to_second()
            reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
            continue
        if len(lines.consumed) > 1 and _is_unbalanced(fields, lines.consumed, width, delimiter):
            problems.append(Problem("bad annotation", name, f"line {first + 1}: a quotation mark opens and none closes it"))
            lines.back_to_second()
            continue
        fields = list(map(str.strip, fields))
        if not any(fields):
            continue
        if not width:
            width = len(fields)
        yield first + 1, fields


class _Lines:
    """Iterates over the lines of a text, and can go back to the second line of the present row."""

    def __init__(self, text: str):
        self._lines = iter(io.StringIO(text, newline=""))
        self._again: list[str] = []  # the last comes first
        self.consumed: list[str] = []
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.pop() if self._again else next(self._lines)
        self.consumed.append(line)
        self.number += 1
        return line

    def back_to_second(self) -> None:
        again = self.consumed[1:]
        self._again += reversed(again)
        self.number -= len(again)


def _is_unbalanced(fields: list[str], lines: list[str], width: int, delimiter: str) -> bool:
    """Whether a row of several lines is one only because a quotation mark is missing."""
    if sum(line.count('"') for line in lines) % 2 or len(fields) != (width or len(fields)):
        return True
    before, _, after = lines[-1].partition('"')
    opens = before.rstrip(" ")[-1:] in ("", delimiter) and after.strip()[:1] not in ("", delimiter, '"')
    is_row = [len(line.split(delimiter)) == width for line in (*lines[1:-1], before)]
    return width > 1 and (opens or any(is_row))
