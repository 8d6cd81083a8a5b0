"""COCO: one JSON file with the boxes, outlines and keypoints of all images of a split. Layouts:

x.json                                       or FOLDER/x.json
FOLDER/annotations/instances_train2017.json  and the same with val, test, ...; images in FOLDER/train2017/ or FOLDER/images/
FOLDER/train/_annotations.coco.json          and the same in valid/, test/; images next to it

Boxes are x, y, width, height in pixels, 0-based. Category ids may have gaps and are kept in ``Index.class_attributes``.
"""

import gc
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from visionkit.data.formats.annotation_files import (
    DECLARED_SIDES,
    Images,
    brief,
    check_not_empty,
    detection_index,
    new_name,
    object_problem,
    put_image,
    safe_name,
    split_file_name,
    unused_name,
    with_known_class,
)
from visionkit.data.formats.coco_objects import read_objects, with_keypoints, write_objects
from visionkit.data.formats.matching import image_finder
from visionkit.data.images.contents import read_text
from visionkit.data.images.decode import ImageError, read_size
from visionkit.data.index import Annotation, DataError, Index, Problem
from visionkit.data.splits import SPLITS, WHOLE, DataSet, as_one, parted, split_name, split_order

PARSED = 4_000_000  # bytes: in larger files, ``looks_like_coco`` searches for the keys without parsing
FAMILIES = ("instances", "person_keypoints", "stuff", "panoptic", "captions", "image_info")  # COCO's own files of one split


class Categories(NamedTuple):
    """The classes of one file: names and attributes by position, and the position of each category id."""

    names: tuple[str, ...]
    attributes: tuple[dict[str, Any], ...]
    positions: dict[int, int]


def looks_like_coco(path: Path) -> bool:
    """Whether ``path`` is a JSON file with images and annotations, or a folder in one of the layouts above."""
    return bool(_annotation_files(Path(path)))


def read_coco(path: str | Path) -> DataSet:
    """Index a data set in COCO's format; an image is opened only if the file lacks its size.

    The attributes of images, objects and classes hold whatever else the file says about them, under its own keys. The license
    of an image is the whole license object.

    Args:
        path: a file or folder in one of the layouts above.

    Raises:
        DataError: there is no file in COCO's format, or none of its images exists.
    """
    path = Path(path)
    files = _annotation_files(path)
    if not files and path.is_file():
        raise DataError(f"{path}: no COCO annotations. {_EXPECTED}")
    if not files:
        raise DataError(f"{path}: no .json file with COCO annotations in it, in annotations/, or in train/, val/. {_EXPECTED}")
    problems, notes, indexes = [], [], {}
    for split, (file, *others) in _by_split(files, path).items():
        notes += [f"not used: {other}, because {file.name} belongs to the same split" for other in others]
        try:
            with _garbage_collection_off():
                indexes[split] = _read_file(file, split, problems, notes)
        except DataError as error:
            if len(files) == 1:
                raise
            problems.append(Problem("bad annotation", str(file), str(error)))
    splits = _with_the_same_classes(indexes)
    splits = parted(splits[WHOLE]) if list(splits) == [WHOLE] else splits
    return check_not_empty(DataSet(splits, tuple(notes), tuple(problems)), path)


_EXPECTED = 'Expected an object with the lists "images", "annotations" and "categories".'


@contextmanager
def _garbage_collection_off() -> Iterator[None]:
    """While a large tree grows, Python searches it for garbage again and again: more than half the time of reading it."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _annotation_files(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if _has_keys(path) else []
    for pattern in ("*.json", "annotations/*.json", "*/*.json"):
        files = sorted(file for file in path.glob(pattern) if not file.name.startswith(".") and _has_keys(file))
        if pattern == "*/*.json":
            files = [file for file in files if split_name(file.parent.name) in SPLITS]
        if files:
            return files
    return []


def _has_keys(file: Path) -> bool:
    try:
        if file.stat().st_size <= PARSED:
            tree = _parse(file)
            return isinstance(tree, dict) and "images" in tree and "annotations" in tree
        contents = file.read_bytes()
    except (DataError, OSError):
        return False
    return contents[:100].lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"{") and all(
        key in contents for key in (b'"images"', b'"annotations"')
    )


def _parse(file: Path) -> Any:
    """The tree of a JSON file; NaN and infinity become None."""
    try:
        return json.loads(read_text(file), parse_constant=lambda name: None)
    except (ValueError, RecursionError, OSError) as error:
        raise DataError(f"{file}: cannot be read as JSON ({error}). {_EXPECTED}") from error


def _by_split(files: list[Path], path: Path) -> dict[str, list[Path]]:
    """The files of each split, in order of preference."""
    splits: dict[str, list[Path]] = {}
    for file in sorted(files, key=lambda file: next((n for n, name in enumerate(FAMILIES) if name in file.name), -1)):
        splits.setdefault(_split_of(file, file.parent if file.parent != path and path.is_dir() else None), []).append(file)
    if len(splits) == 1 and next(iter(splits)) not in SPLITS:
        return {WHOLE: next(iter(splits.values()))}
    return {name: splits[name] for name in sorted(splits, key=split_order)}


def _split_of(file: Path, folder: Path | None) -> str:
    """train, val or test if a word of the file's name, or its folder, is a name of one of these; else the file's name."""
    words = [*re.split(r"[-_. ]", file.stem), *([folder.name] if folder else [])]
    known = [name for word in words if (name := split_name(word)) in SPLITS]
    return known[0] if known else re.sub(f"^({'|'.join(FAMILIES)})_", "", file.stem)


def _read_file(file: Path, split: str, problems: list[Problem], notes: list[str]) -> Index:
    tree = _parse(file)
    parts = [tree.get(key) if isinstance(tree, dict) else None for key in ("images", "annotations", "categories")]
    if not all(isinstance(part, list) for part in parts):
        raise DataError(f"{file}: not all of images, annotations and categories are lists. {_EXPECTED}")
    images, annotations, categories = parts
    classes = _categories(categories, file, problems, notes)
    licenses = _licenses(tree.get("licenses"))
    by_id = _images(images, file, problems)
    grouped = _grouped(annotations, by_id, file, problems)
    folders, find = _image_folders(file, split), image_finder()
    paths, readable = [], []
    for number, entry in tqdm(by_id.items(), f"reading {file.name}", unit=" images", leave=False, delay=1):
        name = entry["file_name"]
        path = find(folders, name)
        if path is None:
            problems.append(Problem("missing partner", str(file), f"the image {brief(name)} {find.problem(name)}"))
            continue
        try:
            size = _size(entry, path)
        except ImageError as error:
            problems.append(Problem("broken image", path, str(error)))
            continue
        attributes = {key: value for key, value in entry.items() if key not in ("width", "height")}
        if _is_key(attributes.get("license")):
            attributes["license"] = licenses.get(attributes["license"], attributes["license"])
        objects = read_objects(grouped[number], size, classes.positions, file, problems)
        paths.append(path)
        readable.append(Annotation(objects, size=size, attributes=attributes))
    return detection_index(classes.names, paths, readable, class_attributes=classes.attributes)


def _categories(categories: list, file: Path, problems: list[Problem], notes: list[str]) -> Categories:
    names, attributes, positions = [], [], {}
    for category in categories:
        number, name = (category.get("id"), category.get("name")) if isinstance(category, dict) else (None, None)
        if not _is_key(number) or not _is_key(name) or number in positions:
            problems.append(object_problem(file, f"category {brief(number)}", "it lacks a name or a unique id"))
        elif str(name) in names:
            positions[number] = names.index(str(name))
            notes.append(f"{file.name}: several categories are named {brief(name)}; they become one class")
        else:
            positions[number] = len(names)
            names.append(str(name))
            attributes.append({key: value for key, value in category.items() if key != "name"})
            points = category.get("keypoints", [])
            if not isinstance(points, list) or not all(isinstance(point, str) for point in points):
                problems.append(object_problem(file, f"category {brief(number)}", "its keypoints are not a list of names"))
                del attributes[-1]["keypoints"]
    return Categories(tuple(names), tuple(attributes), positions)


def _images(images: list, file: Path, problems: list[Problem]) -> dict[int | str, dict]:
    by_id: dict[int | str, dict] = {}
    for image in images:
        number, name = (image.get("id"), image.get("file_name")) if isinstance(image, dict) else (None, None)
        if not _is_key(number) or not isinstance(name, str) or number in by_id:
            problems.append(object_problem(file, f"image {brief(number)}", "it lacks a file_name or a unique id"))
        else:
            by_id[number] = image
    return by_id


def _grouped(annotations: list, by_id: dict[int | str, dict], file: Path, problems: list[Problem]) -> dict[int | str, list]:
    grouped: dict[int | str, list] = {number: [] for number in by_id}
    for annotation in annotations:
        try:
            grouped[annotation["image_id"]].append(annotation)
        except (KeyError, TypeError, IndexError):
            number = annotation.get("id") if isinstance(annotation, dict) else None
            problems.append(object_problem(file, f"annotation {brief(number)}", "it belongs to no image of this file"))
    return grouped


def _licenses(licenses: Any) -> dict[int | str, dict]:
    entries = licenses if isinstance(licenses, list) else []
    return {entry["id"]: entry for entry in entries if isinstance(entry, dict) and _is_key(entry.get("id"))}


def _is_key(value: Any) -> bool:
    return isinstance(value, int | str) and not isinstance(value, bool)


def _size(entry: dict, path: str) -> tuple[int, int]:
    size = (entry.get("height"), entry.get("width"))
    if all(isinstance(side, int | float) and side in DECLARED_SIDES for side in size):
        return int(size[0]), int(size[1])
    return read_size(path)


def _image_folders(file: Path, split: str) -> list[str]:
    """Folders that may hold the images. Those named like the split come first: others may hold different images of one name."""
    names = [*re.split(r"[-_. ]", file.stem), file.stem, split]
    above = file.parent.parent if file.parent.name else file.parent / os.pardir
    below = [*names, *(f"images/{name}" for name in names), "images", ""]
    folders = dict.fromkeys(root / name for root in (file.parent, above) for name in below)
    return [str(folder) for folder in folders if folder.is_dir()]


def _with_the_same_classes(indexes: dict[str, Index]) -> dict[str, Index]:
    """The splits with the classes of all files, merged by name, and the same number of keypoints in every object."""
    attributes: dict[str, dict] = {}
    for index in indexes.values():
        for name, class_attributes in zip(index.class_names, index.class_attributes, strict=True):
            attributes.setdefault(name, class_attributes)
    positions = {name: position for position, name in enumerate(attributes)}
    all_keypoints = [one.objects.keypoints for index in indexes.values() for one in index.annotations]
    num_keypoints = max((keypoints.shape[1] for keypoints in all_keypoints if keypoints is not None), default=0)
    splits = {}
    for split, index in indexes.items():
        renumbered = np.array([*(positions[name] for name in index.class_names), -1], np.int32)  # -1 stays: it is the last
        annotations = index.annotations
        if num_keypoints or list(positions) != list(index.class_names):
            annotations = tuple(
                replace(
                    one,
                    objects=replace(
                        one.objects,
                        classes=renumbered[one.objects.classes],
                        keypoints=with_keypoints(one.objects, num_keypoints),
                    ),
                )
                for one in annotations
            )
        splits[split] = replace(
            index, class_names=tuple(positions), annotations=annotations, class_attributes=tuple(attributes.values())
        )
    return splits


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
    for path, annotation in tqdm(pairs, f"writing {folder.name}", total=len(index), unit=" images", leave=False):
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
    unique = [number if _is_key(number) and number not in taken and not taken.add(number) else None for number in wanted]
    free = (number for number in count(1) if number not in taken)
    return [next(free) if number is None else number for number in unique]
