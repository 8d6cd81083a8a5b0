"""Shapes that people draw around objects, in pixels: boxes, polygons, ellipses and masks."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from visionkit.data.formats.annotation_files import DECLARED_SIDES, are_sound
from visionkit.data.images.decode import MAX_PIXELS
from visionkit.data.index import NO_OBJECTS, Objects, Rle

ERRORS = (ValueError, TypeError, KeyError, IndexError, OverflowError, AttributeError)  # raised by invalid values
CORNERS_OF_ELLIPSE = 64  # a multiple of 4, so that the polygon reaches as far as the ellipse


class Shape(NamedTuple):
    """One shape.

    Attributes:
        name: its class; empty if the file gives it none.
        box: float64 ``(2, 2)``, x and y of two opposite corners, in pixels; the first is the upper left one.
        polygons: float64 ``(K, 2)``, x and y in pixels, of each part; empty if the shape is its box.
        mask: its pixels, in the size of the image; or None.
        attributes: what else is known of it.
    """

    name: str
    box: np.ndarray
    polygons: tuple[np.ndarray, ...] = ()
    mask: Rle | None = None
    attributes: dict[str, Any] = {}  # noqa: RUF012 - never changed


def number(value: Any) -> float:
    """A number from a file, or from a text in it.

    Raises:
        ValueError, TypeError, OverflowError: it is none, or not finite.
    """
    if isinstance(value, bool) or (isinstance(value, str) and "_" in value):  # Python reads 1_0 as a number
        raise TypeError("not a number")
    converted = float(value)
    if not abs(converted) < 1e12:
        raise ValueError("a number is not finite, or far too large")
    return converted


def points_of(values: Iterable[Any]) -> np.ndarray:
    """Pairs of x and y as float64 ``(K, 2)``.

    Raises:
        ValueError, TypeError, OverflowError: a value is not a pair of finite numbers.
    """
    if not isinstance(values, list | tuple):
        raise TypeError("not a list of points")
    return np.array([[number(x), number(y)] for x, y in values], np.float64).reshape(-1, 2)


def box_shape(name: str, points: np.ndarray, **attributes: Any) -> Shape:
    """The box around points ``(K, 2)``; people draw boxes from any corner.

    Raises:
        ValueError: there are fewer than two points.
    """
    if len(points) < 2:
        raise ValueError("a box needs two corners")
    return Shape(name, np.stack([points.min(axis=0), points.max(axis=0)]), attributes=attributes)


def polygon_shape(name: str, points: np.ndarray, **attributes: Any) -> Shape:
    """A polygon of points ``(K, 2)``.

    Raises:
        ValueError: there are fewer than three points.
    """
    if len(points) < 3:
        raise ValueError("a polygon needs three points")
    return box_shape(name, points, **attributes)._replace(polygons=(points,))


def ellipse_shape(name: str, center: Iterable[Any], radii: Iterable[Any], radians: float = 0.0, **attributes: Any) -> Shape:
    """An ellipse, turned clockwise around its center, as a polygon."""
    angles = np.arange(CORNERS_OF_ELLIPSE) * (2 * np.pi / CORNERS_OF_ELLIPSE)
    around = np.stack([np.cos(angles), np.sin(angles)], axis=1) * [abs(number(radius)) for radius in radii]
    return polygon_shape(name, turned(around, radians) + [number(value) for value in center], **attributes)


def turned(points: np.ndarray, radians: float) -> np.ndarray:
    """Points ``(K, 2)`` turned clockwise around the origin (y points down)."""
    cosine, sine = np.cos(radians), np.sin(radians)
    return points @ np.array([[cosine, sine], [-sine, cosine]])


def turned_box_shape(name: str, corners: np.ndarray, pivot: np.ndarray, radians: float, **attributes: Any) -> Shape:
    """A box that is turned clockwise around a point: a polygon; the box of the objects is around that."""
    (x1, y1), (x2, y2) = corners
    if not radians:
        return box_shape(name, corners, **attributes)
    around = np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]])
    return polygon_shape(name, turned(around - pivot, radians) + pivot, **attributes)


def mask_shape(name: str, pixels: np.ndarray, left: int, top: int, size: tuple[int, int], **attributes: Any) -> Shape:
    """A mask.

    Args:
        pixels: bool ``(h, w)``, a part of the image; what lies outside the image is cut off.
        left, top: place of that part in the image.
        size: height and width of the image.

    Raises:
        ValueError: no pixel of the image belongs to it, or the image is too large.
    """
    from faster_coco_eval.core import mask as coco_mask

    if size[0] * size[1] > MAX_PIXELS:
        raise ValueError("the image is too large for a mask")
    whole = np.zeros(size, np.uint8)
    y1, x1 = max(top, 0), max(left, 0)
    part = pixels[y1 - top :, x1 - left :][: max(size[0] - y1, 0), : max(size[1] - x1, 0)]
    if part.size:
        whole[y1 : y1 + part.shape[0], x1 : x1 + part.shape[1]] = part
    rows, columns = np.flatnonzero(whole.any(axis=1)), np.flatnonzero(whole.any(axis=0))
    if not len(rows):
        raise ValueError("its mask has no pixel in the image")
    box = np.array([[columns[0], rows[0]], [columns[-1] + 1, rows[-1] + 1]], np.float64)
    return Shape(name, box, mask=Rle(size, coco_mask.encode(np.asfortranarray(whole))["counts"]), attributes=attributes)


def declared_size(height: Any, width: Any) -> tuple[int, int] | None:
    """Height and width that a file declares; None if they are not two possible numbers."""
    try:
        sides = (number(height), number(width))
    except ERRORS:
        return None
    whole = (int(sides[0]), int(sides[1]))
    return whole if sides == whole and all(side in DECLARED_SIDES for side in whole) else None


def fits(shape: Shape, size: tuple[int, int]) -> bool:
    """Whether the coordinates are not garbage for an image of this size."""
    return all(are_sound(points / (size[1], size[0])) for points in (shape.box, *shape.polygons))


def joined(parts: list[Shape]) -> Shape:
    """One object of several polygons."""
    box = box_shape(parts[0].name, np.concatenate([part.box for part in parts])).box
    return parts[0]._replace(box=box, polygons=tuple(polygon for part in parts for polygon in part.polygons))


def objects_of(shapes: list[Shape], size: tuple[int, int], positions: dict[str, int]) -> Objects:
    """The shapes of one image as objects; a class that is not in ``positions`` is -1."""
    if not shapes:
        return NO_OBJECTS
    sides = np.array([size[1], size[0]], np.float64)
    outlines = [tuple(polygon / sides for polygon in shape.polygons) or shape.mask for shape in shapes]
    attributes = tuple(shape.attributes for shape in shapes)
    return Objects(
        np.array([(shape.box / sides).ravel() for shape in shapes]),
        np.array([positions.get(shape.name, -1) for shape in shapes], np.int32),
        tuple(outlines) if any(outline is not None for outline in outlines) else (),
        attributes=attributes if any(attributes) else (),
    )
