"""Detections in COCO's format of results, which its evaluators and servers read (https://cocodataset.org/#format-results)."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from visionkit.errors import UserError
from visionkit.files import LARGEST_TEXT, read_file
from visionkit.inference.results import DetectionResult


class CocoNumbers(NamedTuple):
    """The numbers by which COCO results refer to images and classes.

    Attributes:
        images: path -> ``image_id``.
        classes: label -> ``category_id``.
        notes: what a user should know about the numbers.
    """

    images: dict[str, int]
    classes: dict[str, int]
    notes: tuple[str, ...]


def running_numbers(paths: Sequence[str], labels: Sequence[str]) -> CocoNumbers:
    """Numbers from 1, in the order of the arguments."""
    images = {path: number for number, path in enumerate(dict.fromkeys(paths), 1)}
    classes = {label: number for number, label in enumerate(labels, 1)}
    note = f"image_id counts the {len(images)} images from 1 as they were given, category_id the model's classes from 1"
    return CocoNumbers(images, classes, (note,))


def numbers_of(annotations: str | Path, paths: Sequence[str], labels: Sequence[str]) -> CocoNumbers:
    """The numbers that a COCO file gives to images and to classes.

    An image is identified by the end of its path, which has to equal the file's ``file_name``.

    Raises:
        UserError: the file is no COCO file, or it has none of the images or none of the classes.
    """
    try:
        tree = json.loads(read_file(annotations, LARGEST_TEXT))
        image_ids = {str(image["file_name"]).replace("\\", "/"): image["id"] for image in tree["images"]}
        category_ids = {category["name"]: category["id"] for category in tree["categories"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{annotations} cannot be used ({error}); expected a COCO .json file with images and categories."
        ) from error
    images = {path: image_ids[name] for path in paths if (name := _known_name(path, image_ids)) is not None}
    classes = {label: category_ids[label] for label in labels if label in category_ids}
    if paths and not images:
        raise UserError(f"{annotations} has none of the {len(paths)} images; it has {', '.join(list(image_ids)[:3])} ...")
    if not classes:
        raise UserError(f"{annotations} has none of the model's classes; it has {', '.join(list(category_ids)[:6])} ...")
    notes = []
    if absent := [path for path in paths if path not in images]:
        notes.append(f"{len(absent)} images that {annotations} lacks are left out: {', '.join(absent[:3])}")
    if absent := [label for label in labels if label not in classes]:
        notes.append(f"classes that {annotations} lacks are left out: {', '.join(absent[:6])}")
    return CocoNumbers(images, classes, tuple(notes))


def coco_results(predictions: Iterable[DetectionResult], numbers: CocoNumbers) -> list[dict[str, Any]]:
    """One entry per box: ``image_id``, ``category_id``, ``bbox`` (left, top, width, height in pixels) and ``score``."""
    results = []
    for prediction in predictions:
        for label, score, (x1, y1, x2, y2) in prediction.boxes:
            if prediction.path in numbers.images and label in numbers.classes:
                bbox = [round(value, 3) for value in (x1, y1, x2 - x1, y2 - y1)]
                ids = {"image_id": numbers.images[prediction.path], "category_id": numbers.classes[label]}
                results.append(ids | {"bbox": bbox, "score": score})
    return results


def _known_name(path: str, image_ids: dict[str, int]) -> str | None:
    parts = Path(path).parts
    ends = ("/".join(parts[start:]) for start in range(len(parts)))
    return next((end for end in ends if end in image_ids), None)
