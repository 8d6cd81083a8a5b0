"""Lists of the files of a split: ``train.txt``, ``val.csv``, ... with a path and a label in each line."""

import csv
import os
import re
from collections.abc import Iterator
from pathlib import Path

from visionkit.data.formats.annotation_files import brief
from visionkit.data.formats.class_names import UNCLEAR_COUNT, longest_list, names_by_number, names_files
from visionkit.data.images.contents import read_text
from visionkit.data.images.decode import IMAGE_SUFFIXES
from visionkit.data.images.inside import Boundary
from visionkit.data.images.listing import files_in, list_images
from visionkit.data.images.name_lists import name_lines
from visionkit.data.index import DataError, Problem
from visionkit.data.split_names import split_name

DELIMITERS = {".txt": None, ".csv": ",", ".tsv": "\t"}  # by suffix; a line of a .txt is divided so that a part of it is a file
LIST_FOLDERS = ("", "splits", "lists", "meta", "labels")  # relative to the data set's folder
NUMBERS = re.compile(r"[-+]?\d[\d.]*([,;\s]+[-+]?\d[\d.]*)+")
SUFFIXES_TRIED = (".jpg", ".jpeg", ".png")  # some lists name files without their suffix


def find_list(folder: Path, names: tuple[str, ...]) -> Path | None:
    """The list of a split.

    Args:
        names: possible names of the split, in order of preference; letter case does not matter. Other names that stand for the
            same split come after them: those without a number ("train_list.txt"), then the others ("train2017.txt").
    """
    for sub in LIST_FOLDERS:
        files = {name.lower(): folder / sub / name for name in files_in(folder / sub)[1]}
        for wanted in (f"{name}{suffix}" for name in names for suffix in DELIMITERS):
            if wanted in files and files[wanted].is_file():
                return files[wanted]
        alike = [path for name, path in files.items() if name.endswith(".txt") and split_name(path.stem) == names[0]]
        if alike := [path for path in alike if path.is_file()]:
            return min(alike, key=lambda path: (re.search("[0-9]", path.stem) is not None, path.name))
    return None


def find_other_lists(folder: Path, lists: dict[str, Path], boundary: Boundary) -> tuple[dict[str, Path], list[str]]:
    """Lists with labels beside lists that have none: images_variant_train.txt beside images_train.txt.

    Args:
        folder: folder of the data set.
        lists: the lists without labels.
        boundary: which files may be named.

    Returns:
        the list of each split, of the kind with the most classes (empty if there is none); and the names of the other kinds.
    """
    kinds: dict[str, dict[str, Path]] = {}
    for file in sorted(lists["train"].parent.glob("*.txt")):
        kind, _, last = file.stem.rpartition("_")
        if kind and split_name(last) in lists and file not in lists.values():
            kinds.setdefault(kind, {})[split_name(last)] = file
    counts = {}
    for kind, files in kinds.items():
        try:
            splits, *_ = read_lists(folder, files, boundary)
        except DataError:
            continue
        if len(splits.get("train", ())) > 1:
            counts[kind] = len(splits["train"])
    ordered = sorted(counts, key=lambda kind: (-counts[kind], "variant" not in kind, kind))
    chosen = kinds[ordered[0]] if ordered else {}
    return {split: chosen[split] for split in lists if split in chosen}, ordered[1:]


def read_lists(
    folder: Path, lists: dict[str, Path], boundary: Boundary | None = None
) -> tuple[dict[str, dict[str, list[Path]]], list[str], Path | None, list[Problem]]:
    """Read the lists of all splits, whose labels mean the same in each.

    Args:
        folder: folder of the data set. Paths are relative to it, to its ``images/`` or to the list's own folder, or to another
            folder below if one file alone fits; or they are absolute.
        lists: the list of each split, with lines "path label", "path" (its folder is the class) or "label path". A label may be
            the number of a name in ``classes.txt``, from 0 or from 1. Lines that begin with # are skipped.
        boundary: which files may be named; by default, those in the folder.

    Returns:
        split -> class -> files; notes; the file that the names of the classes are from, if there is one; and problems. A file
        that is listed but does not exist is kept, so that the scan reports it.

    Raises:
        DataError: a line names no image, or a number has no name in ``classes.txt``.
    """
    search, refused = _Search(folder, boundary or Boundary.of(folder)), []
    listed = {split: _read_lines(folder, file, search, refused) for split, file in lists.items()}
    labels = [label for _, each, _ in listed.values() for label in each]
    names, note, names_file, problems = _class_names(labels, folder, " and ".join(str(file) for file in lists.values()))
    splits: dict[str, dict[str, list[Path]]] = {}
    notes = []
    for split, (paths, labels, more_notes) in listed.items():
        splits[split] = {}
        for path, label in zip(paths, labels, strict=True):
            splits[split].setdefault(names.get(label, label), []).append(path)
        notes += [f"{lists[split].name} lists {len(paths)} files", *more_notes]
    return splits, notes + note, names_file, [*problems, *refused]


class _Search:
    """Finds images anywhere below a folder, which is listed when the first of them is searched."""

    def __init__(self, folder: Path, boundary: Boundary):
        self._folder = folder
        self.boundary = boundary
        self._by_name: dict[str, list[Path]] | None = None

    @property
    def example(self) -> str:
        """The relative path of an image; "" if there is none."""
        path = next(iter(list_images(self._folder)[0]), None)
        return "" if path is None else str(path.relative_to(self._folder))

    def __call__(self, name: str) -> Path | None:
        """The only image whose path ends with ``name``, with or without its suffix; or None."""
        if self._by_name is None:
            self._by_name = {}
            for path in list_images(self._folder)[0]:
                for key in (path.name, path.stem):
                    self._by_name.setdefault(key, []).append(path)
        parts = Path(name).parts
        alike = self._by_name.get(parts[-1], []) if parts else []
        found = [path for path in alike if path.parts[-len(parts) : -1] == parts[:-1]]
        return found[0] if len(found) == 1 else None


def _read_lines(
    folder: Path, list_file: Path, search: _Search, refused: list[Problem]
) -> tuple[list[Path], list[str], list[str]]:
    """The paths and labels of a list, and notes."""
    paths, labels, notes = [], [], []
    lines = [line.strip() for line in read_text(list_file).splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    for number, line in enumerate(lines):
        bases = (folder, folder / "images", list_file.parent)
        entry = _path_and_label(line, DELIMITERS[list_file.suffix.lower()], bases, search)
        if entry is not None:
            path, label = entry
            if path is None:
                refused.append(search.boundary.refused(list_file, line))
                continue
            paths.append(path)
            labels.append(path.parent.name if label is None else label)
        elif number == 0 and len(lines) > 1:
            notes.append(f"the first line of {list_file.name}, {brief(line)}, is taken as a header")
        else:
            example = f", such as {search.example}" if search.example else ""
            raise DataError(
                f"{list_file}: line {brief(line)} names no image; expected the path of an image below {folder}{example}, then "
                "a label."
            )
    if vectors := [label for label in labels if NUMBERS.fullmatch(label)]:
        raise DataError(
            f"{list_file}: {brief(vectors[0])} follows an image, which is no label: boxes (as keras-yolo3 lists them) or "
            "several labels. Expected one label; write a table with a column for each number, or COCO's .json."
        )
    return paths, labels, notes


def _path_and_label(
    line: str, delimiter: str | None, bases: tuple[Path, ...], search: _Search
) -> tuple[Path | None, str | None] | None:
    """The first division of the line with an existing file; else the first whose name has the suffix of an image.

    The path is None if it leads out of the data set.
    """
    divisions = list(_divisions(line, delimiter))
    for name, label in divisions:
        for base in bases:
            if name and (path := _existing(base / name, search.boundary)) is not None:
                return path, label
        if Path(name).suffix.lower() in IMAGE_SUFFIXES and search.boundary.leads_out(bases, name):
            return search(name), label
    for name, label in divisions:
        if Path(name).suffix.lower() in IMAGE_SUFFIXES and (path := search(name)) is not None:
            return path, label
    return next(
        ((bases[0] / name, label) for name, label in divisions if Path(name).suffix.lower() in IMAGE_SUFFIXES),
        None,
    )


def _divisions(line: str, delimiter: str | None) -> Iterator[tuple[str, str | None]]:
    """All ways to read a line as a path and a label, since both may contain spaces and commas."""
    fields = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True)) if delimiter else [line]
    if len(fields) > 1:
        fields = [field.strip() for field in fields]
        yield from ((name, fields[i + 1] if i + 1 < len(fields) else fields[i - 1]) for i, name in enumerate(fields))
        return
    yield line, None
    cuts = [match.span() for match in re.finditer(r"\s*[\t,; ]\s*", line)]
    yield from ((line[:start], line[end:]) for start, end in reversed(cuts))
    yield from ((line[end:], line[:start]) for start, end in cuts)


def _existing(path: Path, boundary: Boundary) -> Path | None:
    if not boundary.holds(path):
        return None
    if ".." in path.parts and not boundary.allow_outside:
        path = Path(os.path.normpath(path))  # else a link before the .. could lead out
    candidates = (path, *(path.with_name(path.name + suffix) for suffix in SUFFIXES_TRIED if path.name))
    return next((candidate for candidate in candidates if os.path.isfile(candidate)), None)  # noqa: PTH113 - false for a long name


def _class_names(labels: list[str], folder: Path, lists: str) -> tuple[dict[str, str], list[str], Path | None, list[Problem]]:
    """Label -> name in ``classes.txt``, if that exists and all labels are numbers; a note on that; the file; and problems."""
    if not labels or not all(re.fullmatch("[0-9]{1,9}", label) for label in labels):
        return {}, [], None, []
    label_file, names = longest_list(folder / name for name in names_files(files_in(folder)[1]))
    if label_file is None:
        return {}, [], None, []
    numbers = {label: int(label) for label in labels}
    largest = max(numbers.values())
    found = names_by_number([line for line in name_lines(read_text(label_file)) if line], numbers.values())
    beyond = [number for number in numbers.values() if number not in found] if found else [largest] * (largest > len(names))
    if beyond:
        raise DataError(f"{lists}: label {beyond[0]} has no name in {label_file}, which has {len(names)} names.")
    if not found:
        return {}, [], label_file, [Problem("class names", str(label_file), UNCLEAR_COUNT)]
    first = min(found)
    note = f"labels are numbers from {first} of the names in {label_file.name}: {first} is {found[first]}"
    return {label: found[number] for label, number in numbers.items()}, [note], label_file, []
