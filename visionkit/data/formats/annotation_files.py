"""What readers and writers of annotation files share: sound numbers, names, finding images and putting them elsewhere."""

import io
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from visionkit.data.images.contents import file_of, read_contents, read_text
from visionkit.data.images.decode import IMAGE_SUFFIXES
from visionkit.data.index import NO_OBJECTS, Annotation, DataError, Index, Objects, Problem
from visionkit.data.splits import DataSet

LARGEST = 1e6  # in heights or widths of the image: a coordinate beyond is garbage, and no box that reaches outside
MAX_CLASSES = 100_000  # a number beyond is garbage: names are made up to the largest
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
Images = Literal["copy", "link"]


def are_sound(coordinates: np.ndarray) -> bool:
    """Whether relative coordinates are finite and of a size that an image may have."""
    return bool((np.abs(coordinates) <= LARGEST).all())  # false for nan


def read_names(file: Path) -> list[str]:
    """The class names in a text file, one a line; the number of a line counts, so blank ones are named by their number.

    Raises:
        DataError: it cannot be read, or holds more than ``MAX_CLASSES`` lines.
    """
    try:
        lines = read_text(file).rstrip().splitlines()
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror or error}).") from error
    if len(lines) > MAX_CLASSES:
        raise DataError(f"{file}: {len(lines):,} lines; expected class names, one a line.")
    return [line.strip() or str(number) for number, line in enumerate(lines)]


def read_paths(file: Path) -> list[str]:
    """The lines of a list of files, as far as they are not blank; bytes that are not UTF-8 survive as in ``os.fsdecode``.

    Raises:
        OSError: it cannot be read.
    """
    contents = file.read_bytes()
    is_utf16 = contents[:2] in (b"\xff\xfe", b"\xfe\xff")
    text = read_text(file) if is_utf16 else contents.decode("utf-8-sig", "surrogateescape")
    return [stripped for line in re.split("[\r\n]+", text) if (stripped := line.strip())]


def image_finder() -> Callable[[Iterable[str], str], str | None]:
    """A function that says where an image lies.

    Returns:
        ``find(folders, name)``: the path of the file ``name`` (it may contain folders) below the first of ``folders`` that has
        it; or None. Each folder is listed once: that is faster than to ask for every file.
    """

    @cache
    def listing(folder: str) -> frozenset[str]:
        try:
            return frozenset(path.name for path in Path(folder).iterdir())
        except (OSError, ValueError):  # no such folder; a name that no folder can have
            return frozenset()

    def find(folders: Iterable[str], name: str) -> str | None:
        in_latin_1 = re.sub("[\udc80-\udcff]", lambda byte: chr(ord(byte[0]) - 0xDC00), name)
        for spelling in dict.fromkeys((name, name.replace("\\", "/"), in_latin_1)):
            for folder in folders if Path(spelling).name else ():
                path = Path(folder, spelling)
                if os.path.basename(file_of(path)) in listing(str(path.parent)):  # noqa: PTH119 - a Path costs more
                    return str(path)
        return None

    return find


def find_by_stem(find: Callable, folders: Iterable[str], stem: str) -> str | None:
    """The image ``stem`` with any of ``IMAGE_SUFFIXES``."""
    suffixes = [spelled for suffix in sorted(IMAGE_SUFFIXES) for spelled in (suffix, suffix.upper())]
    return next((path for suffix in suffixes if (path := find(folders, stem + suffix)) is not None), None)


def detection_index(class_names: Iterable[str], paths: list[str], annotations: list[Annotation], **more: object) -> Index:
    """An index of images that have boxes, and no label of their own."""
    return Index(tuple(class_names), tuple(paths), np.full(len(paths), -1, np.int32), annotations=tuple(annotations), **more)


def check_not_empty(found: DataSet, data: str | Path) -> DataSet:
    """The data set, if there is anything in it.

    Raises:
        DataError: it has no images; with the first problem, which may be the reason.
    """
    if len(found):
        return found
    reasons = [f" {len(found.problems):,} problems, the first: {one.path}: {one.detail}." for one in found.problems[:1]]
    raise DataError(f"{data}: no annotated image can be used.{''.join(reasons)}")


def brief(value: object) -> str:
    """A value of a file for a message: a stranger's may be a deep tree."""
    if isinstance(value, str):
        return repr(value[:100])
    return f"{value:.9g}" if isinstance(value, int | float) and abs(value) < 1e100 else f"({type(value).__name__})"


def object_problem(file: str | Path, which: object, reason: str) -> Problem:
    """That one object of a file is left out, or a part of it."""
    return Problem("bad annotation", str(file), f"{which}: {reason[:200]}")


def decimal(value: float, digits: int) -> str:
    """A number without an exponent or needless zeros."""
    text = f"{value:.{digits}f}".rstrip("0").rstrip(".")
    return "0" if text in ("", "-0", "-") else text


def with_known_class(objects: Objects | None, lost: Counter[str]) -> Objects:
    """The objects that a writer can name."""
    if objects is None:
        return NO_OBJECTS
    unknown = np.count_nonzero(objects.classes < 0)
    lost["objects of an unknown class: left out"] += unknown
    return objects.take(np.flatnonzero(objects.classes >= 0)) if unknown else objects


def new_name(path: str, taken: dict[str, int], lost: Counter[str], *, by_stem: bool) -> str:
    """The name that an image gets in a folder for all of a split; see ``safe_name`` and ``unused_name``."""
    name = unused_name(safe_name(path), taken, by_stem=by_stem)
    lost["names of images: changed, as they are taken or not portable"] += name != Path(path).name
    return name


def safe_name(path: str) -> str:
    """The file name of an image, such that every format and system can have it.

    Control characters and bytes that are not UTF-8 would end lines and break XML; hidden files are passed over by readers; and
    an image is known by its suffix, which records within another file lack.
    """
    name = UNPRINTABLE.sub("_", Path(path).name).replace("\\", "_")
    stem, suffix = Path(name).stem, Path(name).suffix
    if suffix.lower() not in IMAGE_SUFFIXES:
        stem, suffix = name, _suffix_by_contents(path)
    stem = stem.strip()
    return (re.sub("^[.]", "_", stem) or "image") + suffix


def _suffix_by_contents(path: str) -> str:
    try:
        with Image.open(io.BytesIO(read_contents(path))) as image:
            suffix = f".{image.format.lower()}"
    except Exception:  # broken; whoever decodes it says why
        suffix = ""
    return suffix if suffix in IMAGE_SUFFIXES else ".jpg"


def unused_name(name: str, taken: dict[str, int], *, by_stem: bool) -> str:
    """``name``, or if that is taken, name_2, name_3, ...; letter case does not tell names apart: on some systems it does not.

    Args:
        taken: the names in use, each with the last number that was tried; the new one is added.
        by_stem: a name with another suffix is taken, too: for a file beside each image that has its stem.
    """
    stem, suffix = name.removesuffix(Path(name).suffix), Path(name).suffix

    def key(name):
        return (name.removesuffix(suffix) if by_stem else name).casefold()

    first = key(name)
    while key(name) in taken:
        taken[first] += 1
        name = f"{stem}_{taken[first]}{suffix}"
    taken[key(name)] = 1
    return name


def one_line(text: str) -> str:
    """Text without what breaks lines and XML: control characters, lone surrogates."""
    return UNPRINTABLE.sub(" ", text).strip()


def put_image(path: str, target: Path, images: Images) -> None:
    """Copy an image of an index, or link to it.

    Raises:
        OSError: it cannot be read, or ``target`` cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if not Path(path).is_file():  # a record within another file
        target.write_bytes(read_contents(path))
    elif images == "link":
        target.symlink_to(os.path.realpath(path))
    else:
        shutil.copyfile(path, target)
