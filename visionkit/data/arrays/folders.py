"""Labelled signals and volumes: which files there are, and the layouts that are recognized.

FILE.txt                               a table as in the UCR archive: a signal a line, its class, then its samples
FOLDER/*_TRAIN.txt, *_TEST.txt         such tables; TRAIN and TEST in their names are the splits
FOLDER/<class>/*.npy, .csv, .txt       signals, one a file
FOLDER/<class>/*.npy, .nii.gz, .tif    volumes, one a file; TIFF files must be stacks
FOLDER/images/*.nii.gz and labels/     volumes with a label for every voxel (segmentations), under the same names

Class folders, and images/ with labels/, may be inside train/ and val/ (or test/). Instead of labels/ there may be masks/, and
imagesTr/ with labelsTr/ as in the Medical Segmentation Decathlon. Suffixes of an image and of its labels may differ.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from visionkit.data.arrays.files import SUFFIXES, TEXT_SUFFIXES, ArrayError, Kind, has_suffix, list_arrays, read_npy
from visionkit.data.index import DataError, natural_order
from visionkit.data.split_names import WHOLE, split_folders

LAYOUTS = (
    "Expected a text table of signals (the class, then the samples, in each line); or one folder a class of signals (.npy, "
    ".csv, .txt) or volumes (.npy, .nii, .nii.gz, stacks in .tif), maybe in train/ and val/; or images/ and labels/ of volumes."
)
LABELLED = (("images", "labels"), ("images", "masks"), ("imagesTr", "labelsTr"))  # folders
VOLUMES = SUFFIXES["volume"]

Pairs = dict[str, tuple[tuple[Path, str], ...]]  # by split: a file, and its class or the file of its labels


@dataclass(frozen=True)
class Source:
    """The files of a data set, and its layout.

    Attributes:
        kind: "signal" or "volume".
        layout: "tables", "classes" or "segmentations".
        splits: pairs by split, "train" and "val" or ``WHOLE``, or all splits by their own names: a file and its class, which is
            empty for tables; or an image and the file of its labels, which may be missing.
        notes: sentences on which files are used.
    """

    kind: Kind
    layout: Literal["tables", "classes", "segmentations"]
    splits: Pairs
    notes: tuple[str, ...] = ()


def find_arrays(data: str | Path, *, all_splits: bool = False) -> Source:
    """Recognize the layout of a data set; only headers are read.

    Args:
        data: a folder, or a text table.
        all_splits: whether all splits are read by their own names, to measure; else those that serve for training and
            validation are named "train" and "val", and others are not used.

    Raises:
        DataError: there is no such path, its layout is unknown, or it holds more than one data set.
    """
    data = Path(data)
    if data.is_file() and has_suffix(data, TEXT_SUFFIXES):
        return Source("signal", "tables", {WHOLE: ((data, ""),)})
    if not data.is_dir():
        raise DataError(f"--data {data}: {'not a text table' if data.exists() else 'no such file or folder'}. {LAYOUTS}")
    roots, notes = _split_folders(data, all_splits=all_splits)
    for source in (_segmentations(roots), _classes(roots), _tables(data, all_splits=all_splits)):
        if source is not None:
            return Source(source.kind, source.layout, source.splits, notes)
    raise DataError(f"--data {data}: neither signals nor volumes there. {LAYOUTS}")


def _split_folders(data: Path, *, all_splits: bool) -> tuple[dict[str, Path], tuple[str, ...]]:
    """The folders of the splits, or the whole folder where none is for training; and notes."""
    children = [child for child in sorted(data.iterdir()) if child.is_dir()]
    named = split_folders(children).folders
    if all_splits and named:
        others = [child.name for child in children if child not in named.values()]
        return named, ((f"not used: {', '.join(others)}",) if others else ())
    if "train" not in named:
        return {WHOLE: data}, ()
    val = next((named[name] for name in ("val", "test") if name in named), None)
    roots = {"train": named["train"]} | ({"val": val} if val else {})
    unused = [child.name for child in children if child not in roots.values()]
    return roots, ((f"not used: {', '.join(unused)}",) if unused else ())


def _segmentations(roots: dict[str, Path]) -> Source | None:
    pairs = {}
    for split, root in roots.items():
        folders = ((root / images, root / labels) for images, labels in LABELLED)
        images, labels = next((pair for pair in folders if all(folder.is_dir() for folder in pair)), (None, None))
        if images is not None:
            expected = ((path, labels / path.relative_to(images)) for path in list_arrays(images, "volume"))
            pairs[split] = tuple((path, str(_with_any_suffix(label_file))) for path, label_file in expected)
    return Source("volume", "segmentations", pairs) if any(pairs.values()) else None


def _with_any_suffix(path: Path) -> Path:
    """The file of this name, with this or any other suffix of volumes; the path itself where there is none."""
    stem = path.name[: -max(len(suffix) for suffix in VOLUMES if has_suffix(path, (suffix,)))]
    return next((other for other in (path, *(path.with_name(stem + suffix) for suffix in VOLUMES)) if other.is_file()), path)


def _classes(roots: dict[str, Path]) -> Source | None:
    folders = {
        split: [f for f in sorted(root.iterdir(), key=lambda f: natural_order(f.name)) if f.is_dir() and f.name[0] != "."]
        for split, root in roots.items()
    }
    files = [path for classes in folders.values() for f in classes for kind in SUFFIXES for path in list_arrays(f, kind)]
    if not files:
        return None
    kind = _kind_of(files)
    splits = {
        split: tuple((path, folder.name) for folder in classes for path in list_arrays(folder, kind))
        for split, classes in folders.items()
    }
    return Source(kind, "classes", splits)


def _kind_of(paths: list[Path]) -> Kind:
    """The kind that the suffixes imply; where they are ambiguous, that of the first array that can be read."""
    if any(has_suffix(path, VOLUMES[1:]) for path in paths):
        return "volume"
    for path in paths:
        if has_suffix(path, (".npy",)):
            try:
                return "volume" if read_npy(path).ndim > 2 else "signal"
            except (ArrayError, OSError):
                continue
    return "signal"


def _tables(data: Path, *, all_splits: bool) -> Source | None:
    files = sorted(path for path in data.iterdir() if path.is_file() and has_suffix(path, TEXT_SUFFIXES))
    splits, sets = {}, {}
    for path in files:
        name = re.search(r"(?i)(^|[^a-z])(train|test|val)([^a-z]|$)", path.stem)
        split = WHOLE if name is None else name[2].lower()
        split = "val" if split == "test" and not all_splits else split
        splits.setdefault(split, []).append((path, ""))
        if name is not None:
            sets.setdefault(path.stem.lower().replace(name[2].lower(), ""), path)
    if len(sets) > 1:
        several = ", ".join(path.name for path in sets.values())
        raise DataError(f"--data {data}: {len(sets)} data sets there ({several}); name the file of one.")
    if "train" in splits or (all_splits and len(splits) > 1):  # other text files are not data
        splits.pop(WHOLE, None)
    elif "val" in splits and not all_splits:  # there are no other signals to train on
        splits = {WHOLE: splits["val"]}
    return Source("signal", "tables", {split: tuple(pairs) for split, pairs in splits.items()}) if splits else None
