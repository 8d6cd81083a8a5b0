"""Darknet: YOLO's text files next to the images. Layouts:

FOLDER/x.jpg, FOLDER/x.txt                     or in folders below, such as train/, valid/, test/
FOLDER/obj.data, obj.names, train.txt          as Darknet and CVAT ("YOLO 1.1") write it: lists of images
FOLDER/train.txt, FOLDER/obj/x.jpg, x.txt      the same without obj.data

Class names are the lines of classes.txt, obj.names, _darknet.labels or another .names, in the folder of the images or above. An
image without a text file is a background image.
"""

from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from visionkit.data.formats.annotation_files import MAX_CLASSES, brief, check_not_empty, detection_index, read_paths
from visionkit.data.formats.annotation_tools.folders import levels
from visionkit.data.formats.class_names import longest_list, names_files, read_names, unique_names
from visionkit.data.formats.yolo import NO_LABELS, label_folders
from visionkit.data.formats.yolo_lines import Labels, read_all
from visionkit.data.images.contents import read_text
from visionkit.data.images.decode import IMAGE_SUFFIXES
from visionkit.data.images.finder import ImageFinder, image_finder
from visionkit.data.images.inside import Boundary
from visionkit.data.images.listing import files_in, image_folders, list_images
from visionkit.data.index import DataError, Problem, counted
from visionkit.data.split_names import SPLITS, split_name, split_of_path, split_order
from visionkit.data.splits import DataSet

NUM_PROBED = 10  # text files of a folder that are opened to see whether they are labels
DEPTH = 3  # of folders that are searched for them
RELATIVE = (-1.0, 2.0)  # a relative coordinate may reach outside the image, but one in pixels does not lie between these
LARGEST_PROBED = 1_000_000  # bytes


class Sample(NamedTuple):
    """An image: its path, its label file, if it has one, and the file with its class names, if there is one."""

    image: str
    labels: str | None
    names: Path | None


def looks_like_darknet(folder: Path) -> bool:
    """Whether a folder has one of the layouts above; a few text files of each folder are opened."""
    folder = Path(folder)
    if _data_file(folder) is not None:
        return True
    return any(_are_labels(place, images, others) for place, images, others in levels(folder, DEPTH))


def _are_labels(place: Path, images: list[str], others: list[str]) -> bool:
    """Whether the text files that have the stem of an image in their folder are labels: more than half of those opened.

    Captions and other notes next to images are texts, too.
    """
    stems = {name.rpartition(".")[0] for name in images}
    files = [name for name in others if name.lower().endswith(".txt") and name[:-4] in stems]
    judged = Counter(_is_label_file(place / name) for name in files[:: max(1, len(files) // NUM_PROBED)][:NUM_PROBED])
    return judged[True] > judged[False]


def _is_label_file(file: Path) -> bool | None:
    """Whether most lines are a whole number and at least four relative ones; None if there is no line."""
    try:
        if file.stat().st_size > LARGEST_PROBED:
            return False
        lines = [line.split() for line in read_text(file).splitlines() if line.strip()]
        return 2 * sum(map(_is_label, lines)) > len(lines) if lines else None
    except OSError:
        return False


def _is_label(words: list[str]) -> bool:
    try:
        label, *numbers = map(float, words)
    except ValueError:
        return False
    low, high = RELATIVE
    return len(numbers) >= 4 and label >= 0 and label.is_integer() and all(low <= number <= high for number in numbers[:4])


def read_darknet(path: str | Path, boundary: Boundary | None = None) -> DataSet:
    """Index a data set of images with text files next to them; no image is opened.

    Args:
        path: a folder in one of the layouts above, or obj.data.
        boundary: which files may be named; by default, those in the folder of the data set.

    Raises:
        DataError: there are no labels, or no image.
    """
    path, problems, notes = Path(path), [], []
    data_file = path if path.is_file() else _data_file(path)
    files: set[str] = set()
    lists = _lists_in(path) if data_file is None else _lists(_read_data(data_file))
    find = image_finder(boundary or Boundary.of(path))
    splits = _listed(path, data_file, lists, find, files, problems, notes) if lists else _next_to_images(path, problems, notes)
    samples = [sample for part in splits.values() for sample in part]
    if not any(sample.labels for sample in samples):
        reasons = f" The first of {len(problems):,} problems: {problems[0].detail}." if problems else ""
        raise DataError(f"{path}: no image has a label file next to it.{reasons} Expected x.txt next to x.jpg.")
    names, positions = _class_names(samples, problems, notes)
    # Where files of names differ, a number is looked up in the file of its own folder; it also changes where a name is doubled.
    several = any(position.tolist() != list(range(len(names))) for position in positions.values())
    labels = Labels(MAX_CLASSES if several or not names else len(names), None)
    by_split = {split: {Path(sample.image): sample.labels for sample in part} for split, part in splits.items()}
    indexes, _ = read_all(by_split, labels, path, problems, notes)
    if several:
        by_image = {sample.image: sample for sample in samples}
        for paths, annotations in indexes.values():
            for image, annotation in zip(paths, annotations, strict=True):
                _renumber(annotation.objects.classes, by_image[image], positions, problems)
    classes = [annotation.objects.classes for _, annotations in indexes.values() for annotation in annotations]
    largest = max((int(each.max(initial=-1)) for each in classes), default=-1)
    if largest >= len(names):
        if not names:
            notes.append(f"there are no class names: {largest + 1} classes are named by their numbers")
        names += map(str, range(len(names), largest + 1))
    empty = sum(sample.labels is None for sample in samples)
    if empty > len(samples) / 2:
        detail = (
            f"{empty:,} of {len(samples):,} images have no .txt file and serve as background; unlabelled ones must be removed"
        )
        problems.append(Problem("unclear layout", str(path), detail))
    elif empty:
        serve = counted(empty, "image without a .txt file serves", "images without a .txt file serve")
        notes.append(f"{serve} as background")
    files |= {sample.labels for sample in samples if sample.labels} | {str(one.names) for one in samples if one.names}
    layout = data_file.name if data_file is not None else ".txt next to the images" + (", in lists" if lists else "")
    splits = {split: detection_index(names, *part) for split, part in indexes.items()}
    unique = tuple(dict.fromkeys(problems))
    return check_not_empty(DataSet(splits, tuple(notes), unique, f"YOLO Darknet ({layout})", frozenset(files)), path)


def _renumber(classes: np.ndarray, sample: Sample, positions: dict[Path, np.ndarray], problems: list[Problem]) -> None:
    """Replace the numbers of a label file by positions among all class names, in place; -1 where its names have no such."""
    if sample.names is None:
        return
    position = np.append(positions[sample.names], -1)
    beyond = classes >= len(position) - 1
    if beyond.any():
        detail = f"class {classes[beyond][0]}, but {sample.names} has {len(position) - 1} names"
        problems.append(Problem("unknown label", str(sample.labels), detail))
    classes[:] = position[classes.clip(max=len(position) - 1)]


def _class_names(samples: list[Sample], problems: list[Problem], notes: list[str]) -> tuple[list[str], dict[Path, np.ndarray]]:
    """All class names, and the position of each class of each file of names among them."""
    lists = {file: read_names(file) for file in dict.fromkeys(sample.names for sample in samples) if file is not None}
    if len({tuple(names) for names in lists.values()}) > 1:
        notes.append(f"{' and '.join(map(str, list(lists)[:3]))} have different class names, which are matched by name")
    own = {file: unique_names(names, file, problems) for file, names in lists.items()}
    merged = list(dict.fromkeys(name for unique, _ in own.values() for name in unique))
    positions = {
        file: np.array([merged.index(unique[number]) for number in numbers], np.int32)
        for file, (unique, numbers) in own.items()
    }
    return merged, positions


def _next_to_images(folder: Path, problems: list[Problem], notes: list[str]) -> dict[str, list[Sample]]:
    images, others = list_images(folder)
    by_folder: dict[str, tuple[list[Path], dict[str, Path]]] = {}
    for image in images:
        by_folder.setdefault(str(image.parent), ([], {}))[0].append(image)
    for file in others:
        if file.suffix.lower() == ".txt" and str(file.parent) in by_folder:
            by_folder[str(file.parent)][1][file.stem] = file
    splits: dict[str, list[Sample]] = {}
    unused, listing = 0, cache(lambda place: files_in(place)[1])
    for place, (found, texts) in by_folder.items():
        if not _are_labels(Path(place), [image.name for image in found], [file.name for file in texts.values()]):
            unused += len(found)
            continue
        names = _names_file(Path(place), folder, listing)
        samples = [Sample(str(one), str(texts[one.stem]) if one.stem in texts else None, names) for one in found]
        splits.setdefault(split_of_path(found[0], folder), []).extend(samples)
        stems = {image.stem for image in found}
        for stem, file in texts.items():
            if stem not in stems and file.name.lower() not in NO_LABELS and _is_label_file(file):
                problems.append(Problem("missing partner", str(file), "the label file has no image"))
    if unused:
        are = counted(unused, "image in folders without label files is", "images in folders without label files are")
        notes.append(f"{are} not used")
    return {name: splits[name] for name in sorted(splits, key=split_order)}


def _names_file(place: Path, root: Path, listing: Callable[[Path], list[str]]) -> Path | None:
    """The file of class names in a folder, or in the next one above it, as far as the root of the data set.

    Args:
        place, root: the folders.
        listing: the files of a folder, which is listed once, however many folders lie below it.
    """
    for folder in (place, *place.parents):
        if known := names_files(listing(folder)):
            return longest_list(folder / name for name in known)[0]
        if folder == root:
            return None
    return None


def _data_file(folder: Path) -> Path | None:
    """The file, usually obj.data, that names the lists of images and the class names."""
    files = [folder / name for name in files_in(folder)[1] if name.lower().endswith(".data")]
    return next((file for file in files if "names" in (config := _read_data(file)) and _lists(config)), None)


def _lists(config: dict[str, str]) -> dict[str, str]:
    """The list of each split, by key. Darknet's key "eval" is no list, but the name of a benchmark."""
    return {key: value for key, value in config.items() if split_name(key) in SPLITS and key != "eval" and value}


def _read_data(file: Path) -> dict[str, str]:
    """The lines ``key = value`` of a file; empty if it cannot be read."""
    try:
        text = read_text(file) if file.stat().st_size <= LARGEST_PROBED else ""
    except OSError:
        return {}
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line and not line.lstrip().startswith("#"))
    return {key.strip().lower(): value.strip() for key, _, value in pairs}


def _lists_in(folder: Path) -> dict[str, str]:
    """Lists of images in a folder without obj.data: train.txt, valid.txt, ..., by split."""
    lists = {}
    for name in files_in(folder)[1] if folder.is_dir() else ():
        split = split_name(name[:-4])
        if name.lower().endswith(".txt") and split in SPLITS:
            lines = _lines(folder / name, [])
            if lines and all(Path(line).suffix.lower() in IMAGE_SUFFIXES for line in lines[:NUM_PROBED]):
                lists.setdefault(split, name)
    return lists


def _listed(
    path: Path,
    file: Path | None,
    lists: dict[str, str],
    find: ImageFinder,
    files: set[str],
    problems: list[Problem],
    notes: list[str],
) -> dict[str, list[Sample]]:
    """The images of lists, by split.

    Args:
        path: the folder of the data set, or obj.data.
        file: obj.data, or None.
        lists: name of each list, by a name of the split.
        find: finds the files that are named.
        files: receives the files that are read.
    """
    root = path if file is None else file.parent
    folders = [*map(str, (root, root / "obj_train_data", *image_folders(root), root / "data"))]

    def existing(name: str) -> str | None:
        endings = [*([name] if find.boundary.allow_outside else []), *_endings(name)]
        return next((path for ending in endings if (path := find(folders, ending)) is not None), None)

    listing = cache(lambda place: files_in(place)[1])

    @cache
    def names_of(folder: Path) -> Path | None:
        return _names_file(folder, root, listing)

    names = None if file is None else existing(_read_data(file).get("names", ""))
    if file is not None:
        files.add(str(file))
        if names is None:
            detail = "the file of class names, names=, does not exist"
            problems.append(find.missing(folders, _read_data(file).get("names", ""), file, detail))
    splits: dict[str, dict[str, Sample]] = {}
    for key, value in lists.items():
        listed = existing(value)
        if listed is None:
            problems.append(find.missing(folders, value, file or root, f"{key}: {brief(value)} does not exist"))
            continue
        files.add(listed)
        for line in dict.fromkeys(_lines(Path(listed), problems)):
            image = existing(line)
            if image is None:
                problems.append(find.missing(folders, line, listed, f"the image {brief(line)} does not exist"))
                continue
            folder = Path(image).parent
            labels = find((*label_folders(folder), *folders), f"{Path(image).stem}.txt")
            names_file = names_of(folder) if file is None else names and Path(names)
            splits.setdefault(split_name(key), {})[image] = Sample(image, labels, names_file)
    unused = sum(all(str(image) not in part for part in splits.values()) for image in list_images(root)[0])
    if unused:
        notes.append(f"{unused:,} images are in no list of {'a split' if file is None else file.name} and are not used")
    return {name: list(splits[name].values()) for name in sorted(splits, key=split_order)}


def _lines(file: Path, problems: list[Problem]) -> list[str]:
    try:
        return read_paths(file)
    except OSError as error:
        problems.append(Problem("bad annotation", str(file), f"cannot be read ({error.strerror or error})"))
        return []


def _endings(name: str) -> list[str]:
    """A path, and the same without its first folders, which may be those of another computer."""
    parts: list[Any] = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    return ["/".join(parts[start:]) for start in range(len(parts))]
