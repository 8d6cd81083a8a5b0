"""Chooses the tables of a folder: one, one for each split, or those in the folders of the splits."""

import re
from pathlib import Path
from typing import NamedTuple

from visionkit.data.formats.tables.columns import EXPECTED, UnclearError, Understood, plain
from visionkit.data.formats.tables.contents import understand
from visionkit.data.formats.tables.images import TABLE_FOLDERS, ImageSearch, split_of_name
from visionkit.data.formats.tables.rows import read_head
from visionkit.data.images.inside import Boundary
from visionkit.data.images.listing import files_in
from visionkit.data.index import DataError, Problem
from visionkit.data.split_names import SPLITS, WHOLE, split_folders, split_name

SUFFIXES = (".csv", ".tsv")
MOST_TABLES = 50  # a folder of more has one for each image
SUBMISSION = re.compile("(sample|example|test)?submissions?(format|sample)?")


class TableFile(NamedTuple):
    """A table whose columns are understood.

    Attributes:
        file: its file.
        split: the split that its name or that of its folder says, or ``WHOLE``.
        meaning: the meaning of its columns.
        search: finds its images.
    """

    file: Path
    split: str
    meaning: Understood
    search: ImageSearch


class Found(NamedTuple):
    """The tables of a folder.

    Attributes:
        tables: one, or one for each split.
        notes: sentences on tables that are not used.
        problems: tables that could be meant as well.
        noted: further tables that a note names, and which need no further mention.
    """

    tables: list[TableFile]
    notes: list[str]
    problems: tuple[Problem, ...] = ()
    noted: tuple[Path, ...] = ()


def open_table(file: Path, split: str, boundary: Boundary) -> TableFile:
    """Understand the columns of one table.

    Raises:
        DataError: it does not name images, or does not say what they show.
    """
    search = ImageSearch(file, boundary=boundary)
    return TableFile(file, split, understand(file, read_head(file), search, "" if split == WHOLE else split), search)


def find_tables(folder: Path, boundary: Boundary | None = None) -> Found:
    """The tables of a folder; none if there are none.

    Args:
        folder: the folder.
        boundary: which files the tables may name; by default, those in the folder.

    Raises:
        DataError: several tables may be meant, or the only one is not clear.
    """
    boundary = boundary or Boundary.of(folder)
    found = _in_folder(folder, WHOLE, boundary)
    if found.tables:
        return found
    children = [folder / name for name in files_in(folder)[2]]
    with_tables = [child for child in children if any(map(_table_files, (child, *_table_folders(child))))]
    parts = split_folders(with_tables)
    by_split = [_in_split(child, split, boundary) for split, child in parts.folders.items()]
    if tables := [table for split in by_split for table in split.tables]:
        notes = [*found.notes, *parts.notes, *(note for split in by_split for note in split.notes)]
        problems = (*parts.problems, *(problem for split in by_split for problem in split.problems))
        return Found(tables, notes, problems, tuple(file for split in by_split for file in split.noted))
    for child in _table_folders(folder):
        if (below := _in_folder(child, WHOLE, boundary)).tables:
            return below._replace(notes=[*found.notes, *below.notes])
    return Found([], found.notes)


def _in_split(folder: Path, split: str, boundary: Boundary) -> Found:
    """The table in the folder of a split, or in its labels/ (FiftyOne)."""
    found = _in_folder(folder, split, boundary)
    below = (_in_folder(child, split, boundary) for child in _table_folders(folder)) if not found.tables else ()
    return next((inner for inner in below if inner.tables), found)


def _table_folders(folder: Path) -> list[Path]:
    return [folder / name for name in files_in(folder)[2] if name.lower() in TABLE_FOLDERS]


def _table_files(folder: Path) -> list[Path]:
    return [folder / name for name in files_in(folder)[1] if name.lower().endswith(SUFFIXES) and (folder / name).is_file()]


def _in_folder(folder: Path, of_folder: str, boundary: Boundary) -> Found:
    """The tables that lie in one folder; a folder of a split has one."""
    files = _table_files(folder)
    if len(files) > MOST_TABLES:
        return Found([], [])
    certain, guessed, unclear, notes = [], [], [], []
    for file in files:
        if SUBMISSION.fullmatch(plain(file.stem)):
            notes.append(f"{file.name} is not used: it shows how predictions are to be submitted, and holds no labels")
            continue
        try:
            table = open_table(file, split_of_name(file.stem) or of_folder, boundary)
        except UnclearError as error:
            unclear.append((file, error))
        except DataError:
            continue
        else:
            (guessed if table.meaning.guessed else certain).append(table)
    if certain and all(_is_list(table) for table in certain):
        certain = []
    # Class folders may lie beside a table that says something else of the images.
    tables = certain or [table for table in guessed if len(table.meaning.folders) == 1]
    if not tables:
        claimed = [error for _, error in unclear if len(error.folders) == 1]
        if len(claimed) == 1:
            raise claimed[0]
        return Found([], notes)
    if len({_without_split(table.file.stem) for table in tables}) > 1:  # such as people.csv and pairs.csv beside class folders
        missing = [table for table in tables if not table.meaning.folders]
        notes += [f"{table.file.name} is not used: it names no image that exists" for table in missing]
        tables = [table for table in tables if table not in missing]
        if not tables:
            return Found([], notes)
    unused = [table.file for table in guessed if table not in tables] + [file for file, _ in unclear]
    notes += [f"{file.name} is not used: no column of it is known to say what images show" for file in unused]
    family = _one_family(folder, tables)
    detail = f"a table of images that is not used, beside {', '.join(table.file.name for table in family)}"
    problems = [Problem("unclear layout", str(table.file), detail) for table in tables if table.file not in _files(family)]
    return Found(family, notes, tuple(problems), tuple(unused))


def _files(tables: list[TableFile]) -> list[Path]:
    return [table.file for table in tables]


def _is_list(table: TableFile) -> bool:
    """Whether a file is a list of a split, which ``split_lists`` reads: paths and labels without a header."""
    columns = table.meaning.columns
    return not columns.has_header and columns.kind == "labels" and split_name(table.file.stem) in SPLITS


def _one_family(folder: Path, tables: list[TableFile]) -> list[TableFile]:
    """The tables whose names differ in the split alone.

    Raises:
        DataError: there are several such groups, and not only one of them has a table for training and another.
    """
    families: dict[str, list[TableFile]] = {}
    for table in tables:
        families.setdefault(_without_split(table.file.stem), []).append(table)
    divided = [family for family in families.values() if len(family) > 1 and "train" in [table.split for table in family]]
    if len(divided) == 1:
        families = {"": divided[0]}
    family = next(iter(families.values()))
    splits = [table.split for table in family]
    if len(families) > 1 and _are_splits_of_one(tables):
        family, families = tables, {"": tables}
        splits = [table.split for table in family]
    if WHOLE in splits and len(family) > 1 and "train" not in splits:  # annotations.csv beside val_annotations.csv
        family = [table._replace(split="train") if table.split == WHOLE else table for table in family]
        splits = [table.split for table in family]
    if len(families) > 1 or len(set(splits)) < len(splits):
        names = ", ".join(table.file.name for table in tables)
        described = "; ".join(f"{table.file.name}: {table.meaning.columns.kind}" for table in tables)
        raise DataError(
            f"{folder}: several tables of images may be meant, {names} ({described}). Give the file of one instead of the "
            "folder, or move the others elsewhere."
        )
    return sorted(family, key=lambda table: (*SPLITS, WHOLE).index(table.split))


def _are_splits_of_one(tables: list[TableFile]) -> bool:
    """Whether tables have the same columns, and each is of another split, whatever else their names say."""
    splits = {table.split for table in tables}
    is_same = len({table.meaning.columns for table in tables}) == 1
    return is_same and len(splits) == len(tables) and "train" in splits and WHOLE not in splits


def _without_split(stem: str) -> str:
    parts = [part for part in re.split(r"[-_. ]+", stem) if split_name(part) not in SPLITS]
    return "" if split_name(stem) in SPLITS else plain("".join(parts))


def no_table(folder: Path, notes: list[str]) -> DataError:
    """The error that a folder has no table."""
    return DataError(f"{folder}: no table of images (.csv, .tsv). {' '.join(f'{note}.' for note in notes)} {EXPECTED}")
