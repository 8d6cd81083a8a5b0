"""COCO: one JSON file with the boxes, outlines and keypoints of all images of a split. Layouts:

x.json                                       or FOLDER/x.json
FOLDER/annotations/instances_train2017.json  and the same with val, test, ...; images in FOLDER/train2017/ or FOLDER/images/
FOLDER/labels.json                           as FiftyOne writes it; images in FOLDER/data/
FOLDER/train/_annotations.coco.json          and the same in valid/, test/; images next to it

Boxes are x, y, width, height in pixels, 0-based. Category ids may have gaps and are kept in ``Index.class_attributes``.
"""

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from visionkit.data.boxes import TOLERANCE
from visionkit.data.formats.annotation_files import (
    DECLARED_SIDES,
    below_a_pixel,
    brief,
    check_not_empty,
    detection_index,
    gathered,
    object_problem,
)
from visionkit.data.formats.annotation_tools.json_trees import garbage_collection_off
from visionkit.data.formats.class_names import class_name_of
from visionkit.data.formats.coco_objects import Ids, contradicted_boxes, is_key, key_of, read_objects, with_keypoints
from visionkit.data.formats.labelled.evidence import IMAGE_WORDS, MASK_WORDS
from visionkit.data.images.contents import read_text
from visionkit.data.images.decode import ImageError, read_size
from visionkit.data.images.finder import image_finder
from visionkit.data.images.inside import Boundary
from visionkit.data.index import Annotation, DataError, Index, Problem, natural_order
from visionkit.data.split_names import SPLITS, WHOLE, split_name, split_order
from visionkit.data.splits import DataSet, parted
from visionkit.files import LARGEST_TEXT, read_file
from visionkit.progress import bar

PARSED = 4_000_000  # bytes: in larger files, ``looks_like_coco`` searches for the keys without parsing
FAMILIES = ("instances", "person_keypoints", "stuff", "panoptic", "captions", "image_info")  # COCO's own files of one split

MANY = 10  # annotations with the same fault from which they are one problem
CLASS_KEYS = ("category_id", "category_name", "category", "label", "class")  # of annotations in files without categories

MOST_FOLDERS = 6  # that a message names
FILE_WORDS = frozenset([*MASK_WORDS, "coco", "json", "jsons"])  # in names of folders of annotations, beside the images
FEW = 5  # boxes from which their form is judged


class Categories(NamedTuple):
    """The classes of one file: names and attributes by position, and the position of each category id."""

    names: tuple[str, ...]
    attributes: tuple[dict[str, Any], ...]
    positions: dict[int, int]


def looks_like_coco(path: Path) -> bool:
    """Whether ``path`` is a JSON file with images and annotations, or a folder in one of the layouts above."""
    return bool(_annotation_files(Path(path)))


def read_coco(path: str | Path, boundary: Boundary | None = None) -> DataSet:
    """Index a data set in COCO's format; an image is opened only if the file lacks its size.

    The attributes of images, objects and classes hold whatever else the file says about them, under its own keys. The license
    of an image is the whole license object.

    Args:
        path: a file or folder in one of the layouts above.
        boundary: which files may be named; by default, those in the folder of the data set.

    Raises:
        DataError: there is no file in COCO's format, or none of its images exists.
    """
    path = Path(path)
    files = _annotation_files(path)
    if not files and path.is_file():
        _parse(path)  # an error that says where it is no JSON
        raise DataError(f"{path}: no COCO annotations. {_EXPECTED}")
    if not files:
        raise DataError(f"{path}: no .json file with COCO annotations in it, in annotations/, or in train/, val/. {_EXPECTED}")
    problems, notes, indexes, used, known = [], [], {}, [], []
    for split, (file, *others) in _by_split(files, path).items():
        known += [other for other in others if other.name.startswith(FAMILIES)]
        for other in others:
            detail = f"not used: {other}, because {file.name} belongs to the same split"
            if other in known and file.name.startswith(FAMILIES) and _family(other) != _family(file):
                notes.append(detail)  # the captions of the same images
            else:
                problems.append(Problem("unclear layout", str(other), f"{detail}; join them, or remove one"))
        try:
            with garbage_collection_off():
                indexes[split] = _read_file(file, split, boundary or Boundary.of(path), problems, notes)
                used.append(file)
        except DataError as error:
            if len(files) == 1:
                raise
            problems.append(Problem("bad annotation", str(file), str(error)))
    splits = _with_the_same_classes(indexes)
    splits = parted(splits[WHOLE]) if list(splits) == [WHOLE] else splits
    found = DataSet(splits, tuple(notes), tuple(problems), _format(used), frozenset(map(str, [*used, *known])))
    return check_not_empty(found, path)


def _format(files: list[Path]) -> str:
    names = [file.name for file in files]
    if len(set(names)) < len(names):
        names = [f"{file.parent.name}/{file.name}" for file in files]
    return f"COCO ({', '.join(names[:2])}{', ...' if len(names) > 2 else ''})"


_EXPECTED = 'Expected an object with the lists "images", "annotations" and "categories".'


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
        contents = read_file(file, LARGEST_TEXT)
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
        raise DataError(f"{file}: is not valid JSON ({error}). {_EXPECTED}") from error


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


def _family(file: Path) -> str | None:
    return next((name for name in FAMILIES if name in file.name), None)


def _read_file(file: Path, split: str, boundary: Boundary, problems: list[Problem], notes: list[str]) -> Index:
    tree = _parse(file)
    parts = [tree.get(key) if isinstance(tree, dict) else None for key in ("images", "annotations", "categories")]
    if parts[2] is None and isinstance(parts[1], list) and any(map(_class_in, parts[1])):
        parts[2] = []
    if not all(isinstance(part, list) for part in parts):
        raise DataError(f"{file}: not all of images, annotations and categories are lists. {_EXPECTED}")
    images, annotations, categories = parts
    if annotations and all(isinstance(each, dict) and "segments_info" in each for each in annotations):
        raise DataError(
            f"{file}: panoptic annotations (segments_info), which are not read. Expected those of single objects, such as "
            "instances_*.json, or masks of classes, one image for each."
        )
    categories = _without_root(categories, annotations)
    classes = _categories(categories or _named_by_annotations(annotations, file, problems), file, problems)
    licenses = _licenses(tree.get("licenses"))
    by_id, positions = _images(images, file, problems), Ids(classes.positions)
    grouped, faults = _grouped(annotations, by_id, file, problems, notes), []
    folders, find = _image_folders(file, split, boundary), image_finder(boundary)
    paths, readable, missing = [], [], False
    for number, entry in bar(by_id.items(), f"reading {file.name}", unit=" images", delay=1):
        name = entry["file_name"]
        path = find(folders, name)
        if path is None:
            searched = (
                "" if missing else f"; it was searched in {', '.join(folders[:MOST_FOLDERS])}{_elsewhere(file, name, boundary)}"
            )
            missing = True
            problems.append(find.missing(folders, name, file, f"the image {brief(name)} {find.problem(name)}{searched}"))
            continue
        try:
            size = _declared_size(entry)
            measured, size = size is None, size or read_size(path)
        except ImageError as error:
            problems.append(Problem("broken image", path, str(error)))
            continue
        attributes = {key: value for key, value in entry.items() if key not in ("width", "height")}
        if is_key(attributes.get("license")):
            attributes["license"] = licenses.get(attributes["license"], attributes["license"])
        objects = read_objects(grouped[number], size, positions, file, faults)
        paths.append(path)
        readable.append(Annotation(objects, size=size, attributes=attributes, measured=measured))
    positions.report("category_id", file, problems, notes)
    problems += [*gathered(faults, MANY), *_doubtful_boxes(readable, file)]
    return detection_index(classes.names, paths, readable, class_attributes=classes.attributes)


def _without_root(categories: list, annotations: list) -> list:
    """The categories without Roboflow's category 0, which is the supercategory of all others and has no objects."""
    if not all(isinstance(each, dict) for each in categories):
        return categories
    root = next((each for each in categories if each.get("id") in (0, "0")), None)
    above = [each.get("supercategory") for each in categories if each is not root]
    if root is None or not above or any(name != root.get("name") for name in above):
        return categories
    if any(isinstance(one, dict) and one.get("category_id") in (0, "0") for one in annotations):
        return categories
    return [each for each in categories if each is not root]


def _named_by_annotations(annotations: list, file: Path, problems: list[Problem]) -> list[dict]:
    """Categories for a file that has none: one for each name or number of a class in its annotations."""
    found: dict[str, Any] = {}
    for annotation in annotations:
        if (value := _class_in(annotation)) is not None:
            annotation["category_id"] = value
            found.setdefault(str(key_of(value)), key_of(value))
    if annotations:
        detail = "the file has no categories, so the classes are named after the labels in its annotations"
        problems.append(Problem("class names", str(file), detail))
    return [{"id": found[name], "name": name} for name in sorted(found, key=natural_order)]


def _class_in(annotation: Any) -> int | float | str | None:
    """The name or number of a class in an annotation of a file without categories."""
    if not isinstance(annotation, dict):
        return None
    return next((annotation[key] for key in CLASS_KEYS if is_key(annotation.get(key))), None)


def _categories(categories: list, file: Path, problems: list[Problem]) -> Categories:
    names, attributes, positions = [], [], {}
    for category in categories:
        number, name = (category.get("id"), category.get("name")) if isinstance(category, dict) else (None, None)
        if not is_key(number) or not is_key(name) or number in positions:
            problems.append(object_problem(file, f"category {brief(number)}", "it lacks a name or a unique id"))
        elif (name := class_name_of(str(name))) in names:
            positions[number] = names.index(name)
            detail = f"several categories are named {brief(name)}; they become one class"
            problems.append(Problem("class names", str(file), detail))
        else:
            positions[number] = len(names)
            names.append(name)
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
        if name is None and isinstance(image, dict) and isinstance(image.get("coco_url"), str):  # LVIS
            name = image["file_name"] = "/".join(image["coco_url"].split("/")[-2:])
        if not is_key(number) or not isinstance(name, str) or number in by_id:
            problems.append(object_problem(file, f"image {brief(number)}", "it lacks a file_name or a unique id"))
        else:
            by_id[number] = image
    return by_id


def _grouped(
    annotations: list, by_id: dict[int | str, dict], file: Path, problems: list[Problem], notes: list[str]
) -> dict[int | str, list]:
    grouped, faults = Ids({number: [] for number in by_id}), []
    for annotation in annotations:
        try:
            grouped.get(annotation["image_id"]).append(annotation)
        except (KeyError, TypeError, IndexError, AttributeError):
            number = annotation.get("id") if isinstance(annotation, dict) else None
            faults.append(object_problem(file, f"annotation {brief(number)}", "it belongs to no image of this file"))
    grouped.report("image_id", file, problems, notes)
    problems += gathered(faults, MANY)
    return grouped


def _doubtful_boxes(annotations: list[Annotation], file: Path) -> list[Problem]:
    """The problem that boxes are probably not x, y, width and height in pixels."""
    some = [(one.objects.boxes, one.size) for one in annotations if len(one.objects)]
    if not some:
        return []
    boxes = np.concatenate([boxes for boxes, _ in some])
    outside = int((boxes[:, 2:] > 1 + TOLERANCE).any(axis=1).sum())
    if len(boxes) >= FEW and 2 * outside > len(boxes):
        detail = (
            f"{outside:,} of {len(boxes):,} boxes reach beyond their images. COCO's are x, y, width and height in pixels; "
            "these may be two corners, or the size of the images may be wrong"
        )
        return [Problem("unclear layout", str(file), detail)]
    contradicted = sum(int(contradicted_boxes(one.objects, one.size).sum()) for one in annotations if len(one.objects))
    if contradicted > 1 and 2 * contradicted > len(boxes):
        detail = (
            f"{contradicted:,} of {len(boxes):,} boxes contradict the outlines or areas of their objects. COCO's are x, y, "
            "width and height in pixels, and are read as such; these may be two corners"
        )
        return [Problem("unclear layout", str(file), detail)]
    return below_a_pixel(annotations, file, "COCO's")


def _licenses(licenses: Any) -> dict[int | str, dict]:
    entries = licenses if isinstance(licenses, list) else []
    return {entry["id"]: entry for entry in entries if isinstance(entry, dict) and is_key(entry.get("id"))}


def _declared_size(entry: dict) -> tuple[int, int] | None:
    size = tuple(key_of(side) if is_key(side) else None for side in (entry.get("height"), entry.get("width")))
    return size if all(side in DECLARED_SIDES for side in size) else None


def _image_folders(file: Path, split: str, boundary: Boundary) -> list[str]:
    """Folders that may hold the images. Those named like the split come first: others may hold different images of one name."""
    names = [*re.split(r"[-_. ]", file.stem), file.stem, split]
    above = file.parent.parent if file.parent.name else file.parent / os.pardir
    place = file.parent.absolute().name.lower()
    is_inside = split_name(place) in SPLITS or not FILE_WORDS.isdisjoint(re.split(r"[\W_]+", place))
    roots = (file.parent, above) if is_inside and boundary.holds(above) else (file.parent,)  # above a data set are others
    below = [*names, *(f"images/{name}" for name in names), "images", ""]
    folders = dict.fromkeys(root / name for root in roots for name in below)
    found = [str(folder) for folder in folders if folder.is_dir()]
    more = [child for root in roots for child in _children(root) if Path(child).name.lower() in IMAGE_WORDS]
    inner = [str(Path(child, name)) for child in more for name in names if Path(child, name).is_dir()]
    return list(dict.fromkeys([*found, *inner, *more]))


def _elsewhere(file: Path, name: str, boundary: Boundary) -> str:
    """The folders beside a file that have an image of this name, as the end of a sentence; "" if none has."""
    paths = {Path(child).name: os.path.join(child, name) for child in _children(file.parent)}  # noqa: PTH118
    found = [f"{child}/" for child, path in paths.items() if boundary.holds(path) and os.path.isfile(path)]  # noqa: PTH113
    return f"; files of this name are in {' and '.join(found[:MOST_FOLDERS])}: write the folder into file_name" if found else ""


def _children(folder: Path) -> list[str]:
    try:
        return sorted(entry.path for entry in os.scandir(folder) if entry.is_dir())
    except OSError:
        return []


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
