"""Conversion of the objects of one image between COCO's JSON and arrays: boxes, outlines (polygons or RLE), keypoints.

All objects of an image are converted at once, in few array operations. Only if that fails are they checked one by one, to
report which of them is bad.
"""

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from visionkit.data.formats.annotation_files import are_sound, brief, object_problem
from visionkit.data.images.decode import MAX_PIXELS
from visionkit.data.index import NO_OBJECTS, Objects, Outline, Problem, Rle
from visionkit.ops.np_boxes import paired_iou

NO_ATTRIBUTES = frozenset(["bbox", "segmentation", "keypoints", "num_keypoints", "image_id", "category_id"])  # other fields
MAX_KEYPOINTS = 1_000
DIGITS = 8  # decimals of a pixel coordinate in files
ERRORS = (ValueError, TypeError, KeyError, OverflowError, RuntimeError, AttributeError)  # raised by invalid values


def is_key(value: Any) -> bool:
    """Whether a value can be an id."""
    return (isinstance(value, int | str) and not isinstance(value, bool)) or (isinstance(value, float) and value.is_integer())


def key_of(value: int | float | str) -> int | str:
    """An id, where whole numbers are the same in all their types: 1, 1.0, "1"."""
    if isinstance(value, str):
        plain = value.strip()
        return int(plain.partition(".")[0]) if re.fullmatch("-?[0-9]{1,18}([.]0+)?", plain) else plain
    return int(value)


class Ids(dict):
    """What belongs to each id of a file; ids of another type find it by their value, if that is unique in the file.

    Attributes:
        converted: the first id that was found by its value alone, and the id of the file that it means; or None.
        refused: an id that could have been found so, had the file not two ids of one value; or None.
    """

    def __init__(self, known: dict[Any, Any]):
        super().__init__(known)
        self.by_value = {key_of(number): number for number in known}
        self.converted: tuple[Any, Any] | None = None
        self.refused: Any = None

    def get(self, number: Any, default: Any = None) -> Any:
        """What belongs to an id. Raises TypeError for lists and mappings."""
        if number in self and not isinstance(number, bool):
            return self[number]
        if not is_key(number) or (meant := self.by_value.get(key_of(number))) is None:
            return default
        if len(self.by_value) < len(self):
            self.refused = number
            return default
        self.converted = self.converted or (number, meant)
        return self[meant]

    def report(self, name: str, file: Path, problems: list[Problem], notes: list[str]) -> None:
        """Say how ids named ``name`` were found, where they were not equal."""
        if self.converted is not None:
            theirs, ours = (TYPES[type(number)] for number in self.converted)
            notes.append(f"{file.name}: {name} are {theirs} and the ids they mean are {ours}; they are matched by value")
        if self.refused is not None:
            detail = f"{name} {brief(self.refused)} equals no id, and by value it could be two; ids are matched exactly"
            problems.append(Problem("unclear layout", str(file), detail))


TYPES = {int: "whole numbers", float: "decimal numbers", str: "strings"}


def read_objects(annotations: list[Any], size: tuple[int, int], positions: Ids, file: Path, problems: list[Problem]) -> Objects:
    """The objects of one image.

    Args:
        annotations: the annotations as they stand in the JSON file; they may be any JSON values.
        size: height and width of the image.
        positions: class by category id; an object of an unknown category gets class -1.
        file: the JSON file, for messages.
        problems: list that receives what is left out: objects without a box, invalid outlines and keypoints.
    """
    if not annotations:
        return NO_OBJECTS
    try:
        objects = _objects(annotations, size, positions)
    except ERRORS:
        repaired = [_repaired(annotation, size, file, problems) for annotation in annotations]
        annotations = [annotation for annotation in repaired if annotation is not None]
        objects = _objects(annotations, size, positions) if annotations else NO_OBJECTS
    for row in np.flatnonzero(objects.classes < 0):
        one = annotations[row]
        detail = f"annotation {brief(one.get('id'))}: category {brief(one.get('category_id'))} is not among the categories"
        problems.append(Problem("unknown label", str(file), detail))
    return objects


def _objects(annotations: list[dict], size: tuple[int, int], positions: Ids) -> Objects:
    """Raises any of ``ERRORS`` if not all annotations are valid."""
    classes = np.array([positions.get(one.get("category_id"), -1) for one in annotations], np.int32)
    outlines = [one.get("segmentation") for one in annotations]
    keypoints = [one.get("keypoints") for one in annotations]
    attributes = tuple({key: value for key, value in one.items() if key not in NO_ATTRIBUTES} for one in annotations)
    return Objects(
        _boxes([one["bbox"] for one in annotations], size),
        classes,
        _outlines(outlines, size) if any(outlines) else (),
        _keypoints(keypoints, size) if any(keypoints) else None,
        attributes if any(attributes) else (),
    )


def _repaired(annotation: Any, size: tuple[int, int], file: Path, problems: list[Problem]) -> dict | None:
    """One annotation without its invalid parts; None if it has no box and no outline to derive one from."""
    if not isinstance(annotation, dict):
        problems.append(object_problem(file, "an annotation", f"a {type(annotation).__name__} instead of an object"))
        return None
    annotation, which = dict(annotation), f"annotation {brief(annotation.get('id'))}"
    for key, convert in (("segmentation", _outlines), ("keypoints", _keypoints)):
        try:
            if annotation.get(key):
                convert([annotation[key]], size)
        except ERRORS as error:
            problems.append(object_problem(file, which, f"{key} left out: {_reason(error)}"))
            del annotation[key]
    try:
        if annotation.get("bbox") is None and annotation.get("segmentation"):
            annotation["bbox"] = _box_around(_outlines([annotation["segmentation"]], size)[0], size)
        _boxes([annotation["bbox"]], size)
    except ERRORS as error:
        problems.append(object_problem(file, which, f"bbox: {_reason(error)}"))
        return None
    if not is_key(annotation.get("category_id")):
        annotation["category_id"] = None
    return annotation


def _reason(error: Exception) -> str:
    return str(error)[:100] if isinstance(error, ValueError) else "it is missing, or not in COCO's form"


def _boxes(boxes: list, size: tuple[int, int]) -> np.ndarray:
    xywh = np.array(boxes, np.float64)
    if xywh.shape != (len(boxes), 4):
        raise ValueError("not four numbers")
    xywh /= (size[1], size[0], size[1], size[0])
    if not are_sound(xywh):
        raise ValueError("numbers far outside any image")
    xywh[:, 2:] += xywh[:, :2]
    return xywh


def _outlines(outlines: list, size: tuple[int, int]) -> tuple[Outline, ...]:
    numbers, ends = [], [0]
    for outline in outlines:
        for polygon in outline if isinstance(outline, list) else ():
            if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
                raise ValueError("a polygon is not a list of the x and y of at least three points")
            numbers.extend(polygon)
            ends.append(len(numbers) // 2)
    points = np.array(numbers, np.float64)
    if points.ndim != 1:
        raise ValueError("a polygon is not a list of numbers")
    points = points.reshape(-1, 2) / (size[1], size[0])
    if not are_sound(points):
        raise ValueError("a polygon has numbers far outside any image")
    polygons = (points[start:end] for start, end in pairwise(ends))

    def converted(outline):
        if not outline:
            return None
        return tuple(next(polygons) for _ in outline) if isinstance(outline, list) else _rle(outline, size)

    return tuple(map(converted, outlines))


def _rle(outline: dict, size: tuple[int, int]) -> Rle:
    counts, (height, width) = outline["counts"], outline["size"]
    if (height, width) != size or height * width > MAX_PIXELS:
        raise ValueError("its mask does not have the size of the image")
    if isinstance(counts, str):
        rle = Rle(size, counts.encode("ascii"))
        mask_of(rle)
        return rle
    lengths = np.array(counts)
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu" or lengths.min(initial=0) < 0 or lengths.sum() != height * width:
        raise ValueError("its counts do not add up to the size")
    return rle_of(lengths, size)


def rle_of(counts: np.ndarray, size: tuple[int, int]) -> Rle:
    """Compress run lengths.

    Args:
        counts: int ``(N,)``, lengths of background and mask runs in turn, column by column.
        size: height and width of the mask.
    """
    from faster_coco_eval.core import mask

    return Rle(size, mask.frPyObjects({"size": list(size), "counts": counts.tolist()}, *size)["counts"])


def mask_of(rle: Rle) -> np.ndarray:
    """Decode a mask: uint8 ``(H, W)`` of 0 and 1.

    Raises:
        ValueError, RuntimeError: the counts are invalid, or do not add up to the size.
    """
    from faster_coco_eval.core import mask

    return mask.decode({"size": list(rle.size), "counts": rle.counts})


def polygons_of(rle: Rle) -> tuple[np.ndarray, ...]:
    """The outer borders of a mask as polygons, float64 ``(K, 2)``, relative x and y.

    The borders run along the edges of the pixels and cut corners.
    """
    from skimage.measure import approximate_polygon, find_contours

    pixels = np.pad(mask_of(rle), 1)
    borders = [approximate_polygon(border, 1e-9)[:-1] for border in find_contours(pixels, 0.5, fully_connected="high")]
    # Rows and columns of pixel centers become x and y of edges: plus half a pixel, minus one pixel of padding.
    polygons = [(border[:, ::-1] - 0.5) / (rle.size[1], rle.size[0]) for border in borders]
    return tuple(polygon for polygon in polygons if signed_area(polygon) > 0)  # holes run the other way round


def _box_around(outline: Outline, size: tuple[int, int]) -> list[float]:
    """The box of an outline: x, y, width and height in pixels."""
    if isinstance(outline, Rle):
        rows, columns = (np.flatnonzero(mask_of(outline).any(axis=axis)) for axis in (1, 0))
        corners = np.array([[columns[0], rows[0]], [columns[-1] + 1, rows[-1] + 1]]) if len(rows) else np.zeros((2, 2))
    else:
        points = np.concatenate(outline) * (size[1], size[0])
        corners = np.stack([points.min(axis=0), points.max(axis=0)])
    return [*corners[0].tolist(), *(corners[1] - corners[0]).tolist()]


def contradicted_boxes(objects: Objects, size: tuple[int, int]) -> np.ndarray:
    """Which boxes do not fit what else is said of their objects, bool ``(N,)``.

    That is: the polygons cover less than half of the box, or the box of them; or, without an outline, the area is that of a
    box with two corners in the place of x, y, width and height.
    """
    found = np.zeros(len(objects), bool)
    x, y, right, bottom = (objects.boxes * np.tile(size[::-1], 2)).T
    width, height = right - x, bottom - y
    for row in range(len(objects)):
        outline = objects.outlines[row] if objects.outlines else None
        if outline and not isinstance(outline, Rle):
            points = np.concatenate(outline)
            around = np.concatenate([points.min(axis=0), points.max(axis=0)])
            found[row] = paired_iou(around[None], objects.boxes[row][None])[0] < 0.5
        elif not outline and objects.attributes:
            area = objects.attributes[row].get("area")
            of_corners, of_sides = (width - x)[row] * (height - y)[row], (width * height)[row]
            if isinstance(area, int | float) and area > 1 and width[row] > x[row] and height[row] > y[row]:
                found[row] = abs(of_corners - area) < 0.01 * area and abs(of_sides - area) > 0.1 * area
    return found


def _keypoints(keypoints: list, size: tuple[int, int]) -> np.ndarray:
    keypoints = [points or [] for points in keypoints]
    if not all(isinstance(points, list) and len(points) % 3 == 0 for points in keypoints):
        raise ValueError("not a list of x, y and visibility")
    longest = max(map(len, keypoints))
    if longest > 3 * MAX_KEYPOINTS:
        raise ValueError(f"more than {MAX_KEYPOINTS} keypoints")
    rows = np.array([points + [0] * (longest - len(points)) for points in keypoints], np.float64)
    if rows.shape != (len(keypoints), longest):
        raise ValueError("not a list of numbers")
    rows = rows.reshape(len(keypoints), -1, 3)
    rows[..., :2] /= (size[1], size[0])
    if not are_sound(rows) or not np.isin(rows[..., 2], (0, 1, 2)).all():
        raise ValueError("numbers far outside any image, or a visibility that is not 0, 1 or 2")
    return rows


def with_keypoints(objects: Objects, num_keypoints: int) -> np.ndarray | None:
    """The keypoints of the objects as ``(N, num_keypoints, 3)``; missing ones are unlabelled, all 0."""
    if num_keypoints == 0:
        return None
    keypoints = np.zeros((len(objects), num_keypoints, 3))
    if objects.keypoints is not None:
        keypoints[:, : objects.keypoints.shape[1]] = objects.keypoints
    return keypoints


def write_objects(objects: Objects, size: tuple[int, int], num_keypoints: list[int]) -> list[dict[str, Any]]:
    """The objects of one image in COCO's form, without the ids of the image and the category.

    ``area`` is the area of the outline, else of the box, unless the attributes give it.

    Args:
        objects: objects of known classes.
        size: height and width of the image.
        num_keypoints: number of keypoints of each class; further ones of an object are written if they are labelled.
    """
    sides = np.array([size[1], size[0]], np.float64)
    corners = objects.boxes.reshape(-1, 2, 2) * sides
    xywh = np.concatenate([corners[:, 0], corners[:, 1] - corners[:, 0]], axis=1).round(DIGITS).tolist()
    written = []
    for row, box in enumerate(xywh):
        outline = objects.outlines[row] if objects.outlines else None
        one = {"bbox": box, "segmentation": _segmentation(outline, sides), "area": _area(outline, box, sides), "iscrowd": 0}
        if objects.attributes:
            one |= {key: value for key, value in objects.attributes[row].items() if key not in NO_ATTRIBUTES}
        if objects.keypoints is not None and objects.keypoints[row].any():
            points = (objects.keypoints[row] * (*sides, 1)).round(DIGITS)
            labelled = np.flatnonzero(points.any(axis=1))[-1] + 1
            points = points[: max(labelled, num_keypoints[objects.classes[row]])]
            one["keypoints"] = [int(number) if number.is_integer() else number for number in points.ravel().tolist()]
            one["num_keypoints"] = int((points[:, 2] > 0).sum())
        written.append(one)
    return written


def _segmentation(outline: Outline, sides: np.ndarray) -> list | dict:
    if isinstance(outline, Rle):
        return {"size": list(outline.size), "counts": outline.counts.decode("ascii")}
    return [(polygon * sides).round(DIGITS).ravel().tolist() for polygon in outline or ()]


def _area(outline: Outline, box: list[float], sides: np.ndarray) -> float:
    if outline is None:
        return round(abs(box[2] * box[3]), DIGITS)
    if isinstance(outline, Rle):
        return int(mask_of(outline).sum())
    return round(sum(abs(signed_area(polygon * sides)) for polygon in outline), DIGITS)


def signed_area(points: np.ndarray) -> float:
    """The area of a polygon ``(K, 2)``; positive if it runs from the x axis to the y axis."""
    x, y = points.T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2
