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

from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml
from tqdm import tqdm

from visionkit.data.formats.annotation_files import (
    LARGEST,
    MAX_CLASSES,
    Images,
    brief,
    check_not_empty,
    decimal,
    detection_index,
    new_name,
    object_problem,
    put_image,
    read_paths,
    split_file_name,
    with_known_class,
)
from visionkit.data.formats.coco_objects import polygons_of
from visionkit.data.formats.matching import image_finder
from visionkit.data.formats.yolo_config import (
    Keypoints,
    class_attributes,
    class_names,
    configured,
    count_attributes,
    describe_classes,
    find_config,
    keypoint_shape,
    read_config,
)
from visionkit.data.images.contents import read_text
from visionkit.data.images.listing import list_images
from visionkit.data.index import NO_OBJECTS, Annotation, DataError, Objects, Outline, Problem, Rle
from visionkit.data.splits import SPLITS, WHOLE, DataSet, split_name

NO_LABELS = frozenset(["classes.txt", "labels.txt", "readme.txt", *(f"{name}.txt" for name in (*SPLITS, "valid", "trainval"))])
DIGITS = 10  # decimals of a relative coordinate in files


class Labels(NamedTuple):
    """How label files are read: classes from ``num_classes`` on are unknown."""

    num_classes: int
    keypoints: Keypoints | None


def looks_like_yolo(folder: Path) -> bool:
    """Whether a folder has one of the layouts above."""
    folder = Path(folder)
    if find_config(folder, [])[0] is not None:
        return True
    label_folders = (_label_folder(place) for places in _layout(folder).values() for place in places)
    return any(next(labels.rglob("*.txt"), None) is not None for labels in label_folders if labels is not None)


def read_yolo(path: str | Path) -> DataSet:
    """Index a data set in YOLO's format; no image is opened.

    An image whose label file has lines, but none that is valid, is left out, because it is not a background image.

    Args:
        path: a data.yaml, or a folder in one of the layouts above.

    Raises:
        DataError: the layout is unknown, the class names are invalid, or no image has a label file.
    """
    path, problems, notes = Path(path), [], []
    config_file, config = (path, read_config(path)) if path.is_file() else find_config(path, problems)
    places = _layout(path) if config_file is None else configured(config, config_file, problems, notes)
    if not places:
        reasons = "".join(f" {problem.path}: {problem.detail}." for problem in problems[:1])
        raise DataError(f"{path}: no images of a YOLO data set found.{reasons} Expected data.yaml, or images/ and labels/.")
    root = path if config_file is None else config_file.parent
    names, keypoints = class_names(config, root), keypoint_shape(config, config_file, problems)
    labels = Labels(MAX_CLASSES if names is None else len(names), keypoints)
    find, read_files = image_finder(), set()
    splits = {}
    for split, split_places in places.items():
        images = dict.fromkeys(image for place in split_places for image in _images(place, root, find, problems))
        paths, annotations = [], []
        for image in tqdm(images, f"reading {split}", unit=" images", leave=False, delay=1):
            file = find(_label_folders(image.parent), f"{image.stem}.txt")
            objects = NO_OBJECTS if file is None else _read_labels(file, labels, problems)
            read_files.add(file)
            if objects is not None:
                paths.append(str(image))
                annotations.append(Annotation(objects))
        splits[split] = paths, annotations
    if read_files <= {None}:
        raise DataError(f"{path}: none of its images has a label file. Expected labels/.../x.txt for images/.../x.jpg.")
    problems += _without_image(places, read_files)
    if names is None:
        classes = [one.objects.classes for _, annotations in splits.values() for one in annotations]
        names = list(map(str, range(int(max((labels.max(initial=-1) for labels in classes), default=-1)) + 1)))
        notes.append(f"there are no class names: {len(names)} classes are named by their numbers")
    attributes = class_attributes(config, len(names), keypoints)
    indexes = {split: detection_index(names, *samples, class_attributes=attributes) for split, samples in splits.items()}
    return check_not_empty(DataSet(indexes, tuple(notes), tuple(dict.fromkeys(problems))), path)


def _layout(folder: Path) -> dict[str, list[Path]]:
    """The folders of images of a data set without data.yaml, by split."""
    images = folder / "images"
    if images.is_dir() and (folder / "labels").is_dir():
        children = {split_name(child.name): child for child in sorted(images.iterdir()) if child.is_dir()}
        return {split: [children[split]] for split in SPLITS if split in children} or {WHOLE: [images]}
    children = {split_name(child.name): child for child in sorted(folder.iterdir()) if child.is_dir()}
    parts = [split for split in SPLITS if split in children and (children[split] / "labels").is_dir()]
    return {split: [children[split] / "images"] for split in parts if (children[split] / "images").is_dir()}


def _images(place: Path, root: Path, find: Any, problems: list[Problem]) -> list[Path]:
    if place.is_dir():
        return list_images(place)[0]
    images = []
    for line in read_paths(place):
        image = find((str(place.parent), str(root)), line)
        if image is None:
            problems.append(Problem("missing partner", str(place), f"the image {brief(line)} {find.problem(line)}"))
        else:
            images.append(Path(image))
    return images


def _label_folders(folder: Path) -> tuple[str, ...]:
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


def _read_labels(file: str, labels: Labels, problems: list[Problem]) -> Objects | None:
    """The objects in one label file; None if it cannot be read, or none of its lines is valid."""
    try:
        lines = [(number, line) for number, line in enumerate(read_text(file).splitlines(), 1) if line.strip()]
    except OSError as error:
        problems.append(Problem("bad annotation", file, f"cannot be read ({error.strerror or error}); its image is left out"))
        return None
    rows = []
    for number, line in lines:
        try:
            rows.append(_read_line(line, labels))
        except ValueError as error:
            problems.append(object_problem(file, f"line {number}", str(error)))
            continue
        if rows[-1][0] < 0:
            detail = f"line {number}: class {brief(line.split()[0])}, but there are {labels.num_classes} classes"
            problems.append(Problem("unknown label", file, detail))
    if not rows:
        return None if lines else NO_OBJECTS
    classes, boxes, outlines, keypoints = zip(*rows, strict=True)
    return Objects(
        np.array(boxes, np.float64),
        np.array(classes, np.int32),
        outlines if any(outline is not None for outline in outlines) else (),
        None if labels.keypoints is None else np.array(keypoints, np.float64),
    )


def _read_line(line: str, labels: Labels) -> tuple[int, list[float], Outline, np.ndarray | None]:
    """Class (-1 if unknown), box, outline, keypoints ``(K, 3)``.

    Raises:
        ValueError: the line does not describe an object.
    """
    label, *numbers = map(float, line.replace("_", "?").split())  # Python reads 1_0 as a number
    if not label.is_integer() or not all(abs(number) <= LARGEST for number in numbers):
        raise ValueError("its class is not a whole number, or a coordinate is far outside any image")
    label = int(label) if 0 <= label < labels.num_classes else -1
    keypoints = None if labels.keypoints is None else np.zeros((labels.keypoints.number, 3))
    num_posed = -1 if labels.keypoints is None else 4 + labels.keypoints.number * labels.keypoints.width
    if len(numbers) in (4, num_posed):
        if len(numbers) == num_posed:
            points = np.reshape(numbers[4:], labels.keypoints)
            keypoints[:, : labels.keypoints.width] = points
            keypoints[:, 2] = points[:, 2] if labels.keypoints.width == 3 else 2 * points.any(axis=1)
            if not np.isin(keypoints[:, 2], (0, 1, 2)).all():
                raise ValueError("a visibility is not 0, 1 or 2")
        x, y, width, height = numbers[:4]
        return label, [x - width / 2, y - height / 2, x + width / 2, y + height / 2], None, keypoints
    if labels.keypoints is not None or len(numbers) < 6 or len(numbers) % 2:
        expected = "4, or x and y of at least 3 points" if labels.keypoints is None else f"4 or {num_posed}"
        raise ValueError(f"{len(numbers)} numbers follow the class; expected {expected}")
    points = np.reshape(numbers, (-1, 2))
    if np.array_equal(points, _box_outline(points[0], points[2])):
        return label, [*points[0], *points[2]], None, None
    return label, [*points.min(axis=0), *points.max(axis=0)], (points,), None


def _box_outline(first: np.ndarray, opposite: np.ndarray) -> np.ndarray:
    """A box as a closed polygon, float64 ``(5, 2)``."""
    (x1, y1), (x2, y2) = first, opposite
    return np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2], [x1, y1]])


def write_yolo(data_set: DataSet, folder: str | Path, *, images: Images = "copy") -> Counter[str]:
    """Write a data set in YOLO's format: images/<split>/, labels/<split>/ and data.yaml.

    Objects with keypoints are written without their outlines, because a line holds only one of the two.

    Args:
        data_set: a data set whose images exist and can be decoded.
        folder: target folder, which holds no files of that data set yet.
        images: "copy" copies the images, "link" makes symbolic links.

    Returns:
        what the format cannot express, with the number of each kind.

    Raises:
        OSError: a file cannot be written.
    """
    folder, lost = Path(folder), Counter()
    config: dict[str, Any] = {}
    for split, index in data_set.splits.items():
        part, taken = split_file_name(split), {}
        image_folder, label_folder = folder / "images" / part, folder / "labels" / part
        for place in (image_folder, label_folder):
            place.mkdir(parents=True, exist_ok=True)
        pairs = zip(index.paths, index.annotations, strict=True)
        for path, annotation in tqdm(pairs, f"writing {split}", total=len(index), unit=" images", leave=False):
            name = new_name(path, taken, lost, by_stem=True)
            put_image(path, image_folder / name, images)
            lines = _lines(with_known_class(annotation.objects, lost), lost)
            (label_folder / f"{Path(name).stem}.txt").write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
            lost["images with attributes such as an id: YOLO has none"] += bool(annotation.attributes.keys() - {"file_name"})
        # YOLO's own code needs both: a set that is not split is named twice, which our reader recognises.
        config |= dict.fromkeys(("train", "val") if split == WHOLE else (part,), f"images/{part}")
    lost["classes with attributes such as an id: YOLO has only names"] += count_attributes(data_set)
    text = yaml.safe_dump(config | describe_classes(data_set), allow_unicode=True, sort_keys=False)
    (folder / "data.yaml").write_text(text, encoding="utf-8")
    return lost


def _lines(objects: Objects, lost: Counter[str]) -> list[str]:
    """The lines of one label file."""
    lost["objects with attributes (difficult, area, ...): YOLO has none"] += sum(map(bool, objects.attributes))
    outlines = objects.outlines or (None,) * len(objects)
    if objects.keypoints is not None:
        lost["outlines: YOLO has keypoints or outlines"] += sum(outline is not None for outline in outlines)
        outlines = (None,) * len(objects)
    has_outlines = any(outline is not None for outline in outlines)
    lines = []
    for row, (label, outline) in enumerate(zip(objects.classes.tolist(), outlines, strict=True)):
        box = objects.boxes[row]
        if has_outlines:
            numbers = (_box_outline(box[:2], box[2:]) if outline is None else _one_polygon(outline, box, lost)).ravel()
        else:
            numbers = np.concatenate([(box[:2] + box[2:]) / 2, box[2:] - box[:2]])
        if objects.keypoints is not None:
            numbers = np.concatenate([numbers, objects.keypoints[row].ravel()])
        lines.append(" ".join([str(label), *(decimal(number, DIGITS) for number in numbers.tolist())]))
    return lines


def _one_polygon(outline: tuple[np.ndarray, ...] | Rle, box: np.ndarray, lost: Counter[str]) -> np.ndarray:
    """An outline as one polygon, float64 ``(K, 2)``: its parts are joined by seams of no width. An empty mask gives the box."""
    if isinstance(outline, Rle):
        lost["masks: YOLO has polygons, without holes"] += 1
        outline = polygons_of(outline)
    if not outline:
        return _box_outline(box[:2], box[2:])
    lost["outlines of several parts joined into one"] += len(outline) > 1
    if len(outline) == 1:
        return outline[0]
    first, *others = outline
    seams = [piece for polygon in others for piece in (first[:1], polygon, polygon[:1])]
    return np.concatenate([first, *seams])
