"""VIA, the VGG Image Annotator: its project (.json), its annotations exported as .json or .csv, and projects of VIA 3.

Rectangles, polygons, circles and ellipses become objects; points and lines are counted and left out. VIA lets people invent
the attributes of regions, so one of them must be taken for the class: see ``_class_attribute``. Where nothing is drawn, the
attribute of the file that has the name of a class column is the label of the image.
"""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from visionkit.data.formats.annotation_files import brief
from visionkit.data.formats.annotation_tools import shapes
from visionkit.data.formats.annotation_tools.json_trees import read_tree
from visionkit.data.formats.annotation_tools.records import Reading, Record
from visionkit.data.formats.annotation_tools.shapes import ERRORS, Shape, number
from visionkit.data.formats.tables.rows import open_rows
from visionkit.data.index import DataError, Problem

COLUMNS = ("filename", "region_shape_attributes", "region_attributes")  # of the .csv
CLASS_ATTRIBUTES = ("label", "class", "class_name", "name", "type", "category", "object", "object_name", "species")
NAMELESS = "object"  # the class of regions in a project without attributes
WITHOUT_AREA = ("point", "line", "polyline")
KINDS_OF_VIA_3 = {
    1: "point",
    2: "rect",
    3: "circle",
    4: "ellipse",
    5: "line",
    6: "polyline",
    7: "polygon",
    8: "rect",
    9: "circle",
}


class Entry(NamedTuple):
    """One image of a file: its name, its regions, and the attributes of the file. A region is a pair of attributes."""

    filename: Any
    regions: list[tuple[Any, Any]]
    attributes: Any


def read_via(file: Path, reading: Reading) -> None:
    """Add the images of one file to ``reading``; see ``records.Reading``.

    Raises:
        DataError: the file cannot be read, or is not VIA's.
    """
    entries = (
        _entries_of_csv(file, reading) if file.suffix.lower() == ".csv" else _entries_of_json(file, read_tree(file), reading)
    )
    attribute = _class_attribute(file, entries, reading)
    of_files = next((name for name in CLASS_ATTRIBUTES if any(_text(entry.attributes, name) for entry in entries)), None)
    for entry in entries:
        image = reading.image(file, entry.filename)
        if image is None:
            continue
        record = Record(file, image)
        if of_files is not None and (tag := _text(entry.attributes, of_files)):
            record.tags = [tag]
        for place, (shape_attributes, region_attributes) in enumerate(entry.regions, 1):
            name = NAMELESS if attribute is None else _text(region_attributes, attribute)
            try:
                shape = _read_shape(shape_attributes, name, record, reading)
            except ERRORS as error:
                reason = error if isinstance(error, ValueError) else "it is not in VIA's form"
                reading.bad(file, f"{brief(entry.filename)}, region {place}", reason)
                continue
            if shape is not None:
                record.shapes.append(shape)
        reading.add(record, len(entry.regions))


def _entries_of_csv(file: Path, reading: Reading) -> list[Entry]:
    """One row a region; the cells of attributes hold JSON."""
    _, rows = open_rows(file, reading.problems)
    _, header = next(rows, (0, []))
    header = [name.lstrip("#").strip().lower() for name in header]
    if not set(COLUMNS) <= set(header):
        raise DataError(f"{file}: expected the columns {', '.join(COLUMNS)}.")
    entries: dict[str, Entry] = {}
    for line, fields in rows:
        row = dict(zip(header, fields, strict=False))
        try:
            shape, region, of_file = (json.loads(row.get(name) or "{}") for name in (*COLUMNS[1:], "file_attributes"))
        except (ValueError, RecursionError) as error:
            reading.bad(file, f"line {line}", f"a cell is not JSON ({str(error)[:80]})")
            continue
        entry = entries.setdefault(row["filename"], Entry(row["filename"], [], of_file))
        if shape != {}:  # an image without regions has a row without a shape
            entry.regions.append((shape, region))
    return list(entries.values())


def _entries_of_json(file: Path, tree: Any, reading: Reading) -> list[Entry]:
    if not isinstance(tree, dict):
        raise DataError(f"{file}: expected an object that holds an object for each image.")
    if "metadata" in tree and "view" in tree:
        return list(_entries_of_via_3(file, tree, reading))
    images, entries = tree.get("_via_img_metadata", tree), []
    options = _options(tree)
    for key, image in images.items() if isinstance(images, dict) else ():
        if not isinstance(image, dict) or "filename" not in image:
            reading.bad(file, f"image {brief(key)}", "it lacks a filename")
            continue
        regions = image.get("regions")
        regions = list(regions.values()) if isinstance(regions, dict) else regions  # as VIA 1 wrote them
        if not isinstance(regions, list):
            reading.bad(file, f"image {brief(key)}", "its regions are not a list; it is left out")
            continue
        pairs = [
            (one.get("shape_attributes"), _with_names(one.get("region_attributes"), options))
            if isinstance(one, dict)
            else (None, None)
            for one in regions
        ]
        entries.append(Entry(image["filename"], pairs, image.get("file_attributes")))
    return entries


def _options(tree: dict) -> dict[str, dict]:
    """The options of each attribute of regions; {} where they are in no form of VIA 2."""
    attributes = tree.get("_via_attributes")
    regions = attributes.get("region") if isinstance(attributes, dict) else None
    found = {} if not isinstance(regions, dict) else regions
    options = {name: one.get("options") for name, one in found.items() if isinstance(one, dict)}
    return {name: each for name, each in options.items() if isinstance(each, dict)}


def _with_names(attributes: Any, options: dict[str, dict]) -> Any:
    """The attributes of a region; where the ids of options are numbers, their descriptions are the values."""
    if not isinstance(attributes, dict):
        return attributes
    named = {}
    for name, value in attributes.items():
        text = options.get(name, {}).get(value) if isinstance(value, str) and value.strip().isdecimal() else None
        named[name] = text if isinstance(text, str) and text.strip() else value
    return named


def _entries_of_via_3(file: Path, tree: dict, reading: Reading) -> Iterator[Entry]:
    """A project of VIA 3: files, views of files, and metadata of views, by number."""
    parts = [tree.get(key) for key in ("file", "view", "metadata", "attribute")]
    files, views, metadata, attributes = (part if isinstance(part, dict) else {} for part in parts)
    regions: dict[str, list] = {}
    for key, one in metadata.items():
        try:
            view = str(one["vid"])
            if view not in views:
                raise ValueError("its view is not in the file")
            regions.setdefault(view, []).append(_region_of_via_3(one, attributes))
        except ERRORS:
            reading.bad(file, f"metadata {brief(key)}", "it is not in VIA's form")
    for key, view in views.items():
        try:
            (fid,) = view["fid_list"]
            name = files[str(fid)]["fname"]
        except ERRORS:
            reading.bad(file, f"view {brief(key)}", "it does not show one file")
            continue
        found = regions.get(str(key), [])
        of_file = {name: value for shape, attributes in found if shape is None for name, value in attributes.items()}
        yield Entry(name, [region for region in found if region[0] is not None], of_file)


def _region_of_via_3(one: dict, attributes: dict) -> tuple[dict | None, dict]:
    """A region in the form of VIA 2; without a shape, where the metadata are those of the whole file."""
    named = {}
    for key, value in (one.get("av") or {}).items():
        attribute = attributes.get(key, {})
        options = attribute.get("options") or {}
        named[str(attribute.get("aname", key))] = options.get(value, value) if isinstance(options, dict) else value
    if one["xy"] == []:
        return None, named
    code, *values = one["xy"]
    kind = KINDS_OF_VIA_3.get(code, str(code))
    keys = {"rect": ("x", "y", "width", "height"), "circle": ("cx", "cy", "r"), "ellipse": ("cx", "cy", "rx", "ry")}
    if kind == "polygon":
        return {"name": kind, "all_points_x": values[0::2], "all_points_y": values[1::2]}, named
    return {"name": kind, **dict(zip(keys.get(kind, ()), values, strict=False))}, named


def _class_attribute(file: Path, entries: list[Entry], reading: Reading) -> str | None:
    """The attribute of regions that holds the class; None if regions have no attributes.

    It is the one that has the name of a class column, else the only one, else the one that most regions have. Where several
    have such names, or none, it is a guess, which is reported.
    """
    filled = Counter(
        name
        for entry in entries
        for _, attributes in entry.regions
        if isinstance(attributes, dict)
        for name in attributes
        if _text(attributes, name)
    )
    if not filled:
        if any(entry.regions for entry in entries):
            reading.notes.append(f"{file.name}: no region has an attribute, so all have the class {NAMELESS!r}")
        return None
    known = [name for wanted in CLASS_ATTRIBUTES for name in filled if name.strip().lower() == wanted]
    chosen = known[0] if known else filled.most_common(1)[0][0]
    if len(filled) > 1:
        others = ", ".join(brief(name) for name in filled if name != chosen)
        detail = f"the attribute {brief(chosen)} of regions is taken for the class, not {others[:200]}"
        if len(known) == 1:
            reading.notes.append(f"{file.name}: {detail}")
        else:
            reading.problems.append(Problem("unclear layout", str(file), detail))
    return chosen


def _text(attributes: Any, name: str) -> str:
    """The value of an attribute: a text, or the options of a checkbox that are chosen; else empty."""
    value = attributes.get(name) if isinstance(attributes, dict) else None
    if isinstance(value, dict):
        value = ", ".join(str(option) for option, is_chosen in value.items() if is_chosen is True)
    return str(value).strip() if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _read_shape(attributes: dict, name: str, record: Record, reading: Reading) -> Shape | None:
    """A shape; None if it encloses nothing.

    Raises:
        one of ``ERRORS``: it is invalid.
    """
    kind = attributes["name"]
    if kind in WITHOUT_AREA:
        reading.leave_out(record.file, kind, name)
        return None
    if kind == "rect":
        x, y, width, height = (number(attributes[key]) for key in ("x", "y", "width", "height"))
        return shapes.box_shape(name, shapes.points_of([(x, y), (x + width, y + height)]))
    if kind == "circle":
        radii = (attributes["r"], attributes["r"])
        return shapes.ellipse_shape(name, (attributes["cx"], attributes["cy"]), radii)
    if kind == "ellipse":
        center, radii = (attributes["cx"], attributes["cy"]), (attributes["rx"], attributes["ry"])
        return shapes.ellipse_shape(name, center, radii, number(attributes.get("theta") or 0))
    if kind == "polygon":
        pairs = list(zip(attributes["all_points_x"], attributes["all_points_y"], strict=True))
        return shapes.polygon_shape(name, shapes.points_of(pairs))
    raise ValueError(f"a shape of the kind {brief(kind)}")
