"""CVAT for images 1.1: one XML file (annotations.xml) with all images of a task or project.

Boxes, polygons, ellipses and masks become objects; points, lines, skeletons and cuboids are counted and left out. Where
nothing is drawn, the tags are the labels of the images. Attributes of shapes are kept for writers.
"""

import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np

from visionkit.data.formats.annotation_files import brief
from visionkit.data.formats.annotation_tools import shapes
from visionkit.data.formats.annotation_tools.records import Reading, Record
from visionkit.data.formats.annotation_tools.shapes import ERRORS, Shape, declared_size, number, points_of
from visionkit.data.formats.voc import WithoutDoctype
from visionkit.data.images.decode import MAX_PIXELS, ImageError, read_size
from visionkit.data.index import DataError
from visionkit.files import LARGEST_TEXT, open_file, read_file

WITHOUT_AREA = ("points", "polyline", "skeleton", "cuboid")
NO_SUBSET = ("", "default")
ROOT_ELEMENT = re.compile(rb"<annotations\b")


def looks_like_cvat(file: Path) -> bool:
    """Whether a file begins as CVAT's XML."""
    try:
        with open_file(file) as opened:
            return ROOT_ELEMENT.search(opened.read(4096)) is not None
    except OSError:
        return False


def read_cvat(file: Path, reading: Reading) -> None:
    """Add the images of one file to ``reading``; see ``records.Reading``.

    Raises:
        DataError: the file cannot be read, or is not CVAT's for images.
    """
    try:
        root = ET.fromstring(read_file(file, LARGEST_TEXT), ET.XMLParser(target=WithoutDoctype()))
    except (ET.ParseError, OSError, ValueError, LookupError) as error:  # unknown encodings raise the last two
        raise DataError(f"{file}: cannot be read as XML ({error}).") from error
    if root.find("track") is not None:
        reading.bad(file, "tracks", "those of a video are left out; export the task as CVAT for images")
    labels = [label for meta in root.iter("meta") for label in meta.iter("label")]
    names = [(label.findtext("name") or "").strip() for label in labels if not (label.findtext("parent") or "").strip()]
    reading.class_names += [name for name in names if name and name not in reading.class_names]
    for element in root.findall("image"):
        name, subset = element.get("name"), (element.get("subset") or "").strip()
        folders = [file.parent / part / subset for part in ("images", "")] if subset else []
        image = reading.image(file, name, folders)
        if image is None:
            continue
        record = Record(file, image, size=declared_size(element.get("height"), element.get("width")))
        record.split = "" if subset.lower() in NO_SUBSET else subset
        drawn = [child for child in element if child.tag not in ("tag", "attribute")]
        record.tags = list(dict.fromkeys(tag.get("label", "").strip() for tag in element.findall("tag")))
        record.tags = [tag for tag in record.tags if tag]
        for place, child in enumerate(drawn, 1):
            try:
                shape = _read_shape(child, record, reading)
            except (*ERRORS, ImageError) as error:
                reason = error if isinstance(error, ValueError | ImageError) else "it is not in CVAT's form"
                reading.bad(file, f"{brief(name)}, shape {place}", reason)
                continue
            if shape is not None:
                record.shapes.append(shape)
        reading.add(record, len(drawn))


def _read_shape(element: ET.Element, record: Record, reading: Reading) -> Shape | None:
    """A shape; None if it encloses nothing.

    Raises:
        one of ``ERRORS``, ImageError: it is invalid.
    """
    name, kind = element.get("label", "").strip(), element.tag
    if kind in WITHOUT_AREA:
        reading.leave_out(record.file, kind, name)
        return None
    known = _attributes(element)

    def numbers(*keys: str) -> list[float]:
        missing = [key for key in keys if element.get(key) is None]
        if missing:
            raise ValueError(f"it lacks {', '.join(missing)}")
        return [number(element.get(key)) for key in keys]

    radians = np.deg2rad(number(element.get("rotation") or 0))
    if kind == "box":
        corners = np.reshape(numbers("xtl", "ytl", "xbr", "ybr"), (2, 2))
        return shapes.turned_box_shape(name, corners, corners.mean(axis=0), radians, **known)
    if kind == "polygon":
        points = [point.split(",") for point in element.get("points", "").split(";") if point.strip()]
        return shapes.polygon_shape(name, points_of(points), **known)
    if kind == "ellipse":
        return shapes.ellipse_shape(name, numbers("cx", "cy"), numbers("rx", "ry"), radians, **known)
    if kind == "mask":
        left, top, width, height = (int(value) for value in numbers("left", "top", "width", "height"))
        record.size = record.size or read_size(record.image)
        pixels = _pixels(element.get("rle", ""), height, width)
        return shapes.mask_shape(name, pixels, left, top, record.size, **known)
    raise ValueError(f"a shape of the kind {brief(kind)}")


def _pixels(rle: str, height: int, width: int) -> np.ndarray:
    """The pixels of a mask, bool ``(height, width)``: lengths of background and mask in turn, row by row."""
    counts = np.array([int(count) for count in rle.split(",") if count.strip()], np.int64)
    if height < 1 or width < 1 or height * width > MAX_PIXELS or (counts < 0).any() or counts.sum() != height * width:
        raise ValueError("the counts of its mask do not add up to its size")
    return np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(height, width)


def _attributes(element: ET.Element) -> dict[str, Any]:
    named = {child.get("name", ""): (child.text or "").strip() for child in element.findall("attribute")}
    occluded = {"occluded": 1} if element.get("occluded") == "1" else {}
    return occluded | {name: text for name, text in named.items() if name and name != "name"}
