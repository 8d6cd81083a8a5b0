"""The names of the classes of a table: its labels, or what a file beside the table calls them (``classes.csv``)."""

import json
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from visionkit.data.formats.tables.columns import plain
from visionkit.data.formats.tables.images import TABLE_FOLDERS, split_of_name
from visionkit.data.formats.tables.rows import open_rows
from visionkit.data.images.contents import read_text
from visionkit.data.index import DataError, Problem, natural_order

NAME_FILES = frozenset(  # stems, as ``columns.plain`` writes them
    [
        *("classes", "classlist", "classnames", "classname", "classmap", "classmapping", "classids", "classdict", "categories"),
        *(
            "labels",
            "labelnames",
            "labelmap",
            "labelmapping",
            "labelnumtodiseasemap",
            "cattoname",
            "idtoname",
            "names",
            "mapping",
        ),
    ]
)
MOST_BYTES = 10 << 20


@dataclass
class ClassNames:
    """The classes of a table.

    Attributes:
        numbers: class number by label.
        names: name by class number.
        files: the file of the names, if there is one.
        notes: sentences on where the names are from.
        problems: labels that the file lacks.
    """

    numbers: dict[str, int]
    names: tuple[str, ...]
    files: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def name_classes(labels: Collection[str], tables: Iterable[Path]) -> ClassNames:
    """The classes that labels stand for.

    A file of names counts if it has at least half of the labels. Its order is that of the classes; otherwise labels are sorted,
    2 before 10. Classes without a sample are left out.

    Args:
        labels: the labels that occur.
        tables: the tables; files of names lie next to them.
    """
    tables = list(tables)
    for file in _files(tables):
        names = _names_for(labels, file)
        known = [label for label in labels if label in names]
        if not known or 2 * len(known) < len(labels):
            continue
        order = {label: place for place, label in enumerate(names)}
        ordered = sorted(labels, key=lambda label: (order.get(label, len(order)), natural_order(label)))
        written = [names.get(label, label) for label in ordered]
        class_names = tuple(
            name if written.count(name) == 1 else f"{name} ({label})" for name, label in zip(written, ordered, strict=True)
        )
        result = ClassNames({label: number for number, label in enumerate(ordered)}, class_names, [file])
        if class_names != tuple(sorted(labels, key=natural_order)):
            result.notes.append(f"the classes are named and ordered as in {file.name}")
        missing = sorted(set(labels) - names.keys(), key=natural_order)
        if missing:
            examples = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
            detail = f"{len(missing)} of {len(labels)} labels have no name in it: {examples}"
            result.problems.append(Problem("unknown label", str(file), detail))
        return result
    ordered = sorted(labels, key=natural_order)
    return ClassNames({label: number for number, label in enumerate(ordered)}, tuple(ordered))


def _files(tables: list[Path]) -> Iterator[Path]:
    folders = [table.parent for table in tables]
    folders += [folder.parent for folder in folders if folder.name.lower() in TABLE_FOLDERS or split_of_name(folder.name)]
    folders += [metadata for folder in folders if (metadata := folder / "metadata").is_dir()]  # as FiftyOne writes OpenImages
    for folder in dict.fromkeys(folders):
        for file in sorted(folder.iterdir()):
            is_named = plain(file.stem) in NAME_FILES or "classdescriptions" in plain(file.stem)
            if is_named and file not in tables and file.suffix.lower() in (".csv", ".tsv", ".txt", ".json") and file.is_file():
                yield file


def _names_for(labels: Collection[str], file: Path) -> dict[str, str]:
    """Name by label, in the order of the classes; empty if the file says nothing of these labels."""
    try:
        if file.stat().st_size > MOST_BYTES:
            return {}
        suffix = file.suffix.lower()
        pairs = _of_json(file) if suffix == ".json" else _of_lines(file, labels) if suffix == ".txt" else _of_table(file)
    except (OSError, ValueError, RecursionError, DataError):
        return {}
    forward = {key: name for key, name in pairs if key and name}
    backward = {name: key for key, name in pairs if key and name}
    if sum(label in forward for label in labels) >= sum(label in backward for label in labels):
        names, numbers = forward, backward
    else:
        names, numbers = backward, forward
    if all(re.fullmatch("[0-9]+", name) for key, name in names.items() if key in labels):
        # The labels are names already, and the file numbers them.
        return {name: name for _, name in sorted((int(number), key) for key, number in names.items() if number.isdecimal())}
    if all(re.fullmatch("[0-9]+", key) for key in names if key in labels):
        return dict(sorted(names.items(), key=lambda pair: natural_order(pair[0])))
    return names if len(numbers) else {}


def _of_json(file: Path) -> list[tuple[str, str]]:
    tree = json.loads(read_text(file))
    if isinstance(tree, list):
        tree = dict(enumerate(tree))
    if not isinstance(tree, dict) or not all(isinstance(value, str | int) for value in tree.values()):
        return []
    return [(str(key), str(value)) for key, value in tree.items()]


def _of_lines(file: Path, labels: Collection[str]) -> list[tuple[str, str]]:
    """The names of numbers from 0, or from 1 if that fits alone."""
    names = [line.strip() for line in read_text(file).splitlines() if line.strip()]
    numbers = {int(label) for label in labels if re.fullmatch("[0-9]{1,9}", label)}
    first = 1 if 0 not in numbers and len(names) in numbers else 0
    return [(str(number), name) for number, name in enumerate(names, first)]


def _of_table(file: Path) -> list[tuple[str, str]]:
    _, rows = open_rows(file, [])
    return [(fields[0], fields[1]) for _, fields in rows if len(fields) > 1]
