"""Reads tables of objects: boxes in any form, and landmarks."""

from typing import NamedTuple

import numpy as np

from visionkit.data.formats.annotation_files import LARGEST, detection_index
from visionkit.data.formats.class_names import similar_names
from visionkit.data.formats.tables.class_names import name_classes
from visionkit.data.formats.tables.samples import Sample, Samples, Table
from visionkit.data.images.decode import ImageError, read_size
from visionkit.data.index import NO_OBJECTS, Annotation, Objects, Problem
from visionkit.data.splits import DataSet
from visionkit.progress import bar

RELATIVE_UP_TO = 2.0  # relative boxes may reach outside their image, but pixel coordinates do not all stay this small
NAMELESS = "object"  # the class of objects in a table without labels
INSIDE = 1.01  # a side up to which a box counts as inside its image
CERTAIN = 0.9  # share of boxes that must fit a form other than the usual one
NO_CORNERS = 0.98  # share of boxes that fit as corners, below which the others show that none are corners
FEW = 4  # boxes of a table without a header, below which a second form may fit by chance
MIXED = 0.05  # share of boxes in a table of pixels that may look relative
FORMS = {
    "corners": "x1, y1, x2, y2",
    "xxyy": "x1, x2, y1, y2",
    "sides": "x, y, width, height, as in COCO",
    "centers": "x and y of the center, width, height, as in YOLO",
}
POSSIBLE = {  # the forms that columns may have, the usual one first
    "": ("sides", "corners", "centers"),
    "sides or centers": ("sides", "centers"),
    "corners or sides": ("corners", "sides", "centers"),
}
NAMES = "xmin,ymin,xmax,ymax or xmin,ymin,width,height or xcenter,ycenter,width,height"


class Sized(NamedTuple):
    """An image, and its height and width; None where nothing depends on them. ``measured``: they are not from the table."""

    sample: Sample
    size: tuple[int, int] | None
    measured: bool


def read_boxes(splits: Samples, tables: list[Table], problems: list[Problem]) -> DataSet:
    """The data set of images with objects. Sizes are read from images where the table declares none and has pixels."""
    columns = tables[0].columns
    used = [_used(table, splits) for table in tables]
    numbers = [part[of] for table, of in zip(tables, used, strict=True) for part in (table.rows.boxes, table.rows.points)]
    largest = max((np.abs(part[~np.isnan(part)]).max(initial=0.0) for part in numbers), default=0.0)
    relative = largest <= RELATIVE_UP_TO
    sized = {split: _sizes(split, samples, relative, problems) for split, samples in splits.items()}
    form, notes = _form(tables, [one for group in sized.values() for one in group], relative, problems)
    if largest > 0:
        limit = f"relative to the image, since none is above {largest:.3g}"
        notes.insert(0, f"the coordinates are taken as {limit if relative else 'pixels'}")
    labels = {label or NAMELESS for table, of in zip(tables, used, strict=True) for label in _labels_of_objects(table, of)}
    classes = name_classes(labels, [table.file for table in tables])
    problems += classes.problems
    problems += similar_names(classes.names, _names(tables))
    class_attributes = tuple({"keypoints": list(columns.point_names)} for _ in classes.names) if columns.points else ()
    all_sized = [one for group in sized.values() for one in group]
    scaled = {id(table.rows): _scaled(table, form, relative, all_sized, classes.numbers, problems) for table in tables}
    indexes = {}
    for split, group in sized.items():
        annotations = [
            Annotation(_objects(one.sample, scaled[id(one.sample.rows)]), size=one.size, measured=one.measured) for one in group
        ]
        paths = [one.sample.path for one in group]
        indexes[split] = detection_index(classes.names, paths, annotations, class_attributes=class_attributes)
    total = sum(int(each.kept.sum()) for each in scaled.values())
    tiny = sum(each.tiny for each in scaled.values())
    groups = sum(len(table.rows.groups) for table in tables)
    if tiny > MIXED * total:
        detail = f"{tiny} of {total} boxes have no coordinate above 1, as if they were relative; all are taken as pixels"
        problems.append(Problem("unclear layout", _names(tables), detail))
    if groups:
        notes.append(f"{groups} boxes are around a group of objects; they are taken as crowds")
    files = frozenset(map(str, classes.files))
    return DataSet(indexes, (*notes, *classes.notes), tuple(problems), annotation_files=files)


def _names(tables: list[Table]) -> str:
    return ", ".join(str(table.file) for table in tables)


def _used(table: Table, splits: Samples) -> np.ndarray:
    """Which rows of a table are those of an image that exists, bool ``(N,)``."""
    used = np.zeros(len(table.rows), bool)
    used[[i for samples in splits.values() for sample in samples if sample.rows is table.rows for i in sample.positions]] = True
    return used


def _labels_of_objects(table: Table, used: np.ndarray) -> set[str]:
    """The labels of the rows that have a box or a landmark."""
    has_object = ~np.isnan(table.rows.boxes[:, 0]) | ~np.isnan(table.rows.points).any(axis=2).all(axis=1)
    return {table.rows.labels[i] for i in np.flatnonzero(used & has_object).tolist()}


def _sizes(split: str, samples: list[Sample], relative: bool, problems: list[Problem]) -> list[Sized]:
    sized = []
    for sample in bar(samples, f"reading sizes of {split}", unit=" images", disable=relative):
        size = next((sample.rows.sizes[i] for i in sample.positions if sample.rows.sizes[i] is not None), None)
        measured = size is None and not relative
        try:
            size = read_size(sample.path) if measured else size
        except ImageError as error:
            problems.append(Problem("broken image", sample.path, f"{error}; so its size and its boxes are unknown"))
            continue
        sized.append(Sized(sample, size, measured))
    return sized


def _form(tables: list[Table], sized: list[Sized], relative: bool, problems: list[Problem]) -> tuple[str, list[str]]:
    """The form of the boxes, and a note where no names of columns say it. It is a problem if the numbers do not tell it."""
    columns = tables[0].columns
    if columns.box_form in FORMS:
        return columns.box_form, [f"the boxes of one column are taken as {FORMS[columns.box_form]}"] if len(
            columns.box
        ) == 1 else []
    boxes = np.concatenate([np.zeros((0, 4)), *(one.sample.rows.boxes[one.sample.positions] for one in sized)])
    sizes = np.ones((len(boxes), 2))
    if not relative:
        sides = np.array([one.size[::-1] for one in sized]).reshape(-1, 2)
        sizes = np.repeat(sides, [len(one.sample.positions) for one in sized], axis=0)
    known = ~np.isnan(boxes[:, 0])
    boxes, sizes = np.clip(boxes[known], -1e9, 1e9), sizes[known]
    usual, *others = POSSIBLE[columns.box_form]
    if not len(boxes):
        return usual, []
    fit = {form: _inside(_as_corners(boxes, form), sizes) for form in (usual, *others)}
    share = {form: inside.mean() for form, inside in fit.items()}
    what = "the boxes of one column" if len(columns.box) == 1 else "the boxes"
    for form in others:
        is_better = share[usual] < CERTAIN and share[form] == 1 if form == "centers" else share[form] > share[usual]
        if share[form] >= CERTAIN and is_better:
            left = f"{np.count_nonzero(~fit[usual])} of {len(boxes)} boxes would leave their image as {FORMS[usual]}"
            return form, [f"the boxes are taken as {FORMS[form]}: {left}"]
    # Pixels are x, y, width, height of the upper left corner by custom, relative numbers often those of the center.
    also = [form for form in others if share[form] >= NO_CORNERS and (form != "centers" or (relative and share[form] == 1))]
    if also and share[usual] >= CERTAIN and (columns.has_header or len(boxes) >= FEW):
        names = ("bbox_xyxy, bbox_xywh or bbox_cxcywh, or write columns " if len(columns.box) == 1 else "") + NAMES
        detail = (
            f"{what} are taken as {FORMS[usual]}, but as {' or as '.join(FORMS[form] for form in also)} nearly all of the "
            f"{len(boxes)} would fit, too; to say which, name the column{'' if len(columns.box) == 1 else 's'} {names}"
        )
        problems.append(Problem("unclear layout", _names(tables), detail))
    return usual, [f"{what} are taken as {FORMS[usual]}"] if columns.has_header else []


def _inside(corners: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Which boxes x1, y1, x2, y2 are in order and lie inside images of these widths and heights, bool ``(N,)``."""
    starts, ends = corners[:, :2], corners[:, 2:]
    return ((starts >= (1 - INSIDE) * sizes) & (ends > starts) & (ends <= INSIDE * sizes)).all(axis=1)


class Scaled(NamedTuple):
    """The objects of all rows of a table, relative to their images.

    Attributes:
        kept: rows that have an object, bool ``(N,)``.
        boxes: x1, y1, x2, y2, float64 ``(N, 4)``.
        keypoints: x, y and visibility, float64 ``(N, K, 3)``, or None.
        classes: int32 ``(N,)``.
        tiny: number of objects that look relative, though they are in pixels.
    """

    kept: np.ndarray
    boxes: np.ndarray
    keypoints: np.ndarray | None
    classes: np.ndarray
    tiny: int


def _scaled(
    table: Table, form: str, relative: bool, sized: list[Sized], numbers: dict[str, int], problems: list[Problem]
) -> Scaled:
    rows = table.rows
    used = np.zeros(len(rows), bool)
    scale = np.ones((len(rows), 2))
    for sample, size, _ in sized:
        if sample.rows is rows:
            used[sample.positions] = True
            if not relative:
                scale[sample.positions] = size[::-1]
    with np.errstate(over="ignore", invalid="ignore"):
        boxes = _as_corners(rows.boxes, form) / np.tile(scale, 2)
    points = rows.points / scale[:, None]
    labelled = ~np.isnan(points).any(axis=2)
    for row in np.flatnonzero(np.isnan(boxes[:, 0]) & labelled.any(axis=1)):
        of_row = points[row][labelled[row]]
        boxes[row] = [*of_row.min(axis=0), *of_row.max(axis=0)]
    points = np.where(labelled[..., None], points, 0.0)
    used &= ~np.isnan(boxes[:, 0])
    sound = (np.abs(boxes) <= LARGEST).all(axis=1) & (np.abs(points) <= LARGEST).all(axis=(1, 2))
    if (used & ~sound).any():
        path_of = {i: sample.path for sample, *_ in sized if sample.rows is rows for i in sample.positions}
        for row in np.flatnonzero(used & ~sound).tolist():
            detail = f"line {rows.lines[row]}: numbers far outside of the image"
            problems.append(Problem("bad annotation", path_of[row], detail))
    kept = used & sound
    keypoints = np.concatenate([points, 2.0 * labelled[..., None]], axis=2) if points.shape[1] else None
    classes = np.array([numbers.get(label or NAMELESS, -1) for label in rows.labels], np.int32)
    tiny = 0 if relative else int((rows.boxes[kept] <= 1).all(axis=1).sum())
    return Scaled(kept, boxes, keypoints, classes, tiny)


def _objects(sample: Sample, scaled: Scaled) -> Objects:
    """The objects of one image."""
    positions = np.array(sample.positions)
    positions = positions[scaled.kept[positions]]
    if not len(positions):
        return NO_OBJECTS
    attributes = ()
    groups = sample.rows.groups
    if groups and not groups.isdisjoint(sample.positions):
        attributes = tuple({"iscrowd": int(i in groups)} for i in positions.tolist())
    keypoints = None if scaled.keypoints is None else scaled.keypoints[positions]
    return Objects(scaled.boxes[positions], scaled.classes[positions], keypoints=keypoints, attributes=attributes)


def _as_corners(boxes: np.ndarray, form: str) -> np.ndarray:
    first, second = boxes[:, :2], boxes[:, 2:]
    if form == "sides":
        return np.concatenate([first, first + second], axis=1)
    if form == "centers":
        return np.concatenate([first - second / 2, first + second / 2], axis=1)
    if form == "xxyy":
        return boxes[:, [0, 2, 1, 3]]
    return boxes.copy()
