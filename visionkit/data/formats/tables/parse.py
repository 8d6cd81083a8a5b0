"""The fields of a table as numbers and names, column by column: a table may have millions of rows."""

import re
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from visionkit.data.formats.tables.columns import Columns
from visionkit.data.formats.tables.rows import open_rows
from visionkit.data.formats.tables.values import FLAGS, listed
from visionkit.data.index import Problem, counted
from visionkit.data.split_names import split_name

NO_BOX = (np.nan,) * 4
NO_BOXES = ("", "nobox", "none", "nan", "null", "[]", "()", "[[]]")  # of a column that holds whole boxes
NO_LABELS = ("nan", "n/a", "#n/a", "<na>", "null")  # as pandas and others write a missing value
TRUE = ("1", "1.0", "true", "yes", "t", "y")
NUMBERED_SPLITS = {"0": "train", "1": "val", "2": "test"}
DECIMAL_COMMA = re.compile(r"[-+]?\d*,\d+")
IN_A_LIST = re.compile(r"[^\s,;:\[\](){}]+")


@dataclass
class Rows:
    """The rows of a table; a row with several boxes counts several times.

    Attributes:
        lines: line numbers.
        images, splits, labels, masks: the fields.
        boxes: float64 ``(N, 4)``, in the form and the units of the table; nan where a row has no box.
        points: float64 ``(N, K, 2)``; nan where a landmark is not annotated.
        sizes: declared height and width, or None.
        flags: int8 ``(N, num_flags)``: 0, 1, or -1 as in the table.
        groups: rows whose object is a group of objects.
        doubtful: rows whose label was judged to be absent: their image was looked at, and does not show it.
        without_mask: the number of images in the splits of which no row has a mask; they are left out.
    """

    lines: list[int] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    splits: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    masks: list[str] = field(default_factory=list)
    boxes: np.ndarray = field(default_factory=lambda: np.zeros((0, 4)))
    points: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 2)))
    sizes: list[tuple[int, int] | None] = field(default_factory=list)
    flags: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.int8))
    groups: set[int] = field(default_factory=set)
    doubtful: set[int] = field(default_factory=set)
    without_mask: int = 0

    def __len__(self) -> int:
        return len(self.lines)


def parse(file: Path, columns: Columns, split: str, problems: list[Problem]) -> Rows:
    """Read a table.

    Args:
        file: the table.
        columns: the meaning of its columns.
        split: the split of rows that name none.
        problems: list that receives the rows that cannot be understood.

    Raises:
        DataError: the file cannot be read or is not text.
    """
    delimiter, rows = open_rows(file, problems)
    comma = delimiter != ","
    if columns.has_header:
        next(rows, None)
    parsed = Rows()
    boxes, points, flags = array("d"), array("d"), array("b")
    unlabelled: list[str] = []
    known: dict[str, str] = {}  # equal names are kept once
    lines_without_mask: list[tuple[int, str]] = []
    width, are_judged = columns.width, True  # whether all confidences are 0 or 1, as in OpenImages
    for line, fields in rows:
        if len(fields) < width:
            fields += [""] * (width - len(fields))
        try:
            if len(fields) > width and any(fields[width:]):
                raise ValueError(f"{len(fields)} fields, expected {width}; a field with a delimiter in it needs quotes")
            image = fields[columns.image]
            if not image:
                raise ValueError("the image is missing")
            of_row = split if columns.split is None else _split(fields[columns.split], columns)
            row_boxes = _boxes(fields, columns, comma)
            row_points = [_point(fields[x], fields[y], comma) for x, y in columns.points]
            written = label = "" if columns.label is None else fields[columns.label]
            label = "" if written.lower() in NO_LABELS else written
            if columns.label is not None and not label and (columns.kind == "labels" or row_boxes):
                unlabelled.append(f"line {line}: the label is missing{f' ({written})' if written else ''}")
                continue
            row_labels = _labels_of_boxes(label, len(row_boxes)) if len(columns.box) == 1 and row_boxes else [label]
            mask = "" if columns.mask is None else fields[columns.mask]
            if columns.mask is not None and not mask:
                lines_without_mask.append((line, of_row))
                continue
            row_flags = [_flag(fields[column]) for column in columns.flags]
        except ValueError as error:
            problems.append(Problem("bad annotation", str(file), f"line {line}: {error}"))
            continue
        size = _size(fields, columns.size) if columns.size else None
        for place, box in enumerate(row_boxes or (NO_BOX,)):
            label = row_labels[place % len(row_labels)]
            row = len(parsed.lines)
            parsed.lines.append(line)
            parsed.images.append(known.setdefault(image, image))
            parsed.splits.append(known.setdefault(of_row, of_row))
            parsed.labels.append(known.setdefault(label, label))
            parsed.masks.append(mask)
            parsed.sizes.append(size)
            boxes.extend(box)
            for point in row_points:
                points.extend(point)
            flags.extend(row_flags)
            if columns.group is not None and fields[columns.group].lower() in TRUE:
                parsed.groups.add(row)
            if columns.confidence is not None and columns.kind == "labels":
                is_zero = _equals(fields[columns.confidence], 0)
                are_judged &= is_zero or _equals(fields[columns.confidence], 1)
                if is_zero:
                    parsed.doubtful.add(row)
    if unlabelled:
        more = f"; and so in {len(unlabelled) - 1:,} further rows, which are left out, too" if len(unlabelled) > 1 else ""
        problems.append(Problem("bad annotation", str(file), unlabelled[0] + more))
    if parsed.doubtful and not (are_judged and len(set(parsed.images)) < len(parsed)):
        rows_have = counted(len(parsed.doubtful), "row has", "rows have")
        detail = (
            f"its column of confidences is not used: {rows_have} a confidence of 0, which would mean that the class is absent "
            "if all were 0 or 1 and an image had several rows; leave out the rows whose label does not hold"
        )
        problems.append(Problem("unclear layout", str(file), detail))
        parsed.doubtful = set()
    masked = set(parsed.splits) if columns.split is not None else {split}
    missing = [line for line, of_row in lines_without_mask if of_row in masked]
    problems += [Problem("bad annotation", str(file), f"line {line}: the mask is missing") for line in missing]
    parsed.without_mask = len(lines_without_mask) - len(missing)
    parsed.boxes = np.array(boxes, float).reshape(-1, 4)
    parsed.points = np.array(points, float).reshape(len(parsed), len(columns.points), 2)
    parsed.flags = np.array(flags, np.int8).reshape(len(parsed), len(columns.flags))
    return parsed


def _split(name: str, columns: Columns) -> str:
    if not name:
        raise ValueError("the split is missing")
    if columns.split_if_true:
        return columns.split_if_true[name.lower() not in TRUE]
    return NUMBERED_SPLITS.get(name, name) if columns.splits_have_numbers else split_name(name)


def _boxes(fields: list[str], columns: Columns, comma: bool) -> list[list[float]]:
    if len(columns.box) == 1:
        text = fields[columns.box[0]]
        if text.lower().replace("_", "").replace(" ", "") in NO_BOXES:
            return []
        numbers = [number(part) for part in IN_A_LIST.findall(text)]
        if len(numbers) % 4 or not numbers:
            raise ValueError(f"the box {text[:60]!r} has {len(numbers)} numbers; expected four")
        return [numbers[i : i + 4] for i in range(0, len(numbers), 4)]
    box = [fields[column] for column in columns.box]
    try:
        numbers = [float(field) for field in box]
    except ValueError:
        numbers = [np.nan]
    if box and abs(sum(numbers)) < np.inf and "_" not in "".join(box):  # the usual case, fast
        return [numbers]
    return [[number(one, comma) for one in box]] if any(box) else []


def _labels_of_boxes(text: str, boxes: int) -> list[str]:
    """The label of each box in a field: as many as there are boxes, or one for all of them."""
    divider = next((divider for divider in ";|" if divider in text), "")
    labels = listed(text)
    if labels is None:
        labels = [part.strip() for part in text.split(divider)] if divider else [text]
    if len(labels) != boxes and (len(labels) != 1 or listed(text) is not None):
        raise ValueError(f"{len(labels)} labels for {boxes} boxes: {text[:60]!r}")
    if not all(labels) and text:
        raise ValueError(f"a label is missing: {text[:60]!r}")
    return labels


def _point(x: str, y: str, comma: bool) -> tuple[float, float]:
    return (number(x, comma), number(y, comma)) if x and y else (np.nan, np.nan)


def number(text: str, decimal_comma: bool = False) -> float:
    """A number of a table.

    Args:
        text: the field.
        decimal_comma: whether decimals may follow a comma, as where another character divides the fields.

    Raises:
        ValueError: the text is not a finite number.
    """
    try:
        value = float("" if "_" in text else text)  # Python reads 1_0 as 10
    except ValueError as error:
        if not (decimal_comma and DECIMAL_COMMA.fullmatch(text)):
            raise ValueError(f"{text[:40]!r} is not a number") from error
        value = float(text.replace(",", "."))
    if not abs(value) < np.inf:  # also true for nan
        raise ValueError(f"{text[:40]!r} is not a finite number")
    return value


def _flag(text: str) -> int:
    flag = FLAGS.get(text.lower())
    if flag is None:
        raise ValueError(f"{text[:40]!r} is neither 0 nor 1")
    return flag


def _equals(text: str, value: float) -> bool:
    try:
        return float(text) == value
    except ValueError:
        return False


def _size(fields: list[str], columns: Iterable[int]) -> tuple[int, int] | None:
    """The declared height and width if they are plausible, else None."""
    sides = [fields[column].removesuffix(".0") for column in columns]
    if sides and all(side.isdecimal() and 0 < len(side) < 8 and int(side) > 0 for side in sides):
        return int(sides[1]), int(sides[0])
    return None
