"""Columns of a table that look like annotations, and are not used."""

import re
from collections.abc import Sequence

from visionkit.data.formats.tables.columns import CENTER_NAMES, LISTS, NOT_LABELS, Columns, plain
from visionkit.data.formats.tables.values import NUMBER, are_corners, is_flag, is_tree

OBJECTS = frozenset(  # names of columns that hold boxes or outlines
    [
        *(
            *LISTS,
            "polygon",
            "polygons",
            "points",
            "segmentation",
            "segmentations",
            "segments",
            "rle",
            "encodedpixels",
            "contour",
        ),
        *(
            "contours",
            "vertices",
            "outline",
            "outlines",
            "coordinates",
            "coords",
            "region",
            "regions",
            "shape",
            "shapes",
            "mask",
        ),
        *("annotation", "annotations", "objects", "regionshapeattributes", "keypoints", "landmarks", "location"),
    ]
)
CENTERS = "|".join(name for pair in CENTER_NAMES for name in pair if len(name) > 2)
SIDE = re.compile(
    rf"(?:bbox|box)?(?:xmin|ymin|xmax|ymax|xtl|ytl|xbr|ybr|{CENTERS})(\d*)|(?:bbox|box)(?:[xywh]|width|height)\d*"
)
WHOLE_BOX = re.compile("bbox|boundingbox")  # within the name of a column
FEWEST = 4  # numbers of a box
FEWEST_ROWS = 3


def looks_like_side(name: str) -> bool:
    """Whether a column is named like one of the numbers of a box: xmin, ymax2, bbox_x."""
    return SIDE.fullmatch(plain(name)) is not None


def doubts(names: Sequence[str], columns: Columns, sample: Sequence[Sequence[str]]) -> list[str]:
    """Sentences on columns that look like annotations, and that are not used.

    Args:
        names: the names of all columns.
        columns: what was understood.
        sample: rows of the table.
    """
    points = [i for point in columns.points for i in point]
    used = {columns.image, columns.label, columns.mask, columns.split, columns.group, columns.confidence}
    used |= {*columns.box, *columns.size, *columns.flags, *points}
    unused = [i for i in range(len(names)) if i not in used and any(row[i] for row in sample)]
    is_label = columns.kind in ("labels", "flags")
    sides = [i for i in unused if looks_like_side(names[i]) and _are_numbers(sample, i)]
    sides = [i for i in sides if is_label or (columns.kind == "boxes" and plain(names[i])[-1].isdecimal())]
    objects = [i for i in unused if is_label and _may_name_objects(names[i]) and _hold_objects(sample, i)]
    found = []
    if shown := [*objects, *sides]:
        listed = ", ".join(names[i] for i in shown[:6]) + (", ..." if len(shown) > 6 else "")
        what = "the table is read as labels of whole images" if is_label else "only one box of each row is read"
        found.append(
            f"{what}, although boxes or outlines seem to be in {listed}; write a row for each box, with the columns "
            "xmin,ymin,xmax,ymax and label, or remove what is not meant"
        )
    elif is_label and (four := _corners(names, unused, sample)):
        listed = ", ".join(names[i] for i in four)
        found.append(
            f"the table is read as labels of whole images, although {listed} may be the corners of boxes; if so, name them "
            "xmin,ymin,xmax,ymax"
        )
    last = max(unused, default=-1)
    if columns.flags and last > max(columns.flags) and last not in sides and _may_be_target(names, sample, last):
        found.append(
            f"the classes are columns of 0 and 1, although {names[last]} may be what is to be predicted; it holds numbers, "
            "which are no classes"
        )
    return found


def _may_name_objects(name: str) -> bool:
    return plain(name) in OBJECTS or WHOLE_BOX.search(plain(name)) is not None


def _are_numbers(sample: Sequence[Sequence[str]], column: int) -> bool:
    return all(not row[column] or NUMBER.fullmatch(row[column]) for row in sample)


def _hold_objects(sample: Sequence[Sequence[str]], column: int) -> bool:
    values = [row[column] for row in sample if row[column]]
    return any(is_tree(value) or len(re.findall(r"-?\d+\.?\d*", value)) >= FEWEST for value in values)


def _corners(names: Sequence[str], unused: Sequence[int], sample: Sequence[Sequence[str]]) -> list[int]:
    """Four columns beside each other that may be the corners of boxes; empty if there are none."""
    numbers = {i for i in unused if plain(names[i]) not in NOT_LABELS and _are_numbers(sample, i)}
    groups = [list(range(i, i + 4)) for i in sorted(numbers) if numbers.issuperset(range(i, i + 4))]
    return next((group for group in groups if len(sample) >= FEWEST_ROWS and are_corners(sample, group)), [])


def _may_be_target(names: Sequence[str], sample: Sequence[Sequence[str]], column: int) -> bool:
    values = [row[column] for row in sample]
    return plain(names[column]) not in NOT_LABELS and _are_numbers(sample, column) and not is_flag(values)
