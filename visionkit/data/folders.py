"""Pictures in class folders, in any of three layouts:

FOLDER/<class>/...                       one part of it is held out for validation
FOLDER/train/<class>/... and FOLDER/val/<class>/...
FOLDER/train.txt and FOLDER/val.txt      lines "path" (its folder is the class) or "path label"
"""

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from visionkit.data.decode import PICTURE_SUFFIXES
from visionkit.data.sample import DataError, Index
from visionkit.data.split_lists import find_list, read_list

TRAIN_NAMES = ("train", "training", "train_set", "training_set", "trainset")
VAL_NAMES = ("val", "valid", "validation", "dev", "eval", "val_set", "validation_set", "valset")
VAL_NAMES += ("test", "testing", "test_set", "testset")  # where there is no other
VAL_SHARE = 0.2  # held out where the data has no validation split of its own
LAYOUTS = (
    "Expected one folder of pictures a class (cats/, dogs/); or train/ and val/ with such folders in each; "
    "or lists train.txt and val.txt with a path, and after it a label, in each line."
)


Found = tuple[dict[str, list[Path]], dict[str, list[Path]] | None, list[str]]  # class -> files of both splits, and notes


@dataclass(frozen=True)
class Splits:
    """A data set: its training and its validation index, and sentences on what a reader should know of them."""

    train: Index
    val: Index
    notes: tuple[str, ...] = ()

    def map(self, function: Callable[[Index, str], Index]) -> "Splits":
        """The splits after ``function(index, "training")`` and ``function(index, "validation")``."""
        return replace(self, train=function(self.train, "training"), val=function(self.val, "validation"))

    def without_classes(self, names: Iterable[str], note: str) -> "Splits":
        """The splits without some classes, and with a note on it."""
        gone = set(names)
        splits = self.map(lambda index, _: index.without_classes(gone))
        return replace(splits, notes=(*self.notes, note))

    def to_plain(self) -> dict[str, Any]:
        """Paths and labels for a JSON file; what ``scan`` found out is not kept."""
        indexes = {"train": self.train, "val": self.val}
        plain = {name: {"paths": index.paths, "labels": index.labels.tolist()} for name, index in indexes.items()}
        return plain | {"class_names": self.train.class_names, "notes": self.notes}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> "Splits":
        """The inverse of ``to_plain``."""
        names = tuple(plain["class_names"])
        train, val = (
            Index(names, tuple(plain[name]["paths"]), np.array(plain[name]["labels"], np.int32)) for name in ("train", "val")
        )
        return cls(train, val, tuple(plain["notes"]))


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
    train, val, notes = _split_folders(folder) or _split_lists(folder) or _one_folder(folder)
    class_names = tuple(sorted(train, key=_natural_order))
    _check_classes(folder, class_names, val)
    if val is None:
        train, val = hold_out(train, seed)
        notes.append(f"no validation split found: {VAL_SHARE:.0%} of each class held out, drawn with seed {seed}")
    splits = Splits(_index(class_names, train), _index(class_names, val))
    for name, index in (("training", splits.train), ("validation", splits.val)):
        if len(index) == 0:
            raise DataError(f"{folder}: no {name} pictures. {LAYOUTS}")
    shared = set(splits.train.paths) & set(splits.val.paths)
    if shared:
        notes.append(f"{len(shared)} files are in training and in validation: the accuracy will flatter the model")
    absent = [name for name, count in zip(class_names, splits.val.counts(), strict=True) if count == 0]
    if absent:
        notes.append(f"no validation pictures of {', '.join(absent)}")
    return replace(splits, notes=tuple(notes))


def _split_folders(folder: Path) -> Found | None:
    """``train/`` and, of the folders that may be the validation split, the first that has classes in it."""
    children = {child.name.lower(): child for child in sorted(folder.iterdir(), reverse=True) if child.is_dir()}

    def first_with_classes(names):
        for name in names:
            if name in children and (found := _read_split(children[name]))[0]:
                return children[name], *found
        return None, None, []

    train_folder, train, notes = first_with_classes(TRAIN_NAMES)
    if train is None:
        return None
    val_folder, val, more_notes = first_with_classes(VAL_NAMES)
    notes = notes + more_notes
    others = [name for name, child in children.items() if child not in (train_folder, val_folder) and not name.startswith(".")]
    if others:
        notes.append(f"not used: {', '.join(sorted(others))}")
    return train, val, notes


def _split_lists(folder: Path) -> Found | None:
    train_list, val_list = find_list(folder, TRAIN_NAMES), find_list(folder, VAL_NAMES)
    if train_list is None:
        return None
    train, notes = read_list(folder, train_list)
    val, more_notes = read_list(folder, val_list) if val_list is not None else (None, [])
    return train, val, notes + more_notes


def _one_folder(folder: Path) -> Found:
    train, notes = _read_split(folder)
    return train, None, notes


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
    """All pictures below ``folder``, by name, and the other files; hidden ones do not count.

    Links are followed; a picture whose link leads nowhere is listed, for the scan to name it.
    """
    files, entered = [], set()
    for parent, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(parent)
        if real in entered:  # a link that leads back
            folders.clear()
            continue
        entered.add(real)
        folders[:] = [name for name in folders if not _is_hidden(name)]
        files += [Path(parent, name) for name in names if not _is_hidden(name)]
    files.sort()
    pictures = [path for path in files if path.suffix.lower() in PICTURE_SUFFIXES]
    return pictures, [path for path in files if path.suffix.lower() not in PICTURE_SUFFIXES]


def _read_split(folder: Path) -> tuple[dict[str, list[Path]], list[str]]:
    """Class -> files, and notes on what was passed over."""
    files, notes = {}, []
    for child in sorted(folder.iterdir()):
        if not child.is_dir() or _is_hidden(child.name):
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


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "__MACOSX"))


def _natural_order(name: str) -> list:
    """2 before 10, and names by letter."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name) if part]
