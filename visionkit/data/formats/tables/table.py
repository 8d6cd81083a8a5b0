"""A table of images: CSV or TSV, in one of these kinds:

image,label                                   the class of each image, or several of them ("cat|dog")
image,cat,dog                                 a column of 0 and 1 for each class
image,xmin,ymin,xmax,ymax,label               one object per row; a row without a box is an image without objects
image,bbox,label                              the same with the box in one column: "[x, y, width, height]"
image,part_0_x,part_0_y,part_1_x,...          landmarks of one object per row; without a box, the box around them is used
image,mask                                    an image and its mask

Coordinates are in pixels, or relative to the image if none in the data set is above ``boxes.RELATIVE_UP_TO``. Images lie next
to the table, in its ``images/``, in the folder of their split or in another folder below, or anywhere else if their path is
absolute; their suffix may be missing. A column ``split`` divides the data. See ``columns`` for the names that are understood,
and ``contents`` for tables without a header and for columns whose names say nothing.
"""

from dataclasses import replace
from pathlib import Path

from visionkit.data.formats.annotation_files import check_not_empty
from visionkit.data.formats.tables.beside_folders import doubts_on_class_folders
from visionkit.data.formats.tables.boxes import read_boxes
from visionkit.data.formats.tables.files import Found, TableFile, find_tables, no_table, open_table
from visionkit.data.formats.tables.labels import read_flags, read_labels
from visionkit.data.formats.tables.masks import read_masks
from visionkit.data.formats.tables.parse import parse
from visionkit.data.formats.tables.samples import Samples, Table, find_samples
from visionkit.data.images.inside import Boundary
from visionkit.data.images.masks.names import NamedClasses
from visionkit.data.index import DataError, Problem, counted
from visionkit.data.split_names import WHOLE, split_order
from visionkit.data.splits import DataSet

KINDS = {"labels": "labels", "flags": "labels", "boxes": "boxes", "landmarks": "landmarks", "masks": "masks"}


def looks_like_table(folder: Path, boundary: Boundary | None = None) -> bool:
    """Whether a folder has a table, or one per split, that is more than a list for ``class_folders.find_class_folders``.

    Also true if several tables may be meant, or the columns of the only one are not clear: ``read_tables`` says so.
    """
    try:
        return bool(find_tables(folder, boundary or Boundary.of(folder)).tables)
    except DataError:
        return True


def looks_like_table_of_masks(folder: Path, boundary: Boundary | None = None) -> bool:
    """Whether a folder has a table that pairs images with masks; the names of folders would say less."""
    try:
        tables = find_tables(folder, boundary or Boundary.of(folder)).tables
        return any(table.meaning.columns.kind == "masks" for table in tables)
    except DataError:
        return False


def read_tables(folder: str | Path, named: NamedClasses | None = None, boundary: Boundary | None = None) -> DataSet:
    """Index the table in a folder, its tables train.csv and val.csv, or those in train/ and val/.

    Args:
        folder: the data set.
        named: the meaning of mask values; None for what a file of names or the masks themselves say.
        boundary: which files may be named; by default, those in the folder of the data set.

    Raises:
        DataError: there is no table, several may be meant, or they hold nothing that can be used.
    """
    folder = Path(folder)
    boundary = boundary or Boundary.of(folder)
    found = find_tables(folder, boundary)
    if not found.tables:
        raise no_table(folder, found.notes)
    return _read(found, folder, named, boundary)


def read_table(path: str | Path, named: NamedClasses | None = None, boundary: Boundary | None = None) -> DataSet:
    """Index one table; see ``read_tables``.

    Raises:
        DataError: the table has no column that names an image, none that says what it shows, or no row that can be used.
    """
    path, boundary = Path(path), boundary or Boundary.of(path)
    return _read(Found([open_table(path, WHOLE, boundary)], []), None, named, boundary)


def _read(found: Found, folder: Path | None, named: NamedClasses | None, boundary: Boundary) -> DataSet:
    problems = list(found.problems)
    problems += [Problem("unclear layout", str(table.file), doubt) for table in found.tables for doubt in table.meaning.doubts]
    files = [table.file for table in found.tables]
    names = ", ".join(map(str, files))
    if len({_kind(table) for table in found.tables}) > 1:
        described = "; ".join(f"{table.file.name}: {table.meaning.columns.kind}" for table in found.tables)
        raise DataError(f"{names}: the tables have different columns ({described}); expected the same in all.")
    tables = [_parsed(table, problems) for table in found.tables]
    if not problems and not any(table.rows.lines for table in tables):
        raise DataError(f"{names}: the table has a header but no rows.")
    splits: Samples = {}
    for table in tables:
        for split, samples in find_samples(table, problems).items():
            splits.setdefault(split, []).extend(samples)
    splits = {name: splits[name] for name in sorted(splits, key=split_order)}
    kind = tables[0].columns.kind
    if kind == "masks":
        data_set = read_masks(splits, files, problems, named, boundary)
    elif kind in ("boxes", "landmarks"):
        data_set = read_boxes(splits, tables, problems)
    else:
        data_set = (read_flags if kind == "flags" else read_labels)(splits, tables, problems)
        doubts = doubts_on_class_folders(folder, data_set.splits.values()) if folder is not None else []
        more = tuple(Problem("unclear layout", str(files[0]), doubt) for doubt in doubts)
        data_set = replace(data_set, problems=(*data_set.problems, *more))
    data_set = check_not_empty(data_set, names)
    notes = [*found.notes, *(note for table in found.tables for note in table.meaning.notes), *data_set.notes]
    notes += [note for table in tables for note in (*_note_on_numbers(table), *_note_on_masks(table))]
    return replace(
        data_set,
        notes=tuple(notes),
        format=_format(data_set, kind, files, folder),
        annotation_files=data_set.annotation_files | set(map(str, (*files, *found.noted))),
    )


def _kind(table: TableFile) -> tuple:
    columns = table.meaning.columns
    return (columns.kind, columns.point_names, columns.box_form, bool(columns.box))


def _parsed(table: TableFile, problems: list[Problem]) -> Table:
    columns = table.meaning.columns
    return Table(table.file, columns, parse(table.file, columns, table.split, problems), table.search)


def _note_on_numbers(table: Table) -> list[str]:
    by_number = [name for name in dict.fromkeys(table.rows.images) if name in table.search.by_number]
    if not by_number:
        return []
    path = Path(table.search.find(by_number[0])).name
    found = "image is found by its number" if len(by_number) == 1 else "images are found by their numbers"
    return [f"{table.file.name}: {len(by_number)} {found}, as {path} for {by_number[0]}"]


def _note_on_masks(table: Table) -> list[str]:
    count = table.rows.without_mask
    are = counted(count, "image of a split without masks is", "images of splits without masks are")
    return [f"{table.file.name}: {are} not used"] if count else []


def _format(data_set: DataSet, kind: str, files: list[Path], folder: Path | None) -> str:
    several = any(index.label_sets is not None for index in data_set.splits.values())
    names = [str(file.relative_to(folder)) if folder is not None else file.name for file in files]
    return f"a table of {'several labels an image' if several else KINDS[kind]} ({', '.join(names)})"
