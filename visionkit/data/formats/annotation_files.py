"""What readers and writers of annotation files share: checks of numbers and names, and finding and copying images."""

import io
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from visionkit.data.images.contents import encoding_of, file_of, read_contents, read_text
from visionkit.data.images.decode import IMAGE_SUFFIXES
from visionkit.data.images.inside import Boundary, gathered_outside
from visionkit.data.index import NO_OBJECTS, Annotation, DataError, Index, Objects, Problem
from visionkit.data.splits import DataSet
from visionkit.files import LARGEST_TEXT, read_file

LARGEST = 1e6  # in heights or widths of the image: a larger coordinate is garbage, not a box that reaches outside
MAX_CLASSES = 100_000  # a larger class number is garbage, and a name would be made for every number below it
DECLARED_SIDES = range(1, 1_000_000)  # heights and widths that a file may declare; otherwise the image's header is read
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
SMALLEST_RELATIVE = 0.05  # of the image; boxes that are as small in pixels were not drawn by anybody
Images = Literal["copy", "link"]


def are_sound(coordinates: np.ndarray) -> bool:
    """Whether all relative coordinates are finite and at most ``LARGEST``."""
    return bool((np.abs(coordinates) <= LARGEST).all())  # false for nan


def read_paths(file: Path) -> list[str]:
    """The non-blank lines of a list of files; bytes that are not UTF-8 survive as in ``os.fsdecode``.

    Raises:
        OSError: the file cannot be read.
    """
    contents = read_file(file, LARGEST_TEXT)
    is_utf16 = encoding_of(contents).startswith("utf-16")
    text = read_text(file) if is_utf16 else contents.decode("utf-8-sig", "surrogateescape")
    return [stripped for line in re.split("[\r\n]+", text) if (stripped := line.strip())]


def detection_index(class_names: Iterable[str], paths: list[str], annotations: list[Annotation], **more: object) -> Index:
    """An index of images that have annotations but no label of their own."""
    return Index(tuple(class_names), tuple(paths), np.full(len(paths), -1, np.int32), annotations=tuple(annotations), **more)


def below_a_pixel(annotations: Iterable[Annotation], file: str | Path, whose: str) -> list[Problem]:
    """The problem that all boxes of a format in pixels are smaller than one: they may be relative to the images.

    Args:
        annotations: those of a file, with the sizes of the images.
        file: the file or folder that the problem names.
        whose: "COCO's".
    """
    some = [one.objects.boxes * np.tile(one.size[::-1], 2) for one in annotations if len(one.objects) and one.size]
    boxes = np.concatenate(some) if some else np.zeros((0, 4))
    sides = boxes[:, 2:] - boxes[:, :2]
    if len(boxes) > 2 and (np.abs(boxes) <= 1).all() and (sides > 0).all() and np.median(sides) > SMALLEST_RELATIVE:
        detail = f"all boxes are smaller than a pixel; they may be relative to the images, but {whose} are in pixels"
        return [Problem("unclear layout", str(file), detail)]
    return []


def check_not_empty(data_set: DataSet, source: str | Path) -> DataSet:
    """Return the data set if it has any images.

    Raises:
        DataError: it has none; the message quotes the first problem, which may be the reason.
    """
    if len(data_set):
        return data_set
    problems = gathered_outside(data_set.problems)
    found = "1 problem was found:" if len(problems) == 1 else f"{len(problems):,} problems were found; the first is"
    reasons = [f" {found} {one.path}: {one.detail.removeprefix(f'{one.path}: ').rstrip('.')}." for one in problems[:1]]
    raise DataError(f"{source}: no annotated image can be used.{''.join(reasons)}")


def only_inside(data_set: DataSet, boundary: Boundary, source: str | Path) -> DataSet:
    """The data set without images and masks that lie outside of its folder, whatever its reader let through.

    Raises:
        DataError: no image is left.
    """
    problems, splits = list(data_set.problems), {}
    for name, index in data_set.splits.items():
        masks = [one.mask for one in index.annotations] or [None] * len(index)
        outside = [
            next((each for each in pair if each is not None and not boundary.holds(file_of(each))), None)
            for pair in zip(index.paths, masks, strict=True)
        ]
        problems += [boundary.refused(source, each) for each in outside if each is not None]
        splits[name] = index.take(row for row, each in enumerate(outside) if each is None) if any(outside) else index
    found = replace(data_set, splits=splits, problems=tuple(gathered_outside(problems)))
    return found if len(found) == len(data_set) else check_not_empty(found, source)


def brief(value: object) -> str:
    """A value from a file, shortened for a message: in a stranger's file it may be a deep tree."""
    if isinstance(value, str):
        return repr(value[:100])
    return f"{value:.9g}" if isinstance(value, int | float) and abs(value) < 1e100 else f"({type(value).__name__})"


def object_problem(file: str | Path, which: object, reason: str) -> Problem:
    """The problem that one object of a file, or a part of it, is left out."""
    return Problem("bad annotation", str(file), f"{which}: {reason[:200]}")


def decimal(value: float, digits: int) -> str:
    """Format a number without an exponent and without trailing zeros."""
    text = f"{value:.{digits}f}".rstrip("0").rstrip(".")
    return "0" if text in ("", "-0", "-") else text


def with_known_class(objects: Objects | None, lost: Counter[str]) -> Objects:
    """The objects whose class a writer can name; the others are counted in ``lost``."""
    if objects is None:
        return NO_OBJECTS
    unknown = np.count_nonzero(objects.classes < 0)
    lost["objects of an unknown class left out"] += unknown
    return objects.take(np.flatnonzero(objects.classes >= 0)) if unknown else objects


def new_name(path: str, taken: dict[str, int], lost: Counter[str], *, by_stem: bool) -> str:
    """The name that an image gets in the folder of its split; see ``safe_name`` and ``unused_name``."""
    name = unused_name(safe_name(path), taken, by_stem=by_stem)
    lost["image names changed, because they were taken or not portable"] += name != Path(path).name
    return name


def safe_name(path: str) -> str:
    """The file name of an image, changed where needed so that every format and operating system accepts it.

    Control characters and bytes that are not UTF-8 would end lines and break XML; readers skip hidden files; and readers know
    an image by its suffix, which records within another file lack.
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
    except Exception:  # the image is broken; the decoder reports why
        suffix = ""
    return suffix if suffix in IMAGE_SUFFIXES else ".jpg"


def unused_name(name: str, taken: dict[str, int], *, by_stem: bool) -> str:
    """``name``, or name_2, name_3, ... if it is taken. Letter case does not distinguish names, as on some systems.

    Args:
        taken: the names in use, each with the last number that was tried; the new name is added.
        by_stem: whether the same stem with another suffix also counts as taken, for formats with a file per stem.
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


@contextmanager
def unfinished_folder(folder: Path) -> Iterator[Path]:
    """A new folder next to ``folder`` that takes its name and place at the end, or is removed if something fails.

    Args:
        folder: the final folder; it may exist if it is empty.
    """
    folder = folder.absolute()
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)  # left by a process that was killed
    unfinished.mkdir(parents=True)
    try:
        yield unfinished
        if folder.is_dir():
            folder.rmdir()
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def one_line(text: str) -> str:
    """Text without control characters and lone surrogates, which would break lines and XML."""
    return UNPRINTABLE.sub(" ", text).strip()


def split_file_name(split: str) -> str:
    """The name of a split as it may stand in the name of a file or folder."""
    return re.sub(r"^[.]|[\\/:]", "_", one_line(split)) or "_"


def put_image(path: str, target: Path, images: Images) -> None:
    """Copy an image of an index to ``target``, or link to it.

    Raises:
        OSError: the image cannot be read, or ``target`` cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if not Path(path).is_file():  # a record within another file
        target.write_bytes(read_contents(path))
    elif images == "link":
        target.symlink_to(os.path.realpath(path))
    else:
        shutil.copyfile(path, target)


def gathered(problems: list[Problem], most: int) -> list[Problem]:
    """The problems, where those of objects or lines that have one reason become one if they are more than ``most``."""
    groups: dict[tuple[str, str], list[Problem]] = {}
    for problem in dict.fromkeys(problems):
        groups.setdefault((problem.kind, problem.detail.partition(": ")[2] or problem.detail), []).append(problem)
    result = []
    for group in groups.values():
        first = group[0]
        more = f"; the same is wrong in {len(group) - 1:,} more places"
        result += [first._replace(detail=first.detail + more)] if len(group) > most else group
    return result
