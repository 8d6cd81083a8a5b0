"""Images and masks in folders, paired by name. Layouts, whatever the letter case:

FOLDER/images/, FOLDER/masks/                          also with train/, val/, test/ below both, or with lists: train.txt
FOLDER/train/images/, FOLDER/train/masks/              and the same in val/ and test/
FOLDER/train/, FOLDER/train_masks/                     and the same with val and test
FOLDER/.../x.jpg, FOLDER/.../x_mask.png                next to each other
FOLDER/.../train-volume.tif, .../train-labels.tif      stacks next to each other; also _images and _masks

Each page of a TIFF is an image of its own if the mask has as many pages (see ``stacks``).
"""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from visionkit.data.formats.split_lists import find_list
from visionkit.data.images import stacks
from visionkit.data.images.contents import read_text
from visionkit.data.images.listing import list_images
from visionkit.data.images.mask_code import find_classes
from visionkit.data.images.mask_meaning import MaskClasses
from visionkit.data.images.mask_names import NamedClasses, find_names
from visionkit.data.images.stacks import Pairs
from visionkit.data.index import Annotation, DataError, Index, Problem
from visionkit.data.splits import SPLITS, TEST_NAMES, TRAIN_NAMES, VAL_NAMES, WHOLE, DataSet, split_name, split_order

IMAGE_FOLDERS = ("images", "image", "imgs", "img", "jpegimages", "pictures", "photos")
MASK_FOLDERS = (
    *("masks", "mask", "labels", "label", "annotations", "annotation", "gt", "ground_truth", "groundtruth"),
    *("segmentationclass", "segmentationclassaug", "segmentation", "trimaps", "1st_manual"),
)
SPLIT_SUFFIXES = ("_masks", "_mask", "_labels", "_label", "_annot", "annot", "_gt")  # train_masks/ next to train/
MASK_SUFFIXES = ("_mask", "-mask", "_masks", "_gt", "_label", "_labels", "_l", "_seg", "_segmentation", "_groundtruth")
SPLIT_LISTS = {"train": TRAIN_NAMES, "val": VAL_NAMES, "test": TEST_NAMES}
LIST_FOLDERS = ("", "ImageSets/Segmentation", "ImageSets/Main")

EXPECTED = "Expected images/ and masks/ with the same file names in both, or x_mask.png next to x.jpg."


class Part(NamedTuple):
    """A folder of images, the folder of their masks, and the split that they belong to."""

    split: str
    images: Path
    masks: Path


def looks_like_masks(folder: Path) -> bool:
    """Whether a folder has one of the layouts above, with images in both folders of a pair."""
    parts = _parts(folder)
    if any(list_images(part.masks)[0] and list_images(part.images)[0] for part in parts):
        return True
    pairs, unpaired = _pairs_in_one_folder(folder)
    return len(pairs) > len(unpaired) or any(stacks.num_pages(image) > 1 for image, _ in pairs)


def read_masks(folder: str | Path, named: NamedClasses | None = None) -> DataSet:
    """Index images and masks in one of the layouts above; all masks are opened, to decide what their values mean.

    Args:
        folder: the data set.
        named: the meaning of mask values; None for what a file of names says.

    Raises:
        DataError: no image has a mask, or the masks do not hold classes (see ``mask_code.find_classes``).
    """
    folder = Path(folder)
    parts = _parts(folder)
    splits: dict[str, Pairs] = {}
    problems: list[Problem] = []
    for part in parts:
        pairs, unpaired = _pairs(part)
        splits.setdefault(part.split, []).extend(pairs)
        problems += unpaired
    if not any(splits.values()):
        pairs, unpaired = _pairs_in_one_folder(folder)
        if not pairs:
            raise DataError(f"{folder}: no image has a mask of the same name; {_examples(parts)}. {EXPECTED}")
        problems = [Problem("missing partner", str(path), "the image has no mask") for path in unpaired]
        splits = _by_first_folder(folder, pairs)
    lists = _lists(folder) if set(splits) == {WHOLE} else {}
    if lists:
        splits, problems = _listed(splits[WHOLE], lists)  # images that are in no list need no mask
    if not any(splits.values()):
        raise DataError(f"{folder}: none of the images listed in {', '.join(map(str, lists.values()))} has a mask.")
    for name, pairs in splits.items():
        splits[name], unequal = stacks.in_pages(pairs)
        problems += unequal
    masks = [mask for pairs in splits.values() for _, mask in pairs]
    if not masks:
        raise DataError(f"{folder}: no image has as many pages as its mask; {problems[-1].path}: {problems[-1].detail}.")
    named = named or find_names([folder, *(part.masks.parent for part in parts)])
    classes = find_classes(masks, named)
    indexes = {name: _index(splits[name], classes) for name in sorted(splits, key=split_order)}
    return DataSet(
        indexes, classes.notes, (*problems, *classes.problems), annotation_files=frozenset(named.files if named else ())
    )


def _index(pairs: Pairs, classes: MaskClasses) -> Index:
    return Index(
        classes.names,
        tuple(str(image) for image, _ in pairs),
        np.full(len(pairs), -1, np.int32),
        annotations=tuple(Annotation(mask=str(mask)) for _, mask in pairs),
        mask_code=classes.code,
    )


def _folders(folder: Path) -> dict[str, Path]:
    """The direct subfolders by their names in lower case, without hidden ones."""
    return {child.name.lower(): child for child in sorted(folder.iterdir()) if child.is_dir() and child.name[0] != "."}


def _parts(folder: Path) -> list[Part]:
    children = _folders(folder)
    split_folders = {name: child for name, child in children.items() if split_name(name) in SPLITS}
    if both := _image_and_mask_folder(children):
        return _parts_below(*both)
    parts = []
    for name, child in split_folders.items():
        if both := _image_and_mask_folder(_folders(child)):
            parts.append(Part(split_name(name), *both))
        elif masks := next((children[name + suffix] for suffix in SPLIT_SUFFIXES if name + suffix in children), None):
            parts.append(Part(split_name(name), child, masks))
    return parts


def _image_and_mask_folder(children: dict[str, Path]) -> tuple[Path, Path] | None:
    images = next((children[name] for name in IMAGE_FOLDERS if name in children), None)
    masks = next((children[name] for name in MASK_FOLDERS if name in children), None)
    return (images, masks) if images is not None and masks is not None else None


def _parts_below(images: Path, masks: Path) -> list[Part]:
    """``images/train`` with ``masks/train`` and so on, or else the two folders as a whole."""
    mask_splits = {split_name(name): child for name, child in _folders(masks).items()}
    image_splits = {split_name(name): child for name, child in _folders(images).items()}
    parts = [
        Part(name, child, mask_splits[name]) for name, child in image_splits.items() if name in SPLITS and name in mask_splits
    ]
    return parts or [Part(WHOLE, images, masks)]


def _pairs(part: Part) -> tuple[Pairs, list[Problem]]:
    """Images with the mask of the same stem, or of the stem with a suffix; and a problem for each file without a partner."""
    images, _ = list_images(part.images)
    masks, _ = list_images(part.masks)
    exact = {_key(mask, part.masks): mask for mask in reversed(masks)}
    suffixed = {_without_suffix(key): mask for key, mask in exact.items() if _without_suffix(key) != key}
    pairs, problems, used = [], [], set()
    for image in images:
        key = _key(image, part.images)
        mask = exact.get(key) or exact.get(key + image.suffix) or suffixed.get(key) or suffixed.get(_without_suffix(key))
        if mask is None:
            problems.append(Problem("missing partner", str(image), f"no mask of the same name in {part.masks}"))
        else:
            pairs.append((image, mask))
            used.add(mask)
    detail = f"no image of the same name in {part.images}"
    return pairs, problems + [Problem("missing partner", str(mask), detail) for mask in masks if mask not in used]


def _key(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder).with_suffix(""))


def _without_suffix(key: str) -> str:
    suffix = next((suffix for suffix in MASK_SUFFIXES if key.lower().endswith(suffix)), "")
    return key[: len(key) - len(suffix)]


def _pairs_in_one_folder(folder: Path) -> tuple[Pairs, list[Path]]:
    """``x.jpg`` with ``x_mask.png`` in the same folder, at any depth, and stacks; and the images without a mask."""
    files, _ = list_images(folder)
    by_key = {_key(path, folder): path for path in reversed(files)}
    pairs = stacks.pairs_beside(files)
    for key, path in by_key.items():
        plain = _without_suffix(key)
        if plain != key and plain in by_key:
            pairs.append((by_key[plain], path))
    paired = {path for pair in pairs for path in pair}
    return sorted(pairs), [path for path in files if path not in paired]


def _by_first_folder(folder: Path, pairs: Pairs) -> dict[str, Pairs]:
    splits: dict[str, Pairs] = {}
    for image, mask in pairs:
        names = map(split_name, (stacks.stem_of(image), image.relative_to(folder).parts[0]))
        splits.setdefault(next((name for name in names if name in SPLITS), WHOLE), []).append((image, mask))
    return splits


def _lists(folder: Path) -> dict[str, Path]:
    """The list of file names of each split; empty if there is no list for training."""
    for sub in LIST_FOLDERS:
        if (folder / sub).is_dir():
            lists = {split: find_list(folder / sub, names) for split, names in SPLIT_LISTS.items()}
            if lists["train"] is not None:
                return {split: file for split, file in lists.items() if file is not None}
    return {}


def _listed(pairs: Pairs, lists: dict[str, Path]) -> tuple[dict[str, Pairs], list[Problem]]:
    """The pairs that the lists name by a path or stem, which comes first in a line."""
    by_stem = {image.stem: (image, mask) for image, mask in pairs}
    splits, problems = {}, []
    for split, file in lists.items():
        splits[split] = []
        for line in filter(None, map(str.strip, read_text(file).splitlines())):
            first = re.split(r"[\s,;]", line)[0]  # the mask may follow
            names = [Path(name).name for name in (line, first)]
            pair = next((by_stem[stem] for name in names for stem in (name, Path(name).stem) if stem in by_stem), None)
            if pair is None:
                problems.append(Problem("missing partner", first, f"{file} lists it, but there is no such image with a mask"))
            else:
                splits[split].append(pair)
    return splits, problems


def _examples(parts: list[Part]) -> str:
    files = [path for part in parts for side in part[1:] for path in list_images(side)[0][:1]]
    return ", ".join(map(str, files[:2])) or "it has no folders of images and masks"
