"""What the readers of annotation tools collect, image by image, and the data set that is made of it."""

import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np

from visionkit.data.formats.annotation_files import brief, check_not_empty, detection_index
from visionkit.data.formats.annotation_tools.shapes import Shape, fits, objects_of
from visionkit.data.images.decode import ImageError, read_size
from visionkit.data.images.finder import ImageFinder, find_by_stem, image_finder
from visionkit.data.images.inside import EVERYWHERE, Boundary
from visionkit.data.images.listing import image_folders, list_images
from visionkit.data.index import Annotation, DataError, Index, Problem, counted, natural_order
from visionkit.data.split_names import SPLITS, WHOLE, split_name, split_of_path, split_order
from visionkit.data.splits import DataSet
from visionkit.progress import bar

LONGEST_NAME = 4096


@dataclass
class Record:
    """What a file says of one image.

    Attributes:
        file: the annotation file.
        image: path of the image.
        shapes: the shapes in it that can be used.
        drawn: number of shapes that the file gives it; where none of them can be used, the image is no background.
        size: height and width as the file declares them, or None.
        measured: whether the size was found in the image instead.
        tags: labels of the whole image.
        denied: labels that the file says the image does not have.
        split: the split that the file gives it, or "".
    """

    file: Path
    image: str
    shapes: list[Shape] = field(default_factory=list)
    drawn: int = 0
    size: tuple[int, int] | None = None
    measured: bool = False
    tags: list[str] = field(default_factory=list)
    denied: list[str] = field(default_factory=list)
    split: str = ""


def _image_folders(folder: Path) -> list[Path]:
    return [*image_folders(folder), folder / "data"]


@dataclass
class Reading:
    """What a reader collects from the files of one data set.

    Attributes:
        root: the folder of the data set.
        problems: what could not be used.
        notes: sentences on how the data was understood.
        records: the images.
        files: the files that were read.
        class_names: names that the format puts into an order.
        left_out: by kind, the first file with annotations that are no objects, and how many there are of each class.
        places: folders where the images of a file usually lie.
        boundary: which files may be named.
        image_folders: the folders in a folder that are named like those of images.
    """

    root: Path
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    files: set[str] = field(default_factory=set)
    class_names: list[str] = field(default_factory=list)
    left_out: dict[str, tuple[str, Counter[str]]] = field(default_factory=dict)
    places: dict[Path, list[str]] = field(default_factory=dict)
    boundary: Boundary = EVERYWHERE
    image_folders: Callable[[Path], list[Path]] = field(default_factory=lambda: cache(_image_folders))

    @cached_property
    def find(self) -> ImageFinder:
        """See ``finder.image_finder``."""
        return image_finder(self.boundary)

    def bad(self, file: str | Path, which: str, reason: object) -> None:
        """Note an annotation that cannot be understood."""
        self.problems.append(Problem("bad annotation", str(file), f"{which}: {str(reason)[:200]}"))

    def add(self, record: Record, drawn: int) -> None:
        """Add an image, for which the file gives ``drawn`` shapes."""
        record.drawn = drawn
        self.records.append(record)

    def leave_out(self, file: str | Path, kind: object, name: str) -> None:
        """Count an annotation that is no object, such as a point or a line."""
        _, names = self.left_out.setdefault(kind if isinstance(kind, str) else brief(kind), (str(file), Counter()))
        names[name] += 1

    def image(self, file: Path, name: object, folders: Iterable[str | Path] = ()) -> str | None:
        """The path of the image that a file names, or None, which is noted.

        The folders are those given, that of the file, and folders for images beside it and in the root; then all others, if
        only one of them has the image. Names often begin with folders of another computer, which are left out one by one.
        """
        if isinstance(name, str) and 0 < len(name) < LONGEST_NAME:
            parts = [part for part in name.strip().replace("\\", "/").split("/") if part not in ("", ".")]
            places = [place for place in dict.fromkeys((*map(str, folders), *self._places(file))) if self.boundary.holds(place)]
            if self.boundary.allow_outside and (path := self.find(places, name.strip())) is not None:
                return path
            for start in range(len(parts)):
                if (path := self.find(places, "/".join(parts[start:]))) is not None:
                    return os.path.normpath(path) if ".." in parts else path
            if parts and (path := find_by_stem(self.find, places, Path(parts[-1]).stem)) is not None:
                return path
            if parts and len(anywhere := self.images_by_name.get(parts[-1].casefold(), ())) == 1:
                return anywhere[0]
        named = name if isinstance(name, str) else ""
        self.problems.append(
            self.find.missing([str(file.parent), *map(str, folders)], named, file, f"the image {brief(name)} does not exist")
        )
        return None

    def _places(self, file: Path) -> list[str]:
        """Folders where the images of a file usually lie."""
        if file in self.places:
            return self.places[file]
        places = [file.parent, *self.image_folders(file.parent)]
        if file.parent != self.root:
            below = file.parent.relative_to(self.root).parts[1:] if file.is_relative_to(self.root) else ()
            in_root = self.image_folders(self.root)
            places += [file.parent.parent / "images", *(place.joinpath(*below) for place in in_root), self.root, *in_root]
        self.places = {file: list(map(str, places))}  # of the last file alone: some data sets have a file for each image
        return self.places[file]

    @cached_property
    def images_by_name(self) -> dict[str, list[str]]:
        """The paths of all images below the root by their names, whose letter case does not matter."""
        by_name: dict[str, list[str]] = {}
        for path in list_images(self.root)[0]:
            by_name.setdefault(path.name.casefold(), []).append(str(path))
        return by_name


def data_set_of(reading: Reading, source: Path, format_name: str) -> DataSet:
    """The data set that the records make: objects if there are any shapes; else labels.

    Raises:
        DataError: no image can be used, or nothing is annotated.
    """
    _report_left_out(reading)
    records = _once(reading)
    has_shapes = any(record.shapes for record in records)
    if records and not has_shapes and not any(record.tags or record.denied for record in records):
        first = f" The first of {len(reading.problems):,} problems: {reading.problems[0].detail}." if reading.problems else ""
        raise DataError(f"{source}: read as {format_name}, but there is no object and no label in it.{first}")
    indexes = _with_objects(reading, records) if has_shapes else _with_labels(reading, records)
    files = frozenset(reading.files)
    data_set = DataSet(indexes, tuple(reading.notes), tuple(dict.fromkeys(reading.problems)), format_name, files)
    return check_not_empty(data_set, source)


def _report_left_out(reading: Reading) -> None:
    for kind, (file, names) in reading.left_out.items():
        examples = ", ".join(brief(name) for name in list(names)[:3])
        what = f"{sum(names.values()):,} annotations of the kind {brief(kind)} ({examples})"
        detail = f"{what} are left out: only boxes, polygons, ellipses and masks are read"
        reading.problems.append(Problem("bad annotation", file, detail))


def _once(reading: Reading) -> list[Record]:
    """One record of each image: files often stand in a data set twice, as JSON and as CSV."""
    first: dict[str, Record] = {}
    repeated = Counter()
    for record in reading.records:
        known = first.setdefault(record.image, record)
        if known is record:
            continue
        if _content(known) == _content(record):
            repeated[record.file, known.file] += 1
        else:
            detail = f"this file and {known.file} annotate {record.image} differently; the latter is used"
            reading.problems.append(Problem("bad annotation", str(record.file), detail))
    for (file, known), count in repeated.items():
        reading.notes.append(f"{file} repeats what {known} says of {count:,} images")
    return list(first.values())


def _content(record: Record) -> list[Any]:
    return [[(shape.name, shape.box.tolist()) for shape in record.shapes], record.tags]


def _splits_of(reading: Reading, records: list[Record]) -> dict[str, list[Record]]:
    """The records by split: as the file says, else by the folders below the root."""
    splits: dict[str, list[Record]] = {}
    for record in records:
        splits.setdefault(split_name(record.split) if record.split else split_of_path(record.image, reading.root), []).append(
            record
        )
    known = splits.keys() & set(SPLITS)
    if not known and not any(record.split for record in records):
        return {WHOLE: records}
    return {name: splits[name] for name in sorted(splits, key=split_order)}


def _with_objects(reading: Reading, records: list[Record]) -> dict[str, Index]:
    tagged = sum(bool(record.tags) for record in records)
    if tagged:
        have = counted(tagged, "image has", "images have")
        reading.notes.append(f"{have} labels of the whole image besides their objects; these are not used")
    annotated = [record for record in records if _find_size(record, reading)]
    for record in annotated:
        _check_shapes(record, reading)
    annotated = [record for record in annotated if record.shapes or not record.drawn]
    class_names = _class_names(reading, (shape.name for record in annotated for shape in record.shapes))
    positions = {name: position for position, name in enumerate(class_names)}
    indexes = {}
    for split, part in _splits_of(reading, annotated).items():
        annotations = [
            Annotation(objects_of(one.shapes, one.size, positions), size=one.size, measured=one.measured) for one in part
        ]
        indexes[split] = detection_index(class_names, [one.image for one in part], annotations)
    return indexes


def _check_shapes(record: Record, reading: Reading) -> None:
    """Leave out shapes that lie far outside the image, and report images without a usable shape, and shapes without a class."""
    unfit = [shape for shape in record.shapes if not fits(shape, record.size)]
    for shape in unfit:
        reading.bad(record.file, f"a shape of class {brief(shape.name)}", "its coordinates are far outside the image")
    if unfit:
        record.shapes = [shape for shape in record.shapes if fits(shape, record.size)]
    if record.drawn and not record.shapes:
        reading.bad(record.file, brief(Path(record.image).name), "none of its shapes can be used; the image is left out")
    unnamed = sum(not shape.name for shape in record.shapes)
    if unnamed:
        detail = f"{unnamed} objects of {brief(Path(record.image).name)} have no class"
        reading.problems.append(Problem("unknown label", str(record.file), detail))


def _find_size(record: Record, reading: Reading) -> bool:
    """Whether the size of the image is known, or can be read."""
    try:
        record.measured = record.size is None
        record.size = record.size or read_size(record.image)
    except ImageError as error:
        reading.problems.append(Problem("broken image", record.image, str(error)))
    return record.size is not None


def _class_names(reading: Reading, used: Iterable[str]) -> tuple[str, ...]:
    others = sorted({name for name in used if name} - set(reading.class_names), key=natural_order)
    return tuple(dict.fromkeys([*reading.class_names, *others]))


def _with_labels(reading: Reading, records: list[Record]) -> dict[str, Index]:
    """One label of each image, or several where the data has images with several, or says which labels they lack."""
    names = _class_names(reading, (name for record in records for name in (*record.tags, *record.denied)))
    positions = {name: position for position, name in enumerate(names)}
    may_be_several = any(len(record.tags) > 1 or (record.denied and not record.tags) for record in records)
    if not may_be_several:
        unlabelled = sum(not record.tags for record in records)
        if unlabelled:
            reading.notes.append(f"{unlabelled:,} images without a label are not used")
        records = [record for record in records if record.tags]
    indexes = {}
    for split, part in _splits_of(reading, records).items():
        paths = tuple(record.image for record in part)
        labels, label_sets = np.full(len(part), -1, np.int32), None
        if may_be_several:
            label_sets = np.zeros((len(part), len(names)), bool)
            for row, record in enumerate(part):
                label_sets[row, [positions[name] for name in record.tags]] = True
        else:
            labels = np.array([positions[record.tags[0]] for record in part], np.int32)
        indexes[split] = Index(names, paths, labels, label_sets=label_sets)
    return indexes


def note_unused_images(reading: Reading, images: Iterable[Path], reason: str) -> None:
    """Count the images that no file annotates: they may be unlabelled, so they are no background."""
    used = {record.image for record in reading.records}
    unused = sum(str(image) not in used for image in images)
    if unused:
        reading.notes.append(f"{unused:,} images {reason} and are not used")


def with_progress(files: list[Path]) -> Iterable[Path]:
    """The files, with a progress bar if reading them takes long."""
    return bar(files, "reading annotations", unit=" files", delay=1)
