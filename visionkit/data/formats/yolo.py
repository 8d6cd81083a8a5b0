"""YOLO: one text file per image, one line per object. Layouts:

data.yaml, or FOLDER/data.yaml               train:, val:, test: name folders of images, or lists of them
FOLDER/images/train/, FOLDER/labels/train/   and the same with val, test; or without split folders
FOLDER/train/images/, FOLDER/train/labels/   and the same in val/ (or valid/) and test/

The label file of ``.../images/.../x.jpg`` is ``.../labels/.../x.txt``, or x.txt next to the image. An image without one is a
background image. The forms of a line, with relative coordinates:

class x_center y_center width height                          a box
class x1 y1 x2 y2 x3 y3 ...                                   an outline; the box is its extent
class x_center y_center width height  px py [visibility] ...  keypoints, as many as ``kpt_shape`` in data.yaml says

If an image has outlines, YOLO's own code reads every line as one. The writer then gives an object without an outline that of
its box: five points, closed, beginning at the box's first corner. The reader recognises such a line as a box.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from visionkit.data.formats.annotation_files import MAX_CLASSES, brief, check_not_empty, detection_index, read_paths
from visionkit.data.formats.class_names import NO_LABEL_FILES, unique_names
from visionkit.data.formats.yolo_config import (
    class_attributes,
    class_names,
    configured,
    find_config,
    keypoint_shape,
    read_config,
    without_names,
)
from visionkit.data.formats.yolo_lines import Labels, read_all
from visionkit.data.images.contents import read_text
from visionkit.data.images.finder import ImageFinder, find_by_stem, image_finder
from visionkit.data.images.inside import KIND, Boundary, gathered_outside
from visionkit.data.images.listing import files_in, list_images
from visionkit.data.index import Annotation, DataError, Problem, counted
from visionkit.data.split_names import SPLITS, WHOLE, is_not_empty, split_folders
from visionkit.data.splits import DataSet

NO_LABELS = NO_LABEL_FILES | {"readme.txt", *(f"{name}.txt" for name in (*SPLITS, "valid", "trainval"))}
PROBED = 100  # text files, and lines of each, that show whether they are label files
NUMBERS = re.compile(r"[\s\d.+e-]*", re.IGNORECASE)


def looks_like_yolo(folder: Path, boundary: Boundary | None = None) -> bool:
    """Whether a folder has one of the layouts above."""
    folder, boundary = Path(folder), boundary or Boundary.of(folder)
    config_file, config = find_config(folder, [])
    if config_file is not None:
        return not _are_of_class_folders(configured(config, config_file, boundary, [], []))
    places = ((place, _label_folder(place)) for places in _layout(folder, [], []).values() for place in places)
    find = image_finder(boundary)
    return any(
        _may_be_label_file(file, place / file.parent.relative_to(labels), find)
        for place, labels in places
        if labels is not None
        for file in islice(labels.rglob("*.txt"), PROBED)
    )


def _are_of_class_folders(places: dict[str, list[Path]]) -> bool:
    """Whether data.yaml names folders of class folders: images in folders alone, and no label file."""
    folders = [place for of_split in places.values() for place in of_split]
    for place in folders:
        images, _, below = files_in(place)
        if (
            images
            or not below
            or any(next(labels.rglob("*.txt"), None) for labels in dict.fromkeys((_label_folder(place) or place, place)))
        ):
            return False
    return bool(folders)


def _may_be_label_file(file: Path, images: Path, find: ImageFinder) -> bool:
    """Whether a text file has an image of its name, or holds nothing but numbers: others may be lists of images."""
    if find_by_stem(find, (str(images),), file.stem) is not None:
        return True
    try:
        lines = read_text(file).splitlines()[:PROBED]
    except OSError:
        return True  # reading it reports the reason
    return bool(lines) and all(NUMBERS.fullmatch(line) for line in lines)


def read_yolo(path: str | Path, boundary: Boundary | None = None) -> DataSet:
    """Index a data set in YOLO's format; no image is opened.

    An image whose label file has lines, but none that is valid, is left out, because it is not a background image.

    Args:
        path: a data.yaml, or a folder in one of the layouts above.
        boundary: which files may be named; by default, those in the folder of the data set.

    Raises:
        DataError: the layout is unknown, the class names are invalid, or no image has a label file.
    """
    path, problems, notes = Path(path), [], []
    find = image_finder(boundary or Boundary.of(path))
    config_file, config = (path, read_config(path)) if path.is_file() else find_config(path, problems)
    if config_file is None:
        places = _layout(path, notes, problems)
    else:
        places = configured(config, config_file, find.boundary, problems, notes)
    if not places:
        reasons = "".join(f" {problem.path}: {problem.detail}." for problem in problems[:1])
        raise DataError(f"{path}: no images of a YOLO data set found.{reasons} Expected data.yaml, or images/ and labels/.")
    source = path if config_file is None else config_file
    root = path if config_file is None else config_file.parent
    names, names_file = class_names(config, source, filter(find.boundary.holds, _label_folders_of(places)), problems, notes)
    keypoints = keypoint_shape(config, config_file, problems)
    files = {
        split: _with_labels(
            dict.fromkeys(image for place in split_places for image in _images(place, root, find, problems)), find, problems
        )
        for split, split_places in places.items()
    }
    read_files = {file for of_split in files.values() for file in of_split.values()}
    if read_files <= {None}:
        outside = "".join(f" {problem.detail}." for problem in gathered_outside(problems) if problem.kind == KIND)
        raise DataError(
            f"{path}: none of its images has a label file. Expected labels/.../x.txt for images/.../x.jpg.{outside}"
        )
    labels = Labels(MAX_CLASSES if names is None else len(names), keypoints)
    splits, labels = read_all(files, labels, source, problems, notes)
    problems += _without_image(places, read_files)
    if background := sum(file is None for of_split in files.values() for file in of_split.values()):
        count = counted(background, "image has no label file and counts", "images have no label file and count")
        notes.append(f"{count} as background")
    if names is None:
        classes = [one.objects.classes for _, annotations in splits.values() for one in annotations]
        names = list(map(str, range(int(max((labels.max(initial=-1) for labels in classes), default=-1)) + 1)))
        notes.append(f"there are no class names: {len(names)} classes are named by their numbers")
    problems += without_names(config, (one for _, annotations in splits.values() for one in annotations), source)
    unique, numbers = unique_names(names, names_file or source, problems)
    attributes = class_attributes(config, len(names), labels.keypoints)
    attributes = tuple(attributes[numbers.index(position)] for position in range(len(unique))) if attributes else ()
    indexes = {}
    for split, (paths, annotations) in splits.items():
        annotations = annotations if len(unique) == len(names) else [_renumbered(one, numbers) for one in annotations]
        indexes[split] = detection_index(unique, paths, annotations, class_attributes=attributes)
    lists = [place for split_places in places.values() for place in split_places if place.is_file()]
    used = frozenset(str(file) for file in (*read_files, *lists, config_file, names_file) if file is not None)
    found = DataSet(indexes, tuple(notes), tuple(dict.fromkeys(problems)), _format(config_file, places), used)
    return check_not_empty(found, path)


def _format(config_file: Path | None, places: dict[str, list[Path]]) -> str:
    if config_file is not None:
        return f"YOLO ({config_file.name})"
    (first, *_), *_ = places.values()
    above = f"{first.parent.name}/" if first.name == "images" and next(iter(places)) != WHOLE else ""
    return f"YOLO ({above}images/, {above}labels/)"


def _renumbered(annotation: Annotation, numbers: list[int]) -> Annotation:
    classes = np.array([*numbers, -1], np.int32)[annotation.objects.classes]  # -1 stays: it is the last
    return replace(annotation, objects=replace(annotation.objects, classes=classes))


def _layout(folder: Path, notes: list[str], problems: list[Problem]) -> dict[str, list[Path]]:
    """The folders of images of a data set without data.yaml, by split."""
    images = folder / "images"
    if images.is_dir() and (folder / "labels").is_dir():
        found = split_folders(images / name for name in files_in(images)[2])
        places = {split: [child] for split, child in found.folders.items()} or {WHOLE: [images]}
    else:
        children = (folder / name for name in files_in(folder)[2])
        parts = [child for child in children if {"images", "labels"} <= set(files_in(child)[2])]
        found = split_folders(parts, lambda part: is_not_empty(part / "images"))
        places = {split: [child / "images"] for split, child in found.folders.items()}
    notes += found.notes
    problems += found.problems
    return places


def _images(place: Path, root: Path, find: ImageFinder, problems: list[Problem]) -> list[Path]:
    if place.is_dir():
        return list_images(place)[0]
    images, folders = [], (str(place.parent), str(root))
    for line in read_paths(place):
        image = find(folders, line)
        if image is None:
            problems.append(find.missing(folders, line, place, f"the image {brief(line)} {find.problem(line)}"))
        else:
            images.append(Path(image))
    return images


def _label_folders_of(places: dict[str, list[Path]]) -> list[Path]:
    """The folders of label files of all splits, and those above them."""
    folders = [_label_folder(place) for split_places in places.values() for place in split_places]
    return list(dict.fromkeys(each for folder in folders if folder is not None for each in (folder, folder.parent)))


def _with_labels(images: Iterable[Path], find: ImageFinder, problems: list[Problem]) -> dict[Path, str | None]:
    """The label file of each image, or None. Of several images with one label file, the first of its exact name stays."""
    folders: dict[Path, tuple[str, ...]] = {}
    files = {}
    for image in images:
        if image.parent not in folders:
            folders[image.parent] = label_folders(image.parent)
        spellings = (f"{image.stem}.txt", f"{image.stem}.TXT")
        files[image] = next((file for name in spellings if (file := find(folders[image.parent], name)) is not None), None)
    for folder in dict.fromkeys(image.parent for image, file in files.items() if file is None):
        if not find.boundary.holds(labels := folders[folder][0]):
            problems.append(find.boundary.refused(folder, labels))
    owners: dict[str, Path] = {}
    for image in sorted(files, key=lambda image: files[image] is None or image.stem != Path(files[image]).stem):
        if files[image] is not None and (owner := owners.setdefault(files[image], image)) != image:
            detail = f"{files[image]} is the label file of {owner.name}, too; this image is left out"
            problems.append(Problem("unclear layout", str(image), detail))
            del files[image]
    return files


def label_folders(folder: Path) -> tuple[str, ...]:
    """Folders that may hold the label files of the images in a folder."""
    labels = _label_folder(folder)
    return (str(folder),) if labels is None else (str(labels), str(folder))


def _label_folder(folder: Path) -> Path | None:
    """``folder`` with its last part "images" replaced by "labels"; None if it has no such part."""
    parts = folder.parts
    if "images" not in parts:
        return None
    last = len(parts) - 1 - parts[::-1].index("images")
    return Path(*parts[:last], "labels", *parts[last + 1 :])


def _without_image(places: dict[str, list[Path]], read_files: set[str | None]) -> list[Problem]:
    folders = [place for split_places in places.values() for place in split_places if place.is_dir()]
    folders = [labels if (labels := _label_folder(folder)) is not None and labels.is_dir() else folder for folder in folders]
    files = (file for folder in dict.fromkeys(folders) for file in list_images(folder)[1] if file.suffix.lower() == ".txt")
    unpaired = (file for file in files if str(file) not in read_files and file.name.lower() not in NO_LABELS)
    return [Problem("missing partner", str(file), "the label file has no image") for file in unpaired]
