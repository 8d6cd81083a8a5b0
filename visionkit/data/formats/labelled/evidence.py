"""What speaks against class folders: nearly any folder of folders could be some, so another layout must be ruled out first."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from visionkit.data.formats.labelled.masks_among import refuse_masks_as_classes
from visionkit.data.images.limits import memory_for
from visionkit.data.index import DataError, Problem
from visionkit.data.split_names import SPLIT_WORDS, split_names
from visionkit.files import open_file, size_of

Files = dict[str, list[Path]]  # the images of each class

IMAGE_WORDS = {
    *("images", "image", "imgs", "img", "jpegimages", "pictures", "photos", "pics", "data", "dataset", "frames", "rgb"),
    *("input", "inputs", "leftimg8bit", "sat"),
}
MASK_WORDS = {
    *("mask", "masks", "gt", "gts", "gtfine", "gtcoarse", "groundtruth", "matte", "mattes", "trimap", "trimaps", "targets"),
    *(
        "annot",
        "annots",
        "annotation",
        "annotations",
        "label",
        "labels",
        "labelids",
        "labeltrainids",
        "labelmap",
        "instanceids",
    ),
    *("seg", "segs", "segmentation", "segmentations", "segmentationclass", "segmentationobject"),
}
# Names of a folder that say nothing about what its images show.
GENERIC = IMAGE_WORDS | MASK_WORDS | {"all", "unknown", "unlabelled", "unlabeled", "unlabel", "jpg", "jpeg", "png"}
PART_WORDS = {"part", "batch", "chunk", "folder", "dir", "set", "archive", "disk"}  # a number usually follows
# Words in names of folders that tell when, in which order or from where images were taken.
TIME_WORDS = {
    *("session", "day", "night", "week", "month", "year", "seq", "sequence", "video", "clip", "scene", "run", "cam", "camera"),
    *("augmented", "original", "left", "right", "front", "back", "top", "side"),
    *("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
    *("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec", "january", "february"),
    *("march", "april", "june", "july", "august", "september", "october", "november", "december"),
}
LOSSLESS = (".png", ".bmp", ".tif", ".tiff", ".gif")
NO_JPEGS = "holds no JPEGs"
SHARED = 0.8  # share of the smaller folder's names that another folder has, too
SAMPLE = 5  # images that are opened where names alone do not decide
FEW_VALUES, NEARLY_ALL = 4, 0.95  # a mask is nearly all of a few values
NAMED_IN_A_TABLE = "If these are classes, name the class of each image in a table, labels.csv, with the columns image,label."


def refuse_other_layouts(folder: Path, files: Files) -> list[Problem]:
    """Check that folders of images may be classes.

    Args:
        folder: the folder that the class folders are in.
        files: the images of each of them.

    Returns:
        what can be understood in two ways.

    Raises:
        DataError: they are splits, or images and masks, or there twice.
    """
    if not files:
        return []
    _refuse_splits(folder, files)
    inner = _inner_folders(folder, files)
    _refuse_images_and_masks(folder, files, inner)
    problems = _refuse_copies(folder, inner)
    refuse_pairs(folder, files)
    problems += refuse_masks_as_classes(folder, files)
    same = _same_folders_in_each(folder, files, inner)
    merged = [] if same or problems else _merged_folders(folder, files, inner)
    return problems + same + merged + _parts_of_one_set(folder, files) + _words_of_splits(folder, files)


def _words_of_splits(folder: Path, files: Files) -> list[Problem]:
    """Folders such as train.X1 and val.X, or bounding_box_train and query_test, which have words of splits in their names."""
    found = {name: SPLIT_WORDS[word] for name in sorted(files) for word in _words(name) if word in SPLIT_WORDS}
    if len(set(found.values())) < 2 or 2 * len(found) <= len(files):
        return []
    names = ", ".join(f"{name}/" for name in list(found)[:3])
    detail = f"{names}: folders of these names are usually splits, but each is taken for a class; if they are splits, "
    return [Problem("unclear layout", str(folder), f"{detail}name them train/ and val/ or test/")]


def _parts_of_one_set(folder: Path, files: Files) -> list[Problem]:
    """Folders such as images_001 and images_002, or part1 and part2, usually hold the images of one set."""
    if not all(_plain(re.sub(r"[\W_]*\d+$", "", name)) in GENERIC | PART_WORDS for name in files):
        return []
    names = ", ".join(f"{name}/" for name in sorted(files)[:3])
    detail = f"{names}: folders of these names usually hold parts of one set of images, but each is taken for a class"
    return [Problem("unclear layout", str(folder), detail)]


def _refuse_splits(folder: Path, files: Files) -> None:
    named = split_names(files)
    splits = [name for name in files if name in named]
    if 2 * len(splits) > len(files):
        names = " and ".join(f"{name}/" for name in splits[:3])
        are = "has the name of a split, and is no class" if len(splits) == 1 else "have the names of splits, and are no classes"
        example = files[splits[0]][0]
        raise DataError(
            f"{folder}: {names} {are}; in {example.parent} there are images such as "
            f"{example.name}, without class folders or annotations that can be read. Expected class folders in train/ (and in "
            "val/ or test/, if there is one); or names such as cat.0.jpg and dog.0.jpg; or a table of images and labels."
        )


def _inner_folders(folder: Path, files: Files) -> dict[tuple[str, ...], set[str]]:
    """Each folder with images below it, as the parts of its relative path -> the names of its subfolders with images."""
    parents = {path.parent for images in files.values() for path in images}
    inner: dict[tuple[str, ...], set[str]] = {}
    for parent in parents:
        parts = parent.relative_to(folder).parts
        for depth, name in enumerate(parts):
            inner.setdefault(parts[:depth], set()).add(name)
    return inner


def _refuse_images_and_masks(folder: Path, files: Files, inner: dict[tuple[str, ...], set[str]]) -> None:
    """Neither images/ and labels/, nor such folders in most of the class folders, are classes."""
    places = [(), *((name,) for name in files)]
    found = {place: kinds for place in places if (kinds := _image_and_mask_folder(inner.get(place, ()))) is not None}
    if () in found or 2 * len(found) > len(files):
        place, (images, masks) = next(iter(found.items()))
        where = folder.joinpath(*place)
        raise DataError(
            f"{where}: {images}/ and {masks}/ look like images and their masks or annotations, not like two classes, but "
            f"no reader understands them. Expected files of the same names in both. {NAMED_IN_A_TABLE}"
        )


def _image_and_mask_folder(names: Iterable[str]) -> tuple[str, str] | None:
    images = [name for name in sorted(names) if _plain(name) in IMAGE_WORDS]
    masks = [name for name in sorted(names) if _plain(name) in MASK_WORDS]
    return (images[0], masks[0]) if images and masks else None


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.lower())


def _refuse_copies(folder: Path, inner: dict[tuple[str, ...], set[str]]) -> list[Problem]:
    """The same folders at two depths: an archive that was unpacked twice, if their paths end alike; else it is unclear."""
    problems = []
    by_names: dict[str, list[tuple[str, ...]]] = {}
    for place, names in inner.items():
        for name in names if len(names) > 1 else ():
            by_names.setdefault(name, []).append(place)
    shared = Counter(
        (one, other)
        for places in by_names.values()
        if len(places) <= SAMPLE**2  # names such as "monday", in each of many classes, are no copies
        for one in places
        for other in places
        if len(one) < len(other)
    )
    for (one, other), count in sorted(shared.items()):
        if count < 2 or count < SHARED * min(len(inner[one]), len(inner[other])):
            continue
        names = ", ".join(sorted(inner[one] & inner[other])[:5])
        what = f"{folder.joinpath(*one)} and {folder.joinpath(*other)} hold the same folders ({names})"
        if other[len(other) - len(one) :] == one:
            raise DataError(f"{what}: was an archive unpacked twice? Delete one of the two, or give the other as the data set.")
        problems.append(Problem("unclear layout", str(folder), f"{what}; the folders in {folder} are taken for the classes"))
    return problems


def _same_folders_in_each(folder: Path, files: Files, inner: dict[tuple[str, ...], set[str]]) -> list[Problem]:
    below = [inner.get((name,), set()) for name in files]
    names = set.intersection(*below)
    if len(files) < 2 or len(names) < 2 or any(len(each) > len(names) for each in below):
        return []
    listed = ", ".join(sorted(names)[:5])
    if len(split_names(names)) == len(names):
        detail = f"splits inside of classes: each class holds {listed}; all of its images count as one split"
    else:
        detail = f"each of {', '.join(list(files)[:5])} holds the folders {listed}; the outer ones are taken for the classes"
    return [Problem("unclear layout", str(folder), detail)]


def holds_only_folders(folder: Path, images: Sequence[Path]) -> list[str]:
    """The subfolders that hold the images of a folder, if they are two or more and no image lies beside them.

    A subfolder that is the only one is entered.
    """
    depth = len(folder.parts)
    parts = {path.parts[depth:-1] for path in images}
    while parts and () not in parts:
        names = {each[0] for each in parts}
        if len(names) > 1:
            return sorted(names)
        parts = {each[1:] for each in parts}
    return []


def _merged_folders(folder: Path, files: Files, inner: dict[tuple[str, ...], set[str]]) -> list[Problem]:
    """Class folders that hold no images but folders of images, which may be the classes; dates and numbers are none."""
    outer = [name for name in files if inner.get((name,))]
    found = {name: below for name in outer if (below := holds_only_folders(folder / name, files[name]))}
    telling = [name for name in found if _plain(name) in GENERIC or not all(map(is_number_or_part, found[name]))]
    if not telling:
        return []
    first = telling[0]
    below = " and ".join(f"{name}/" for name in found[first][:2])
    below = f"{len(found[first])} folders, such as {below}" if len(found[first]) > 2 else f"the folders {below}"
    others = f", and likewise for {len(telling) - 1} more of the outer folders" if len(telling) > 1 else ""
    remedy = f"move them out of {f'{first}/' if len(telling) == 1 else 'the outer folders'}, one level up"
    detail = f"{first}/ holds no images but {below}: they are read as one class, {first}{others}; "
    return [Problem("unclear layout", str(folder / first), f"{detail}if the inner folders are the classes, {remedy}")]


def is_number_or_part(name: str) -> bool:
    """Whether a name tells when or in which order images were made, not what they show: 2019-05-01, session 2, May."""
    words = [word for word in re.split(r"[\W_\d]+", name.lower()) if word]
    words = [word for word in words if len(word) > 1 or not re.search(r"\d", name)]  # s1, s2
    return all(word in PART_WORDS | GENERIC | TIME_WORDS for word in words)


def refuse_pairs(folder: Path, files: Files) -> None:
    """Check that no two classes have the same file names while one of them looks like masks.

    Args:
        folder: the folder of the data set.
        files: the images of each class.

    Raises:
        DataError: two classes look like images and their masks.
    """
    if len(files) < 2:
        return
    signs = {name: _signs(name, paths) for name, paths in files.items()}
    differ = [sign for sign in next(iter(signs.values())) if len({each[sign] for each in signs.values()}) > 1]
    suspects = [name for name in files if any(signs[name][sign] for sign in differ)]
    if not suspects or len(suspects) > SAMPLE**2:
        return
    keys = {name: _keys(paths) for name, paths in files.items()}
    for masks in suspects:
        shared = {name: keys[name].keys() & keys[masks].keys() for name in files if name != masks}
        partners = [name for name, each in shared.items() if len(each) >= SHARED * min(len(keys[name]), len(keys[masks]))]
        for images in partners:
            evidence = [sign for sign, has in signs[masks].items() if has and not signs[images][sign]]
            is_sure = len(evidence) > 1 or not all(key.isdecimal() for key in shared[images])
            is_sure = is_sure and evidence != [NO_JPEGS]  # photos may be PNGs
            if not is_sure and len(partners) <= SAMPLE:  # classes often hold 1.jpg, 2.jpg, ...: look at some of them
                is_sure = bool(evidence) and _is_mask_folder(keys, images, masks, sorted(shared[images]))
            if evidence and is_sure:
                raise DataError(
                    f"{folder}: {images}/ and {masks}/ hold files of the same names, and {masks}/ {evidence[0]} (such as "
                    f"{files[masks][0].name}): images and masks, not two classes? Expected images/ and masks/ with the same "
                    f"file names in both, to train on masks with `visionkit train segmentation`. {NAMED_IN_A_TABLE}"
                )


def _signs(name: str, paths: Sequence[Path]) -> dict[str, bool]:
    """What may make a folder look like masks, in words. A name such as mask/mask_1.jpg counts once: it may be a class."""
    own = _words(name)
    some = paths[: 10 * SAMPLE]
    return {
        "has the name of masks": _mask_words(name),
        "holds files that are named like masks": _most(bool((_words(path.stem) & MASK_WORDS) - own) for path in some),
        NO_JPEGS: _most(path.suffix.lower() in LOSSLESS for path in some),
    }


def _mask_words(name: str) -> bool:
    """Whether a word of masks occurs in a name: "train_masks", "x_gtFine_labelIds", "GroundTruth"."""
    return "groundtruth" in _plain(name) or bool(_words(name) & MASK_WORDS)


def _words(name: str) -> set[str]:
    return set(re.split(r"[\W_]+", name.lower()))


def _most(flags: Iterable[bool]) -> bool:
    flags = list(flags)
    return sum(flags) >= SHARED * len(flags) > 0


def _keys(paths: Sequence[Path]) -> dict[str, Path]:
    """The file names without what is the same in all of them, and without words of images and masks -> the files."""
    stems = {path.stem.lower(): path for path in paths}
    common = _common_start(stems)
    start = len(re.sub("[0-9]+$", "", common))  # of x_0001 and x_0002, not the zeros
    words = {stem: [word for word in re.split(r"[\W_]+", stem[start:]) if word] for stem in stems}
    while len(words) > 1 and min(map(len, words.values())) > 1 and len({parts[-1] for parts in words.values()}) == 1:
        words = {stem: parts[:-1] for stem, parts in words.items()}
    return {
        " ".join([word for word in parts if word not in MASK_WORDS and word not in IMAGE_WORDS] or parts): stems[stem]
        for stem, parts in words.items()
    }


def _common_start(stems: Iterable[str]) -> str:
    first, last = min(stems), max(stems)
    length = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), 0)
    return first[:length]


def _is_mask_folder(keys: dict[str, dict[str, Path]], images: str, masks: str, shared: list[str]) -> bool:
    """Whether a few values cover most of the masks, but not of the images; and both have the same size."""
    pairs = [(keys[images][key], keys[masks][key]) for key in islice(shared, SAMPLE)]
    opened = [(_size_and_share(image), _size_and_share(mask)) for image, mask in pairs]
    return _most(
        image is not None and mask is not None and image[0] == mask[0] and image[1] < NEARLY_ALL <= mask[1]
        for image, mask in opened
    )


def _size_and_share(path: Path) -> tuple[tuple[int, int], float] | None:
    """The size, and the share of the pixels that have one of the most common values; None if the image cannot be opened."""
    try:
        with open_file(path) as file, Image.open(file) as image, memory_for(image, size_of(file)):
            size = image.size
            pixels = np.asarray(image.convert("L").resize((64, 64), Image.Resampling.NEAREST))
    except (OSError, ValueError, Image.DecompressionBombError, SyntaxError):
        return None
    counts = np.sort(np.bincount(pixels.ravel() // 8, minlength=32))[::-1]  # JPEG blurs the values of a mask
    return size, counts[:FEW_VALUES].sum() / counts.sum()
