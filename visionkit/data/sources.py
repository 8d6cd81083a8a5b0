"""Chooses the reader of a data set, for everything that ``--data`` may be."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from visionkit.data.formats import coco, identities, mask_folders, table, tfds, voc, yolo
from visionkit.data.formats.class_folders import find_class_folders
from visionkit.data.formats.split_lists import find_list
from visionkit.data.images.listing import list_images
from visionkit.data.index import DataError, Index
from visionkit.data.splits import TRAIN_NAMES, WHOLE, DataSet, empty_split_folders

EXPECTED = (
    "Expected a folder of one of these layouts: class folders; VOC (Annotations/*.xml, JPEGImages/); COCO (a .json with images "
    "and annotations); YOLO (data.yaml, or images/ and labels/); images/ and masks/; a table (.csv) of images; one folder per "
    "person with other people in train/ than in val/; or a .json, .yaml, .csv or .tsv file of these kinds; or tfds:NAME."
)
READERS_OF_FILES = {
    ".json": ("COCO", coco.read_coco),
    ".yaml": ("YOLO", yolo.read_yolo),
    ".yml": ("YOLO", yolo.read_yolo),
    ".csv": ("a table", table.read_table),
    ".tsv": ("a table", table.read_table),
}
# The layouts that are easiest to recognise come first. Class folders come after all of them: nearly any folder could be some.
READERS_OF_FOLDERS = (
    ("tensorflow-datasets", tfds.looks_like_tfds, tfds.read_tfds_folder),
    ("Pascal VOC", voc.looks_like_voc, voc.read_voc),
    ("YOLO", yolo.looks_like_yolo, yolo.read_yolo),
    ("COCO", coco.looks_like_coco, coco.read_coco),
    ("images and masks", mask_folders.looks_like_masks, mask_folders.read_masks),
    ("a table", table.looks_like_table, table.read_tables),
    ("one folder per person", identities.looks_like_identities, identities.read_identities),
)


def read(data: str | Path) -> DataSet:
    """Index a data set of any kind that visionkit knows; only a sample of masks is opened, but no image.

    Args:
        data: a folder, a file or ``tfds:NAME[/config][:split]``.

    Raises:
        DataError: the data does not exist, or has no known layout.
    """
    if str(data).startswith("tfds:"):
        return _with_format(tfds.read_tfds(str(data)), "tensorflow-datasets")
    path = Path(data)
    if path.is_dir():
        data_set = _read_folder(path)
        return replace(data_set, problems=data_set.problems + empty_split_folders(path, data_set.splits))
    if path.is_file():
        return _read_file(path)
    raise DataError(f"{data}: no such file or folder. {EXPECTED}")


def _read_file(file: Path) -> DataSet:
    name, reader = READERS_OF_FILES.get(file.suffix.lower(), ("", None))
    if reader is None:
        raise DataError(f"{file}: a file with this suffix is not a data set. {EXPECTED}")
    return _with_format(reader(file), name)


def _read_folder(folder: Path) -> DataSet:
    for name, recognises, reader in READERS_OF_FOLDERS:
        if recognises(folder):
            return _with_format(reader(folder), name)
    try:
        return _with_format(find_class_folders(folder), "class folders")
    except DataError as error:
        images, _ = list_images(folder)
        if any(path.parent != folder for path in images) or find_list(folder, TRAIN_NAMES) is not None:
            raise
        if not images:
            raise DataError(f"{folder}: no layout that is known; {_contents(folder)}. {EXPECTED}") from error
    index = Index((), tuple(map(str, images)), np.full(len(images), -1, np.int32))
    return DataSet({WHOLE: index}, (f"{len(images)} images without labels or annotations",), format="images without labels")


def _with_format(data_set: DataSet, name: str) -> DataSet:
    """The data set, with the name of its reader unless the reader was more precise."""
    return data_set if data_set.format else replace(data_set, format=name)


def _contents(folder: Path) -> str:
    children = sorted(folder.iterdir())
    suffixes = Counter(child.suffix.lower() or child.name for child in children if child.is_file())
    files = ", ".join(f"{count} {suffix}" for suffix, count in suffixes.most_common(5))
    folders = ", ".join(f"{child.name}/" for child in children[:100] if child.is_dir())
    return f"it holds {'; '.join(filter(None, (files, folders))) or 'nothing'}"
