"""What a file looks like that no reader used, as far as a few lines show it."""

import json
import os
import re
from collections.abc import Collection
from itertools import islice
from pathlib import Path
from typing import Any

from visionkit.data.images.contents import encoding_of, read_text
from visionkit.data.images.decode import IMAGE_SUFFIXES
from visionkit.files import open_file

PARSED_BYTES = 1 << 26  # of a file of JSON that is parsed
PROBED_BYTES = 65_536  # from the start of a file
PROBED_LINES = 20
BY_SUFFIX = {  # files that no reader opens, since they are rare or could execute code
    ".mat": "a MATLAB file",
    ".pkl": "a pickle, which is never opened, because it could execute code",
    ".pickle": "a pickle, which is never opened, because it could execute code",
    ".parquet": "a Parquet table",
    ".arrow": "an Arrow table",
    ".xlsx": "an Excel table",
    ".xls": "an Excel table",
    ".labels": "Darknet's class names",
    ".odgt": "CrowdHuman's boxes",
}
BY_SUFFIX_AND_WORD = {  # files that may hold anything, unless their names say that they are annotations
    ".npy": "a NumPy array",
    ".npz": "NumPy arrays",
    ".h5": "an HDF5 file",
    ".hdf5": "an HDF5 file",
    ".sqlite": "an SQLite database",
    ".sqlite3": "an SQLite database",
    ".db": "a database",
    ".tfrecord": "TensorFlow's records",
    ".toml": "TOML",
    ".dat": "a file of an unknown kind",
}
JSON_SUFFIXES = (".json", ".jsonl", ".ndjson", ".manifest", ".geojson")
TEXTS = (".txt", ".csv", ".tsv", ".xml", ".yaml", ".yml", "", *JSON_SUFFIXES)
COCO_IMAGE = frozenset(("id", "file_name", "width", "height", "license", "coco_url", "flickr_url", "date_captured"))
SIDE_CARS = re.compile(r'"(photoTakenTime|googlePhotosOrigin|ExifToolVersion|ExifTool:ExifToolVersion)"')
ANNOTATION_WORDS = re.compile(
    r"(?<![a-z])(gt|bbx|bbox(es)?|box(es)?|det|labels?|annot?(ation)?s?|ground ?truths?|masks?|targets?|classes)(?![a-z])",
    re.IGNORECASE,
)
NUMBER = r"-?(?:\d+(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?"  # in one way alone, or a long line of them takes for ever
DARKNET_LINE = re.compile(rf"\d+(\s+{NUMBER}){{4,}}", re.IGNORECASE)  # class, then a box or more
NUMBERS = re.compile(rf"{NUMBER}([\s,;]+{NUMBER})*[\s,;]*", re.IGNORECASE)
CHECKSUM = re.compile(r"[0-9a-f]{32,128}\s+\*?\S.*", re.IGNORECASE)
TABLE_SUFFIXES = (".csv", ".tsv")
LIST = "a list that names images"


def kind_of(path: Path, suffix: str, names: Collection[str]) -> str | None:
    """What a file looks like; "" if its contents do not look like annotations, None if it is certainly none."""
    if suffix in BY_SUFFIX:
        return BY_SUFFIX[suffix]
    if suffix in BY_SUFFIX_AND_WORD:
        return BY_SUFFIX_AND_WORD[suffix] if ANNOTATION_WORDS.search(path.stem.replace("_", " ")) else ""
    if suffix not in TEXTS or not path.is_file():
        return ""
    try:
        with open_file(path) as file:
            head = file.read(PROBED_BYTES)
    except OSError:
        return ""
    text = head.decode(encoding_of(head), "replace")
    if suffix in JSON_SUFFIXES:
        return None if SIDE_CARS.search(text) else _kind_of_json(path, text, names)
    if suffix == ".xml":
        return _kind_of_xml(text, names)
    if suffix == "":
        return _kind_of_xml(text, ()) if text.lstrip().startswith("<") else ""
    if suffix in (".yaml", ".yml"):
        return "YOLO's description of a data set" if re.search(r"^(train|val)\s*:", text, re.MULTILINE) else ""
    return _kind_of_lines(path, text, suffix, names)


def _kind_of_json(path: Path, text: str, names: Collection[str]) -> str | None:
    """By keys, which are looked for in the text: a large file is not parsed. None for COCO's list of images to predict."""
    keys = set(re.findall(r'"([A-Za-z_]\w{0,30})"\s*:', text))
    kinds = (
        ("labelme's JSON", {"shapes", "imagePath"}),
        ("COCO's JSON", {"images", "annotations"}),
        ("COCO's JSON", {"image_id", "category_id"}),
        ("VIA's JSON", {"regions", "filename"}),
        ("VIA's JSON", {"shape_attributes"}),
        ("CreateML's JSON", {"image", "annotations", "coordinates"}),
        ("Label Studio's JSON", {"annotations", "result"}),
        ("Supervisely's JSON", {"objects", "size", "tags"}),
        ("GeoJSON", {"features", "geometry"}),
    )
    kind = next((kind for kind, needed in kinds if needed <= keys), "")
    if kind or "FeatureCollection" in text:
        return (kind or "GeoJSON") + _fault_of_json(path)
    if {"images", "file_name"} <= keys and _lists_images(path):
        return None
    strings = islice(re.findall(r'"((?:[^"\\]|\\.){1,300})"', text), 2000)
    return "JSON that names images" if any(_names_image(_unescaped(string), names) for string in strings) else ""


def _lists_images(path: Path) -> bool:
    """Whether a file of COCO says nothing of its images but their names and sizes, such as image_info_test2017.json."""
    try:
        tree = json.loads(read_text(path)) if path.stat().st_size <= PARSED_BYTES else None
    except (ValueError, RecursionError, OSError):
        return False
    images = tree.get("images") if isinstance(tree, dict) and not tree.get("annotations") else None
    return isinstance(images, list) and all(isinstance(image, dict) and COCO_IMAGE.issuperset(image) for image in images)


def _fault_of_json(path: Path) -> str:
    """Where a file that looks like annotations is no JSON: it may have been cut off. "" for large files, and for JSON Lines."""
    if path.suffix.lower() != ".json":
        return ""
    try:
        if path.stat().st_size <= PARSED_BYTES:
            json.loads(read_text(path))
    except (ValueError, RecursionError, OSError) as error:
        return f", which is not valid JSON ({str(error)[:100]})"
    return ""


def _unescaped(string: str) -> Any:
    try:
        return str(json.loads(f'"{string}"'))
    except ValueError:
        return string


def _kind_of_xml(text: str, names: Collection[str]) -> str:
    tags = {tag.lower() for tag in re.findall(r"<(\w+)", text)}
    if "annotations" in tags:
        return "Aperio's XML" if {"region", "vertex"} & tags else "CVAT's XML"
    if "annotation" in tags:
        return "Pascal VOC's XML"
    values = re.findall(r'[>"]([^<>"]{1,300})[<"]', text)
    return "XML that names images" if any(_names_image(value.strip(), names) for value in values) else ""


def _kind_of_lines(path: Path, text: str, suffix: str, names: Collection[str]) -> str | None:
    lines = [line.strip() for line in text.splitlines() if line.strip()][: PROBED_LINES + 1]
    if lines and all(CHECKSUM.fullmatch(line) for line in lines[:PROBED_LINES]):
        return None
    if suffix not in TABLE_SUFFIXES and lines and all(DARKNET_LINE.fullmatch(line) for line in lines[:PROBED_LINES]):
        return "boxes as YOLO or Darknet write them"
    naming = sum(any(_names_image(field, ()) for field in _fields(line)) for line in lines)
    by_stem = sum(any(_names_image(field, names) for field in _fields(line)) for line in lines)
    numbers = sum(NUMBERS.fullmatch(line) is not None for line in lines)
    if 0 < by_stem <= numbers and by_stem + numbers >= len(lines) - 1:  # WIDER Face: a name, then its boxes
        return "a list of images with numbers below each"
    # A word of a sentence may happen to be the name of an image without its suffix, so nearly every line must have one.
    if 2 * naming < max(len(lines), 1) and by_stem < max(len(lines) - 1, 2):
        told = ANNOTATION_WORDS.search(f"{path.parent.name} {path.stem}".replace("_", " "))
        is_table = numbers and numbers >= len(lines) - 1 and len(re.split(r"[\s,;]+", lines[-1].strip(" ,;"))) >= 4
        return "a table of numbers" if told and is_table else ""
    return "a table that names images" if suffix in TABLE_SUFFIXES else LIST


def _fields(line: str) -> list[str]:
    fields = [field.strip(" \"'") for field in re.split(r"[,;\t|]", line)]
    return [*fields, *line.split()] if " " in line else fields


def _names_image(text: str, names: Collection[str]) -> bool:
    """Whether a text is the name or the path of an image, of the data set or by its suffix."""
    last = re.split(r"[/\\]", text.partition("?")[0] if "://" in text else text)[-1]
    return bool(last) and (last in names or os.path.splitext(last)[1].lower() in IMAGE_SUFFIXES)  # noqa: PTH122
