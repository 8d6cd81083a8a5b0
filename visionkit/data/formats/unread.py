"""Files of a data set that no reader used, although they look like annotations; and images that are in no split.

A file is known by its contents, as far as a few lines show them. Of many files with one suffix in one folder a few are opened.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from visionkit.data.images.contents import file_of, read_text
from visionkit.data.images.decode import IMAGE_SUFFIXES
from visionkit.data.images.listing import is_hidden
from visionkit.data.images.masks import union
from visionkit.data.index import Problem
from visionkit.data.splits import DataSet

PROBED_BYTES = 65_536  # from the start of a file
PARSED_BYTES = 1 << 26  # of a file of JSON that is parsed
PROBED_LINES = 20
PROBED_FILES = 3  # of each suffix in a folder
BY_SUFFIX = {  # files that no reader opens, since they are rare or could execute code
    ".mat": "a MATLAB file",
    ".pkl": "a pickle, which is never opened, because it could execute code",
    ".pickle": "a pickle, which is never opened, because it could execute code",
    ".parquet": "a Parquet table",
    ".arrow": "an Arrow table",
    ".xlsx": "an Excel table",
    ".xls": "an Excel table",
    ".labels": "Darknet's class names",
}
TEXTS = (".txt", ".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".xml", ".yaml", ".yml")
NO_ANNOTATIONS = re.compile(r"readme.*|licen[cs]e.*|requirements.*|sample_?submission.*|notes?|changelog.*", re.IGNORECASE)
DARKNET_LINE = re.compile(r"\d+(\s+-?\d*\.?\d+(e-?\d+)?){4,}", re.IGNORECASE)  # class, then a box or more
TABLE_SUFFIXES = (".csv", ".tsv")


def unread_files(folder: Path, data_set: DataSet) -> list[Problem]:
    """Files below a folder that look like annotations, but were not used: one problem for each kind in each folder.

    Args:
        folder: the folder that the data set was read from.
        data_set: its ``annotation_files`` are the files that were used, and its problems name further ones.
    """
    names = _image_names(data_set)
    named = (problem.path for problem in data_set.problems)
    used = {os.path.realpath(file) for file in (*data_set.annotation_files, *named)}
    problems = []
    for parent, files in _other_files(folder, used):
        groups: dict[str, list[Path]] = {}
        for name in files:
            groups.setdefault(Path(name).suffix.lower(), []).append(Path(parent, name))
        for suffix, paths in sorted(groups.items()):
            kinds = ((path, _kind(path, suffix, names)) for path in paths[:PROBED_FILES])
            first = next(((path, kind) for path, kind in kinds if kind), None)
            if first is not None:
                more = f" ({len(paths) - 1:,} more {suffix} files in this folder)" if len(paths) > 1 else ""
                problems.append(Problem("unread annotations", str(first[0]), f"{first[1]}: it was not read{more}"))
    return problems


def unused_images(folder: Path, data_set: DataSet) -> str:
    """The images below a folder that are in no split, as "4 in test1/, 1 in the folder itself"; "" if there are none."""
    files = [file_of(path) for path in _files_of(data_set)]
    places = {place: os.path.realpath(place) for place in {os.path.dirname(file) for file in files}}  # noqa: PTH120
    used = {os.path.realpath(file) for file in files}
    used |= {f"{places[parent]}/{name}" for parent, name in map(os.path.split, files)}  # links, which may lead nowhere
    counts: Counter[str] = Counter()
    for parent, _, names in _walk(folder):
        real = os.path.realpath(parent)
        unused = sum(1 for name in names if _is_image(name) and f"{real}/{name}" not in used)
        if unused:
            relative = Path(parent).relative_to(folder)
            counts[f"{relative.parts[0]}/" if relative.parts else "the folder itself"] += unused
    shown = [f"{count:,} in {name}" for name, count in counts.most_common(3)]
    more = [f"{sum(counts.values()) - sum(count for _, count in counts.most_common(3)):,} elsewhere"] if len(counts) > 3 else []
    return ", ".join(shown + more)


def _files_of(data_set: DataSet) -> Iterator[str]:
    """The paths of all images and masks of a data set."""
    for index in data_set.splits.values():
        yield from index.paths
        for annotation in index.annotations:
            members = None if annotation.mask is None else union.parse_path(annotation.mask)
            if members is not None:
                yield from map(str, union.files_of(members))
            elif annotation.mask is not None:
                yield annotation.mask


def _image_names(data_set: DataSet) -> frozenset[str]:
    """The names of the images of a data set, with and without their suffixes; numbers alone could be anything."""
    names = {Path(path).name for index in data_set.splits.values() for path in index.paths}
    stems = {Path(name).stem for name in names}
    return frozenset(names | {stem for stem in stems if not stem.isdecimal()})


def _walk(folder: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """Like ``os.walk``, in order, without hidden files and without links to folders."""
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        yield parent, folders, sorted(name for name in names if not is_hidden(name))


def _is_image(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122 - a Path costs more


def _other_files(folder: Path, used: Collection[str]) -> Iterator[tuple[str, list[str]]]:
    """Each folder with its files that are neither images nor used nor known to be no annotations."""
    for parent, _, names in _walk(folder):
        names = [name for name in names if not _is_image(name) and not NO_ANNOTATIONS.fullmatch(Path(name).stem)]
        real = os.path.realpath(parent)
        if names := [name for name in names if f"{real}/{name}" not in used and os.path.realpath(f"{real}/{name}") not in used]:
            yield parent, names


def _kind(path: Path, suffix: str, names: Collection[str]) -> str:
    """What a file looks like; "" if it does not look like annotations."""
    if suffix in BY_SUFFIX:
        return BY_SUFFIX[suffix]
    if suffix not in TEXTS or not path.is_file():
        return ""
    try:
        with path.open("rb") as file:
            head = file.read(PROBED_BYTES)
    except OSError:
        return ""
    text = head.decode("utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", "replace")
    if suffix in (".json", ".jsonl", ".ndjson"):
        return _kind_of_json(path, text, names)
    if suffix == ".xml":
        return _kind_of_xml(text, names)
    if suffix in (".yaml", ".yml"):
        return "YOLO's description of a data set" if re.search(r"^(train|val)\s*:", text, re.MULTILINE) else ""
    return _kind_of_lines(text, suffix, names)


def _kind_of_json(path: Path, text: str, names: Collection[str]) -> str:
    """By keys, which are looked for in the text: a large file is not parsed."""
    keys = set(re.findall(r'"([A-Za-z_]\w{0,30})"\s*:', text))
    kinds = (
        ("labelme's JSON", {"shapes", "imagePath"}),
        ("COCO's JSON", {"images", "annotations"}),
        ("COCO's JSON", {"image_id", "category_id"}),
        ("VIA's JSON", {"regions", "filename"}),
        ("VIA's JSON", {"shape_attributes"}),
        ("CreateML's JSON", {"image", "annotations", "coordinates"}),
        ("Label Studio's JSON", {"annotations", "result"}),
    )
    kind = next((kind for kind, needed in kinds if needed <= keys), "")
    if kind:
        return kind + _fault_of_json(path)
    strings = islice(re.findall(r'"((?:[^"\\]|\\.){1,300})"', text), 2000)
    return "JSON that names images" if any(_names_image(_unescaped(string), names) for string in strings) else ""


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
    if "<annotations" in text:
        return "CVAT's XML"
    if "<annotation" in text:
        return "Pascal VOC's XML"
    values = re.findall(r'[>"]([^<>"]{1,300})[<"]', text)
    return "XML that names images" if any(_names_image(value.strip(), names) for value in values) else ""


def _kind_of_lines(text: str, suffix: str, names: Collection[str]) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()][: PROBED_LINES + 1]
    if suffix not in TABLE_SUFFIXES and lines and all(DARKNET_LINE.fullmatch(line) for line in lines[:PROBED_LINES]):
        return "boxes as YOLO or Darknet write them"
    naming = sum(any(_names_image(field, ()) for field in _fields(line)) for line in lines)
    by_stem = sum(any(_names_image(field, names) for field in _fields(line)) for line in lines)
    # A word of a sentence may happen to be the name of an image without its suffix, so nearly every line must have one.
    if 2 * naming < max(len(lines), 1) and by_stem < max(len(lines) - 1, 2):
        return ""
    return "a table that names images" if suffix in TABLE_SUFFIXES else "a list that names images"


def _fields(line: str) -> list[str]:
    fields = [field.strip(" \"'") for field in re.split(r"[,;\t|]", line)]
    return [*fields, *line.split()] if " " in line else fields


def _names_image(text: str, names: Collection[str]) -> bool:
    """Whether a text is the name or the path of an image, of the data set or by its suffix."""
    last = re.split(r"[/\\]", text)[-1]
    return bool(last) and (last in names or os.path.splitext(last)[1].lower() in IMAGE_SUFFIXES)  # noqa: PTH122
