"""A table of labels whose images lie in class folders: what if the two do not agree?"""

from collections.abc import Iterable
from pathlib import Path

from visionkit.data.formats.labelled.evidence import is_number_or_part
from visionkit.data.formats.mask_layouts.folders import MASK_FOLDERS
from visionkit.data.formats.tables.images import TABLE_FOLDERS, split_of_name
from visionkit.data.images.listing import IMAGE_FOLDERS, list_images
from visionkit.data.index import Index

SAY_NOTHING = frozenset((*IMAGE_FOLDERS, *TABLE_FOLDERS, *MASK_FOLDERS, "data"))
FEWEST = 0.9  # share of the images in class folders that a table of all of them names


def doubts_on_class_folders(folder: Path, indexes: Iterable[Index]) -> list[str]:
    """Sentences on class folders that contradict a table, or that hold more images than it names.

    Folders say the class if they have words as names. They agree with the table if one of the two follows from the other:
    they are the same, are renamed one to one, or one divides the classes of the other.

    Args:
        folder: the data set, from which on folders count.
        indexes: the splits that the table describes.
    """
    known: dict[Path, Path | None] = {}  # class folder by the folder of an image

    def class_folder(image: Path) -> Path | None:
        parent = image.parent
        if parent not in known:
            known[parent] = _class_folder(folder, parent)
        return known[parent]

    found = {}  # class folder and label by image
    for index in indexes:
        for path, label in zip(map(Path, index.paths), index.labels.tolist(), strict=True):
            if (place := class_folder(path)) is not None:
                found[path] = place, index.class_names[label].casefold() if label >= 0 else ""
    if 2 * len(found) < sum(len(index) for index in indexes):
        return []
    there = {
        image: place
        for parent in {place.parent for place, _ in found.values()}
        for image in list_images(parent)[0]
        if (place := class_folder(image)) is not None
    }
    all_names = sorted({place.name for place in there.values()})
    if len(all_names) < 2:
        return []
    shown = ", ".join(all_names[:5]) + (", ..." if len(all_names) > 5 else "")
    doubts = []
    pairs = {(place.name.casefold(), label) for place, label in found.values() if label}
    folders, labels = {name for name, _ in pairs}, {label for _, label in pairs}
    is_other_folder = any(label != name and label in map(str.casefold, all_names) for name, label in pairs)
    if is_other_folder or len(pairs) > max(len(folders), len(labels)):
        doubts.append(
            f"the labels are those of the table, although the images lie in the folders {shown}, which may be their classes "
            "and say something else. If the folders are right, move the table elsewhere; if the table is, name it in place of "
            "the folder"
        )
    if len(found.keys() & there.keys()) < FEWEST * len(there):
        doubts.append(
            f"the table names {len(found)} of {len(there)} images in the folders {shown}; the others are not used. If the "
            "folders are the classes, move the table elsewhere; if the table is meant, name it in place of the folder"
        )
    return doubts


def _class_folder(folder: Path, parent: Path) -> Path | None:
    """The folder that may be named after the class of the images in ``parent``, it or one above; None if there is none."""
    for place in (parent, *parent.parents):
        if place == folder or not place.is_relative_to(folder):
            return None
        name = place.name.lower()
        if name not in SAY_NOTHING and not split_of_name(name):
            is_word = len(name) > 1 and not any(map(str.isdigit, name)) and not is_number_or_part(name)
            return place if is_word else None
    return None
