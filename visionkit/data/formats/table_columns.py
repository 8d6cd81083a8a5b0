"""The meaning of the columns of a table of images, by their names; letter case, blanks and hyphens do not matter."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from visionkit.data.images.contents import read_text
from visionkit.data.index import DataError, Problem

IMAGE = (
    "image_path",
    "image",
    "path",
    "filepath",
    "file",
    "filename",
    "file_name",
    "image_name",
    "image_id",
    "img",
    "picture",
)
LABEL = ("label", "class", "category", "species", "target", "class_name", "label_name")
MASK = ("mask", "mask_path", "mask_file", "mask_filename", "mask_name")
SPLIT = ("split", "subset", "set", "partition")
SIZE = (("image_width", "image_height"), ("img_width", "img_height"), ("width", "height"))
CORNERS = (
    ("xmin", "ymin", "xmax", "ymax"),
    ("x_min", "y_min", "x_max", "y_max"),
    ("left", "top", "right", "bottom"),
    ("x1", "y1", "x2", "y2"),
)
CORNER_AND_SIDES = (
    ("x", "y", "w", "h"),
    ("x", "y", "width", "height"),
    ("bbox_x", "bbox_y", "bbox_w", "bbox_h"),
    ("bbox_x", "bbox_y", "bbox_width", "bbox_height"),
)
X_OF_POINT = (re.compile(r"(?P<name>.+)_x"), re.compile(r"x_?(?P<name>\d+)"))  # left_eye_x; x0
FEWEST_POINTS = 3  # two points are the corners of a box
DELIMITERS = ",;\t|"


class Columns(NamedTuple):
    """Positions of columns; None, or an empty tuple, if there is no such column.

    Attributes:
        box: x1, y1, x2, y2; or, if ``has_sides``, x1, y1, width, height.
        points: x and y of each landmark.
        point_names: names of the landmarks.
        size: width and height of the image.
    """

    image: int
    label: int | None = None
    mask: int | None = None
    split: int | None = None
    box: tuple[int, ...] = ()
    has_sides: bool = False
    points: tuple[tuple[int, int], ...] = ()
    point_names: tuple[str, ...] = ()
    size: tuple[int, ...] = ()

    @property
    def kind(self) -> str:
        """What the table annotates: "mask", "objects", "label", or "" for nothing."""
        if self.mask is not None:
            return "mask"
        if self.box or self.points:
            return "objects"
        return "label" if self.label is not None else ""


def find_columns(header: Sequence[str]) -> Columns | None:
    """Find columns by the names in a header; None if no column names an image."""
    names = [re.sub(r"[\s-]+", "_", name.strip().lower()) for name in header]
    position = {name: i for i, name in reversed(list(enumerate(names)))}

    def first(candidates):
        return next((position[name] for name in candidates if name in position), None)

    def all_of(candidates):
        return next((tuple(position[name] for name in group) for group in candidates if set(group) <= position.keys()), ())

    image = first(IMAGE)
    if image is None:
        return None
    points, point_names = _points(position)
    numbered = [name for name in point_names if name.isdecimal()]
    corners = all_of(CORNERS if len(numbered) < FEWEST_POINTS else CORNERS[:-1])  # x1,y1,x2,y2 may begin a row of landmarks
    box = corners or all_of(CORNER_AND_SIDES)
    size = next((columns for pair in SIZE if (columns := all_of([pair])) and not set(columns) & set(box)), ())
    landmarks = [i for i, point in enumerate(points) if not set(point) & set(box)]
    landmarks = landmarks if len(landmarks) >= FEWEST_POINTS else []
    return Columns(
        image,
        first(LABEL),
        first(MASK),
        first(SPLIT),
        box,
        bool(box) and not corners,
        tuple(points[i] for i in landmarks),
        tuple(point_names[i] for i in landmarks),
        size,
    )


def _points(position: dict[str, int]) -> tuple[list[tuple[int, int]], list[str]]:
    points, names = [], []
    for name, x in sorted(position.items(), key=lambda item: item[1]):
        match = next((match for pattern in X_OF_POINT if (match := pattern.fullmatch(name))), None)
        partner = None if match is None else f"{name[:-1]}y" if name.endswith("_x") else f"y{name[1:]}"
        if partner in position:
            points.append((x, position[partner]))
            names.append(match["name"])
    return points, names


def read_header(file: Path) -> list[str]:
    """The fields of the first line; empty if the file cannot be read."""
    try:
        return next(open_rows(file, []), (0, []))[1]
    except (OSError, DataError):
        return []


def open_rows(file: Path, problems: list[Problem]) -> Iterator[tuple[int, list[str]]]:
    """The rows of a table; the header is the first.

    Args:
        file: table whose delimiter is the one of ``DELIMITERS`` that is most frequent in the first line.
        problems: list that receives the lines that cannot be parsed.

    Returns:
        line numbers with fields, without empty lines.

    Raises:
        OSError: the file cannot be read.
        DataError: the file is not text.
    """
    text = read_text(file)
    if "\0" in text:
        raise DataError(f"{file}: not a text table, since it holds null characters.")
    first_line = text.lstrip().partition("\n")[0]
    delimiter = max(DELIMITERS, key=first_line.count)
    return _rows(file, csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), problems)


def _rows(file: Path, reader, problems: list[Problem]) -> Iterator[tuple[int, list[str]]]:
    while True:
        try:
            fields = [field.strip() for field in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            problems.append(Problem("bad annotation", str(file), f"line {reader.line_num}: {error}"))
            continue
        if any(fields):
            yield reader.line_num, fields
