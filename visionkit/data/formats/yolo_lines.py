"""The lines of YOLO's label files: boxes, outlines or keypoints, as nearly all lines of a data set show."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from visionkit.data.formats.annotation_files import (
    LARGEST,
    brief,
    gathered,
    object_problem,
)
from visionkit.data.formats.yolo_config import (
    Keypoints,
    guess_keypoints,
)
from visionkit.data.images.contents import read_text
from visionkit.data.index import NO_OBJECTS, Annotation, DataError, Objects, Outline, Problem
from visionkit.progress import bar

MANY = 10  # lines with the same fault from which they are one problem, if they are also most of all lines
NEARLY_ALL = 0.9  # share of lines that decides how all are read
NUM_COMPARED = 10_000  # lines that are kept for that decision
IN_PIXELS = 1.5  # relative coordinates rarely reach so far beyond the image, and never all of a box


class Labels(NamedTuple):
    """How label files are read: classes from ``num_classes`` on are unknown; ``confidence`` is a last number to ignore."""

    num_classes: int
    keypoints: Keypoints | None
    confidence: bool = False


class Census:
    """What the lines of all label files have in common.

    Attributes:
        lengths: how many lines have so many numbers after the class.
        rows: the numbers of the first lines that have more than a box, as far as they are as many as in the first of them.
        confident: number of lines that end with one number too many, from 0 to 1.
        in_pixels: number of lines whose first four numbers are all beyond the image.
    """

    def __init__(self, labels: Labels):
        self.num_posed = _num_posed(labels)
        self.lengths: Counter[int] = Counter()
        self.rows: list[list[float]] = []
        self.confident = self.in_pixels = 0

    def add(self, numbers: list[float]) -> None:
        """Count a line."""
        length = len(numbers)
        self.lengths[length] += 1
        self.in_pixels += length >= 4 and min(numbers[:4]) > IN_PIXELS
        self.confident += length >= 5 and 0 <= numbers[-1] <= 1 and self.is_one_too_many(length)
        if length > 5 and len(self.rows) < NUM_COMPARED and (not self.rows or len(self.rows[0]) == length):
            self.rows.append(numbers)

    def is_one_too_many(self, length: int) -> bool:
        """Whether a line is one number longer than one of the known forms, but none of them itself."""
        return length % 2 == 1 if self.num_posed < 0 else length in (5, self.num_posed + 1)


def read_all(
    files: dict[str, dict[Path, str | None]], labels: Labels, source: Path, problems: list[Problem], notes: list[str]
) -> tuple[dict[str, tuple[list[str], list[Annotation]]], Labels]:
    """The paths and annotations of each split, and how the lines were read: if they are all of another form, then as that."""
    while True:
        faults, census, splits = [], Census(labels), {}
        for split, of_split in files.items():
            paths, annotations = splits[split] = [], []
            for image, file in bar(of_split.items(), f"reading {split}", unit=" images", delay=1):
                objects = NO_OBJECTS if file is None else read_labels(file, labels, faults, census)
                if objects is not None:
                    paths.append(str(image))
                    annotations.append(Annotation(objects))
        better = _better(labels, census, source, problems, notes)
        if better == labels:
            problems += gathered(faults, max(MANY, census.lengths.total() // 2))
            return splits, labels
        labels = better


def _better(labels: Labels, census: Census, source: Path, problems: list[Problem], notes: list[str]) -> Labels:
    """How lines must be read that nearly all have another form.

    Raises:
        DataError: they are in pixels.
    """
    nearly_all = NEARLY_ALL * max(census.lengths.total(), 1)
    if census.in_pixels >= nearly_all:
        raise DataError(
            f"{source}: the label files are in pixels, not relative to the images (0..1), as YOLO's are. Divide x and width "
            "by the width of the image, y and height by its height."
        )
    if labels.confidence:
        return labels
    length = len(census.rows[0]) if census.rows else 0
    is_alike = labels.keypoints is None and length and census.lengths[length] >= nearly_all
    if is_alike and (guess := guess_keypoints(census.rows)) is not None:
        keypoints, likely = guess
        detail = (
            f"kpt_shape is missing, but the lines have {length} numbers after the class: they may be a box, and "
            f"{keypoints.number} points in it. They are read as {'keypoints' if likely else 'outlines'}. If they are "
            f"keypoints, write kpt_shape: [{keypoints.number}, {keypoints.width}] into data.yaml"
        )
        problems.append(Problem("unclear layout", str(source), detail))
        if likely:
            return labels._replace(keypoints=keypoints)
    if census.confident >= nearly_all:
        notes.append("the last number of each line is taken for a confidence and ignored")
        return labels._replace(confidence=True)
    return labels


def read_labels(file: str, labels: Labels, problems: list[Problem], census: Census | None = None) -> Objects | None:
    """The objects in one label file; None if it cannot be read, or none of its lines is valid."""
    try:
        lines = [(number, line) for number, line in enumerate(read_text(file).splitlines(), 1) if line.strip()]
    except OSError as error:
        problems.append(Problem("bad annotation", file, f"cannot be read ({error.strerror or error}); its image is left out"))
        return None
    rows, census = [], Census(labels) if census is None else census
    for number, line in lines:
        try:
            rows.append(_read_line(line, labels, census))
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


def _num_posed(labels: Labels) -> int:
    """How many numbers a line with keypoints has after the class; -1 where lines have none."""
    return -1 if labels.keypoints is None else 4 + labels.keypoints.number * labels.keypoints.width


def _numbers_in(line: str) -> list[float]:
    words = line.replace("_", "?").split()  # Python reads 1_0 as a number
    try:
        return list(map(float, words))
    except ValueError:
        if len(words) > 4 and "," not in line and not any(letter.isdigit() for letter in words[0]):
            raise ValueError(f"the class is a number, received {brief(words[0])}") from None
        raise ValueError("expected numbers divided by blanks: class x_center y_center width height") from None


def _read_line(line: str, labels: Labels, census: Census) -> tuple[int, list[float], Outline, np.ndarray | None]:
    """Class (-1 if unknown), box, outline, keypoints ``(K, 3)``.

    Raises:
        ValueError: the line does not describe an object.
    """
    label, *numbers = _numbers_in(line)
    if not label.is_integer() or not all(abs(number) <= LARGEST for number in numbers):
        raise ValueError("its class is not a whole number, or a coordinate is far outside any image")
    census.add(numbers)
    if labels.confidence and census.is_one_too_many(len(numbers)):
        numbers.pop()
    label = int(label) if 0 <= label < labels.num_classes else -1
    keypoints = None if labels.keypoints is None else np.zeros((labels.keypoints.number, 3))
    num_posed = census.num_posed
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
    if np.array_equal(points, box_outline(points[0], points[2])):
        return label, [*points[0], *points[2]], None, None
    return label, [*points.min(axis=0), *points.max(axis=0)], (points,), None


def box_outline(first: np.ndarray, opposite: np.ndarray) -> np.ndarray:
    """A box as a closed polygon, float64 ``(5, 2)``."""
    (x1, y1), (x2, y2) = first, opposite
    return np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2], [x1, y1]])
