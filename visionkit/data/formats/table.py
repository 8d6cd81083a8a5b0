"""A table of images: CSV or TSV with a header, in one of four kinds:

image,label                                   the class of each image
image,xmin,ymin,xmax,ymax,label               one object per row; a row without a box is an image without objects
image,part_0_x,part_0_y,part_1_x,...          landmarks of one object per row; without a box, the box around them is used
image,mask                                    an image and its mask

Coordinates are in pixels, or relative to the image if none in the table is above ``RELATIVE_UP_TO``. Images lie next to the
table, in its ``images/``, or anywhere else if their path is absolute; their suffix may be missing. A column ``split`` divides
the data. See ``table_columns`` for the column names that are understood.
"""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from visionkit.data.formats.annotation_files import are_sound, check_not_empty, detection_index
from visionkit.data.formats.mask_layouts.folders import IMAGE_FOLDERS, MASK_FOLDERS
from visionkit.data.formats.matching import find_by_stem, image_finder
from visionkit.data.formats.table_columns import IMAGE, LABEL, Columns, find_columns, open_rows, read_header
from visionkit.data.images.decode import ImageError, read_size
from visionkit.data.images.mask_code import find_classes
from visionkit.data.images.mask_names import NamedClasses, find_names
from visionkit.data.index import NO_OBJECTS, Annotation, DataError, Index, Objects, Problem, natural_order
from visionkit.data.splits import SPLITS, WHOLE, DataSet, split_name

SUFFIXES = (".csv", ".tsv")
RELATIVE_UP_TO = 2.0  # relative boxes may reach outside their image, but pixel coordinates do not all stay this small
NAMELESS = "object"  # the class of objects in a table without labels
EXPECTED = (
    f"Expected a header with a column for the image ({', '.join(IMAGE)}) and columns for what it shows: {', '.join(LABEL)}; "
    "xmin,ymin,xmax,ymax; mask; or landmarks such as x0,y0,x1,y1,x2,y2."
)


class Row(NamedTuple):
    """One row, parsed as far as possible without opening its image."""

    line: int
    image: str
    split: str
    label: str
    mask: str
    box: list[float]  # x1, y1, x2, y2 in the units of the table; empty if there is no box
    points: list[tuple[float, float]]  # nan if a landmark is not annotated
    size: tuple[int, int] | None  # height and width


Image = tuple[str, list[Row]]  # path and rows of an image


def looks_like_table(folder: Path) -> bool:
    """Whether a folder has a table, or one per split, that is more than a list for ``class_folders.find_class_folders``."""
    return bool(_find_tables(folder))


def read_tables(folder: str | Path, named: NamedClasses | None = None) -> DataSet:
    """Index the table in a folder, its tables train.csv and val.csv, or those in train/ and val/.

    Raises:
        DataError: there is no table, or it holds nothing that can be used.
    """
    tables = _find_tables(Path(folder))
    if not tables:
        raise DataError(f"{folder}: no table of images (.csv, .tsv), or several of them. {EXPECTED}")
    return _read(tables, named)


def read_table(path: str | Path, named: NamedClasses | None = None) -> DataSet:
    """Index one table.

    Raises:
        DataError: the table has no column that names an image, none that says what it shows, or no row that can be used.
    """
    return _read({WHOLE: Path(path)}, named)


def _find_tables(folder: Path) -> dict[str, Path]:
    tables = _tables_in(folder)
    by_split = {split_name(path.stem): path for path in tables if split_name(path.stem) in SPLITS}
    if len(by_split) == len(tables) > 0:
        return {split: by_split[split] for split in SPLITS if split in by_split}
    if tables:
        return {WHOLE: tables[0]} if len(tables) == 1 else {}
    children = [child for child in sorted(folder.iterdir()) if child.is_dir() and split_name(child.name) in SPLITS]
    below = {split_name(child.name): _tables_in(child) for child in children}
    return {split: below[split][0] for split in SPLITS if len(below.get(split, ())) == 1}


def _tables_in(folder: Path) -> list[Path]:
    """Tables that say what images show, without lists such as train.csv of paths and labels, which ``split_lists`` reads."""
    files = []
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in SUFFIXES and path.is_file():
            columns = find_columns(read_header(path))
            is_list = columns is not None and columns.kind == "label" and split_name(path.stem) in SPLITS
            if columns is not None and columns.kind and not is_list:
                files.append(path)
    return files


def _read(tables: dict[str, Path], named: NamedClasses | None) -> DataSet:
    problems: list[Problem] = []
    splits: dict[str, list[Image]] = {}
    kinds = set()
    for split, file in tables.items():
        columns, rows = _read_rows(file, split, problems)
        kinds.add((columns.kind, columns.point_names))
        for name, images in _by_image(file, rows, problems).items():
            splits.setdefault(name, []).extend(images)
    files = ", ".join(map(str, tables.values()))
    if len(kinds) > 1:
        raise DataError(f"{files}: the tables have different columns; expected the same in all.")
    splits = {name: splits[name] for name in sorted(splits, key=lambda name: (*SPLITS, name).index(name))}
    if columns.kind == "label":
        data_set = _read_labels(splits, problems)
    elif columns.kind == "objects":
        data_set = _read_objects(splits, columns.point_names, problems)
    else:
        data_set = _read_masks(splits, list(tables.values()), problems, named)
    return check_not_empty(data_set, files)


def _read_rows(file: Path, split: str, problems: list[Problem]) -> tuple[Columns, list[Row]]:
    try:
        rows = open_rows(file, problems)
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror or error}).") from error
    _, header = next(rows, (0, []))
    columns = find_columns(header)
    if columns is None or not columns.kind:
        raise DataError(f"{file}: its columns are {', '.join(header[:20]) or 'none'}. {EXPECTED}")
    parsed = []
    for line, fields in rows:
        try:
            parsed.append(_row(line, fields + [""] * (len(header) - len(fields)), columns, split))
        except ValueError as error:
            problems.append(Problem("bad annotation", str(file), f"line {line}: {error}"))
    return columns, parsed


def _row(line: int, fields: list[str], columns: Columns, split: str) -> Row:
    """Raises ValueError if a field is missing, or is not a number where one is expected."""

    def text(column):
        return "" if column is None else fields[column]

    image, label = text(columns.image), text(columns.label)
    if not image:
        raise ValueError("the image is missing")
    if columns.split is not None:
        if not text(columns.split):
            raise ValueError("the split is missing")
        split = split_name(text(columns.split))
    box = [fields[column] for column in columns.box]
    box = [_number(field) for field in box] if any(box) else []
    if columns.has_sides and box:
        box = [box[0], box[1], box[0] + box[2], box[1] + box[3]]
    points = [
        (_number(fields[x]), _number(fields[y])) if fields[x] and fields[y] else (np.nan, np.nan) for x, y in columns.points
    ]
    if columns.label is not None and not label and (columns.kind == "label" or box):
        raise ValueError("the label is missing")
    if columns.mask is not None and not text(columns.mask):
        raise ValueError("the mask is missing")
    return Row(line, image, split, label, text(columns.mask), box, points, _size([text(column) for column in columns.size]))


def _number(field: str) -> float:
    try:
        number = float(field)
    except ValueError as error:
        raise ValueError(f"{field[:40]!r} is not a number") from error
    if not abs(number) < np.inf:  # also true for nan
        raise ValueError(f"{field[:40]!r} is not a finite number")
    return number


def _size(fields: list[str]) -> tuple[int, int] | None:
    """The declared height and width if they are plausible, else None."""
    if fields and all(field.isdecimal() and 0 < len(field) < 8 and int(field) > 0 for field in fields):
        return int(fields[1]), int(fields[0])
    return None


def _by_image(file: Path, rows: list[Row], problems: list[Problem]) -> dict[str, list[Image]]:
    """Split -> images with their rows, in the order of the table."""
    find = _finder(file, IMAGE_FOLDERS)
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.split, row.image), []).append(row)
    splits: dict[str, list[Image]] = {}
    for (split, name), group in groups.items():
        splits.setdefault(split, [])
        path = find(name)
        if path is None:
            problems.append(Problem("missing partner", name, f"{file}, line {group[0].line}: there is no such image"))
        else:
            splits[split].append((path, group))
    return splits


def _finder(file: Path, folders: Iterable[str]) -> Callable[[str], str | None]:
    """A function that finds files by their names in a table, with or without a suffix.

    Args:
        file: the table; its own folder is searched first.
        folders: names of subfolders that are searched, too.
    """
    children = {child.name.lower(): str(child) for child in sorted(file.parent.iterdir()) if child.is_dir()}
    places = [str(file.parent), *(children[name] for name in folders if name in children)]
    find = image_finder()

    def find_any(name):
        # In a table in Latin-1, the files on disk may have names in Latin-1, too.
        for spelling in dict.fromkeys((name, os.fsdecode(name.encode("latin-1", "ignore")))):
            if path := find(places, spelling) or find_by_stem(find, places, spelling):
                return path
        return None

    return find_any


def _read_labels(splits: dict[str, list[Image]], problems: list[Problem]) -> DataSet:
    numbers = _class_numbers(splits)
    indexes = {}
    for split, images in splits.items():
        for path, rows in images:
            for row in rows[1:]:
                detail = f"line {row.line}: the image is listed again, as {row.label!r}; this line is left out"
                problems.append(Problem("bad annotation", path, detail))
        labels = np.array([numbers[rows[0].label] for _, rows in images], np.int32)
        indexes[split] = Index(tuple(numbers), tuple(path for path, _ in images), labels)
    return DataSet(indexes, problems=tuple(problems))


def _read_objects(splits: dict[str, list[Image]], point_names: tuple[str, ...], problems: list[Problem]) -> DataSet:
    all_rows = [row for images in splits.values() for _, rows in images for row in rows]
    numbers = _class_numbers(splits)
    coordinates = np.array([number for row in all_rows for number in (*row.box, *sum(row.points, ()))])
    relative = not (np.abs(coordinates) > RELATIVE_UP_TO).any()
    class_attributes = tuple({"keypoints": list(point_names)} for _ in numbers) if point_names else ()
    indexes = {}
    for split, images in splits.items():
        paths, annotations = [], []
        for path, rows in tqdm(images, f"reading sizes of {split}", unit=" images", leave=False, disable=relative):
            size = next((row.size for row in rows if row.size is not None), None)
            try:
                size = size if relative or size is not None else read_size(path)
            except ImageError as error:
                problems.append(Problem("broken image", path, f"{error}; so its size and its boxes are unknown"))
                continue
            scale = np.array([1.0, 1.0] if relative else size[::-1])
            paths.append(path)
            annotations.append(Annotation(_objects(path, rows, numbers, scale, problems), size=size))
        indexes[split] = detection_index(numbers, paths, annotations, class_attributes=class_attributes)
    return DataSet(indexes, problems=tuple(problems))


def _objects(path: str, rows: list[Row], numbers: dict[str, int], scale: np.ndarray, problems: list[Problem]) -> Objects:
    """The objects of one image; coordinates are divided by ``scale``, the width and height."""
    boxes, classes, keypoints = [], [], []
    for row in rows:
        points = np.array(row.points).reshape(-1, 2) / scale
        labelled = ~np.isnan(points).any(axis=1)
        if row.box:
            box = np.array(row.box) / np.tile(scale, 2)
        elif labelled.any():
            box = np.concatenate([points[labelled].min(axis=0), points[labelled].max(axis=0)])
        else:
            continue
        if not (are_sound(box) and are_sound(points[labelled])):
            problems.append(Problem("bad annotation", path, f"line {row.line}: numbers far outside of the image"))
            continue
        boxes.append(box)
        classes.append(numbers[row.label or NAMELESS])
        keypoints.append(np.column_stack([np.where(labelled[:, None], points, 0.0), 2.0 * labelled]))
    if not boxes:
        return NO_OBJECTS
    return Objects(np.array(boxes), np.array(classes, np.int32), keypoints=np.array(keypoints) if rows[0].points else None)


def _read_masks(
    splits: dict[str, list[Image]], tables: Iterable[Path], problems: list[Problem], named: NamedClasses | None
) -> DataSet:
    finders = [_finder(file, MASK_FOLDERS) for file in tables]
    paths: dict[str, list[str]] = {}
    masks: dict[str, list[str]] = {}
    for split, images in splits.items():
        paths[split], masks[split] = [], []
        for path, rows in images:
            mask = next((file for find in finders if (file := find(rows[0].mask)) is not None), None)
            if mask is None:
                detail = f"line {rows[0].line}: there is no mask {rows[0].mask!r}"
                problems.append(Problem("missing partner", path, detail))
            else:
                paths[split].append(path)
                masks[split].append(mask)
    all_masks = [mask for split in splits for mask in masks[split]]
    if not all_masks:
        return DataSet({WHOLE: Index((), (), np.zeros(0, np.int32))}, problems=tuple(problems))
    named = named or find_names(dict.fromkeys(file.parent for file in tables))
    classes = find_classes(all_masks, named)
    indexes = {
        split: detection_index(
            classes.names, paths[split], [Annotation(mask=mask) for mask in masks[split]], mask_code=classes.code
        )
        for split in splits
    }
    files = frozenset(named.files if named else ())
    return DataSet(indexes, classes.notes, (*problems, *classes.problems), annotation_files=files)


def _class_numbers(splits: dict[str, list[Image]]) -> dict[str, int]:
    """The class number of each label of all splits, in natural order of the labels."""
    labels = {
        row.label or NAMELESS
        for images in splits.values()
        for _, rows in images
        for row in rows
        if row.label or row.box or row.points
    }
    return {label: number for number, label in enumerate(sorted(labels, key=natural_order))}
