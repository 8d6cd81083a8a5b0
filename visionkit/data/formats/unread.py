"""Files of a data set that no reader used, although they look like annotations; and images that are in no split.

A file is known by its contents, as far as a few lines show them. Of many files with one suffix in one folder a few are opened.
Files with the names of the images belong to them, whatever they hold.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from itertools import islice, product
from pathlib import Path
from typing import Any, NamedTuple

from visionkit.data.formats.annotation_files import read_paths
from visionkit.data.images.contents import file_of
from visionkit.data.images.decode import IMAGE_SUFFIXES
from visionkit.data.images.listing import is_hidden
from visionkit.data.images.masks import union
from visionkit.data.index import Problem
from visionkit.data.splits import DataSet

PROBED_BYTES = 65_536  # from the start of a file
PROBED_LINES = 20
LARGEST_LIST = 50_000_000  # bytes
PROBED_FILES = 3  # of each suffix in a folder
PROBED_NAMES = 200  # of files, which may hold a name of an image
MOST_CUTS = 8  # beginnings and ends of a name that may be cut off
BOUNDARY = re.compile(r"[_\W]+")
MANY = 10  # folders with files of one kind from which they are one problem
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
NO_ANNOTATIONS = re.compile(
    r"readme.*|licen[cs]e.*|requirements.*|sample_?submission.*|notes?|changelog.*|credits?|attributions?|copyright"
    r"|(check|md5|sha\d*)_?sums?|.*\.aux",
    re.IGNORECASE,
)
# Files that may have the names of photos: side-cars of cameras and editors, raw images, films, point clouds, ...
NO_ANNOTATION_SUFFIXES = frozenset(
    [
        *(".xmp", ".aae", ".pp3", ".dop", ".cos", ".thm", ".lrv", ".md5", ".sha1", ".sha256", ".sfv", ".crc", ".par2", ".log"),
        *(".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf", ".orf", ".rw2", ".pef", ".srw", ".raw", ".heic", ".heif", ".avif"),
        *(".mov", ".mp4", ".avi", ".m4v", ".mkv", ".webm", ".wav", ".mp3", ".m4a", ".psd", ".xcf", ".kra", ".ai", ".eps"),
        *(".pdf", ".html", ".htm", ".doc", ".docx", ".odt", ".bak", ".tmp", ".part", ".cache", ".lock", ".ini", ".url"),
        *(
            ".py",
            ".pyc",
            ".ipynb",
            ".sh",
            ".bat",
            ".m",
            ".r",
            ".md",
            ".rst",
            ".js",
            ".css",
            ".c",
            ".cpp",
            ".h",
            ".lnk",
            ".zip",
            ".tar",
            ".gz",
            ".tgz",
            ".7z",
            ".rar",
            ".prj",
        ),
        *(".dcm", ".hdr", ".pcd", ".ply", ".las", ".laz", ".bin"),
        *(".tfw", ".tifw", ".jgw", ".jpgw", ".pgw", ".pngw", ".wld", ".ovr", ".rpb", ".rpc", ".imd"),
    ]
)
SIDE_CARS = re.compile(r'"(photoTakenTime|googlePhotosOrigin|ExifToolVersion|ExifTool:ExifToolVersion)"')
ANNOTATION_WORDS = re.compile(
    r"(?<![a-z])(gt|bbx|bbox(es)?|box(es)?|det|labels?|annot?(ation)?s?|ground ?truths?|masks?|targets?|classes)(?![a-z])",
    re.IGNORECASE,
)
DARKNET_LINE = re.compile(r"\d+(\s+-?\d*\.?\d+(e-?\d+)?){4,}", re.IGNORECASE)  # class, then a box or more
NUMBERS = re.compile(r"-?\d*\.?\d+(e[-+]?\d+)?([\s,;]+-?\d*\.?\d+(e[-+]?\d+)?)*[\s,;]*", re.IGNORECASE)
CHECKSUM = re.compile(r"[0-9a-f]{32,128}\s+\*?\S.*", re.IGNORECASE)
TABLE_SUFFIXES = (".csv", ".tsv")
LIST = "a list that names images"


class Place(NamedTuple):
    """A folder: its path, the same without links, and the names of its images and of its other files."""

    parent: str
    real: str
    images: list[str]
    others: list[str]


def walk(folder: Path) -> list[Place]:
    """A folder and all below it, in order, without hidden files and without links to folders."""
    places = []
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        images, others = [], []
        for name in sorted(names):
            if not is_hidden(name):
                (images if _is_image(name) else others).append(name)
        places.append(Place(parent, os.path.realpath(parent), images, others))
    return places


def unread_files(places: list[Place], data_set: DataSet) -> list[Problem]:
    """Files that look like annotations, but were not used: one problem for each kind in each folder, or one for many folders.

    Args:
        places: what ``walk`` found in the folder that the data set was read from.
        data_set: its ``annotation_files`` are the files that were used, and its problems name further ones.
    """
    names = _image_names(data_set)
    used = _spots((*data_set.annotation_files, *(problem.path for problem in data_set.problems)))
    owners = _Owners(places, data_set)
    # Tools write the same masks as arrays, too, and trainers of detectors keep decoded images next to the files.
    has_copies = any(index.has_masks or index.has_objects for index in data_set.splits.values())
    found: dict[tuple[str, str], list[Problem]] = {}
    for place in places:
        groups: dict[str, list[str]] = {}
        for name in place.others:
            stem, suffix = os.path.splitext(name)  # noqa: PTH122 - a Path costs more
            if not NO_ANNOTATIONS.fullmatch(stem) and not _is_one_of(name, place, used):
                suffix = ".nii.gz" if name.lower().endswith(".nii.gz") else suffix.lower()
                groups.setdefault(suffix, []).append(name)
        for suffix, files in sorted(groups.items()):
            if suffix in NO_ANNOTATION_SUFFIXES or (suffix == ".npy" and has_copies):
                continue
            first, kind = _kind_of_group(place, suffix, files, names, owners)
            if kind:
                named = f"{suffix} files" if suffix else "files without a suffix"
                more = f" ({len(files) - 1:,} more {named} in this folder)" if len(files) > 1 else ""
                path = str(Path(place.parent, first))
                found.setdefault((kind, suffix), []).append(
                    Problem("unread annotations", path, f"{kind}: it was not read{more}")
                )
    problems: list[Problem] = []
    for group in found.values():
        more = f"; there are more in {len(group) - 1:,} other folders"
        problems += [group[0]._replace(detail=group[0].detail + more)] if len(group) > MANY else group
    return sorted(problems, key=lambda problem: problem.path)


def _kind_of_group(place: Place, suffix: str, files: list[str], names: Collection[str], owners: "_Owners") -> tuple[str, str]:
    """One of the files of a folder that have a suffix, and what it looks like; "" if none looks like annotations."""
    for name in files[:PROBED_FILES]:
        kind = _kind(Path(place.parent, name), suffix, names)
        if kind is None:
            return "", ""
        if kind == LIST and owners.are_all_in(Path(place.parent, name)):
            return "", ""
        if kind:
            return name, kind
    return (files[0], "a file named after an image") if owners.have_named(files) else ("", "")


def seen(folder: Path) -> str:
    """A sentence that names the annotation files in a folder that no reader knows; "" if there are none."""
    problems = unread_files(walk(folder), DataSet({}))
    named = [f"{problem.path} ({problem.detail.partition(': it was not read')[0]})" for problem in problems]
    more = f" and {len(named) - 3} more kinds or folders" if len(named) > 3 else ""
    return f" It holds annotations that no reader knows: {', '.join(named[:3])}{more}." if named else ""


def unused_images(places: list[Place], data_set: DataSet) -> str:
    """The images that are in no split, as "4 in test1/, 1 in the folder itself"; "" if there are none."""
    used = _spots(map(file_of, _files_of(data_set)))
    counts: Counter[str] = Counter()
    for place in places:
        unused = sum(not _is_one_of(name, place, used) for name in place.images)
        if unused:
            relative = Path(place.parent).relative_to(places[0].parent)
            counts[f"{relative.parts[0]}/" if relative.parts else "the folder itself"] += unused
    shown = [f"{count:,} in {name}" for name, count in counts.most_common(3)]
    more = [f"{sum(counts.values()) - sum(count for _, count in counts.most_common(3)):,} elsewhere"] if len(counts) > 3 else []
    return ", ".join(shown + more)


def _spots(files: Iterable[str]) -> set[str]:
    """The files, by paths without links; a file that is a link, and what it leads to. Each folder is resolved once."""
    parents: dict[str, str] = {}
    spots = set()
    for file in files:
        parent, name = os.path.split(file)
        if parent not in parents:
            parents[parent] = os.path.realpath(parent)
        spots.add(f"{parents[parent]}/{name}")
        if os.path.islink(file):  # noqa: PTH114 - fast
            spots.add(os.path.realpath(file))
    return spots


def _is_one_of(name: str, place: Place, spots: Collection[str]) -> bool:
    path = f"{place.real}/{name}"
    return path in spots or (os.path.islink(path) and os.path.realpath(path) in spots)  # noqa: PTH114


class _Owners:
    """The names of the images that files may belong to."""

    def __init__(self, places: list[Place], data_set: DataSet):
        names = {os.path.basename(path) for index in data_set.splits.values() for path in index.paths}  # noqa: PTH119
        self.read = {os.path.splitext(name)[0] for name in names}  # noqa: PTH122
        names |= {name for place in places for name in place.images}
        self.names = names | {os.path.splitext(name)[0] for name in names}  # noqa: PTH122
        self.cores: set[str] = set()  # what is left of the names without the ends that all in their folder have
        for place in places:
            if len(place.images) > 1:
                stems = [os.path.splitext(name)[0] for name in place.images]  # noqa: PTH122
                end = _common_end(stems)
                end = end[min((cut.start() for cut in BOUNDARY.finditer(end)), default=len(end)) :]
                self.cores |= {stem.removesuffix(end) for stem in stems} if end else set()

    def are_all_in(self, file: Path) -> bool:
        """Whether each line of a list is an image and no image is missing: such a list tells nothing."""
        try:
            lines = read_paths(file) if file.stat().st_size <= LARGEST_LIST else []
        except OSError:
            return False
        listed = {re.split(r"[/\\]", line)[-1] for line in lines}
        listed = {os.path.splitext(name)[0] if _is_image(name) else name for name in listed}  # noqa: PTH122
        return bool(self.read) and listed == self.read

    def have_named(self, files: list[str]) -> bool:
        """Whether most of some files have names of images, in full or with the same text before or after them in each."""
        if len(files) < 2:
            return False
        named = sum(any(part in self.names for part in _without_suffixes(name)) for name in files)
        return 2 * named > len(files) or self._with_affixes(files)

    def _with_affixes(self, files: list[str]) -> bool:
        sample = files[:: max(1, len(files) // PROBED_NAMES)]
        affixes: Counter[tuple[str, str]] = Counter()
        for name in sample:
            stem = min(_without_suffixes(name), key=len)
            cuts = [0, *(cut.end() for cut in BOUNDARY.finditer(stem))][:MOST_CUTS]
            ends = [len(stem), *(cut.start() for cut in BOUNDARY.finditer(stem))][:MOST_CUTS]
            affixes.update(
                {
                    (stem[:start], stem[end:])
                    for start, end in product(cuts, ends)
                    if start < end and ((core := stem[start:end]) in self.names or core in self.cores)
                }
            )
        return max(affixes.values(), default=0) * 2 > len(sample)


def _common_end(stems: list[str]) -> str:
    backwards = [stem[::-1] for stem in stems]
    first, last = min(backwards), max(backwards)
    length = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return first[:length][::-1]


def _without_suffixes(name: str) -> list[str]:
    """The beginnings of a name before each of its last dots: "a.jpg", "a" for "a.jpg.json"; the name itself if it has none."""
    dots = [position for position, letter in enumerate(name) if letter == "." and position][-3:]
    return [name[:position] for position in dots] or [name]


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
    names = {os.path.basename(path) for index in data_set.splits.values() for path in index.paths}  # noqa: PTH119
    stems = {os.path.splitext(name)[0] for name in names}  # noqa: PTH122
    return frozenset(names | {stem for stem in stems if not stem.isdecimal()})


def _is_image(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122 - a Path costs more


def _kind(path: Path, suffix: str, names: Collection[str]) -> str | None:
    """What a file looks like; "" if its contents do not look like annotations, None if it is certainly none."""
    if suffix in BY_SUFFIX:
        return BY_SUFFIX[suffix]
    if suffix in BY_SUFFIX_AND_WORD:
        return BY_SUFFIX_AND_WORD[suffix] if ANNOTATION_WORDS.search(path.stem.replace("_", " ")) else ""
    if suffix not in TEXTS or not path.is_file():
        return ""
    try:
        with path.open("rb") as file:
            head = file.read(PROBED_BYTES)
    except OSError:
        return ""
    text = head.decode("utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", "replace")
    if suffix in JSON_SUFFIXES:
        return None if SIDE_CARS.search(text) else _kind_of_json(text, names)
    if suffix == ".xml":
        return _kind_of_xml(text, names)
    if suffix == "":
        return _kind_of_xml(text, ()) if text.lstrip().startswith("<") else ""
    if suffix in (".yaml", ".yml"):
        return "YOLO's description of a data set" if re.search(r"^(train|val)\s*:", text, re.MULTILINE) else ""
    return _kind_of_lines(path, text, suffix, names)


def _kind_of_json(text: str, names: Collection[str]) -> str:
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
        ("Supervisely's JSON", {"objects", "size", "tags"}),
        ("GeoJSON", {"features", "geometry"}),
    )
    kind = next((kind for kind, needed in kinds if needed <= keys), "")
    if kind or "FeatureCollection" in text:
        return kind or "GeoJSON"
    strings = islice(re.findall(r'"((?:[^"\\]|\\.){1,300})"', text), 2000)
    return "JSON that names images" if any(_names_image(_unescaped(string), names) for string in strings) else ""


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
    last = re.split(r"[/\\]", text)[-1]
    return bool(last) and (last in names or os.path.splitext(last)[1].lower() in IMAGE_SUFFIXES)  # noqa: PTH122
