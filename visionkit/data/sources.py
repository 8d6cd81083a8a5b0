"""Chooses the reader of a data set, for everything that ``--data`` may be."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from visionkit.data.formats import coco, darknet, identities, mask_folders, table, tfds, voc, yolo
from visionkit.data.formats.annotation_tools import labelme, tool_files
from visionkit.data.formats.class_folders import find_class_folders
from visionkit.data.formats.split_lists import find_list
from visionkit.data.formats.unread import unread_files, unused_images
from visionkit.data.images.listing import list_images
from visionkit.data.images.mask_names import OPTION, NamedClasses, parse_values
from visionkit.data.index import DataError, Index
from visionkit.data.splits import TRAIN_NAMES, WHOLE, DataSet

EXPECTED = (
    "Expected a folder of one of these layouts: class folders; VOC (Annotations/*.xml, JPEGImages/); COCO (a .json with images "
    "and annotations); YOLO (data.yaml, or images/ and labels/, or .txt next to the images); files of labelme, VIA, CVAT, "
    "Label Studio or CreateML; images/ and masks/; a table (.csv) of images; one folder per person with other people in train/ "
    "than in val/; or a .json, .yaml, .xml, .csv or .tsv file of these kinds; or tfds:NAME."
)
READERS_OF_FILES = {
    ".json": ("COCO", coco.read_coco),
    ".yaml": ("YOLO", yolo.read_yolo),
    ".yml": ("YOLO", yolo.read_yolo),
    ".csv": ("a table", table.read_table),
    ".tsv": ("a table", table.read_table),
    ".xml": ("CVAT", tool_files.read_tool_files),
    ".data": ("YOLO Darknet", darknet.read_darknet),
}
MASKS = "images and masks"
# The layouts that are easiest to recognise come first. Class folders come after all of them: nearly any folder could be some.
READERS_OF_FOLDERS = (
    ("tensorflow-datasets", tfds.looks_like_tfds, tfds.read_tfds_folder),
    ("Pascal VOC", voc.looks_like_voc, voc.read_voc),
    ("YOLO", yolo.looks_like_yolo, yolo.read_yolo),
    ("COCO", coco.looks_like_coco, coco.read_coco),
    ("labelme", labelme.looks_like_labelme, labelme.read_labelme),
    ("an annotation tool", tool_files.looks_like_tool_files, tool_files.read_tool_files),
    ("YOLO Darknet", darknet.looks_like_darknet, darknet.read_darknet),
    (MASKS, mask_folders.looks_like_masks, mask_folders.read_masks),
    ("a table", table.looks_like_table, table.read_tables),
    ("one folder per person", identities.looks_like_identities, identities.read_identities),
)
READERS_OF_MASKS = (tfds.read_tfds, tfds.read_tfds_folder, mask_folders.read_masks, table.read_table, table.read_tables)


def read(data: str | Path, *, prefer: str | None = None, mask_values: Sequence[str] = ()) -> DataSet:
    """Index a data set of any kind that visionkit knows; masks are opened, to decide what their values mean, but no image.

    Args:
        data: a folder, a file or ``tfds:NAME[/config][:split]``.
        prefer: "masks" asks for the masks first, where a folder holds boxes, too (such as Pascal VOC).
        mask_values: what the values of masks mean: ``("0=background", "128=cell", "255=ignore")``, see
            ``mask_names.parse_values``. By default, files of names and the values themselves say it.

    Raises:
        DataError: the data does not exist, or has no known layout.
        UserError: the mask values are misspelt, or the data has no masks.
    """
    named = parse_values(mask_values)
    data_set = _read(data, prefer, named)
    if named is not None and not any(index.has_masks for index in data_set.splits.values()):
        raise DataError(f"{OPTION} is for masks, and {data} has none; it is read as {data_set.format}.")
    return data_set


def _read(data: str | Path, prefer: str | None, named: NamedClasses | None) -> DataSet:
    if str(data).startswith("tfds:"):
        return _with_format(tfds.read_tfds(str(data), named), "tensorflow-datasets")
    path = Path(data)
    if path.is_dir():
        return _with_left_out(path, _read_folder(path, "masks" if named is not None else prefer, named))
    if path.is_file():
        return _read_file(path, named)
    raise DataError(f"{data}: no such file or folder. {EXPECTED}")


def _call(reader: Callable[..., DataSet], path: Path, named: NamedClasses | None) -> DataSet:
    return reader(path, named) if reader in READERS_OF_MASKS else reader(path)


def _read_file(file: Path, named: NamedClasses | None) -> DataSet:
    name, reader = READERS_OF_FILES.get(file.suffix.lower(), ("", None))
    if reader is None:
        raise DataError(f"{file}: a file with this suffix is not a data set. {EXPECTED}")
    if tool_files.looks_like_tool_files(file):
        reader = tool_files.read_tool_files
    return _with_format(_call(reader, file, named), name)


def _read_folder(folder: Path, prefer: str | None, named: NamedClasses | None) -> DataSet:
    readers = sorted(READERS_OF_FOLDERS, key=lambda row: prefer != "masks" or row[0] != MASKS)
    for name, recognises, reader in readers:
        if recognises(folder):
            return _with_format(_call(reader, folder, named), name)
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


def _with_left_out(folder: Path, data_set: DataSet) -> DataSet:
    """The data set, with what its reader did not use: files that look like annotations, and images in no split."""
    problems = (*data_set.problems, *unread_files(folder, data_set))
    return replace(data_set, problems=problems, left_out=unused_images(folder, data_set))


def _with_format(data_set: DataSet, name: str) -> DataSet:
    """The data set, with the name of its reader unless the reader was more precise."""
    return data_set if data_set.format else replace(data_set, format=name)


def _contents(folder: Path) -> str:
    children = sorted(folder.iterdir())
    suffixes = Counter(child.suffix.lower() or child.name for child in children if child.is_file())
    files = ", ".join(f"{count} {suffix}" for suffix, count in suffixes.most_common(5))
    folders = ", ".join(f"{child.name}/" for child in children[:100] if child.is_dir())
    return f"it holds {'; '.join(filter(None, (files, folders))) or 'nothing'}"
