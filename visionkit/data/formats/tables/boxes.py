"""Reads tables of objects: boxes in any form, and landmarks."""

from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from visionkit.data.formats.annotation_files import are_sound, detection_index
from visionkit.data.formats.tables.class_names import name_classes
from visionkit.data.formats.tables.samples import Sample, Samples, Table
from visionkit.data.images.decode import ImageError, read_size
from visionkit.data.index import NO_OBJECTS, Annotation, Objects, Problem
from visionkit.data.splits import DataSet

RELATIVE_UP_TO = 2.0  # relative boxes may reach outside their image, but pixel coordinates do not all stay this small
NAMELESS = "object"  # the class of objects in a table without labels
INSIDE = 1.01  # a side up to which a box counts as inside its image
CERTAIN = 0.9  # share of boxes that must fit a form other than the usual one
MIXED = 0.05  # share of boxes in a table of pixels that may look relative


class Sized(NamedTuple):
    """An image, and its height and width; None where nothing depends on them."""

    sample: Sample
    size: tuple[int, int] | None


def read_boxes(splits: Samples, tables: list[Table], problems: list[Problem]) -> DataSet:
    """The data set of images with objects. Sizes are read from images where the table declares none and has pixels."""
    columns = tables[0].columns
    rows_of = [(sample.rows, sample.positions) for samples in splits.values() for sample in samples]
    coordinates = [rows.boxes[positions] for rows, positions in rows_of]
    points = [rows.points[positions] for rows, positions in rows_of]
    largest = max((np.abs(part[~np.isnan(part)]).max(initial=0.0) for part in (*coordinates, *points)), default=0.0)
    relative = largest <= RELATIVE_UP_TO
    sized = {split: _sizes(split, samples, relative, problems) for split, samples in splits.items()}
    form, notes = _form(tables, [one for group in sized.values() for one in group], relative)
    if largest > 0:
        limit = f"relative to the image, since none is above {largest:.3g}"
        notes.insert(0, f"the coordinates are taken as {limit if relative else 'pixels'}")
    labels = {label or NAMELESS for rows, positions in rows_of for label in _labels_with_objects(rows, positions)}
    classes = name_classes(labels, [table.file for table in tables])
    problems += classes.problems
    class_attributes = tuple({"keypoints": list(columns.point_names)} for _ in classes.names) if columns.points else ()
    indexes = {}
    groups = tiny = total = 0
    for split, group in sized.items():
        annotations = []
        for sample, size in group:
            scale = np.ones(2) if relative else np.array(size[::-1], float)
            objects = _objects(sample, form, scale, classes.numbers, problems)
            annotations.append(Annotation(objects, size=size))
            groups += sum(attributes.get("iscrowd", 0) for attributes in objects.attributes)
            total += len(objects)
            tiny += 0 if relative else int((objects.boxes * np.tile(scale, 2) <= 1).all(axis=1).sum())
        paths = [sample.path for sample, _ in group]
        indexes[split] = detection_index(classes.names, paths, annotations, class_attributes=class_attributes)
    if tiny > MIXED * total:
        detail = f"{tiny} of {total} boxes have no coordinate above 1, as if they were relative; all are taken as pixels"
        problems.append(Problem("unclear layout", _names(tables), detail))
    if groups:
        notes.append(f"{groups} boxes are around a group of objects; they are taken as crowds")
    files = frozenset(map(str, classes.files))
    return DataSet(indexes, (*notes, *classes.notes), tuple(problems), annotation_files=files)


def _names(tables: list[Table]) -> str:
    return ", ".join(str(table.file) for table in tables)


def _labels_with_objects(rows, positions: list[int]) -> list[str]:
    has_object = ~np.isnan(rows.boxes[positions, 0])
    if rows.points.shape[1]:
        has_object |= ~np.isnan(rows.points[positions]).any(axis=2).all(axis=1)
    return [rows.labels[i] for i, has in zip(positions, has_object, strict=True) if has]


def _sizes(split: str, samples: list[Sample], relative: bool, problems: list[Problem]) -> list[Sized]:
    sized = []
    for sample in tqdm(samples, f"reading sizes of {split}", unit=" images", leave=False, disable=relative):
        size = next((sample.rows.sizes[i] for i in sample.positions if sample.rows.sizes[i] is not None), None)
        try:
            size = size if relative or size is not None else read_size(sample.path)
        except ImageError as error:
            problems.append(Problem("broken image", sample.path, f"{error}; so its size and its boxes are unknown"))
            continue
        sized.append(Sized(sample, size))
    return sized


def _form(tables: list[Table], sized: list[Sized], relative: bool) -> tuple[str, list[str]]:
    """The form of the boxes, and a note if it was decided by their numbers."""
    columns = tables[0].columns
    if columns.box_form or not columns.box:
        return columns.box_form or "corners", []
    boxes = np.concatenate([np.zeros((0, 4)), *(sample.rows.boxes[sample.positions] for sample, _ in sized)])
    sizes = np.ones((len(boxes), 2))
    if not relative:
        sizes = np.repeat([size[::-1] for _, size in sized], [len(sample.positions) for sample, _ in sized], axis=0)
    known = ~np.isnan(boxes[:, 0])
    starts, ends, sizes = boxes[known, :2], boxes[known, 2:], sizes[known] * INSIDE
    as_sides = ((starts >= 0) & (ends > 0) & (starts + ends <= sizes)).all(axis=1)
    as_corners = ((starts >= 0) & (ends > starts) & (ends <= sizes)).all(axis=1)
    if len(starts) and as_corners.mean() >= CERTAIN and as_corners.mean() > as_sides.mean():
        reason = f"{np.count_nonzero(~as_sides)} of {len(starts)} boxes would leave their image as x, y, width, height"
        return "corners", [f"the boxes are taken as x1, y1, x2, y2: {reason}"]
    return "sides", ["the boxes of one column are taken as x, y, width, height, as in COCO"]


def _objects(sample: Sample, form: str, scale: np.ndarray, numbers: dict[str, int], problems: list[Problem]) -> Objects:
    """The objects of one image; coordinates are divided by ``scale``, its width and height."""
    rows, positions = sample.rows, np.array(sample.positions)
    boxes = _as_corners(rows.boxes[positions], form) / np.tile(scale, 2)
    points = rows.points[positions] / scale
    labelled = ~np.isnan(points).any(axis=2)
    for row in np.flatnonzero(np.isnan(boxes[:, 0]) & labelled.any(axis=1)):
        of_row = points[row][labelled[row]]
        boxes[row] = [*of_row.min(axis=0), *of_row.max(axis=0)]
    kept = []
    for row in np.flatnonzero(~np.isnan(boxes[:, 0])):
        if are_sound(boxes[row]) and are_sound(points[row][labelled[row]]):
            kept.append(row)
        else:
            line = rows.lines[positions[row]]
            problems.append(Problem("bad annotation", sample.path, f"line {line}: numbers far outside of the image"))
    if not kept:
        return NO_OBJECTS
    classes = np.array([numbers[rows.labels[i] or NAMELESS] for i in positions[kept]], np.int32)
    keypoints = None
    if rows.points.shape[1]:
        keypoints = np.concatenate([np.where(labelled[..., None], points, 0.0), 2.0 * labelled[..., None]], axis=2)[kept]
    attributes = ()
    if rows.groups and not rows.groups.isdisjoint(sample.positions):
        attributes = tuple({"iscrowd": int(i in rows.groups)} for i in positions[kept].tolist())
    return Objects(boxes[kept], classes, keypoints=keypoints, attributes=attributes)


def _as_corners(boxes: np.ndarray, form: str) -> np.ndarray:
    first, second = boxes[:, :2], boxes[:, 2:]
    if form == "sides":
        return np.concatenate([first, first + second], axis=1)
    if form == "centers":
        return np.concatenate([first - second / 2, first + second / 2], axis=1)
    return boxes.copy()
