"""Pascal VOC: one XML file per image. Layouts, whatever the letter case of the folders:

FOLDER/Annotations/, FOLDER/JPEGImages/ (or images/)    ImageSets/Main/train.txt, val.txt, ... split the data set
FOLDER/x.xml, FOLDER/x.jpg                              next to each other
FOLDER/train/, FOLDER/val/, FOLDER/test/                each in one of the layouts above
FOLDER/annotations/train/, FOLDER/images/train/         and the same with val, test

Pixel coordinates are read as 0-based and half-open, so that a box is ``xmax - xmin`` wide. (The VOC challenge itself counted
from 1 and included the last pixel. Tools write a mixture, and people do not annotate to the pixel.)

Class names are those in the XML files, in natural order, unless ``classes.txt`` or ``labels.txt`` in FOLDER gives them.
"""

import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from visionkit.data.formats.annotation_files import (
    DECLARED_SIDES,
    are_sound,
    below_a_pixel,
    brief,
    check_not_empty,
    detection_index,
    gathered,
    object_problem,
    read_paths,
)
from visionkit.data.formats.class_names import class_name_of, list_with, names_files, unique_names
from visionkit.data.formats.mask_layouts.known import notes_on_masks
from visionkit.data.formats.voc_folders import Root, described, find_roots, xml_files_in
from visionkit.data.images.decode import ImageError, read_size
from visionkit.data.images.finder import ImageFinder, find_by_stem, image_finder
from visionkit.data.images.inside import Boundary
from visionkit.data.images.listing import files_in
from visionkit.data.index import NO_OBJECTS, Annotation, DataError, Objects, Problem, natural_order
from visionkit.data.split_names import split_name, split_order
from visionkit.data.splits import DataSet
from visionkit.files import LARGEST_TEXT, read_file
from visionkit.progress import bar

LIST_FOLDERS = ("Main", "")  # below ImageSets
FLAG = re.compile(r"\s+(-1|0|1)$")  # after a name, in a list of one class
CORNERS = ("xmin", "ymin", "xmax", "ymax")
NO_ATTRIBUTES = ("folder", "filename", "path", "size", "object", "file_name")  # stored in other fields
NO_OBJECT_ATTRIBUTES = ("name", "bndbox")
MANY = 10  # objects with the same fault from which they are one problem, if they are also most of all objects


class Record(NamedTuple):
    """One XML file: the path of the image, its annotation, and the class names of its objects."""

    image: str
    annotation: Annotation
    names: list[str]


class UnusableError(Exception):
    """An XML file cannot be used; the argument is the ``Problem``."""


def looks_like_voc(folder: Path) -> bool:
    """Whether a folder has one of the layouts above."""
    return bool(find_roots(Path(folder), [], []))


def read_voc(folder: str | Path, boundary: Boundary | None = None) -> DataSet:
    """Index a data set in Pascal VOC's format; an image is opened only if its XML file lacks the size.

    Args:
        folder: a folder in one of the layouts above.
        boundary: which files may be named; by default, those in the folder.

    ``Annotation.attributes`` and ``Objects.attributes`` hold whatever else stands in the XML: ``depth``, ``segmented``;
    ``pose``, ``truncated``, ``difficult``, ``occluded``, ...

    Raises:
        DataError: the folder has no known layout, or no image has a valid annotation.
    """
    folder = Path(folder)
    problems, notes, used = [], [], set()
    roots = find_roots(folder, notes, problems)
    if not roots:
        raise DataError(f"{folder}: no VOC data set. Expected Annotations/*.xml and JPEGImages/, or .xml next to images.")
    files: dict[str, list[Record]] = {}
    for part, root in roots.items():
        find = image_finder(boundary or Boundary.of(folder))
        for name, split in _read_root(part, root, find, problems, notes, used).items():
            files.setdefault(name, []).extend(split)
    notes += notes_on_masks(dict.fromkeys(root.folder for root in roots.values()))
    names = {name for split in files.values() for record in split for name in record.names}
    names_file, listed = list_with(names, (folder / name for name in names_files(files_in(folder)[1])), problems)
    if names_file is None:
        class_names = sorted(names, key=natural_order)
    else:
        class_names, _ = unique_names(listed, names_file, problems)
    problems += below_a_pixel((record.annotation for split in files.values() for record in split), folder, "Pascal VOC's")
    used |= set() if names_file is None else {str(names_file)}
    positions = {name: position for position, name in enumerate(class_names)}
    splits = {}
    for split, records in files.items():
        annotations = [_with_classes(record, positions, problems) for record in records]
        splits[split] = detection_index(class_names, [record.image for record in records], annotations)
    found = DataSet(splits, tuple(notes), tuple(dict.fromkeys(problems)), described(roots), frozenset(used))
    return check_not_empty(found, folder)


def _read_root(
    part: str, root: Root, find: ImageFinder, problems: list[Problem], notes: list[str], used_files: set[str]
) -> dict[str, list[Record]]:
    """The records of each split of a folder; ``part`` is its name if it is not split."""
    image_folders = root.image_folders
    xml_files = xml_files_in(root.xml_folder)
    lists = {} if root.shares_folder else _lists(root.folder)
    splits = {name: _listed(files, xml_files, find.boundary, problems) for name, files in lists.items()}
    splits = splits or {part: list(xml_files.values())}
    used = dict.fromkeys(path for paths in splits.values() for path in paths)
    used_files |= {str(path) for path in (*used, *chain.from_iterable(lists.values()))}
    records: dict[Path, Record] = {}
    own_images: dict[Path, str] = {}

    faults: list[Problem] = []

    def read(path: Path, find_image: Callable[[str], str | None]) -> None:
        try:
            records[path] = _read_xml(path, find_image, faults)
        except UnusableError as error:
            problems.append(error.args[0])

    def find_by_filename(filename: str, path: Path) -> str | None:
        image, own = _find_image(find, image_folders, filename, path)
        if own is not None:
            own_images[path] = own
        named = Path(filename.replace("\\", "/")).stem.casefold()
        is_other = image is None or Path(image).stem.casefold() != named
        if is_other and find.boundary.leads_out((*image_folders, path.parent), filename):
            refused = find.boundary.refused(path, filename)
            if image is None:
                raise UnusableError(refused)
            problems.append(refused)
        return image

    for path in bar(used, "reading annotations", unit=" files", delay=1):
        read(path, partial(find_by_filename, path=path))
    if own_images and _prefers_own_images(records, own_images, problems):
        for path, own in own_images.items():
            read(path, lambda _, own=own: own)
    num_objects = sum(len(record.names) for record in records.values())
    problems += gathered(faults, max(MANY, num_objects))
    _drop_duplicate_claims(records, problems)
    if lists and len(used) < len(xml_files):
        notes.append(f"{len(xml_files) - len(used)} annotations are in no list of {root.folder / 'ImageSets'} and are not used")
    shares_images = root.shares_folder and split_name(Path(image_folders[0]).name) != part
    if not lists and not shares_images:
        problems += _without_xml(image_folders, xml_files, {record.image for record in records.values()})
    return {name: [records[path] for path in paths if path in records] for name, paths in splits.items()}


def _lists(root: Path) -> dict[str, list[Path]]:
    """The list of each split, or those of its classes where it has no other; without trainval if train and val exist."""
    folders = (root / "ImageSets" / name for name in LIST_FOLDERS)
    files = next((lists for folder in folders if (lists := sorted(folder.glob("*.txt")))), [])
    lists: dict[str, list[Path]] = {}
    of_classes: dict[str, list[Path]] = {}
    for file in files:
        if (split := _split_of_class_list(file)) is not None:
            of_classes.setdefault(split, []).append(file)
        else:
            name = split_name(file.stem)
            lists[file.stem if name in lists else name] = [file]
    if "train" in lists:
        of_classes.pop("trainval", None)  # it would hold the same images
    lists = {name: of_one for name, of_one in of_classes.items() if any(map(_read_list, of_one))} | lists
    if {"train", "val"} <= lists.keys():
        lists.pop("trainval", None)
    return {name: lists[name] for name in sorted(lists, key=split_order)}


def _split_of_class_list(file: Path) -> str | None:
    """The split of a list such as cat_train.txt: each line names an image, with 1, 0 or -1 for presence of the class."""
    match = re.fullmatch(".+_(train|val|trainval|test)", file.stem)
    return match[1] if match and all(map(FLAG.search, _read_list(file))) else None


def _read_list(file: Path) -> list[str]:
    try:
        return read_paths(file)
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror or error}).") from error


def _listed(files: list[Path], xml_files: dict[str, Path], boundary: Boundary, problems: list[Problem]) -> list[Path]:
    entries: dict[str, Path] = {}
    for file in files:
        for line in _read_list(file):
            entries.setdefault(FLAG.sub("", line) if len(files) > 1 else line, file)  # lists of classes name the same images
    paths = []
    for line, file in entries.items():
        without_flag = FLAG.sub("", line)
        spellings = (line, without_flag, line.rpartition(".")[0], Path(line).stem)
        path = next((xml_files[name] for name in spellings if name in xml_files), None)
        if path is None:
            missing = Problem("missing partner", str(file), f"{brief(line)} is listed but has no .xml file")
            is_out = boundary.leads_out([file.parent], without_flag)
            problems.append(boundary.refused(file, without_flag) if is_out else missing)
        else:
            paths.append(path)
    return list(dict.fromkeys(paths))


def _find_image(find: Callable, folders: list[str], filename: str, xml: Path) -> tuple[str | None, str | None]:
    """The image by <filename>, else by the name of the XML file; and the latter where it is another image."""
    all_folders = [*folders, str(xml.parent)]
    by_filename = find(folders, filename) if filename else None
    if by_filename is not None and Path(by_filename).stem == xml.stem:
        return by_filename, None
    own = find_by_stem(find, all_folders, xml.stem)
    if by_filename is not None:
        return by_filename, own
    filename = filename.replace("\\", "/")
    return own or find(all_folders, filename) or find_by_stem(find, all_folders, Path(filename).stem), None


def _prefers_own_images(records: dict[Path, Record], own_images: dict[Path, str], problems: list[Problem]) -> bool:
    """Whether XML files belong to the images of their own names, rather than to those that their <filename> names.

    Tools and people copy and rename files without changing <filename>. It is believed as long as no two files name the same
    image.
    """
    claims = Counter(record.image for record in records.values())
    is_copied = any(count > 1 for count in claims.values())
    path = next(iter(own_images))
    named = Path(records[path].image).name if path in records else "another image"
    chosen = "the images of their own names are used, because several files name the same image"
    detail = (
        f"{len(own_images):,} XML files name another image in <filename> than that of their own name, such as {path.name}: "
        f"{named} instead of {Path(own_images[path]).name}; {chosen if is_copied else '<filename> is believed'}"
    )
    problems.append(Problem("unclear layout", str(path), detail))
    return is_copied


def _read_xml(path: Path, find: Callable[[str], str | None], problems: list[Problem]) -> Record:
    root = _parse(path)
    image = find((root.findtext("filename") or root.findtext("path") or "").strip())
    if image is None:
        raise UnusableError(Problem("missing partner", str(path), "its image does not exist"))
    attributes, size = _leaves(root, NO_ATTRIBUTES), root.find("size")
    sides = [_whole_number(size, side) for side in ("height", "width")]
    measured = not all(side in DECLARED_SIDES for side in sides)
    if not measured:
        height, width = sides
    else:
        try:
            height, width = read_size(image)
        except ImageError as error:
            raise UnusableError(Problem("broken image", image, str(error))) from error
    if (depth := _whole_number(size, "depth")) is not None:
        attributes["depth"] = depth
    objects, names = _read_objects(root, path, (height, width), problems)
    return Record(image, Annotation(objects, size=(height, width), attributes=attributes, measured=measured), names)


class WithoutDoctype(ET.TreeBuilder):
    """Refuses XML with a DOCTYPE, as the target of a parser."""

    def doctype(self, name: str, public_id: str, system_id: str) -> None:
        """Called by the parser, where XML declares a document type."""
        raise ET.ParseError("it has a DOCTYPE, whose entities could fill the memory")


def _parse(path: Path) -> ET.Element:
    try:
        root = ET.fromstring(read_file(path, LARGEST_TEXT), ET.XMLParser(target=WithoutDoctype()))
    except (ET.ParseError, OSError, ValueError, LookupError) as error:  # unknown encodings raise the last two
        raise UnusableError(Problem("bad annotation", str(path), f"cannot be read as XML: {error}")) from error
    if root.tag != "annotation":
        raise UnusableError(Problem("bad annotation", str(path), "its root element is not <annotation>"))
    return root


def _read_objects(root: ET.Element, path: Path, size: tuple[int, int], problems: list[Problem]) -> tuple[Objects, list[str]]:
    """The objects, with classes that are still 0, and their class names."""
    names, boxes, attributes = [], [], []
    for number, element in enumerate(root.findall("object"), 1):
        name, box = class_name_of(element.findtext("name") or ""), _corners(element)
        relative = None if box is None else np.array(box) / (size[1], size[0], size[1], size[0])
        if not name:
            problems.append(object_problem(path, f"object {number}", "it has no <name>"))
        elif relative is None or not are_sound(relative):
            problems.append(object_problem(path, f"object {number}, {brief(name)}", "<bndbox> does not hold four numbers"))
        else:
            names.append(name)
            boxes.append(relative)
            attributes.append(_leaves(element, NO_OBJECT_ATTRIBUTES))
    if not boxes:
        return NO_OBJECTS, []
    return Objects(np.array(boxes), np.zeros(len(boxes), np.int32), attributes=tuple(attributes)), names


def _corners(element: ET.Element) -> list[float] | None:
    box = element.find("bndbox")
    texts = ["" if box is None else (box.findtext(corner) or "") for corner in CORNERS]
    try:
        return [float(text) for text in texts] if not any("_" in text for text in texts) else None
    except ValueError:
        return None


def _whole_number(element: ET.Element | None, child: str) -> int | None:
    text = "" if element is None else (element.findtext(child) or "").strip()
    return int(text.partition(".")[0]) if re.fullmatch("[0-9]{1,9}([.]0*)?", text) else None


def _leaves(element: ET.Element, without: tuple[str, ...]) -> dict[str, Any]:
    """The children that hold only text, by tag. Text that is written like a number becomes one."""
    leaves = {child.tag: (child.text or "").strip() for child in element if len(child) == 0 and child.tag not in without}
    return {tag: _value(text) for tag, text in leaves.items() if text}


def _value(text: str) -> int | float | str:
    for number in (int, float):
        try:
            if str(number(text)) == text and text not in ("nan", "inf", "-inf"):
                return number(text)
        except ValueError:
            pass
    return text


def _drop_duplicate_claims(records: dict[Path, Record], problems: list[Problem]) -> None:
    """Drop all but one record of an image: copied XML files often keep the <filename> of their original."""
    claims: dict[str, Path] = {}
    for path in sorted(records, key=lambda path: path.stem != Path(records[path].image).stem):
        image = records[path].image
        if image in claims:
            problems.append(Problem("bad annotation", str(path), f"it names {image}, which {claims[image]} annotates"))
            del records[path]
        claims.setdefault(image, path)


def _without_xml(folders: list[str], xml_files: dict[str, Path], used: set[str]) -> list[Problem]:
    problems = []
    for folder in folders:
        for path in (Path(folder, name) for name in sorted(files_in(Path(folder))[0], key=natural_order)):
            if path.stem not in xml_files and str(path) not in used:
                problems.append(Problem("missing partner", str(path), "the image has no .xml file"))
    return problems


def _with_classes(record: Record, positions: dict[str, int], problems: list[Problem]) -> Annotation:
    classes = np.array([positions.get(name, -1) for name in record.names], np.int32)
    for name in dict.fromkeys(name for name in record.names if name not in positions):
        detail = f"{brief(name)} is not among the {len(positions)} class names"
        problems.append(Problem("unknown label", record.image, detail))
    return replace(record.annotation, objects=replace(record.annotation.objects, classes=classes))
