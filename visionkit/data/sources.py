"""Chooses the reader of a data set, for everything that ``--data`` may be."""

from collections import Counter
from pathlib import Path

import numpy as np

from visionkit.data.formats import coco, identities, mask_folders, table, tfds, voc, yolo
from visionkit.data.formats.class_folders import find_class_folders
from visionkit.data.formats.split_lists import find_list
from visionkit.data.images.listing import list_images
from visionkit.data.index import DataError, Index
from visionkit.data.splits import TRAIN_NAMES, WHOLE, DataSet

EXPECTED = (
    "Expected a folder of one of these layouts: class folders; VOC (Annotations/*.xml, JPEGImages/); COCO (a .json with images "
    "and annotations); YOLO (data.yaml, or images/ and labels/); images/ and masks/; a table (.csv) of images; one folder per "
    "person with other people in train/ than in val/; or a .json, .yaml, .csv or .tsv file of these kinds; or tfds:NAME."
)
READERS_OF_FILES = {
    ".json": coco.read_coco,
    ".yaml": yolo.read_yolo,
    ".yml": yolo.read_yolo,
    ".csv": table.read_table,
    ".tsv": table.read_table,
}
# The layouts that are easiest to recognise come first. Class folders come after all of them: nearly any folder could be some.
READERS_OF_FOLDERS = (
    (tfds.looks_like_tfds, tfds.read_tfds_folder),
    (voc.looks_like_voc, voc.read_voc),
    (yolo.looks_like_yolo, yolo.read_yolo),
    (coco.looks_like_coco, coco.read_coco),
    (mask_folders.looks_like_masks, mask_folders.read_masks),
    (table.looks_like_table, table.read_tables),
    (identities.looks_like_identities, identities.read_identities),
)


def read(data: str | Path) -> DataSet:
    """Index a data set of any kind that visionkit knows; only a sample of masks is opened, but no image.

    Args:
        data: a folder, a file or ``tfds:NAME[/config][:split]``.

    Raises:
        DataError: the data does not exist, or has no known layout.
    """
    if str(data).startswith("tfds:"):
        return tfds.read_tfds(str(data))
    path = Path(data)
    if path.is_dir():
        return _read_folder(path)
    if path.is_file():
        return _read_file(path)
    raise DataError(f"{data}: no such file or folder. {EXPECTED}")


def _read_file(file: Path) -> DataSet:
    reader = READERS_OF_FILES.get(file.suffix.lower())
    if reader is None:
        raise DataError(f"{file}: a file with this suffix is not a data set. {EXPECTED}")
    return reader(file)


def _read_folder(folder: Path) -> DataSet:
    for recognises, reader in READERS_OF_FOLDERS:
        if recognises(folder):
            return reader(folder)
    try:
        return find_class_folders(folder)
    except DataError as error:
        images, _ = list_images(folder)
        if any(path.parent != folder for path in images) or find_list(folder, TRAIN_NAMES) is not None:
            raise
        if not images:
            raise DataError(f"{folder}: no layout that is known; {_contents(folder)}. {EXPECTED}") from error
    index = Index((), tuple(map(str, images)), np.full(len(images), -1, np.int32))
    return DataSet({WHOLE: index}, (f"{len(images)} images without labels or annotations",))


def _contents(folder: Path) -> str:
    children = sorted(folder.iterdir())
    suffixes = Counter(child.suffix.lower() or child.name for child in children if child.is_file())
    files = ", ".join(f"{count} {suffix}" for suffix, count in suffixes.most_common(5))
    folders = ", ".join(f"{child.name}/" for child in children[:100] if child.is_dir())
    return f"it holds {'; '.join(filter(None, (files, folders))) or 'nothing'}"
