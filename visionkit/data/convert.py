"""Converts annotated images from any format that ``sources.read`` knows to VOC, COCO or YOLO.

A round trip loses nothing that both formats can express; a ``Conversion`` counts what the target format cannot.
"""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from visionkit.data.boxes import upright
from visionkit.data.formats.annotation_files import Images, split_file_name, unfinished_folder
from visionkit.data.formats.coco_objects import rle_of
from visionkit.data.formats.writers.coco import coco_files, write_coco
from visionkit.data.formats.writers.voc import write_voc
from visionkit.data.formats.writers.yolo import write_yolo
from visionkit.data.images.decode import ImageError
from visionkit.data.images.inside import OPTION, Boundary
from visionkit.data.images.masks.read import read_mask
from visionkit.data.images.name_lists import BACKGROUNDS
from visionkit.data.images.scan import ImageInfo, scan
from visionkit.data.index import NO_OBJECTS, Annotation, DataError, Index, Objects, Problem, Rle
from visionkit.data.splits import DataSet
from visionkit.files import resolved
from visionkit.progress import bar

Format = Literal["voc", "coco", "yolo"]
VALUES_OF_BACKGROUND = ("0", "#000000")  # by which masks without names call it
FORMATS: tuple[Format, ...] = ("voc", "coco", "yolo")


@dataclass(frozen=True)
class Conversion:
    """The result of ``convert``.

    Attributes:
        format: the format that was written.
        paths: paths to read the result from: the .json file of each split for COCO, else the target.
        num_images, num_objects: numbers by split.
        lost: sentences on what the format cannot express, each with the number of items.
        problems: what could not be read and is not in the result.
        notes: sentences on how the source was read.
    """

    format: Format
    paths: tuple[str, ...]
    num_images: dict[str, int]
    num_objects: dict[str, int]
    lost: tuple[str, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]


def convert(
    source: str | Path,
    target: str | Path,
    *,
    to: Format | None = None,
    images: Images = "copy",
    mask_values: Sequence[str] = (),
    allow_outside: bool = False,
) -> Conversion:
    """Read a data set and write it in another format.

    Everything is written next to the target and renamed at the end, so an interrupted conversion leaves nothing that looks
    complete. Images are decoded once; broken ones are reported and left out.

    Args:
        source: anything that ``sources.read`` reads, with boxes or masks. A mask becomes one object per connected component.
        target: a folder that is new or empty; for YOLO also the data.yaml in such a folder; for COCO also a .json file, which
            names the images where they are. See ``write_voc``, ``write_coco`` and ``write_yolo``.
        to: the format; None derives it from the target's suffix or name (x.json, x.yaml, my_voc, ...), else it is COCO.
        images: "copy", or "link" for symbolic links.
        mask_values: what the values of masks mean; see ``sources.read``.
        allow_outside: whether the source may name files outside of its folder; see ``sources.read``.

    Raises:
        DataError: the source cannot be read, or has neither boxes nor masks; the target exists, lies in the source, or cannot
            be written; or there is no such format.
    """
    from visionkit.data.sources import read

    chosen = choose_format(target, to)
    _check_target(target, source)
    return write(read(source, mask_values=mask_values, allow_outside=allow_outside), target, chosen, images)


def choose_format(target: str | Path, to: str | None) -> Format:
    """``to``, or else the format that the target's suffix or name says, or else COCO.

    Raises:
        DataError: there is no such format, or it does not fit the target's suffix.
    """
    target = Path(target)
    by_suffix = {".json": "coco", ".yaml": "yolo", ".yml": "yolo"}.get(target.suffix.lower())
    if to is not None and to not in FORMATS:
        raise DataError(f"to={to!r}: there is no such format. Expected one of {', '.join(FORMATS)}.")
    if to is not None and by_suffix not in (None, to):
        raise DataError(f"{target}: a {target.suffix} file cannot hold {to}. Give a folder.")
    by_name = next((name for name in FORMATS if name in target.name.lower()), "coco")
    return to or by_suffix or by_name


def write(data_set: DataSet, target: str | Path, to: Format, images: Images = "copy") -> Conversion:
    """Write a data set that was already read; see ``convert``.

    Raises:
        DataError: the data set has neither boxes nor masks, or the target exists or cannot be written.
    """
    if all(index.task == "classification" for index in data_set.splits.values()):
        raise DataError(f"The data set has neither boxes nor masks, but only whole images; {to} needs boxes.")
    target = Path(target)
    _check_target(target)
    by_name: dict[str, str] = {}
    for split in data_set.splits if target.suffix.lower() != ".json" else ():
        if (other := by_name.setdefault(split_file_name(split).casefold(), split)) != split:
            raise DataError(f"The splits {other!r} and {split!r} would be written to one place; rename one of them.")
    problems = list(data_set.problems)
    data_set, num_ignored = _with_objects(_with_sound_images(data_set, problems), problems)
    if len(data_set) == 0:
        raise DataError(f"Nothing to write: {problems[-1].path}: {problems[-1].detail}." if problems else "Nothing to write.")
    try:
        lost = _write_files(data_set, target, to, images) + Counter({"ignored pixels of masks": num_ignored})
    except OSError as error:
        raise DataError(f"{target}: cannot be written ({error}).") from error
    paths = dict.fromkeys(coco_files(data_set, target).values()) if to == "coco" else [target]
    notes, boundary = data_set.notes, Boundary.of(target)
    named = chain(*(index.paths for index in data_set.splits.values()))
    if target.suffix.lower() == ".json" and not all(map(boundary.holds, named)):
        notes += (f"{target.name} names images outside of its folder; read it with {OPTION}",)
    return Conversion(
        to,
        tuple(map(str, paths)),
        {split: len(index) for split, index in data_set.splits.items()},
        {split: sum(len(one.objects) for one in index.annotations) for split, index in data_set.splits.items()},
        tuple(f"{number:,} {what}" for what, number in lost.items() if number),
        tuple(problems),
        notes,
    )


def _write_files(data_set: DataSet, target: Path, to: Format, images: Images) -> Counter[str]:
    if target.suffix.lower() == ".json":
        _check_absent(coco_files(data_set, target).values())
        return write_coco(data_set, target, images=images)
    with unfinished_folder(_folder_of(target)) as unfinished:
        lost = {"voc": write_voc, "coco": write_coco, "yolo": write_yolo}[to](data_set, unfinished, images=images)
        if _folder_of(target) != target:
            (unfinished / "data.yaml").rename(unfinished / target.name)
    return lost


def _folder_of(target: Path) -> Path:
    return target.parent if target.suffix.lower() in (".yaml", ".yml") else target


def _check_target(target: str | Path, source: str | Path | None = None) -> None:
    """Raise if the conversion would replace something, or add to what it reads."""
    target = Path(target)
    folder = _folder_of(target)
    if source is not None and Path(source).is_dir() and resolved(folder).is_relative_to(resolved(source)):
        raise DataError(f"{target}: it lies in the source {source}. Give a folder outside of it.")
    if target.suffix.lower() == ".json":
        _check_absent([target])
    elif os.path.lexists(folder) and not (folder.is_dir() and next(folder.iterdir(), None) is None):
        kind = "not an empty folder" if folder.is_dir() else "not a folder"
        raise DataError(f"{folder}: it exists and is {kind}. Give a folder that is new or empty.")


def _check_absent(files: Iterable[Path]) -> None:
    for file in files:
        if os.path.lexists(file):
            raise DataError(f"{file}: it exists already. Give the name of a new file.")


def _with_sound_images(data_set: DataSet, problems: list[Problem]) -> DataSet:
    """The data set without images that cannot be decoded; sizes that the source lacks are filled in."""
    paths = list(dict.fromkeys(path for index in data_set.splits.values() for path in index.paths))
    infos: dict[str, ImageInfo] = {}
    listed = Index((), tuple(paths), np.full(len(paths), -1, np.int32))
    if paths:
        sound = scan(listed)
        infos = dict(zip(sound.paths, sound.infos, strict=True))
    problems += [Problem("broken image", *one) for one in listed.skipped.list()]
    splits, num_turned = {}, 0
    for split, index in data_set.splits.items():
        index = index.take(row for row, path in enumerate(index.paths) if path in infos)
        annotations = []
        for path, one in zip(index.paths, index.annotations or (Annotation(),) * len(index), strict=True):
            size = (infos[path].height, infos[path].width)
            fitting = upright(one, size, infos[path].orientation)
            num_turned += fitting is not one
            annotations.append(fitting if fitting.size else replace(fitting, size=size))
        splits[split] = replace(index, annotations=tuple(annotations))
    notes = (f"the boxes of {num_turned} images are turned as their EXIF headers turn the images",) if num_turned else ()
    return replace(data_set, splits=splits, notes=data_set.notes + notes)


def _with_objects(data_set: DataSet, problems: list[Problem]) -> tuple[DataSet, int]:
    """The data set with objects from its masks where it has no objects, and how many pixels of these have no class."""
    splits, num_ignored, background = {}, 0, set()
    for split, index in data_set.splits.items():
        rows, annotations = [], []
        for row, one in enumerate(bar(index.annotations, "finding objects", unit=" images", delay=1)):
            objects = one.objects or NO_OBJECTS
            if one.objects is None and one.mask is not None:
                objects, ignored = _read_objects(one, index, problems)
                num_ignored += ignored
                background.update(name for name in index.class_names if name in VALUES_OF_BACKGROUND)
            if objects is not None:
                rows.append(row)
                annotations.append(replace(one, objects=objects))
        splits[split] = replace(index.take(rows), annotations=tuple(annotations))
    shown = [f"the class {name} of masks is the background and becomes no objects" for name in sorted(background)]
    return replace(data_set, splits=splits, notes=(*data_set.notes, *shown)), num_ignored


def _read_objects(annotation: Annotation, index: Index, problems: list[Problem]) -> tuple[Objects | None, int]:
    """The objects in the mask of an image, None if it cannot be read or has another size; and the pixels without a class."""
    try:
        classes = read_mask(annotation.mask, index)
    except ImageError as error:
        problems.append(Problem("broken image", annotation.mask, str(error)))
        return None, 0
    if classes.shape != annotation.size:
        sizes = f"{classes.shape[1]} x {classes.shape[0]} pixels; its image has {annotation.size[1]} x {annotation.size[0]}"
        detail = f"the mask has {sizes}"
        problems.append(Problem("wrong size", annotation.mask, detail))
        return None, 0
    return objects_of_mask(classes, index.class_names), int(np.count_nonzero(classes >= len(index.class_names)))


def is_background(name: str) -> bool:
    """Whether a class of masks is the background: by its name, or since it is named by the value 0 or black."""
    return name.lower() in BACKGROUNDS or name in VALUES_OF_BACKGROUND


def objects_of_mask(mask: np.ndarray, class_names: tuple[str, ...]) -> Objects:
    """One object per connected component of each class, with its outline; the background is skipped.

    Args:
        mask: uint8 ``(H, W)``, positions in ``class_names``; larger values have no class.
        class_names: names of the classes.
    """
    boxes, classes, outlines = [np.zeros((0, 4))], [], []
    for label in np.unique(mask).tolist():
        if label >= len(class_names) or is_background(class_names[label]):
            continue
        number, parts, statistics, _ = cv2.connectedComponentsWithStats((mask == label).astype(np.uint8), connectivity=8)
        left, top, width, height = statistics[1:, : cv2.CC_STAT_AREA].T
        boxes.append(np.stack([left, top, left + width, top + height], axis=1) / (*mask.shape[::-1], *mask.shape[::-1]))
        classes += [label] * (number - 1)
        outlines += _packed(parts, number)
    return Objects(np.concatenate(boxes), np.array(classes, np.int32), tuple(outlines))


def _packed(parts: np.ndarray, number: int) -> list[Rle]:
    """The masks of components 1 to ``number - 1``, all from one pass over the image, which may have thousands of specks."""
    column_by_column = parts.T.ravel()
    starts = np.flatnonzero(np.diff(column_by_column, prepend=-1))
    stops = np.append(starts[1:], column_by_column.size)
    order = np.argsort(column_by_column[starts], kind="stable")
    last_rows = np.cumsum(np.bincount(column_by_column[starts], minlength=number))
    masks = []
    for rows in np.split(order, last_rows[:-1])[1:]:
        turns = np.stack([starts[rows], stops[rows]], axis=1).ravel()
        masks.append(rle_of(np.diff(turns, prepend=0, append=column_by_column.size), parts.shape))
    return masks
