"""Detections in COCO's format of results, which its evaluators and servers read (https://cocodataset.org/#format-results)."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from visionkit.errors import UserError
from visionkit.inference.results import DetectionResult


class CocoNumbers(NamedTuple):
    """By which numbers results name images and classes.

    Attributes:
        images: path -> ``image_id``.
        classes: label -> ``category_id``.
        notes: what a user should know of them.
    """

    images: dict[str, int]
    classes: dict[str, int]
    notes: tuple[str, ...]


def running_numbers(paths: Sequence[str], labels: Sequence[str]) -> CocoNumbers:
    """Numbers from 1, in the order given."""
    images = {path: number for number, path in enumerate(dict.fromkeys(paths), 1)}
    classes = {label: number for number, label in enumerate(labels, 1)}
    note = f"image_id counts the {len(images)} images from 1 as they were given, category_id the model's classes from 1"
    return CocoNumbers(images, classes, (note,))


def numbers_of(annotations: str | Path, paths: Sequence[str], labels: Sequence[str]) -> CocoNumbers:
    """The numbers that a COCO file gives to images, found by their names, and to classes.

    An image's name is as much of the end of its path as the file's ``file_name`` has.

    Raises:
        UserError: no COCO file, or it knows none of the images or none of the classes.
    """
    try:
        tree = json.loads(Path(annotations).read_bytes())
        of_names = {str(image["file_name"]).replace("\\", "/"): image["id"] for image in tree["images"]}
        of_classes = {category["name"]: category["id"] for category in tree["categories"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{annotations} cannot be used ({error}); expected a COCO .json file with images and categories."
        ) from error
    images = {path: of_names[name] for path in paths if (name := _known_name(path, of_names)) is not None}
    classes = {label: of_classes[label] for label in labels if label in of_classes}
    if paths and not images:
        raise UserError(f"{annotations} has none of the {len(paths)} images; it has {', '.join(list(of_names)[:3])} ...")
    if not classes:
        raise UserError(f"{annotations} has none of the model's classes; it has {', '.join(list(of_classes)[:6])} ...")
    notes = []
    if absent := [path for path in paths if path not in images]:
        notes.append(f"{len(absent)} images that {annotations} lacks are left out: {', '.join(absent[:3])}")
    if absent := [label for label in labels if label not in classes]:
        notes.append(f"classes that {annotations} lacks are left out: {', '.join(absent[:6])}")
    return CocoNumbers(images, classes, tuple(notes))


def coco_results(answers: Iterable[DetectionResult], numbers: CocoNumbers) -> list[dict[str, Any]]:
    """One entry a box: ``image_id``, ``category_id``, ``bbox`` (left, top, width, height in pixels) and ``score``."""
    results = []
    for answer in answers:
        for label, score, (x1, y1, x2, y2) in answer.boxes:
            if answer.path in numbers.images and label in numbers.classes:
                bbox = [round(value, 3) for value in (x1, y1, x2 - x1, y2 - y1)]
                named = {"image_id": numbers.images[answer.path], "category_id": numbers.classes[label]}
                results.append(named | {"bbox": bbox, "score": score})
    return results


def _known_name(path: str, of_names: dict[str, int]) -> str | None:
    parts = Path(path).parts
    ends = ("/".join(parts[start:]) for start in range(len(parts)))
    return next((end for end in ends if end in of_names), None)
