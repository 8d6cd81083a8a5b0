"""The names of the classes of masks: from a file next to them (``classes.txt``, ``colors.csv``, ...), or from an option."""

import csv
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from visionkit.data.images.contents import read_text
from visionkit.data.images.name_lists import how_read, name_lines, numbered
from visionkit.data.index import DataError
from visionkit.errors import UserError

# In order of preference: colors say more than names.
NAME_FILES = (
    "colors.csv",
    "palette.csv",
    "class_dict.csv",
    "label_colors.txt",
    "labelmap.txt",
    "classes.txt",
    "labels.txt",
    "codes.txt",
    "class_names.txt",
    "_classes.csv",
)
FIRST_IS_IGNORED = "__ignore__"  # of labelme's lists: it stands for -1, and the next name for 0
PIXEL_VALUE = "pixel value"  # heads the first column of Roboflow's _classes.csv
IGNORED_NAMES = frozenset(["void", "unlabelled", "unlabeled", "ignore", "ignored", "dontcare", "don't care"])
NAME_COLUMNS = ("name", "class", "label", "class_name")
NUMBERS_THEN_NAME = re.compile(r"(\d{1,3})[\s,]+(\d{1,3})[\s,]+(\d{1,3})[\s,:]+(\S.*)")  # 64 128 64 Animal
NAME_THEN_NUMBERS = re.compile(r"([^:]+):(\d{1,3}),(\d{1,3}),(\d{1,3})(?::.*)?")  # CVAT: Animal:64,128,64::
VALUE_IS_NAME = re.compile(r"(\d{1,5}|other|#[0-9a-f]{6})=(.*\S.*)", re.IGNORECASE)  # 128=cell, or #ff0000=road
OTHER = "other"  # stands for all values that are not named
OPTION = "--mask-values"
MAX_VALUE = 65535


class NamedClasses(NamedTuple):
    """Class names in order, and the values in masks that they stand for.

    Attributes:
        names: the names; one that means "ignore" stands for no class.
        colors: uint8 ``(num_classes, 3)``, the color of each; or None.
        values: the grey value of each; or None. Without colors and values, positions are the values.
        source: the file, the option or the data set that gives them.
        rest: the name of all other values and colors; None where these have no meaning.
        note: what of the file is no name in a line of its own, in words; or "".
    """

    names: tuple[str, ...]
    colors: np.ndarray | None = None
    values: tuple[int, ...] | None = None
    source: str = ""
    rest: str | None = None
    note: str = ""

    @property
    def files(self) -> tuple[str, ...]:
        """The file that gives the names, if it is one."""
        return (self.source,) if Path(self.source).is_file() else ()

    @property
    def has_meaning(self) -> bool:
        """Whether each name has a color or a value of its own."""
        return self.colors is not None or self.values is not None


def parse_values(tokens: Sequence[str]) -> NamedClasses | None:
    """The option that says what mask values mean: ``0=background 128=cell 255=ignore``, or ``#ff0000=road``.

    Args:
        tokens: one for each value. "other" stands for all values that are not named; several values may have one name.

    Raises:
        UserError: a token is something else, or a value is named twice.
    """
    if not tokens:
        return None
    expected = f"{OPTION}: expected tokens such as 0=background 128=cell 255=ignore, or #ff0000=road"
    matches = [(token, VALUE_IS_NAME.fullmatch(token.strip())) for token in tokens]
    if wrong := [token for token, match in matches if match is None]:
        raise UserError(f"{expected}; {wrong[0]!r} is none.")
    if joined := [token for token in tokens if re.search(r"=.*=|[,;]\s*$", token)]:
        raise UserError(f"{expected}; in {joined[0]!r}, blanks must divide them, not commas.")
    pairs = [(match[1].lower(), match[2].strip()) for _, match in matches]
    keys = [value.lstrip("0") or "0" if value.isdecimal() else value for value, _ in pairs]
    if twice := [key for key in keys if keys.count(key) > 1]:
        raise UserError(f"{expected}; {twice[0]} is named twice.")
    rest = next((name for value, name in pairs if value == OTHER), None)
    pairs = [(value, name) for value, name in pairs if value != OTHER]
    names = tuple(name for _, name in pairs)
    colored = [value for value, _ in pairs if value[0] == "#"]
    if not pairs or len(colored) not in (0, len(pairs)):
        raise UserError(f"{expected}; {'these are numbers and colors' if pairs else 'only other values have a name'}.")
    if colored:
        return NamedClasses(
            names, np.array([list(bytes.fromhex(value[1:])) for value in colored], np.uint8), None, OPTION, rest
        )
    values = tuple(int(value) for value, _ in pairs)
    if max(values) > MAX_VALUE:
        raise UserError(f"{expected}; values are at most {MAX_VALUE}.")
    return NamedClasses(names, None, values, OPTION, rest)


def find_names(folders: Iterable[Path]) -> NamedClasses | None:
    """Read the first of ``NAME_FILES`` in the first of the folders that has one; letter case does not matter.

    Raises:
        DataError: a table of colors has an invalid line.
    """
    for folder in folders:
        files = {path.name.lower(): path for path in sorted(folder.iterdir()) if path.is_file()}
        for wanted in NAME_FILES:
            if wanted in files and (named := read_names(files[wanted])).names:
                return named
    return None


def read_names(file: Path) -> NamedClasses:
    """Read class names from a table ``name,r,g,b`` (.csv), or from lines "name", "r g b name", "name:r,g,b::", "128 name".

    Comments, a header and numbers are as in ``images.name_lists``.

    Of ``_classes.csv``, which is a table of labels elsewhere, only "Pixel Value, Class" is read.

    Raises:
        DataError: a line of the table has no valid color.
    """
    text = read_text(file).replace("\0", "")
    named = _named(file, text)
    how = "" if file.suffix.lower() == ".csv" else how_read(text)
    return named._replace(source=str(file), note=how and f"{file.name}: {how}")


def _named(file: Path, text: str) -> NamedClasses:
    if file.name.lower() == "_classes.csv":
        return _read_pixel_values(text)
    if file.suffix.lower() == ".csv":
        return _read_table(file, text)
    lines = [line for line in name_lines(text) if line]
    lines = lines[1:] if lines[:1] == [FIRST_IS_IGNORED] else lines
    rows = [_color_and_name(line) for line in lines]
    if rows and None not in rows:
        return NamedClasses(tuple(name for name, _ in rows), np.array([color for _, color in rows], np.uint8))
    return _values_and_names(lines) or NamedClasses(tuple(lines))


def _values_and_names(lines: Sequence[str]) -> NamedClasses | None:
    """The classes of lines that all have another value; None for other lines."""
    pairs = numbered(lines)
    values = tuple(int(value) for value, _ in pairs if value != OTHER)
    rest = [name for value, name in pairs if value == OTHER]
    if not values or max(values) > MAX_VALUE:
        return None
    names = tuple(name for value, name in pairs if value != OTHER)
    return NamedClasses(names, values=values, rest=rest[0] if rest else None)


def _read_pixel_values(text: str) -> NamedClasses:
    """Lines "0, background" below the header "Pixel Value, Class"; no names where the file is another table."""
    named = _values_and_names(name_lines(text)) if text.lstrip().lower().startswith(PIXEL_VALUE) else None
    return named or NamedClasses(())


def _color_and_name(line: str) -> tuple[str, list[int]] | None:
    if match := NUMBERS_THEN_NAME.fullmatch(line):
        *numbers, name = match.groups()
    elif match := NAME_THEN_NUMBERS.fullmatch(line):
        name, *numbers = match.groups()
    else:
        return None
    color = [int(number) for number in numbers]
    return (name.strip(), color) if max(color) <= 255 else None


def _read_table(file: Path, text: str) -> NamedClasses:
    """A header gives the columns (name, r, g, b in any order); without one, they are these four in order."""
    try:
        delimiter = ";" if text.count(";") > text.count(",") else ","
        rows = [[field.strip() for field in row] for row in csv.reader(text.splitlines(), delimiter=delimiter) if any(row)]
    except csv.Error as error:
        raise DataError(f"{file}: {error}; expected lines of name,r,g,b.") from error
    columns = [0, 1, 2, 3]
    if rows and len(rows[0]) >= 4 and not any(field.isdecimal() for field in rows[0]):
        header = [field.lower() for field in rows.pop(0)]
        named = [next((i for i, field in enumerate(header) if field in NAME_COLUMNS), None)]
        named += [next((i for i, field in enumerate(header) if field[:1] == letter), None) for letter in "rgb"]
        columns = columns if None in named else named
    names, colors = [], []
    for row in rows:
        try:
            name, *color = (row[column] for column in columns)
            color = [int(number) for number in color]
        except (IndexError, ValueError):
            color = [-1]
        if not 0 <= min(color) <= max(color) <= 255:
            raise DataError(f"{file}: line {','.join(row)[:80]!r} is no class; expected name,r,g,b with numbers from 0 to 255.")
        names.append(name)
        colors.append(color)
    return NamedClasses(tuple(names), np.array(colors, np.uint8).reshape(-1, 3))
