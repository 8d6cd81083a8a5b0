"""What the values of one column look like: files of images, flags, numbers, several labels in one field."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePosixPath

import numpy as np

from visionkit.data.formats.tables.columns import BLANKS_DIVIDE
from visionkit.data.images.decode import IMAGE_SUFFIXES

PROBES = 20  # values of a column whose files are looked up
MOST = 0.5  # share of the probes that must be files
NUMBER = re.compile(r"[-+]?(\d+([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?")
FLAGS = {"": 0, "0": 0, "1": 1, "0.0": 0, "1.0": 1, "false": 0, "true": 1, "-1": -1, "-1.0": -1, "no": 0, "yes": 1}
DIVIDERS = "|;,"  # of several labels in one field
ITEM = re.compile(r"'[^']*'|\"[^\"]*\"|-?\d[\d.]*")  # of a list
FIT = 0.9  # share of the rows whose four numbers must be the corners of a box
Find = Callable[[str], str | None]


def find_images(sample: Sequence[Sequence[str]], column: int, find: Find) -> tuple[list[str], int]:
    """The files that some values of a column name, and the number of values that were looked up."""
    values = list(dict.fromkeys(row[column] for row in sample if row[column]))
    probes = values[:: max(1, len(values) // PROBES)][:PROBES]
    return [path for probe in probes if (path := find(probe)) is not None and is_image(path)], len(probes)


def is_image(path: str) -> bool:
    """Whether a name has the suffix of an image, or is a record within another file."""
    path = path.partition("?")[0] if "://" in path else path
    return PurePosixPath(path).suffix.lower() in IMAGE_SUFFIXES or "@" in path


def have_suffix(sample: Sequence[Sequence[str]], column: int) -> bool:
    """Whether all values of a column have the suffix of an image."""
    values = [row[column] for row in sample if row[column]][:PROBES]
    return bool(values) and all(is_image(value) for value in values)


def are_files(sample: Sequence[Sequence[str]], column: int, image: int, find: Find) -> bool:
    """Whether a column names images that are not those of the column ``image``."""
    if not have_suffix(sample, column) or all(row[column] == row[image] for row in sample):
        return False
    paths, probed = find_images(sample, column, find)
    return len(paths) >= MOST * probed


def is_flag(values: Iterable[str]) -> bool:
    """Whether the values of a column are 0 and 1, in one of the usual forms."""
    values = {value.lower() for value in values}
    return values <= FLAGS.keys() and not values <= {""}


def divider_of(name: str, labels: Counter[str]) -> str:
    """What divides the labels of one image; "" if each image has one."""
    if any(listed(label) is not None for label in labels):
        return "["
    for divider in DIVIDERS:
        if any(divider in label for label in labels) and (divider != "," or _are_combinations(labels, divider)):
            return divider
    blanks = [label for label in labels if " " in label]
    if blanks and all(re.fullmatch(r"\d+( +\d+)*", label) for label in labels if label):
        return " "
    if blanks and name in BLANKS_DIVIDE and (name == "tags" or _are_combinations(labels, " ")):
        return " "
    return ""


def _are_combinations(labels: Iterable[str], divider: str) -> bool:
    """Whether labels combine few parts that also stand alone, other than names with a comma or a blank in them."""
    labels = {label for label in labels if label}
    parts = {part.strip() for label in labels for part in label.split(divider)}
    return len(parts) <= len(labels) and bool(parts & labels)


def listed(text: str) -> list[str] | None:
    """The items of a list of names or numbers, as "['cat', 'dog']"; None for any other text."""
    if not (text.startswith("[") and text.endswith("]")):
        return None
    items = ITEM.findall(text[1:-1])
    rest = ITEM.sub("", text[1:-1])
    return None if rest.strip(" ,") else [item.strip("'\" ") for item in items]


def is_tree(text: str) -> bool:
    """Whether a text is an object of JSON, or a list that holds more than names and numbers."""
    if text[:1] not in ("{", "["):
        return False
    is_object = text.startswith("{") and text.endswith("}") and ":" in text
    return is_object or (text.endswith("]") and text[1:].lstrip()[:1] in ("{", "["))


def are_corners(rows: Sequence[Sequence[str]], group: Sequence[int]) -> bool:
    """Whether four columns hold x1, y1, x2, y2, in nearly all rows that have any of them."""
    boxes = np.array([[value_of(row[i]) for i in group] for row in rows if any(row[i] for i in group)]).reshape(-1, 4)
    with np.errstate(invalid="ignore"):
        valid = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    return len(boxes) > 0 and valid.mean() >= FIT


def value_of(text: str) -> float:
    """A number, possibly with a decimal comma; nan for any other text."""
    try:
        return float("" if "_" in text else text.replace(",", "."))  # Python reads 1_0 as 10
    except ValueError:
        return np.nan
