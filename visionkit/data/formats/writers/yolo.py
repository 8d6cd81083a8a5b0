"""Writes YOLO's format: one text file per image, and data.yaml."""

from collections import Counter
from copy import deepcopy
from pathlib import Path

import numpy as np
import yaml

from visionkit.data.formats.annotation_files import Images, decimal, new_name, put_image, split_file_name, with_known_class
from visionkit.data.formats.coco_objects import polygons_of
from visionkit.data.formats.yolo_config import NO_SPLITS, count_attributes, describe_classes
from visionkit.data.formats.yolo_lines import box_outline
from visionkit.data.index import Objects, Rle
from visionkit.data.split_names import MEASURING, SPLITS, WHOLE, split_name, training_split
from visionkit.data.splits import DataSet
from visionkit.progress import bar

DIGITS = 10  # decimals of a relative coordinate in files


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
    folders: dict[str, str] = {}
    for split, index in data_set.splits.items():
        part, taken = split_file_name(split), {}
        image_folder, label_folder = folder / "images" / part, folder / "labels" / part
        for place in (image_folder, label_folder):
            place.mkdir(parents=True, exist_ok=True)
        pairs = zip(index.paths, index.annotations, strict=True)
        for path, annotation in bar(pairs, f"writing {split}", total=len(index), unit=" images"):
            name = new_name(path, taken, lost, by_stem=True)
            put_image(path, image_folder / name, images)
            lines = _lines(with_known_class(annotation.objects, lost), lost)
            (label_folder / f"{Path(name).stem}.txt").write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
            lost["images with attributes such as an id: YOLO has none"] += bool(annotation.attributes.keys() - {"file_name"})
        folders[split] = f"images/{part}"
    config = _splits(folders)
    lost["classes with attributes such as an id: YOLO has only names"] += count_attributes(data_set)
    text = yaml.safe_dump(config | describe_classes(data_set), allow_unicode=True, sort_keys=False)
    (folder / "data.yaml").write_text(text, encoding="utf-8")
    return lost


def _splits(folders: dict[str, str]) -> dict[str, str | list[str]]:
    """What data.yaml says of the folder of each split.

    YOLO's own code needs train and val. Where splits have other names, the images to train on are named as both, too, which our
    reader recognises; so is a set that is not split.
    """
    config: dict[str, str | list[str]] = {}
    for split, place in folders.items():
        if split != WHOLE:
            key = split_name(split) if split_name(split) in {*SPLITS} - config.keys() else split_file_name(split)
            config[f"split {key}" if key in NO_SPLITS else key] = place
    if "val" in config or ("train" in config and config.keys() <= {*SPLITS}):
        return config
    if "train" not in config:
        whole = training_split(folders)
        places = [place for key, place in config.items() if key not in MEASURING] or [*folders.values()]
        config["train"] = folders[whole] if whole else places
    return config | {"val": deepcopy(config["train"])}  # a copy, since YAML would write a list as a reference to the other


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
            numbers = (box_outline(box[:2], box[2:]) if outline is None else _one_polygon(outline, box, lost)).ravel()
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
        return box_outline(box[:2], box[2:])
    lost["outlines of several parts joined into one"] += len(outline) > 1
    if len(outline) == 1:
        return outline[0]
    first, *others = outline
    seams = [piece for polygon in others for piece in (first[:1], polygon, polygon[:1])]
    return np.concatenate([first, *seams])
