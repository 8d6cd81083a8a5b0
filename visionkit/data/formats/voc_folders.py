"""The folders of a data set in Pascal VOC's format: those of the XML files, and those of the images."""

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from visionkit.data.images.listing import files_in, image_folders
from visionkit.data.index import Problem, natural_order
from visionkit.data.split_names import WHOLE, split_folders, split_name
from visionkit.files import open_file

SPLIT_XML_FOLDERS = ("annotations", "annotation", "xmls", "xml", "labels")  # with a folder for each split in them
OF_VOC, OF_CVAT = re.compile(rb"<annotation\b"), re.compile(rb"<annotations\b")  # elements with which files begin
NUM_PROBED = 10  # XML files next to images that are opened to see whether they are annotations


class Root(NamedTuple):
    """A folder with XML files, the folders of their images, and the folder that may hold lists."""

    folder: Path
    xml_folder: Path
    image_folders: list[str]
    shares_folder: bool = False  # with the other splits: annotations/train/


def described(roots: dict[str, Root]) -> str:
    """The layout, in the words of ``DataSet.format``."""
    part, root = next(iter(roots.items()))
    above = "" if part == WHOLE or root.xml_folder.parent != root.folder else f"{root.folder.name}/"
    xml_folder = root.xml_folder.relative_to(root.folder)
    return f"Pascal VOC ({above}{'.xml next to images' if xml_folder == Path() else f'{xml_folder}/'})"


def find_roots(folder: Path, notes: list[str], problems: list[Problem]) -> dict[str, Root]:
    """The folders of a data set in one of the layouts, by split; notes and problems name those that are left over."""
    if (xml_folder := _xml_folder(folder)) is not None:
        return {WHOLE: _root(folder, xml_folder)}
    folders = _folders(folder)
    parts = _split_folders(folders.values(), lambda part: _xml_folder(_entered(part)), notes, problems)
    if parts:
        return {split: _root(_entered(part), _xml_folder(_entered(part))) for split, part in parts.items()}
    for above in (folders[name] for name in SPLIT_XML_FOLDERS if name in folders):
        if parts := _split_folders(_folders(above).values(), _has_voc, notes, problems):
            return {split: Root(folder, part, _images_of(folder, part.name.lower()), True) for split, part in parts.items()}
    return {}


def _split_folders(
    folders: Iterable[Path], holds_xml: Callable[[Path], Any], notes: list[str], problems: list[Problem]
) -> dict[str, Path]:
    """The folders of splits that hold XML files."""
    found = split_folders(folders, holds_xml)
    chosen = {split: folder for split, folder in found.folders.items() if holds_xml(folder)}
    if chosen:
        notes += found.notes
        problems += found.problems
    return chosen


def _entered(part: Path) -> Path:
    """The folder of a split; or the only folder in it, where XML files lie there: train_zip/train/."""
    inner = list(_folders(part).values())
    return inner[0] if len(inner) == 1 and _xml_folder(part) is None and _xml_folder(inner[0]) is not None else part


def _root(folder: Path, xml_folder: Path) -> Root:
    above = image_folders(folder)
    inner = [child for each in above for _, child in sorted(_folders(each).items())]  # images/CLASS/, but not images/train/
    inner = [] if split_folders(inner).folders else inner
    return Root(folder, xml_folder, [*map(str, (*above, *inner))] or [str(folder)])


def _images_of(folder: Path, name: str) -> list[str]:
    """The folders that hold the images of a split: those named like the split, else those that hold all."""
    roots = image_folders(folder) or [folder]
    below = {each: path for root in roots for each, path in _folders(root).items()}
    own = [path for each, path in below.items() if each == name] or [
        path for each, path in below.items() if split_name(each) == split_name(name)
    ]
    return [str(path) for path in own or roots]


def _folders(folder: Path) -> dict[str, Path]:
    """The direct subfolders by their names in lower case."""
    try:
        return {entry.name.lower(): Path(entry.path) for entry in os.scandir(folder) if entry.is_dir()}
    except OSError:
        return {}


def _xml_folder(root: Path) -> Path | None:
    """The folder that holds the XML files, or None."""
    annotations = _folders(root).get("annotations")
    if annotations is not None and (files := _few_xml_files(annotations)):
        return None if all(_begins_with(OF_CVAT, path) for path in files) else annotations
    return root if _has_voc(root) else None


def _has_voc(folder: Path) -> bool:
    """Whether there are files of VOC among the XML files in a folder."""
    return any(_begins_with(OF_VOC, path) for path in _few_xml_files(folder))


def _begins_with(element: re.Pattern[bytes], path: Path) -> bool:
    try:
        with open_file(path) as file:
            return element.search(file.read(4096)) is not None
    except OSError:
        return False


def xml_files_in(folder: Path) -> dict[str, Path]:
    """XML files by their stem, in natural order."""
    return {Path(name).stem: folder / name for name in sorted(_xml_names(folder), key=natural_order)}


def _few_xml_files(folder: Path) -> list[Path]:
    return [folder / name for name in _xml_names(folder)[:NUM_PROBED]]


def _xml_names(folder: Path) -> list[str]:
    return [name for name in files_in(folder)[1] if name.lower().endswith(".xml")]
