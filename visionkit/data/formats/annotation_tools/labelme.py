"""labelme: one JSON file per image, next to it or in a folder beside the images.

FOLDER/x.json, FOLDER/x.jpg            or the same in any folders below, such as train/ and val/
FOLDER/labels/x.json, FOLDER/images/x.jpg

Rectangles, polygons, circles and masks become objects. Points and lines enclose nothing: they are counted and left out. Where
no file has a shape, the flags of the images that are true are their labels.
"""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from visionkit.data.formats.annotation_files import brief
from visionkit.data.formats.annotation_tools import shapes
from visionkit.data.formats.annotation_tools.folders import levels
from visionkit.data.formats.annotation_tools.json_trees import read_tree, tool_of_json, tool_of_tree
from visionkit.data.formats.annotation_tools.records import Reading, Record, data_set_of, note_unused_images, with_progress
from visionkit.data.formats.annotation_tools.shapes import ERRORS, Shape, declared_size, points_of
from visionkit.data.formats.class_names import list_with, names_files
from visionkit.data.images.decode import ImageError, read_size
from visionkit.data.images.finder import find_by_stem
from visionkit.data.images.inside import Boundary
from visionkit.data.images.listing import files_in, list_images
from visionkit.data.index import DataError, Problem, natural_order
from visionkit.data.splits import DataSet

NUM_PROBED = 10  # JSON files of a folder that are opened to see whether labelme wrote them
DEPTH = 3  # of folders that are searched for them
WITHOUT_AREA = ("point", "points", "line", "linestrip")
NO_CLASSES = ("__ignore__", "_background_")  # lines of labelme's labels.txt that are no classes
MAX_MASK = 64_000_000  # bytes of an encoded mask


def looks_like_labelme(folder: Path) -> bool:
    """Whether a folder, or one below it, holds JSON files of labelme; a few of each folder are opened."""
    for place, images, others in levels(folder, DEPTH):
        stems = {name.rpartition(".")[0] for name in images}
        files = [name for name in others if name.lower().endswith(".json")]
        files.sort(key=lambda name: name.rpartition(".")[0] not in stems)
        if any(tool_of_json(place / name) == "labelme" for name in files[:NUM_PROBED]):
            return True
    return False


def read_labelme(path: str | Path, boundary: Boundary | None = None) -> DataSet:
    """Index the images of labelme's JSON files; an image is opened only if its file lacks the size.

    Args:
        path: a folder in one of the layouts above, or one JSON file.
        boundary: which files may be named; by default, those in the folder of the data set.

    Raises:
        DataError: no file is one of labelme's, or none can be used.
    """
    path = Path(path)
    reading = Reading(path.parent if path.is_file() else path, boundary=boundary or Boundary.of(path))
    images, others = ([], [path]) if path.is_file() else list_images(path)
    files = sorted((file for file in others if file.suffix.lower() == ".json"), key=lambda file: natural_order(str(file)))
    for file in with_progress(files):
        _read_file(file, reading)
    if not reading.files:
        raise DataError(
            f"{path}: none of its {len(files)} .json files is labelme's. Expected an object with shapes and imagePath."
        )
    used = {name for record in reading.records for name in (*record.tags, *(shape.name for shape in record.shapes))}
    lists = [path / name for name in names_files(files_in(path)[1])] if path.is_dir() else []
    names_file, names = list_with(used, lists, reading.problems)
    if names_file is not None:
        reading.class_names = [name for name in names if name not in NO_CLASSES]
        reading.files.add(str(names_file))
    note_unused_images(reading, images, "have no .json file")
    return data_set_of(reading, path, "labelme (.json next to the images)")


def _read_file(file: Path, reading: Reading) -> None:
    try:
        tree = read_tree(file)
    except DataError as error:
        reading.problems.append(Problem("bad annotation", str(file), str(error)))
        return
    if tool_of_tree(tree) != "labelme":
        reading.problems.append(Problem("unread annotations", str(file), "a .json file that is not labelme's"))
        return
    reading.files.add(str(file))
    if not isinstance(tree["shapes"], list):
        reading.bad(file, "shapes", "not a list; its image is left out")
        return
    image = _find_image(file, tree.get("imagePath"), reading)
    if image is None:
        return
    record = Record(file, image, size=declared_size(tree.get("imageHeight"), tree.get("imageWidth")))
    flags = tree.get("flags") if isinstance(tree.get("flags"), dict) else {}
    record.tags = [name for name, value in flags.items() if value is True]
    record.denied = [name for name, value in flags.items() if value is False]
    for number, one in enumerate(tree["shapes"], 1):
        try:
            shape = _read_shape(one, record, reading)
        except (*ERRORS, ImageError) as error:
            reading.bad(file, f"shape {number}", _reason(error))
            continue
        if shape is not None:
            record.shapes.append(shape)
    record.shapes = _joined(record.shapes)
    reading.add(record, len(tree["shapes"]))


def _reason(error: Exception) -> str:
    return str(error)[:100] if isinstance(error, ValueError | ImageError) else "it is not in labelme's form"


def _find_image(file: Path, name: Any, reading: Reading) -> str | None:
    """The image of its own name beside a file comes first: files are copied, and images renamed."""
    beside = [str(file.parent)]
    named = name.replace("\\", "/").rpartition("/")[2] if isinstance(name, str) else ""
    has_own_name = named.rpartition(".")[0] == file.stem
    own = (reading.find(beside, named) if has_own_name else None) or find_by_stem(reading.find, beside, file.stem)
    if own is None:
        return reading.image(file, name if isinstance(name, str) and name else f"{file.stem}.jpg")
    if reading.boundary.leads_out(beside, name if isinstance(name, str) else "") and not has_own_name:
        reading.problems.append(reading.boundary.refused(file, name))
    elif not has_own_name and reading.find(beside, named) is not None:
        detail = f"its imagePath is {brief(named)}, but {Path(own).name} has its name; the latter was chosen"
        reading.problems.append(Problem("unclear layout", str(file), detail))
    return own


def _read_shape(one: dict, record: Record, reading: Reading) -> Shape | None:
    """A shape; None if it encloses nothing.

    Raises:
        one of ``ERRORS``, ImageError: it is invalid.
    """
    kind, name = one.get("shape_type") or "polygon", one["label"]  # early versions knew polygons alone
    if not isinstance(name, str | int | float) or isinstance(name, bool):
        raise ValueError("its label is not a name")
    name = str(name).strip()
    if kind in WITHOUT_AREA:
        reading.leave_out(record.file, kind, name)
        return None
    points, known = points_of(one["points"]), _attributes(one)
    if kind == "mask":
        return _mask(name, one["mask"], points, record, known)
    if kind == "circle":
        (center, edge) = points
        radius = float(np.hypot(*(edge - center)))
        return shapes.ellipse_shape(name, center, (radius, radius), **known)
    if kind == "rectangle":
        return shapes.box_shape(name, points, **known)
    if kind in ("polygon", "rotation", "oriented_rectangle", "quadrilateral"):
        return shapes.polygon_shape(name, points, **known)
    raise ValueError(f"a shape of the kind {brief(kind)}")


def _joined(found: list[Shape]) -> list[Shape]:
    """The shapes, where polygons of the same class and group are parts of one object, as labelme's own converters take them."""
    groups: dict[tuple, list[Shape]] = {}
    for place, shape in enumerate(found):
        group = shape.attributes.get("group_id") if shape.polygons else None
        groups.setdefault((place,) if group is None else (shape.name, group), []).append(shape)
    return [parts[0] if len(parts) == 1 else shapes.joined(parts) for parts in groups.values()]


def _attributes(one: dict) -> dict[str, Any]:
    """The group and the flags of a shape."""
    group, flags = one.get("group_id"), one.get("flags")
    known = {"group_id": group} if isinstance(group, int) else {}
    return known | (
        {name: value for name, value in flags.items() if isinstance(value, bool)} if isinstance(flags, dict) else {}
    )


def _mask(name: str, encoded: Any, points: np.ndarray, record: Record, known: dict[str, Any]) -> Shape:
    """A PNG of the part of the image that begins at the first point."""
    if not isinstance(encoded, str) or len(encoded) > MAX_MASK:
        raise ValueError("its mask is not an encoded image")
    try:
        with Image.open(io.BytesIO(base64.b64decode(encoded, validate=True)), formats=["PNG"]) as image:
            pixels = np.asarray(image.convert("L")) > 0
    except (ValueError, OSError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError("its mask is not an encoded image") from error
    left, top = np.round(points.min(axis=0)).astype(int)
    record.size = record.size or read_size(record.image)
    return shapes.mask_shape(name, pixels, int(left), int(top), record.size, **known)
