"""Images and masks in folders, paired by name (see ``matching``). Layouts, whatever the letter case:

FOLDER/images/, FOLDER/masks/                          also with train/, val/, test/ below both, or with lists: train.txt
FOLDER/train/images/, FOLDER/train/masks/              and the same in val/ and test/
FOLDER/train/, FOLDER/train_masks/                     and the same with val and test
FOLDER/any name/, FOLDER/any name/                     if the names of the files correspond, and one side holds masks
FOLDER/.../<sample>/images/, .../<sample>/masks/       also with one mask for each object: their union is read
FOLDER/.../x.jpg, FOLDER/.../x_mask.png                next to each other; also mask_x.png; also x.png, if it holds a mask
FOLDER/.../train-volume.tif, .../train-labels.tif      stacks next to each other; also _images and _masks

Each page of a TIFF is an image of its own if the mask has as many pages (see ``stacks``).
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from visionkit.data.formats.annotation_files import brief
from visionkit.data.formats.mask_layouts.beside import Beside, find_beside, find_samples
from visionkit.data.formats.mask_layouts.folders import find_folders, pairing_of
from visionkit.data.formats.mask_layouts.known import known_classes, one_form
from visionkit.data.formats.mask_layouts.tree import Found, Part, Tree, UnclearError
from visionkit.data.formats.matching import Pairing
from visionkit.data.formats.split_lists import find_list
from visionkit.data.images import stacks
from visionkit.data.images.contents import read_text
from visionkit.data.images.masks.code import find_classes
from visionkit.data.images.masks.meaning import MaskClasses
from visionkit.data.images.masks.names import NamedClasses, find_names
from visionkit.data.images.stacks import Pairs
from visionkit.data.index import Annotation, DataError, Index, Problem, counted
from visionkit.data.split_names import TEST_NAMES, TRAIN_NAMES, VAL_NAMES, WHOLE, split_folders, split_order
from visionkit.data.splits import DataSet

SPLIT_LISTS = {"train": (*TRAIN_NAMES, "trainval"), "val": VAL_NAMES, "test": TEST_NAMES}
LIST_FOLDERS = ("", "ImageSets/Segmentation", "ImageSets/Main", "annotations")

EXPECTED = (
    "Expected images/ and masks/ with corresponding file names, or x_mask.png next to x.jpg; where the names have nothing in "
    "common, a table (.csv) with the columns image and mask."
)


class Read(NamedTuple):
    """Images and masks before their classes are known; ``folders`` are those in which class names are looked for."""

    splits: dict[str, Pairs]
    notes: list[str]
    problems: list[Problem]
    format: str
    folders: list[Path]
    files: list[Path]


def looks_like_masks(folder: Path) -> bool:
    """Whether a folder has one of the layouts above, with images in both folders of a pair."""
    tree = Tree(folder)
    try:
        if find_folders(tree).parts:
            return True
    except UnclearError:
        return True
    if find_samples(tree) is not None:
        return True
    beside = find_beside(tree)
    if beside is None:
        return False
    images = (image for pairs in beside.splits.values() for image, _ in pairs)
    return beside.num_pairs > len(beside.images_left) or any(stacks.num_pages(image) > 1 for image in images)


def read_masks(folder: str | Path, named: NamedClasses | None = None) -> DataSet:
    """Index images and masks in one of the layouts above; all masks are opened, to decide what their values mean.

    Args:
        folder: the data set.
        named: the meaning of mask values; None for what a file of names says.

    Raises:
        DataError: no image has a mask, several folders may hold the masks, or the masks do not hold classes (see
            ``masks.code.find_classes``).
    """
    folder = Path(folder)
    tree = Tree(folder)
    found = find_folders(tree)
    read = _read_parts(tree, found)
    if not any(read.splits.values()):
        beside = find_samples(tree) or find_beside(tree)
        if beside is None:
            raise DataError(f"{folder}: no image has a mask of the same name; {_examples(tree, found.parts)}. {EXPECTED}")
        read = _read_beside(tree, beside)
    splits, problems, notes = dict(read.splits), list(read.problems), list(read.notes)
    lists = _lists(folder) if set(splits) == {WHOLE} else {}
    if lists:
        splits, problems = _listed(splits[WHOLE], lists, notes)  # images that are in no list need no mask
    if not any(splits.values()):
        raise DataError(f"{folder}: none of the images listed in {', '.join(map(str, lists.values()))} has a mask.")
    for name, pairs in splits.items():
        splits[name], unequal = stacks.in_pages(pairs)
        problems += unequal
    masks = [mask for pairs in splits.values() for _, mask in pairs]
    if not masks:
        raise DataError(f"{folder}: no image has as many pages as its mask; {problems[-1].path}: {problems[-1].detail}.")
    above = (each for place in {mask.parent for mask in masks} for each in (place, *place.parents) if folder in each.parents)
    named = named or find_names(dict.fromkeys([*read.folders, *sorted(above)])) or _known_names(masks, found.parts, notes)
    classes = find_classes(masks, named)
    indexes = {name: _index(splits[name], classes) for name in sorted(splits, key=split_order)}
    files = frozenset(map(str, [*(named.files if named else ()), *lists.values(), *read.files]))
    return DataSet(indexes, (*notes, *classes.notes), (*problems, *classes.problems), read.format, files)


def _read_parts(tree: Tree, found: Found) -> Read:
    """The pairs of folders of images and masks."""
    splits: dict[str, Pairs] = {}
    problems, notes, rules, unused = list(found.problems), list(found.notes), {}, {}
    named_after: set[Path] = set()
    for part in found.parts:
        pairing = pairing_of(tree, part)
        for split, pairs in _split_by_folders(part, pairing.pairs).items():
            splits.setdefault(split, []).extend(pairs)
        detail = f"no mask, or more than one, of a corresponding name in {part.masks}"
        derived = _derived(pairing)
        images_left = [image for image in pairing.images_left if image not in derived]
        named_after |= derived
        problems += [Problem("missing partner", str(image), detail) for image in images_left]
        detail = f"no image, or more than one, of a corresponding name in {part.images}"
        problems += [Problem("missing partner", str(mask), detail) for mask in pairing.masks_left]
        rules.update({pairing.rule: None} if pairing.rule else {})
        unused.update(dict.fromkeys(one_form(tree.below(part.masks))[1]))
        num_images = len(pairing.pairs) + len(images_left)
        if 2 * len(images_left) > num_images:
            notes.append(f"{len(images_left)} of {counted(num_images, 'image')} in {part.images} have no mask")
    if named_after:
        notes.append(f"not used: {len(named_after):,} files named after images beside them, such as {min(named_after).name}")
    if rules:
        notes.append(f"masks are paired by name: {'; '.join(list(rules)[:3])}")
    others = []
    if unused:
        notes.append(f"other forms of the same masks are not used: {', '.join(unused)}")
        others = [file for file in tree.others if file.stem.endswith("_polygons")]
    elsewhere = [part.masks.parent for part in found.parts if part.masks.parent != tree.root]
    beside_masks = [
        file for file in tree.others if any(folder in file.parents for folder in elsewhere) and _is_annotation(file)
    ]
    if beside_masks:
        folders = ", ".join(dict.fromkeys(tree.name(file.parent) for file in beside_masks))
        notes.append(f"the masks are read; {len(beside_masks)} other annotations in {folders} are not")
    first = min(found.parts, key=lambda part: split_order(part.split), default=None)
    described = "" if first is None else f"images and masks ({', '.join(tree.name(side) for side in first[1:])})"
    folders = [tree.root, *(place for part in found.parts for place in (part.masks, part.masks.parent))]
    return Read(splits, notes, problems, described, folders, [*others, *beside_masks])


def _derived(pairing: Pairing) -> set[Path]:
    """The files that have the name of an image and an ending, such as x_superpixels.png, which all paired images have."""
    stems = {image.with_suffix("") for image, _ in pairing.pairs}
    by_ending: dict[str, set[Path]] = {}
    for file in pairing.images_left:
        match = re.fullmatch(r"(.+)([-_][A-Za-z]+)", file.stem)
        if match and file.with_name(match[1]) in stems:
            by_ending.setdefault(match[2], set()).add(file)
    return {file for files in by_ending.values() if 1 < len(files) == len(pairing.pairs) for file in files}


def _split_by_folders(part: Part, pairs: Pairs) -> dict[str, Pairs]:
    """The pairs of a part by split, where the images alone or the masks alone lie in folders of splits."""
    for side, place in enumerate((part.images, part.masks)) if part.split == WHOLE else ():
        folders = split_folders(place.iterdir()).folders
        found: dict[str, Pairs] = {}
        for pair in pairs:
            split = next((split for split, folder in folders.items() if folder in pair[side].parents), WHOLE)
            found.setdefault(split, []).append(pair)
        if found and WHOLE not in found:
            return found
    return {part.split: pairs}


def _is_annotation(file: Path) -> bool:
    """Whether a file next to the folder of masks is an annotation of another kind, such as the boxes of Oxford-IIIT Pet."""
    return file.suffix.lower() == ".xml" or file.name == "list.txt"


def _read_beside(tree: Tree, beside: Beside) -> Read:
    problems = [Problem("missing partner", str(path), "the image has no mask") for path in beside.images_left]
    problems += [Problem("missing partner", str(path), "the mask has no image") for path in beside.masks_left]
    return Read(beside.splits, beside.notes, problems, beside.format, [tree.root], [])


def _known_names(masks: list[Path], parts: Iterable[Part], notes: list[str]) -> NamedClasses | None:
    """The class names of a published data set whose masks come without any."""
    known = known_classes(masks, {path.name.lower() for part in parts for path in (part.masks, part.masks.parent)})
    if known is None:
        return None
    notes.append(f"the classes are those of {known.name}, as its authors number them")
    return known.classes


def _index(pairs: Pairs, classes: MaskClasses) -> Index:
    return Index(
        classes.names,
        tuple(str(image) for image, _ in pairs),
        np.full(len(pairs), -1, np.int32),
        annotations=tuple(Annotation(mask=str(mask)) for _, mask in pairs),
        mask_code=classes.code,
    )


def _lists(folder: Path) -> dict[str, Path]:
    """The list of file names of each split; empty if there is no list for training or validation."""
    for sub in LIST_FOLDERS:
        if (folder / sub).is_dir():
            lists = {split: find_list(folder / sub, names) for split, names in SPLIT_LISTS.items()}
            if lists["train"] is not None or lists["val"] is not None:
                return {split: file for split, file in lists.items() if file is not None}
    return {}


def _listed(pairs: Pairs, lists: dict[str, Path], notes: list[str]) -> tuple[dict[str, Pairs], list[Problem]]:
    """The pairs that the lists name by a path or stem, which comes first in a line; without a list, training has the rest."""
    by_stem = {image.stem: (image, mask) for image, mask in pairs}
    splits, problems = {}, []
    for split, file in lists.items():
        splits[split] = []
        for number, line in enumerate(map(str.strip, read_text(file).splitlines()), 1):
            if not line:
                continue
            first = re.split(r"[\s,;]", line)[0]  # the mask may follow
            names = [Path(name).name for name in (line, first)]
            pair = next((by_stem[stem] for name in names for stem in (name, Path(name).stem) if stem in by_stem), None)
            if pair is None:
                detail = f"line {number}: there is no image {brief(first)} with a mask"
                problems.append(Problem("missing partner", str(file), detail))
            else:
                splits[split].append(pair)
    used = {image for listed in splits.values() for image, _ in listed}
    rest = [(image, mask) for image, mask in pairs if image not in used]
    if rest and "train" not in lists:
        splits = {"train": rest} | splits
        notes.append(f"there is no list for training: it has the {len(rest)} images that are in no list")
    elif rest:
        notes.append(f"{len(rest)} images with masks are in none of {', '.join(map(str, lists.values()))} and are not used")
    return splits, problems


def _examples(tree: Tree, parts: Iterable[Part]) -> str:
    files = [path for part in parts for side in part[1:] for path in tree.below(side)[:1]]
    return ", ".join(map(str, files[:2])) or "it has no folders of images and masks"
