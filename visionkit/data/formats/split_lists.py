"""Lists of the files of a split: ``train.txt``, ``val.csv``, ... with a path, and after it a label, in each line."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path

from visionkit.data.images.decode import IMAGE_SUFFIXES
from visionkit.data.index import DataError

DELIMITERS = {".txt": None, ".csv": ",", ".tsv": "\t"}  # by the list's suffix; lines of a .txt are parted by what exists
LIST_FOLDERS = ("", "splits", "lists", "meta")  # below the data set's folder
LABEL_FILES = ("classes.txt", "labels.txt")
SUFFIXES_TRIED = (".jpg", ".jpeg", ".png")  # some lists name files without


def find_list(folder: Path, names: tuple[str, ...]) -> Path | None:
    """The list of a split, by its names in order of preference; letter case does not matter."""
    for sub in LIST_FOLDERS:
        if (folder / sub).is_dir():
            files = {path.name.lower(): path for path in sorted((folder / sub).iterdir()) if path.is_file()}
            for wanted in (f"{name}{suffix}" for name in names for suffix in DELIMITERS):
                if wanted in files:
                    return files[wanted]
    return None


def read_list(folder: Path, list_file: Path) -> tuple[dict[str, list[Path]], list[str]]:
    """Read one list.

    Args:
        folder: paths in the list are relative to it, to its ``images/`` or to the list's own folder, or absolute.
        list_file: lines "path label", "path" (its folder is the class) or "label path". A label may be the number of a name
            in ``classes.txt``, from 0 or from 1. Lines that begin with # are passed over.

    Returns:
        class -> files, and notes. A file that is listed but absent is kept, for the scan to name it.

    Raises:
        DataError: a line names no image, or a number has no name in ``classes.txt``.
    """
    paths, labels, notes = [], [], []
    lines = [line.strip() for line in _read_text(list_file).splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    for number, line in enumerate(lines):
        found = _path_and_label(line, DELIMITERS[list_file.suffix.lower()], (folder, folder / "images", list_file.parent))
        if found is not None:
            paths.append(found[0])
            labels.append(found[0].parent.name if found[1] is None else found[1])
        elif number == 0 and len(lines) > 1:
            notes.append(f"the first line of {list_file.name}, {line!r}, was taken for a header")
        else:
            raise DataError(f"{list_file}: line {line!r} names no image; expected a path below {folder}, and after it a label.")
    files: dict[str, list[Path]] = {}
    for path, label in zip(paths, _named(labels, folder, list_file), strict=True):
        files.setdefault(label, []).append(path)
    return files, [f"{list_file.name} lists {len(paths)} files", *notes]


def _path_and_label(line: str, delimiter: str | None, bases: tuple[Path, ...]) -> tuple[Path, str | None] | None:
    """The first parting of the line of which one part is a file; else, for an absent file, one that ends like an image."""
    partings = list(_partings(line, delimiter))
    for name, label in partings:
        for base in bases:
            if name and (path := _existing(base / name)) is not None:
                return path, label
    return next(
        ((bases[0] / name, label) for name, label in partings if Path(name).suffix.lower() in IMAGE_SUFFIXES),
        None,
    )


def _partings(line: str, delimiter: str | None) -> Iterator[tuple[str, str | None]]:
    """All ways to read a line as a path and a label: file names and labels may hold spaces and commas."""
    fields = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True)) if delimiter else [line]
    if len(fields) > 1:
        fields = [field.strip() for field in fields]
        yield from ((name, fields[i + 1] if i + 1 < len(fields) else fields[i - 1]) for i, name in enumerate(fields))
        return
    yield line, None
    cuts = [match.span() for match in re.finditer(r"\s*[\t,; ]\s*", line)]
    yield from ((line[:start], line[end:]) for start, end in reversed(cuts))
    yield from ((line[end:], line[:start]) for start, end in cuts)


def _existing(path: Path) -> Path | None:
    candidates = (path, *(path.with_name(path.name + suffix) for suffix in SUFFIXES_TRIED if path.name))
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _named(labels: list[str], folder: Path, list_file: Path) -> list[str]:
    """Labels with numbers replaced by the names in ``classes.txt``, if all are numbers and there is one."""
    label_file = next((folder / name for name in LABEL_FILES if (folder / name).is_file()), None)
    if label_file is None or not all(re.fullmatch("[0-9]+", label) for label in labels):
        return labels
    names = [name.strip() for name in _read_text(label_file).splitlines() if name.strip()]
    numbers = [int(label) for label in labels]
    first = 1 if 0 not in numbers and len(names) in numbers else 0
    beyond = [number for number in numbers if number - first >= len(names)]
    if beyond:
        raise DataError(f"{list_file}: label {beyond[0]} has no name in {label_file}, which holds {len(names)}.")
    return [names[number - first] for number in numbers]


def _read_text(file: Path) -> str:
    contents = file.read_bytes()
    try:
        return contents.decode("utf-8-sig")
    except UnicodeDecodeError:
        return contents.decode("latin-1")
