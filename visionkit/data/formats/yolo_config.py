"""YOLO's data.yaml: the folders of images of each split, and the names of classes and keypoints."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml

from visionkit.data.formats.annotation_files import MAX_CLASSES, brief, one_line
from visionkit.data.formats.class_names import lists_in_another_order, longest_list, names_files
from visionkit.data.formats.coco_objects import MAX_KEYPOINTS
from visionkit.data.images.contents import read_text
from visionkit.data.images.inside import Boundary
from visionkit.data.images.listing import files_in
from visionkit.data.index import Annotation, DataError, Problem
from visionkit.data.split_names import SPLITS, WHOLE, split_name
from visionkit.data.splits import DataSet

NO_SPLITS = ("path", "names", "nc", "kpt_shape", "flip_idx", "kpt_names", "download")  # all other keys may name splits
TEXT = "tag:yaml.org,2002:str"
SAME_LAYOUT = 0.95  # share of lines that a layout must fit, so that it is theirs
MOST = 0.7  # share of lines that decides between outlines and keypoints
LARGEST = 5_000_000  # bytes: PyYAML reads about a megabyte a second


class Config(dict):
    """The contents of a YAML file.

    Attributes:
        as_written: class names that YAML 1.1 takes for other values: no, off, 010, null.
        repeated: numbers that name two classes.
        doubled: keys that are given twice.
    """

    as_written: tuple[str, ...] = ()
    repeated: tuple[str, ...] = ()
    doubled: tuple[str, ...] = ()


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


def read_config(file: Path) -> Config:
    """The contents of a YAML file. Class names are as they are written, also where YAML takes them for other values.

    Raises:
        DataError: the file cannot be read, or is not a mapping of keys.
    """
    try:
        if file.stat().st_size > LARGEST:
            raise DataError(f"{file}: {file.stat().st_size:,} bytes; expected the splits and class names of a data set.")
        config = _load(read_text(file))
    except DataError:
        raise
    except Exception as error:  # PyYAML raises whatever Python raises for an invalid value: KeyError, AttributeError, ...
        raise DataError(f"{file}: cannot be read as YAML ({str(error)[:200]}).") from error
    if not isinstance(config, dict):
        raise DataError(f"{file}: a {type(config).__name__}; expected the keys train, val and names.")
    return config


def _load(text: str) -> Any:
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        names = _value_of(root, "names")
        as_written = [node for node in _name_nodes(names) if _is_changed(node, loader)]
        keys = [key for key, _ in names.value if isinstance(key, yaml.ScalarNode)] if _is_mapping(names) else []
        for node in [*_name_nodes(names), *(key for key in keys if re.fullmatch("[0-9]+", key.value))]:
            node.tag = TEXT  # otherwise a key of 010 were 8
        tree = None if root is None else loader.construct_document(root)
    finally:
        loader.dispose()
    if not isinstance(tree, dict):
        return tree
    config = Config(tree)
    config.as_written = tuple(node.value for node in as_written)
    config.repeated, config.doubled = _doubled(keys), _doubled(key for key, _ in root.value)
    return config


def _doubled(keys: Iterable[yaml.Node]) -> tuple[str, ...]:
    counts = Counter(key.value for key in keys if isinstance(key, yaml.ScalarNode))
    return tuple(key for key, times in counts.items() if times > 1)


def _is_mapping(node: yaml.Node | None) -> bool:
    return isinstance(node, yaml.MappingNode)


def _value_of(node: yaml.Node | None, name: str) -> yaml.Node | None:
    pairs = node.value if _is_mapping(node) else ()
    values = [value for key, value in pairs if isinstance(key, yaml.ScalarNode) and key.value == name]
    return values[-1] if values else None  # of equal keys, YAML takes the last


def _name_nodes(names: yaml.Node | None) -> list[yaml.ScalarNode]:
    """The unquoted names in a list or mapping, except empty ones."""
    nodes = [value for _, value in names.value] if _is_mapping(names) else []
    nodes = list(names.value) if isinstance(names, yaml.SequenceNode) else nodes
    return [node for node in nodes if isinstance(node, yaml.ScalarNode) and node.style is None and node.value]


def _is_changed(node: yaml.ScalarNode, loader: yaml.SafeLoader) -> bool:
    if node.tag == TEXT:
        return False
    try:
        value = loader.construct_object(yaml.ScalarNode(node.tag, node.value))
    except Exception:  # not even a value: 2024-13-01, or a tag of somebody's own
        return True
    return str(value) != node.value


def configured(
    config: dict, file: Path, boundary: Boundary, problems: list[Problem], notes: list[str]
) -> dict[str, list[Path]]:
    """The folders and lists of images that data.yaml names, by split."""
    named = config.get("path")
    bases = [file.parent]
    if isinstance(named, str) and named:
        last = Path(named.replace("\\", "/")).name  # ../datasets/coco8 is coco8/ where it lies next to the file
        given = [place for place in (file.parent / named, Path(named)) if boundary.holds(place)]
        below = [file.parent / last] if last not in ("", "..") else []
        if not given and last != file.parent.absolute().name and not any(place.is_dir() for place in below):
            problems.append(boundary.refused(file, f"path: {named}"))
        bases = [*given, *below, file.parent]
    places: dict[str, list[Path]] = {}
    for key, value in config.items():
        entries = [value] if isinstance(value, str) else value
        if key in NO_SPLITS or not isinstance(key, str) or not isinstance(entries, list):
            continue
        for entry in entries:
            place = _place(entry, bases, file.parent, boundary) if isinstance(entry, str) and entry else None
            if place is not None:
                places.setdefault(split_name(key), []).append(place)
            elif isinstance(entry, str) and boundary.leads_out(bases, entry):
                problems.append(boundary.refused(file, f"{key}: {entry}"))
            elif split_name(key) in SPLITS:
                problems.append(Problem("missing partner", str(file), f"{key}: {brief(entry)} is not a folder of images"))
    if "train" not in places or places["train"] != places.get("val"):
        return places
    others = {split: of_split for split, of_split in places.items() if split not in ("train", "val")}
    if all(set(of_split) == set(places["train"]) for of_split in others.values()):
        return _not_split(file, places["train"], others, notes)
    notes.append(f"{file.name} names the same images as train and as val, so there is no validation split")
    own = [of_split for split, of_split in others.items() if split not in SPLITS]  # such as "fold 1"
    has_own_names = set(places["train"]) <= {place for of_split in own for place in of_split}
    return others if has_own_names else {"train": places["train"], **others}


def _not_split(file: Path, images: list[Path], others: dict[str, list[Path]], notes: list[str]) -> dict[str, list[Path]]:
    """The only split of a file that names the same images as train, as val and as all other splits.

    The split has the name of a key of the file's own, such as "fold 1", or of the folder, such as images/test.
    """
    folder = split_name(images[0].name)
    names = [split for split in others if split not in SPLITS] or ([folder] if others and folder in SPLITS else [])
    read_as = f"all are read as the split {names[0]!r}" if names else "the data set is not split"
    notes.append(f"{file.name} names the same images as {' and as '.join(['train', 'val', *others])}, so {read_as}")
    return {names[0] if names else WHOLE: images}


def _place(entry: str, bases: list[Path], folder: Path, boundary: Boundary) -> Path | None:
    """The existing folder or list that an entry names.

    Some tools write ../train for a folder next to data.yaml, and a path may be that of another computer: the longest end of
    it that exists is taken.
    """
    plain = entry.replace("\\", "/")
    for name in dict.fromkeys((entry, plain, plain.removeprefix("../"))):
        for base in bases:
            if (place := _existing(base / name, folder, boundary)) is not None:
                return place
    places = (_existing(base / tail, folder, boundary) for tail in _tails(plain) for base in bases)
    return next((place for place in places if place is not None), None)


def _existing(place: Path, folder: Path, boundary: Boundary) -> Path | None:
    """A folder or list, if it exists, is in the data set, and does not hold it."""
    if not boundary.holds(place):
        return None
    if ".." in place.parts and not boundary.allow_outside:
        place = Path(os.path.normpath(place))  # else a link before the .. could lead out
    try:
        is_there = place.is_dir() or (place.suffix == ".txt" and place.is_file())
        # a parent such as / would be the whole disk
        return place if is_there and place.resolve() not in folder.resolve().parents else None
    except (OSError, ValueError):  # a name that is too long, or that no folder can have
        return None


def _tails(path: str) -> Iterator[str]:
    """The ends of a path, the longest first; none that lost the name of its split: another split's images would be read."""
    parts = [part for part in path.split("/") if part not in ("", ".", "..")]
    for start in range(len(parts)):
        names_split = any(split_name(part.removesuffix(".txt")) in SPLITS for part in parts[start:])
        if names_split or start == 0 or split_name(parts[start - 1]) not in SPLITS:
            yield "/".join(parts[start:])


class Keypoints(NamedTuple):
    """``kpt_shape``: the number of keypoints, and 2 numbers each (x, y) or 3 (with visibility)."""

    number: int
    width: int


def class_names(
    config: dict, source: Path, label_folders: Iterable[Path], problems: list[Problem], notes: list[str]
) -> tuple[list[str] | None, Path | None]:
    """Class names from data.yaml, or from a text file, with that file; None where there are none.

    Args:
        config: the contents of data.yaml; or empty.
        source: data.yaml, or the folder of the data set.
        label_folders: further folders that may hold the text file.
        problems, notes: lists that receive what is wrong or odd about the names.

    Raises:
        DataError: the names are neither a list nor a mapping of numbers to names.
    """
    names, count = config.get("names"), config.get("nc")
    root = source.parent if source.is_file() else source
    if names is None:
        folders = dict.fromkeys((root, root / "labels", *label_folders))
        file, found = longest_list(folder / name for folder in folders for name in names_files(files_in(folder)[1]))
        if file is None and type(count) is int and 0 < count <= MAX_CLASSES:
            found = list(map(str, range(count)))
        if found or count is None:
            _judge_names(config, found, file or source, problems, notes)
            return found or None, file
    numbered = dict(enumerate(names)) if isinstance(names, list) else names
    try:
        if not all(isinstance(name, str | int | float | None) for name in numbered.values()):
            raise ValueError("a name is invalid")
        named = {int(number): str(number if name in (None, "") else name) for number, name in numbered.items()}
        if not all(0 <= number < MAX_CLASSES for number in named):
            raise ValueError("a number is invalid")
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise DataError(f"{source}: data.yaml lacks class names. Expected names: a list, or lines of number: name.") from error
    result = [named.get(number, str(number)) for number in range(max(named, default=-1) + 1)]
    _judge_names(config, result, source, problems, notes)
    problems += lists_in_another_order(result, source, dict.fromkeys((root, root / "labels", *label_folders)))
    return result, None


def without_names(config: dict, annotations: Iterable[Annotation], source: Path) -> list[Problem]:
    """The problem that objects have numbers that ``names`` of data.yaml leaves out: {0: cat, 2: dog} has no 1."""
    names = config.get("names")
    if not isinstance(names, dict):
        return []
    named = set(map(int, names))
    counts = Counter(number for one in annotations for number in one.objects.classes.tolist() if number not in named)
    counts.pop(-1, None)  # beyond the last name: reported with its line
    shown = ", ".join(f"{number} ({count:,} objects)" for number, count in sorted(counts.items())[:5])
    detail = f"names lacks numbers that objects have: {shown}; these classes are named by their numbers"
    return [Problem("class names", str(source), detail)] if counts else []


def _judge_names(config: dict, names: list[str], source: Path, problems: list[Problem], notes: list[str]) -> None:
    as_written, repeated = getattr(config, "as_written", ()), getattr(config, "repeated", ())
    if as_written:
        shown = ", ".join(map(one_line, as_written[:5])) + (", ..." if len(as_written) > 5 else "")
        notes.append(f"these class names are read as they are written, although YAML takes them for other values: {shown}")
    for key in getattr(config, "doubled", ()):
        kind = "class names" if key == "names" else "unclear layout"
        problems.append(Problem(kind, str(source), f"{brief(key)} is given twice; the last one is used"))
    if repeated:
        detail = f"several names have the number {brief(repeated[0])}; the last one is used"
        problems.append(Problem("class names", str(source), detail))
    count = config.get("nc")
    if type(count) is int and count != len(names):
        detail = f"nc is {brief(count)}, but there are {len(names)} names; the names are used"
        problems.append(Problem("class names", str(source), detail))


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


def guess_keypoints(rows: list[list[float]]) -> tuple[Keypoints, bool] | None:
    """The layout of keypoints that lines may have although ``kpt_shape`` is missing, and whether it is likely.

    Lines of keypoints all have the same length, and begin with a box in the image that holds all points. An even number of
    numbers may also be an outline of as many points in every line; see ``_are_outlines``.

    Args:
        rows: the numbers after the class, of equal length, at least 6.

    Returns:
        the layout, and whether the lines are keypoints rather than outlines; None if they can only be outlines.
    """
    numbers = np.array(rows, np.float64)
    if numbers.shape[1] == 8 and _are_rectangles(numbers.reshape(-1, 4, 2)):
        return None
    more = numbers.shape[1] - 4
    for width in (3, 2):
        if more % width or not 1 <= more // width <= MAX_KEYPOINTS:
            continue
        points = numbers[:, 4:].reshape(len(numbers), -1, width)
        if width == 3 and not np.isin(points[..., 2], (0, 1, 2)).all():
            continue
        points = points[..., :2]
        center, sides, labelled = numbers[:, None, :2], numbers[:, None, 2:4], points.any(axis=2)
        is_box = ((sides > 0) & (center - sides / 2 > -0.02) & (center + sides / 2 < 1.02)).all(axis=(1, 2))
        inside = (np.abs(points - center) <= 0.55 * sides).all(axis=2) | ~labelled
        if (is_box & inside.all(axis=1)).mean() < SAME_LAYOUT or not labelled.any():
            continue
        return Keypoints(more // width, width), bool(numbers.shape[1] % 2) or not _are_outlines(numbers, points, labelled)
    return None


def _are_rectangles(corners: np.ndarray) -> bool:
    """Whether most of ``(N, 4, 2)`` are the corners of rectangles, turned or not: their diagonals have the same middle."""
    shift = np.abs(corners[:, 0] + corners[:, 2] - corners[:, 1] - corners[:, 3]).max(axis=1)
    return bool((shift <= 0.3 * np.ptp(corners, axis=1).max(axis=1)).mean() >= MOST)


def _are_outlines(numbers: np.ndarray, points: np.ndarray, labelled: np.ndarray) -> bool:
    """Whether lines that could be a box and keypoints are rather outlines.

    The second point of an outline is close to the others, while width and height of a box are so only by chance. Where they
    are, keypoints lie around the center of their box and fill it, while the first point of an outline lies on its border.
    """
    first, second = numbers[:, :2], numbers[:, 2:4]
    if numbers.shape[1] == 6:
        return True
    some = labelled.any(axis=1)
    lowest = np.where(labelled[..., None], points, np.inf).min(axis=1)[some]
    highest = np.where(labelled[..., None], points, -np.inf).max(axis=1)[some]
    extents = highest - lowest
    reach = (3 if points.shape[1] <= 3 else 1) * extents.max(axis=1, keepdims=True)  # few points show little of the extent
    close = ((second[some] >= lowest - reach) & (second[some] <= highest + reach)).all(axis=1)
    around = (np.abs((lowest + highest) / 2 - first[some]) <= 0.3 * extents).all(axis=1)
    filled = (extents >= 0.3 * second[some]).any(axis=1)
    return bool(close.mean() >= MOST and (around & filled).mean() < MOST)


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
