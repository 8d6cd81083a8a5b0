"""The images of tables, each with its rows."""

from pathlib import Path
from typing import NamedTuple

from visionkit.data.formats.annotation_files import brief
from visionkit.data.formats.tables.columns import Columns
from visionkit.data.formats.tables.images import ImageSearch
from visionkit.data.formats.tables.parse import Rows
from visionkit.data.index import DataError, Problem
from visionkit.data.split_names import SPLITS, WHOLE

MOST_NAMED = 100  # missing images of a table that are named one by one
PROBES = 100  # images that are looked up in other folders, too


class Sample(NamedTuple):
    """An image, the positions of its rows in a table, and the file of that."""

    path: str
    rows: Rows
    positions: list[int]
    file: Path

    def labels(self) -> list[str]:
        """The label of each row."""
        return [self.rows.labels[i] for i in self.positions]


Samples = dict[str, list[Sample]]  # by split


class Table(NamedTuple):
    """A table that was read.

    Attributes:
        file: its file.
        columns: the meaning of its columns.
        rows: its rows.
        search: finds the files that it names.
    """

    file: Path
    columns: Columns
    rows: Rows
    search: ImageSearch


def find_samples(table: Table, problems: list[Problem]) -> Samples:
    """The images of a table by split, in the order of the table.

    Raises:
        DataError: none of the images exists.
    """
    groups: dict[tuple[str, str], list[int]] = {}
    for position, key in enumerate(zip(table.rows.splits, table.rows.images, strict=True)):
        groups.setdefault(key, []).append(position)
    splits: Samples = {}
    by_path: dict[tuple[str, str], Sample] = {}
    missing = []
    for (split, name), positions in groups.items():
        splits.setdefault(split, [])
        path = table.search.find(name, split)
        if path is None:
            missing.append((name, positions[0]))
        elif (known := by_path.get((split, path))) is not None:  # under another spelling
            known.positions.extend(positions)
        else:
            by_path[split, path] = Sample(path, table.rows, positions, table.file)
            splits[split].append(by_path[split, path])
    if missing and not by_path:
        outside = [name for name, _ in missing if table.search.leads_out(name)]
        hint = f"{table.search.boundary.refused(table.file, outside[0]).detail}. " if outside else ""
        raise DataError(
            f"{table.file}: none of its {len(missing):,} images exists, such as {brief(missing[0][0])}. They were searched in "
            f"{table.search.searched(next(iter(splits)))}, with and without the suffix of an image. {hint}"
            "Put the table next to the images or to their folder, or write paths that are relative to the table."
        )
    for name, position in missing[:MOST_NAMED]:
        detail = f"line {table.rows.lines[position]}: there is no image {brief(name)}"
        problems.append(table.search.missing(table.file, name, detail))
    if len(missing) > MOST_NAMED:
        detail = f"{len(missing) - MOST_NAMED:,} further images of the table do not exist"
        problems.append(Problem("missing partner", str(table.file), detail))
    _report_rivals(table, by_path, problems)
    unknown = sorted(set(splits) - {*SPLITS, WHOLE, "trainval", ""})
    if unknown and table.columns.split is not None:
        detail = (
            f"its column of splits holds {', '.join(map(brief, unknown[:5]))}, which is no name of a split; expected train, "
            "val and test. Each such value is a split of its own, and is not trained on"
        )
        problems.append(Problem("unclear layout", str(table.file), detail))
    return splits


def _report_rivals(table: Table, by_path: dict[tuple[str, str], Sample], problems: list[Problem]) -> None:
    """Report that names are files in several folders, or with several suffixes, if they are."""
    samples = list(by_path.values())[:PROBES]
    found = [(s.path, rivals) for s in samples if (rivals := table.search.rivals(s.rows.images[s.positions[0]], s.path))]
    if found:
        path, rivals = found[0]
        names = f"{len(found)} of {len(samples)} names are several files"
        detail = f"{names}, such as {path}, which is taken, and {rivals[0]}"
        problems.append(Problem("unclear layout", str(table.file), detail))
