"""Images in class folders, in any of three layouts:

FOLDER/<class>/...                       a part of each class is held out for validation
FOLDER/train/<class>/... and FOLDER/val/<class>/...
FOLDER/train.txt and FOLDER/val.txt      lines "path" (its folder is the class) or "path label"
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from visionkit.data.formats.split_lists import find_list, read_list
from visionkit.data.images.decode import IMAGE_SUFFIXES
from visionkit.data.images.listing import is_hidden, list_images
from visionkit.data.index import DataError, Index, natural_order
from visionkit.data.splits import TEST_NAMES, TRAIN_NAMES, VAL_NAMES, WHOLE, DataSet, Splits, train_and_val

LAYOUTS = (
    "Expected one folder of images a class (cats/, dogs/); or train/ and val/ with such folders in each; "
    "or lists train.txt and val.txt with a path and a label in each line."
)


Layout = tuple[dict[str, list[Path]], dict[str, list[Path]] | None, list[str]]  # class -> files of both splits, and notes


def read_class_folders(folder: str | Path, *, seed: int = 0) -> Splits:
    """Training and validation split of a folder of images; no image is opened.

    Args:
        folder: a folder in one of the layouts above.
        seed: seed that draws the held-out images if the folder has no validation split.

    Raises:
        DataError: the folder does not exist, has no known layout or fewer than two classes, or a split has no images.
    """
    data_set = find_class_folders(folder)
    class_names = data_set.class_names
    if len(class_names) < 2:
        raise DataError(f"{folder}: only one class, {class_names[0]!r}; a classifier needs at least two. {LAYOUTS}")
    for name, index in data_set.splits.items():
        if len(index) == 0:
            raise DataError(f"{folder}: no {'validation' if name == 'val' else 'training'} images. {LAYOUTS}")
    splits = train_and_val(data_set, seed=seed)
    notes = list(splits.notes)
    shared = set(splits.train.paths) & set(splits.val.paths)
    if shared:
        notes.append(f"{len(shared)} files are in both training and validation: the accuracy will flatter the model")
    return replace(splits, notes=tuple(notes))


def find_class_folders(folder: str | Path) -> DataSet:
    """Index a folder of images as it is: nothing is held out, and one class is enough.

    Raises:
        DataError: the folder does not exist or has no known layout, or validation has classes that training lacks.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"--data {folder}: no such folder. {LAYOUTS}")
    train, val, notes = _split_folders(folder) or _split_lists(folder) or _one_folder(folder)
    class_names = tuple(sorted(train, key=natural_order))
    _check_classes(folder, class_names, val)
    if val is None:
        return DataSet({WHOLE: _index(class_names, train)}, tuple(notes))
    return DataSet({"train": _index(class_names, train), "val": _index(class_names, val)}, tuple(notes))


def _split_folders(folder: Path) -> Layout | None:
    """Read ``train/`` and the first possible validation folder that has classes in it."""
    children = {child.name.lower(): child for child in sorted(folder.iterdir(), reverse=True) if child.is_dir()}

    def first_with_classes(names):
        for name in names:
            if name in children and (split := _read_split(children[name]))[0]:
                return children[name], *split
        return None, None, []

    train_folder, train, notes = first_with_classes(TRAIN_NAMES)
    if train is None:
        return None
    val_folder, val, more_notes = first_with_classes(VAL_NAMES + TEST_NAMES)
    notes = notes + more_notes
    others = [name for name, child in children.items() if child not in (train_folder, val_folder) and not name.startswith(".")]
    if others:
        notes.append(f"not used: {', '.join(sorted(others))}")
    return train, val, notes


def _split_lists(folder: Path) -> Layout | None:
    train_list, val_list = find_list(folder, TRAIN_NAMES), find_list(folder, VAL_NAMES + TEST_NAMES)
    if train_list is None:
        return None
    train, notes = read_list(folder, train_list)
    val, more_notes = read_list(folder, val_list) if val_list is not None else (None, [])
    return train, val, notes + more_notes


def _one_folder(folder: Path) -> Layout:
    train, notes = _read_split(folder)
    return train, None, notes


def _read_split(folder: Path) -> tuple[dict[str, list[Path]], list[str]]:
    """Class -> files, and notes on what was skipped."""
    files, notes = {}, []
    for child in sorted(folder.iterdir()):
        if not child.is_dir() or is_hidden(child.name):
            continue
        images, others = list_images(child)
        if images:
            files[child.name] = images
        else:
            notes.append(f"folder {child} has no images and is not used as a class")
        if others:
            examples = ", ".join(path.name for path in others[:3]) + (", ..." if len(others) > 3 else "")
            notes.append(f"{len(others)} files in {child} do not have the suffix of an image: {examples}")
    return files, notes


def _check_classes(folder: Path, class_names: tuple[str, ...], val: dict[str, list[Path]] | None) -> None:
    if not class_names:
        loose = sum(path.suffix.lower() in IMAGE_SUFFIXES for path in folder.iterdir())
        reason = f"{loose} images lie in it without class folders" if loose else "it has no folders with images"
        raise DataError(f"{folder}: {reason}. {LAYOUTS}")
    unknown = sorted(set(val or {}) - set(class_names))
    if unknown:
        raise DataError(
            f"{folder}: validation has classes that training lacks: {', '.join(unknown)} "
            f"(training has {', '.join(class_names)}). Rename, add or remove those folders."
        )


def _index(class_names: tuple[str, ...], files: dict[str, list[Path]]) -> Index:
    rows = [(str(path), label) for label, name in enumerate(class_names) for path in files.get(name, [])]
    return Index(class_names, tuple(path for path, _ in rows), np.array([label for _, label in rows], np.int32))
