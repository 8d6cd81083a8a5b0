"""CreateML: one JSON file with a list of images, each with its boxes, given by center, width and height in pixels."""

from pathlib import Path

from visionkit.data.formats.annotation_files import brief
from visionkit.data.formats.annotation_tools import shapes
from visionkit.data.formats.annotation_tools.json_trees import read_tree
from visionkit.data.formats.annotation_tools.records import Reading, Record
from visionkit.data.formats.annotation_tools.shapes import ERRORS, Shape, number
from visionkit.data.index import DataError


def read_create_ml(file: Path, reading: Reading) -> None:
    """Add the images of one file to ``reading``; see ``records.Reading``.

    Raises:
        DataError: the file cannot be read, or is not a list.
    """
    tree = read_tree(file)
    if not isinstance(tree, list):
        raise DataError(f"{file}: expected a list of images with annotations.")
    for place, entry in enumerate(tree, 1):
        name = entry.get("image", entry.get("imagefilename")) if isinstance(entry, dict) else None
        annotations = entry.get("annotations", entry.get("annotation")) if isinstance(entry, dict) else None
        if not isinstance(name, str) or not isinstance(annotations, list):
            reading.bad(file, f"image {place}", "it lacks the name of an image, or a list of annotations")
            continue
        image = reading.image(file, name)
        if image is None:
            continue
        record = Record(file, image)
        for number_of_box, one in enumerate(annotations, 1):
            try:
                record.shapes.append(_read_box(one))
            except ERRORS as error:
                reason = error if isinstance(error, ValueError) else "it is not in CreateML's form"
                reading.bad(file, f"{brief(name)}, box {number_of_box}", reason)
        reading.add(record, len(annotations))


def _read_box(one: dict) -> Shape:
    x, y, width, height = (number(one["coordinates"][key]) for key in ("x", "y", "width", "height"))
    name = one["label"]
    if not isinstance(name, str):
        raise ValueError("its label is not a name")
    corners = [(x - width / 2, y - height / 2), (x + width / 2, y + height / 2)]
    return shapes.box_shape(name.strip(), shapes.points_of(corners))
