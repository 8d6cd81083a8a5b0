"""Label Studio's own exports: JSON, a list of tasks, and JSON-MIN, a list of images. (Its COCO, VOC and YOLO exports are read
by the readers of these formats.)

Rectangles, polygons and ellipses become objects; keypoints and strokes of a brush are counted and left out. Where nothing is
drawn, the choices are the labels of the images. Numbers are percentages of the image. Of several annotations of one task,
the first that was not cancelled is used.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

from visionkit.data.formats.annotation_files import brief
from visionkit.data.formats.annotation_tools import shapes
from visionkit.data.formats.annotation_tools.json_trees import read_tree
from visionkit.data.formats.annotation_tools.records import Reading, Record
from visionkit.data.formats.annotation_tools.shapes import ERRORS, Shape, declared_size, number, points_of
from visionkit.data.images.decode import IMAGE_SUFFIXES, ImageError, read_size
from visionkit.data.index import DataError

WITHOUT_AREA = ("keypointlabels", "brushlabels", "brush", "keypoint")
BARE = ("rectangle", "polygon", "ellipse")
NO_SHAPES = ("relation", "textarea", "rating", "number", "datetime", "taxonomy", "pairwise", "text")
NO_TASK_DATA = ("id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time")  # of JSON-MIN
UPLOAD_PREFIX = re.compile("[0-9a-f]{8}-")  # that an uploaded file gets


def read_label_studio(file: Path, reading: Reading) -> None:
    """Add the images of one file to ``reading``; see ``records.Reading``.

    Raises:
        DataError: the file cannot be read, or is not a list.
    """
    tree = read_tree(file)
    if not isinstance(tree, list):
        raise DataError(f"{file}: expected a list of tasks.")
    unlabelled = repeated = 0
    for place, task in enumerate(tree, 1):
        data, results = _parts(task)
        names = _image_names(data)
        if len(names) != 1:
            several = f"it names several images, of which one cannot be chosen: {', '.join(names[:3])}"
            reading.bad(file, f"task {place}", several if names else "it names no image")
            continue
        valid = [one for one in results if isinstance(one, list)]
        if not valid:
            unlabelled += 1
            continue
        repeated += len(valid) > 1
        image = _find_image(file, names[0], reading)
        if image is not None:
            _add(Record(file, image), valid[0], f"task {place}", reading)
    if unlabelled:
        reading.notes.append(f"{file.name}: {unlabelled:,} tasks without an annotation are not used")
    if repeated:
        reading.notes.append(f"{file.name}: {repeated:,} tasks have several annotations, of which the first is used")


def _parts(task: Any) -> tuple[dict, list[Any]]:
    """The data of a task, and the result of each annotation that was not cancelled."""
    if not isinstance(task, dict):
        return {}, []
    annotations = task.get("annotations", task.get("completions"))
    if isinstance(task.get("data"), dict) and isinstance(annotations, list):
        sound = [one for one in annotations if isinstance(one, dict) and not one.get("was_cancelled")]
        return task["data"], [one.get("result") for one in sound]
    data = {key: value for key, value in task.items() if isinstance(value, str) and key not in NO_TASK_DATA}
    return data, [list(_results_of_min(task, data))]


def _results_of_min(task: dict, data: dict) -> Iterator[dict]:
    """The results of a row of JSON-MIN in the form of JSON."""
    texts = [key for key, value in data.items() if not _is_image(value)]
    for key, value in task.items():
        if key in texts:
            is_choice = key == "choice" or len(texts) == 1  # others stand in for columns of the imported data
            yield {"type": "choices" if is_choice else "text", "value": {"choices": [value]}}
        elif isinstance(value, dict) and "choices" in value:
            yield {"type": "choices", "value": value}
        for one in value if isinstance(value, list) else ():
            kind = next((key for key in one if key.endswith("labels")), "") if isinstance(one, dict) else ""
            yield one | {"type": kind, "value": one} if isinstance(one, dict) else {"type": "", "value": one}


def _image_names(data: dict) -> list[str]:
    """The values that are addresses of images: the one under the key "image" or "img", else all that end like an image."""
    named = [data.get("image"), data.get("img")], data.values()
    for values in named:
        if names := list(dict.fromkeys(value for value in values if isinstance(value, str) and _is_image(value))):
            return names
    return []


def _is_image(address: str) -> bool:
    return Path(_path_in(address)).suffix.lower() in IMAGE_SUFFIXES


def _path_in(address: str) -> str:
    """The path in an address: /data/local-files/?d=folder/x.jpg, s3://bucket/x.jpg, /data/upload/4/0a1b2c3d-x.jpg."""
    try:
        parts = urlsplit(address)
    except ValueError:  # such as http://[
        return address
    local = parse_qs(parts.query).get("d")
    path = unquote(parts.path)
    on_server = path.startswith("/data/") or parts.scheme not in ("", "file")
    return local[0] if local else path.lstrip("/") if on_server else path


def _find_image(file: Path, address: str, reading: Reading) -> str | None:
    """The image under its name, or under the name that it had before it was uploaded."""
    path = _path_in(address)
    folder, _, name = path.rpartition("/")
    if UPLOAD_PREFIX.match(name):
        known = len(reading.problems)
        found = reading.image(file, path)
        if found is not None:
            return found
        del reading.problems[known:]
        path = f"{folder}/{UPLOAD_PREFIX.sub('', name, count=1)}"
    return reading.image(file, path)


def _add(record: Record, results: list[Any], which: str, reading: Reading) -> None:
    drawn = 0
    labelled = {str(one.get("id")) for one in results if isinstance(one, dict) and one.get("type") == "labels"}
    for place, one in enumerate(results, 1):
        try:
            kind, value = one["type"], one.get("value")
            if kind in NO_SHAPES or (kind == "choices" and "x" in value):  # choices of one region
                reading.leave_out(record.file, kind, "")
                continue
            if kind == "choices":
                record.tags += [name.strip() for name in value["choices"] if name.strip() not in record.tags]
                continue
            if kind in BARE and str(one.get("id")) in labelled:  # the shape stands in the file again, with its label
                continue
            drawn += 1
            shape = _read_shape(one, record, reading)
        except (*ERRORS, ImageError) as error:
            reason = error if isinstance(error, ValueError | ImageError) else "it is not in Label Studio's form"
            reading.bad(record.file, f"{which}, result {place}", reason)
            continue
        if shape is not None:
            record.shapes.append(shape)
    reading.add(record, drawn)


def _read_shape(one: dict, record: Record, reading: Reading) -> Shape | None:
    """A shape; None if it encloses nothing.

    Raises:
        one of ``ERRORS``, ImageError: it is invalid.
    """
    kind, value = one["type"], one["value"]
    labels = value.get(kind) or value.get("labels") or [""]
    name, *others = [labels] if isinstance(labels, str) else labels
    name = name.strip()
    if kind in WITHOUT_AREA:
        reading.leave_out(record.file, kind, name)
        return None
    for other in others:
        reading.leave_out(record.file, "further label of a region", str(other)[:100])
    record.size = record.size or declared_size(one.get("original_height"), one.get("original_width")) or read_size(record.image)
    percent = np.array([record.size[1], record.size[0]], np.float64) / 100
    radians = np.deg2rad(number(value.get("rotation") or 0))
    if kind == "labels":
        kind = "polygon" if "points" in value else "ellipse" if "radiusX" in value else "rectangle"
    if kind in ("rectanglelabels", "rectangle"):
        x, y, width, height = (number(value[key]) for key in ("x", "y", "width", "height"))
        corners = points_of([(x, y), (x + width, y + height)]) * percent
        return shapes.turned_box_shape(name, corners, corners[0], radians)
    if kind in ("polygonlabels", "polygon"):
        return shapes.polygon_shape(name, points_of(value["points"]) * percent)
    if kind in ("ellipselabels", "ellipse"):
        center = np.array([number(value["x"]), number(value["y"])]) * percent
        radii = np.array([number(value["radiusX"]), number(value["radiusY"])]) * percent
        return shapes.ellipse_shape(name, center, radii, radians)
    raise ValueError(f"a result of the kind {brief(kind)}")
