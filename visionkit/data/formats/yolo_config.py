"""YOLO's data.yaml: the folders of images of each split, and the names of classes and keypoints."""

from pathlib import Path
from typing import Any, NamedTuple

import yaml

from visionkit.data.formats.annotation_files import MAX_CLASSES, brief, one_line, read_names
from visionkit.data.formats.coco_objects import MAX_KEYPOINTS
from visionkit.data.images.contents import read_text
from visionkit.data.index import DataError, Problem
from visionkit.data.splits import SPLITS, WHOLE, DataSet, split_name

NO_SPLITS = ("path", "names", "nc", "kpt_shape", "flip_idx", "kpt_names", "download")  # all other keys may name splits
NAMES_FILES = ("classes.txt", "obj.names", "labels/classes.txt", "labels/obj.names")
LARGEST = 5_000_000  # bytes: PyYAML reads about a megabyte a second


def find_config(folder: Path, problems: list[Problem]) -> tuple[Path | None, dict]:
    """The YAML file in a folder that names splits and classes, and its contents."""
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".yaml", ".yml") and path.is_file())
    for file in sorted(files, key=lambda file: file.stem.lower() != "data"):
        try:
            config = read_config(file)
        except DataError as error:
            problems.append(Problem("bad annotation", str(file), str(error)))
            continue
        if {"train", "val"} & config.keys() and {"names", "nc"} & config.keys():
            return file, config
    return None, {}


def read_config(file: Path) -> dict:
    """The contents of a YAML file.

    Raises:
        DataError: the file cannot be read, or is not a mapping of keys.
    """
    try:
        if file.stat().st_size > LARGEST:
            raise DataError(f"{file}: {file.stat().st_size:,} bytes; expected the splits and class names of a data set.")
        config = yaml.safe_load(read_text(file))
    except DataError:
        raise
    except Exception as error:  # PyYAML raises whatever Python raises for an invalid value: KeyError, AttributeError, ...
        raise DataError(f"{file}: cannot be read as YAML ({str(error)[:200]}).") from error
    if not isinstance(config, dict):
        raise DataError(f"{file}: a {type(config).__name__}; expected the keys train, val and names.")
    return config


def configured(config: dict, file: Path, problems: list[Problem], notes: list[str]) -> dict[str, list[Path]]:
    """The folders and lists of images that data.yaml names, by split."""
    named = config.get("path")
    bases = [*([file.parent / named, Path(named)] if isinstance(named, str) and named else []), file.parent]
    places: dict[str, list[Path]] = {}
    for key, value in config.items():
        entries = [value] if isinstance(value, str) else value
        if key in NO_SPLITS or not isinstance(key, str) or not isinstance(entries, list):
            continue
        for entry in entries:
            place = _place(entry, bases, file.parent) if isinstance(entry, str) and entry else None
            if place is not None:
                places.setdefault(split_name(key), []).append(place)
            elif split_name(key) in SPLITS:
                problems.append(Problem("missing partner", str(file), f"{key}: {brief(entry)} is not a folder of images"))
    if len(places) == 2 and places.get("train") == places.get("val"):
        notes.append(f"{file.name} names the same images as train and as val, so the data set is not split")
        return {WHOLE: places["train"]}
    return places


def _place(entry: str, bases: list[Path], folder: Path) -> Path | None:
    """The existing folder or list that an entry names. Some tools write ../train for a folder next to data.yaml."""
    for name in dict.fromkeys((entry, entry.removeprefix("../"))):
        for base in bases:
            place = base / name
            try:
                is_there = place.is_dir() or (place.suffix == ".txt" and place.is_file())
            except OSError:  # a name that is too long
                continue
            if is_there and place.resolve() not in folder.resolve().parents:  # a parent such as / would be the whole disk
                return place
    return None


class Keypoints(NamedTuple):
    """``kpt_shape``: the number of keypoints, and 2 numbers each (x, y) or 3 (with visibility)."""

    number: int
    width: int


def class_names(config: dict, root: Path) -> list[str] | None:
    """Class names from data.yaml, or from a text file in the data set's folder; None if there are none.

    Raises:
        DataError: the names are neither a list nor a mapping of numbers to names.
    """
    names, count = config.get("names"), config.get("nc")
    if names is None and config.get("nc") is None:
        file = next((root / name for name in NAMES_FILES if (root / name).is_file()), None)
        return None if file is None else read_names(file)
    if names is None and type(count) is int and 0 < count <= MAX_CLASSES:
        return list(map(str, range(count)))
    numbered = dict(enumerate(names)) if isinstance(names, list) else names
    try:
        if not all(isinstance(name, str | int | float | None) for name in numbered.values()):
            raise ValueError("a name is invalid")
        named = {int(number): str(number if name is None else name) for number, name in numbered.items()}
        if not all(0 <= number < MAX_CLASSES for number in named):
            raise ValueError("a number is invalid")
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise DataError(f"{root}: data.yaml lacks class names. Expected names: a list, or lines of number: name.") from error
    return [named.get(number, str(number)) for number in range(max(named, default=-1) + 1)]


def keypoint_shape(config: dict, file: Path | None, problems: list[Problem]) -> Keypoints | None:
    """``kpt_shape`` of data.yaml; None if lines have no keypoints."""
    shape = config.get("kpt_shape")
    if shape is None:
        return None
    is_pair = isinstance(shape, list) and len(shape) == 2 and all(type(number) is int for number in shape)  # not bool
    if is_pair and 1 <= shape[0] <= MAX_KEYPOINTS and shape[1] in (2, 3):
        return Keypoints(*shape)
    problems.append(Problem("bad annotation", str(file), "kpt_shape is not [number of keypoints, 2 or 3]"))
    return None


def class_attributes(config: dict, num_classes: int, keypoints: Keypoints | None) -> tuple[dict[str, Any], ...]:
    """Names of keypoints, and which change places in a mirror image, as far as data.yaml gives them."""
    if keypoints is None:
        return ()
    names, mirrored = config.get("kpt_names"), config.get("flip_idx")
    shared = {}
    if isinstance(mirrored, list) and sorted(map(str, mirrored)) == sorted(map(str, range(keypoints.number))):
        shared["flip_idx"] = mirrored
    attributes = []
    for number in range(num_classes):
        named = names.get(number) if isinstance(names, dict) else None
        is_sound = isinstance(named, list) and all(isinstance(name, str) for name in named) and len(named) == keypoints.number
        attributes.append(shared | ({"keypoints": named} if is_sound else {}))
    return tuple(attributes) if any(attributes) else ()


def describe_classes(data_set: DataSet) -> dict[str, Any]:
    """The part of data.yaml that describes classes and keypoints."""
    config: dict[str, Any] = {"names": {number: one_line(name) for number, name in enumerate(data_set.class_names)}}
    keypoints = (
        one.objects.keypoints for index in data_set.splits.values() for one in index.annotations if one.objects is not None
    )
    number = max((points.shape[1] for points in keypoints if points is not None), default=0)
    if number:
        config["kpt_shape"] = [number, 3]
        attributes = next(iter(data_set.splits.values())).class_attributes
        named = {label: of_class.get("keypoints") for label, of_class in enumerate(attributes)}
        config["kpt_names"] = {label: names for label, names in named.items() if names and len(names) == number}
        mirrored = next((of_class["flip_idx"] for of_class in attributes if "flip_idx" in of_class), None)
        config |= {} if mirrored is None else {"flip_idx": mirrored}
    return config


def count_attributes(data_set: DataSet) -> int:
    """How many classes have attributes that data.yaml cannot hold."""
    attributes = next(iter(data_set.splits.values())).class_attributes
    return sum(bool(of_class.keys() - {"keypoints", "flip_idx"}) for of_class in attributes)
