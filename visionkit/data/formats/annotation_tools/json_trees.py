"""JSON files of annotation tools: read, and told apart by their keys."""

import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from visionkit.data.images.contents import read_text
from visionkit.data.index import DataError
from visionkit.files import LARGEST_TEXT, read_file

PARSED = 4_000_000  # bytes: larger files are told apart by the keys in their text
KEYS = {  # each of these stands in a large file of that tool
    "labelme": (b'"shapes"', b'"imagePath"'),
    "VIA": (b'"shape_attributes"', b'"region_attributes"'),
    "VIA 3": (b'"metadata"', b'"fname"', b'"fid_list"'),
    "Label Studio": (b'"original_width"',),
    "CreateML": (b'"coordinates"', b'"label"'),
}


def read_tree(file: Path) -> Any:
    """The tree of a JSON file; NaN and infinity become None.

    Raises:
        DataError: the file cannot be read as JSON.
    """
    try:
        return json.loads(read_text(file), parse_constant=lambda name: None)
    except (ValueError, RecursionError, OSError) as error:
        raise DataError(f"{file}: cannot be read as JSON ({str(error)[:200]}).") from error


@contextmanager
def garbage_collection_off() -> Iterator[None]:
    """While a large tree grows, Python searches it for garbage again and again: more than half the time of reading it."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def tool_of_json(file: Path) -> str | None:
    """Which tool wrote a JSON file: one of ``KEYS``, or None."""
    try:
        if file.stat().st_size <= PARSED:
            return tool_of_tree(read_tree(file))
        contents = read_file(file, LARGEST_TEXT)
    except (DataError, OSError):
        return None
    if b'"categories"' in contents and b'"images"' in contents:
        return None  # COCO's files may hold anything else, too
    return next((tool for tool, keys in KEYS.items() if all(key in contents for key in keys)), None)


def tool_of_tree(tree: Any) -> str | None:
    """Which tool wrote a tree: one of ``KEYS``, or None."""
    if isinstance(tree, dict):
        if "shapes" in tree and ("imagePath" in tree or "imageHeight" in tree):
            return "labelme"
        if "_via_img_metadata" in tree:
            return "VIA"
        if {"metadata", "file", "view"} <= tree.keys():
            return "VIA 3"
        values = list(tree.values())[:10]
        return "VIA" if any(isinstance(value, dict) and {"filename", "regions"} <= value.keys() for value in values) else None
    entries = [entry for entry in tree if isinstance(entry, dict)] if isinstance(tree, list) else []
    if any(_is_create_ml(entry) for entry in entries):
        return "CreateML"
    return "Label Studio" if any(_is_task(entry) for entry in entries) else None


def _is_create_ml(entry: dict) -> bool:
    annotations = entry.get("annotations", entry.get("annotation"))
    if not isinstance(entry.get("image", entry.get("imagefilename")), str) or not isinstance(annotations, list):
        return False
    return any(isinstance(one, dict) and "coordinates" in one for one in annotations)


def _is_task(entry: dict) -> bool:
    """Whether an entry is a task of Label Studio, in its JSON or in its shorter JSON-MIN."""
    if isinstance(entry.get("data"), dict) and ("annotations" in entry or "completions" in entry):
        return True
    return {"id", "annotator"} <= entry.keys() or {"annotation_id", "lead_time"} <= entry.keys()
