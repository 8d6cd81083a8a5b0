"""Writes COCO's format: one JSON file per split."""

import json
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from visionkit.data.formats.annotation_files import (
    Images,
    new_name,
    put_image,
    safe_name,
    split_file_name,
    unused_name,
    with_known_class,
)
from visionkit.data.formats.coco_objects import is_key, write_objects
from visionkit.data.images.decode import read_size
from visionkit.data.index import DataError, Index
from visionkit.data.split_names import WHOLE
from visionkit.data.splits import DataSet, as_one
from visionkit.progress import bar


def coco_files(data_set: DataSet, target: str | Path) -> dict[str, Path]:
    """The file of each split that ``write_coco`` writes."""
    target = Path(target)
    if target.suffix.lower() != ".json":
        return {split: target / "annotations" / f"instances_{split_file_name(split)}.json" for split in data_set.splits}
    return dict.fromkeys(data_set.splits, target)


def write_coco(data_set: DataSet, target: str | Path, *, images: Images = "copy") -> Counter[str]:
    """Write a data set of boxes in COCO's format.

    Args:
        data_set: a data set whose images exist and can be decoded.
        target: a folder, which gets ``annotations/instances_<split>.json`` and the images in ``<split>/``; or a .json file,
            which names the images where they are, relative to itself. If there are several splits, the attribute "split" of
            each image says which one it belongs to.
        images: "copy" copies the images into the folder, "link" makes symbolic links.

    Returns:
        what the format cannot express, with the number of each kind.

    Raises:
        DataError: images within other files (TFRecords) cannot stay there for a .json file.
        ImageError: an image of unknown size cannot be read.
        OSError: a file cannot be written.
    """
    target, lost = Path(target), Counter()
    if target.suffix.lower() == ".json" and len(data_set.splits) > 1:
        data_set = replace(data_set, splits={WHOLE: as_one(data_set)})
    unfinished = {}
    try:
        for split, file in coco_files(data_set, target).items():
            file.parent.mkdir(parents=True, exist_ok=True)
            folder = None if target.suffix.lower() == ".json" else target / split_file_name(split)
            names = _file_names(data_set.splits[split], folder, file, images, lost)
            unfinished[file] = file.with_name(f".{file.name}.unfinished")
            unfinished[file].write_text(json.dumps(_tree(data_set.splits[split], names, lost)), encoding="ascii")
        for file, temporary in unfinished.items():
            os.replace(temporary, file)
    finally:
        for temporary in unfinished.values():
            temporary.unlink(missing_ok=True)
    return lost


def _file_names(index: Index, folder: Path | None, file: Path, images: Images, lost: Counter[str]) -> list[str]:
    """The names of the images in ``file``; the images are put into ``folder`` unless it is None."""
    if folder is None:
        virtual = next((path for path in index.paths if not Path(path).is_file()), None)
        if virtual is not None:
            raise DataError(f"{file}: {virtual} lies within another file; give a folder to copy the images to.")
        return [os.path.relpath(path, file.parent) for path in index.paths]
    folder.mkdir(parents=True, exist_ok=True)
    names, taken = [], {}
    pairs = zip(index.paths, index.annotations, strict=True)
    for path, annotation in bar(pairs, f"writing {folder.name}", total=len(index), unit=" images"):
        wanted = annotation.attributes.get("file_name")
        if isinstance(wanted, str) and Path(wanted).name == Path(path).name and _is_plain(wanted):
            names.append(unused_name(wanted, taken, by_stem=False))
        else:
            names.append(new_name(path, taken, lost, by_stem=False))
        put_image(path, folder / names[-1], images)
    return names


def _is_plain(name: str) -> bool:
    """Whether a file name, possibly with folders, is valid on every system."""
    *folders, last = name.split("/")
    return safe_name(last) == last and all(safe_name(f"{folder}.jpg") == f"{folder}.jpg" for folder in folders)


def _tree(index: Index, names: list[str], lost: Counter[str]) -> dict[str, Any]:
    class_attributes = index.class_attributes or ({},) * len(index.class_names)
    class_numbers = _numbers(attributes.get("id") for attributes in class_attributes)
    image_numbers = _numbers(annotation.attributes.get("id") for annotation in index.annotations)
    licenses: dict[Any, dict] = {}
    images, objects = [], []
    for path, name, number, annotation in zip(index.paths, names, image_numbers, index.annotations, strict=True):
        height, width = annotation.size or read_size(path)
        attributes = dict(annotation.attributes)
        if isinstance(attributes.get("license"), dict):
            licenses[attributes["license"].get("id")] = attributes["license"]
            attributes["license"] = attributes["license"].get("id")
        images.append(attributes | {"id": number, "file_name": name, "width": width, "height": height})
        known = with_known_class(annotation.objects, lost)
        num_keypoints = [len(of_class.get("keypoints", ())) for of_class in class_attributes]
        for one, label in zip(write_objects(known, (height, width), num_keypoints), known.classes.tolist(), strict=True):
            objects.append(one | {"image_id": number, "category_id": class_numbers[label]})
    object_numbers = _numbers(one.get("id") for one in objects)
    categories = zip(class_attributes, class_numbers, index.class_names, strict=True)
    return {
        "info": {"description": "written by visionkit"},
        "licenses": list(licenses.values()),
        "images": images,
        "annotations": [one | {"id": number} for one, number in zip(objects, object_numbers, strict=True)],
        "categories": [of_class | {"id": number, "name": name} for of_class, number, name in categories],
    }


def _numbers(wanted: Iterable[Any]) -> list[int | str]:
    """Unique ids: each wanted one if it is valid and not taken yet, else the lowest free number from 1."""
    taken = set()
    unique = [number if is_key(number) and number not in taken and not taken.add(number) else None for number in wanted]
    free = (number for number in count(1) if number not in taken)
    return [next(free) if number is None else number for number in unique]
