"""Pictures in class folders, in any of three layouts:

FOLDER/<class>/...                       one part of it is held out for validation
FOLDER/train/<class>/... and FOLDER/val/<class>/...
FOLDER/train.txt and FOLDER/val.txt      lines "path" (its folder is the class) or "path label"
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from visionkit.data.decode import PICTURE_SUFFIXES
from visionkit.data.sample import DataError, Index

TRAIN_NAMES = ("train", "training")
VAL_NAMES = ("val", "valid", "validation", "test")
VAL_SHARE = 0.2  # held out where the data has no validation split of its own
LIST_SUFFIXES = (".txt", ".csv", ".tsv")
LIST_FOLDERS = ("", "splits", "lists", "meta")
LABEL_FILES = ("classes.txt", "labels.txt")
LAYOUTS = (
    "Expected one folder of pictures a class (cats/, dogs/); or train/ and val/ with such folders in each; "
    "or lists train.txt and val.txt with a path, and after it a label, in each line."
)


@dataclass(frozen=True)
class Splits:
    """A data set: its training and its validation index, and sentences on what a reader should know of them."""

    train: Index
    val: Index
    notes: tuple[str, ...] = ()


def read_class_folders(folder: str | Path, *, seed: int = 0) -> Splits:
    """Index a folder of pictures; no picture is opened.

    Args:
        folder: in one of the layouts above.
        seed: draws the pictures that are held out, where the folder has no validation split.

    Raises:
        DataError: no such folder, no layout that is known, fewer than two classes, or a split without pictures.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"--data {folder}: no such folder. {LAYOUTS}")
    children = {child.name.lower(): child for child in sorted(folder.iterdir(), reverse=True)}
    train_list, val_list = (_find_list(folder, names) for names in (TRAIN_NAMES, VAL_NAMES))
    train_folder, val_folder = (
        next((children[name] for name in names if name in children and children[name].is_dir()), None)
        for names in (TRAIN_NAMES, VAL_NAMES)
    )
    if train_list is not None:
        train, notes = _read_list(folder, train_list)
        val, more_notes = _read_list(folder, val_list) if val_list is not None else (None, [])
    elif train_folder is not None:
        train, notes = _read_split(train_folder)
        val, more_notes = _read_split(val_folder) if val_folder is not None else (None, [])
    else:
        train, notes = _read_split(folder)
        val, more_notes = None, []
    class_names = tuple(sorted(train, key=_natural_order))
    _check_classes(folder, class_names, val)
    if val is None:
        train, val = hold_out(train, seed)
        more_notes = [f"no validation split found: {VAL_SHARE:.0%} of each class held out, drawn with seed {seed}"]
    splits = Splits(_index(class_names, train), _index(class_names, val), tuple(notes + more_notes))
    for name, index in (("training", splits.train), ("validation", splits.val)):
        if len(index) == 0:
            raise DataError(f"{folder}: no {name} pictures. {LAYOUTS}")
    absent = [name for name, count in zip(class_names, splits.val.counts(), strict=True) if count == 0]
    if absent:
        splits = replace(splits, notes=(*splits.notes, f"no validation pictures of {', '.join(absent)}"))
    return splits


def hold_out(files: dict[str, list[Path]], seed: int) -> tuple[dict[str, list[Path]], dict[str, list[Path]]]:
    """Draw ``VAL_SHARE`` of each class, at least one picture where it has two or more."""
    train, val = {}, {}
    for name, paths in files.items():
        order = np.random.default_rng([seed, len(paths)]).permutation(len(paths))
        count = min(max(1, round(VAL_SHARE * len(paths))), len(paths) - 1)
        train[name] = [paths[i] for i in sorted(order[count:])]
        val[name] = [paths[i] for i in sorted(order[:count])]
    return train, val


def list_pictures(folder: Path) -> tuple[list[Path], list[Path]]:
    """All pictures below ``folder``, by name, and the other files; hidden ones do not count."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not _is_hidden(path.relative_to(folder)))
    pictures = [path for path in files if path.suffix.lower() in PICTURE_SUFFIXES]
    return pictures, [path for path in files if path.suffix.lower() not in PICTURE_SUFFIXES]


def _read_split(folder: Path) -> tuple[dict[str, list[Path]], list[str]]:
    """Class -> files, and notes on what was passed over."""
    files, notes = {}, []
    for child in sorted(folder.iterdir()):
        if not child.is_dir() or _is_hidden(Path(child.name)):
            continue
        pictures, others = list_pictures(child)
        if pictures:
            files[child.name] = pictures
        else:
            notes.append(f"folder {child} has no pictures: not taken for a class")
        if others:
            named = ", ".join(path.name for path in others[:3]) + (", ..." if len(others) > 3 else "")
            notes.append(f"{len(others)} files in {child} are not pictures by their names: {named}")
    return files, notes


def _find_list(folder: Path, names: Iterable[str]) -> Path | None:
    candidates = (folder / sub / f"{name}{suffix}" for sub in LIST_FOLDERS for name in names for suffix in LIST_SUFFIXES)
    return next((path for path in candidates if path.is_file()), None)


def _read_list(folder: Path, list_file: Path) -> tuple[dict[str, list[Path]], list[str]]:
    """Class -> files of a split list; a file that is listed but absent is kept, for the scan to name it."""
    label_file = next((folder / name for name in LABEL_FILES if (folder / name).is_file()), None)
    names = label_file.read_text(encoding="utf-8").split("\n") if label_file else []
    files: dict[str, list[Path]] = {}
    for line in list_file.read_text(encoding="utf-8-sig").splitlines():
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        path, label = _split_line(folder, line)
        if label is None and path.suffix.lower() not in PICTURE_SUFFIXES and not path.exists():
            if not files and re.fullmatch(r"\w+[,\t ]\w+", line):
                continue  # a header: "path,label"
            raise DataError(f"{list_file}: line {line!r} names no picture below {folder}. {LAYOUTS}")
        if label is not None and label.isdigit() and int(label) < len(names) and names[int(label)].strip():
            label = names[int(label)].strip()
        files.setdefault(path.parent.name if label is None else label, []).append(path)
    return files, [f"{list_file.name} lists {sum(map(len, files.values()))} files"]


def _split_line(folder: Path, line: str) -> tuple[Path, str | None]:
    """The path and the label of a line; names may hold spaces, so the file that exists decides."""
    whole = _resolve(folder, line)
    if whole is not None:
        return whole, None
    for separator in ("\t", ",", ";", " "):
        path, found, label = line.rpartition(separator)
        if found and label.strip() and _resolve(folder, path.strip()) is not None:
            return _resolve(folder, path.strip()), label.strip()
    match = re.fullmatch(r"(.*\.\w{2,5})[\t,; ]\s*(\S+)", line)  # an absent file, and its label
    if match and Path(match[1]).suffix.lower() in PICTURE_SUFFIXES:
        return folder / match[1], match[2]
    return folder / line, None


def _resolve(folder: Path, name: str) -> Path | None:
    for path in (folder / name, folder / "images" / name):
        if path.is_file():
            return path
        for suffix in (".jpg", ".jpeg", ".png"):
            if path.name and path.with_name(path.name + suffix).is_file():
                return path.with_name(path.name + suffix)
    return None


def _check_classes(folder: Path, class_names: tuple[str, ...], val: dict[str, list[Path]] | None) -> None:
    if not class_names:
        loose = sum(path.suffix.lower() in PICTURE_SUFFIXES for path in folder.iterdir())
        found = f"{loose} pictures lie in it without class folders" if loose else "it has no folders with pictures"
        raise DataError(f"{folder}: {found}. {LAYOUTS}")
    if len(class_names) < 2:
        raise DataError(f"{folder}: only one class, {class_names[0]!r}; a classifier needs at least two. {LAYOUTS}")
    unknown = sorted(set(val or {}) - set(class_names))
    if unknown:
        raise DataError(
            f"{folder}: validation has classes that training lacks: {', '.join(unknown)} "
            f"(training has {', '.join(class_names)}). Rename, add or remove those folders."
        )


def _index(class_names: tuple[str, ...], files: dict[str, list[Path]]) -> Index:
    rows = [(str(path), label) for label, name in enumerate(class_names) for path in files.get(name, [])]
    return Index(class_names, tuple(path for path, _ in rows), np.array([label for _, label in rows], np.int32))


def _is_hidden(relative: Path) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in relative.parts)


def _natural_order(name: str) -> list:
    """2 before 10, and names by letter."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name) if part]
