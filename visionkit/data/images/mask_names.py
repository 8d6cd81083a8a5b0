"""The file next to masks that names their classes and colors: ``classes.txt``, ``colors.csv``, ``labelmap.txt``, ..."""

import csv
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from visionkit.data.images.contents import read_text
from visionkit.data.index import DataError

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
)
IGNORED_NAMES = frozenset(["void", "unlabelled", "unlabeled", "ignore", "ignored", "dontcare", "don't care"])
NAME_COLUMNS = ("name", "class", "label", "class_name")
NUMBERS_THEN_NAME = re.compile(r"(\d{1,3})[\s,]+(\d{1,3})[\s,]+(\d{1,3})[\s,:]+(\S.*)")  # 64 128 64 Animal
NAME_THEN_NUMBERS = re.compile(r"([^:]+):(\d{1,3}),(\d{1,3}),(\d{1,3})(?::.*)?")  # CVAT: Animal:64,128,64::


class NamedClasses(NamedTuple):
    """Class names in order, and the color of each, uint8 ``(num_classes, 3)``, or None if the file has no colors."""

    names: tuple[str, ...]
    colors: np.ndarray | None


def find_names(folders: Iterable[Path]) -> NamedClasses | None:
    """Read the first of ``NAME_FILES`` in the first of the folders that has one; letter case does not matter.

    Raises:
        DataError: a table of colors has an invalid line.
    """
    found = find_named(folders)
    return None if found is None else found[1]


def find_named(folders: Iterable[Path]) -> tuple[Path, NamedClasses] | None:
    """The file that ``find_names`` reads, and what it says."""
    for folder in folders:
        files = {path.name.lower(): path for path in sorted(folder.iterdir()) if path.is_file()}
        for wanted in NAME_FILES:
            if wanted in files and (named := read_names(files[wanted])).names:
                return files[wanted], named
    return None


def read_names(file: Path) -> NamedClasses:
    """Read class names from a table ``name,r,g,b`` (.csv), or from lines "name", "r g b name" or "name:r,g,b::" (CVAT).

    Raises:
        DataError: a line of the table has no valid color.
    """
    text = read_text(file).replace("\0", "")
    if file.suffix.lower() == ".csv":
        return _read_table(file, text)
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    rows = [_color_and_name(line) for line in lines]
    if not rows or None in rows:
        return NamedClasses(tuple(lines), None)
    return NamedClasses(tuple(name for name, _ in rows), np.array([color for _, color in rows], np.uint8))


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
