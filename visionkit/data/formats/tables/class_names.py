"""The names of the classes of a table: its labels, or what a file beside the table calls them (``classes.csv``)."""

import json
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from visionkit.data.formats.class_names import UNCLEAR_COUNT, names_by_number
from visionkit.data.formats.tables.columns import plain
from visionkit.data.formats.tables.images import TABLE_FOLDERS, split_of_name
from visionkit.data.formats.tables.rows import open_rows
from visionkit.data.images.contents import read_text
from visionkit.data.images.name_lists import name_lines
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
    unclear: list[Path] = []
    for file in _files(tables):
        names = _names_for(labels, file, unclear)
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
    problems = [Problem("class names", str(file), UNCLEAR_COUNT) for file in unclear]
    return ClassNames({label: number for number, label in enumerate(ordered)}, tuple(ordered), unclear, problems=problems)


def _files(tables: list[Path]) -> Iterator[Path]:
    folders = [table.parent for table in tables]
    folders += [folder.parent for folder in folders if folder.name.lower() in TABLE_FOLDERS or split_of_name(folder.name)]
    folders += [metadata for folder in folders if (metadata := folder / "metadata").is_dir()]  # as FiftyOne writes OpenImages
    for folder in dict.fromkeys(folders):
        for file in sorted(folder.iterdir()):
            is_named = plain(file.stem) in NAME_FILES or "classdescriptions" in plain(file.stem)
            if is_named and file not in tables and file.suffix.lower() in (".csv", ".tsv", ".txt", ".json") and file.is_file():
                yield file


def _names_for(labels: Collection[str], file: Path, unclear: list[Path]) -> dict[str, str]:
    """Name by label, in the order of the classes; empty if the file says nothing of these labels.

    ``unclear`` receives a file whose names may count from 0 or from 1.
    """
    try:
        if file.stat().st_size > MOST_BYTES:
            return {}
        suffix = file.suffix.lower()
        found = _of_json(file) if suffix == ".json" else _lines(file) if suffix == ".txt" else _of_table(file)
    except (OSError, ValueError, RecursionError, DataError):
        return {}
    if found and isinstance(found[0], str):
        numbers = {int(label) for label in labels if re.fullmatch("[0-9]{1,9}", label)}
        by_number = names_by_number(found, numbers)
        if numbers and not by_number and max(numbers) <= len(found) and not set(labels) & set(found):
            unclear.append(file)
            return {}
        pairs = [(str(number), name) for number, name in (by_number or dict(enumerate(found))).items()]
    else:
        pairs = found
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


def _of_json(file: Path) -> list[tuple[str, str]] | list[str]:
    tree = json.loads(read_text(file))
    values = tree if isinstance(tree, list) else tree.values() if isinstance(tree, dict) else [None]
    if not all(isinstance(value, str | int) for value in values):
        return []
    return list(map(str, tree)) if isinstance(tree, list) else [(str(key), str(value)) for key, value in tree.items()]


def _lines(file: Path) -> list[str]:
    return [line for line in name_lines(read_text(file)) if line]


def _of_table(file: Path) -> list[tuple[str, str]]:
    _, rows = open_rows(file, [])
    return [(fields[0], fields[1]) for _, fields in rows if len(fields) > 1]
