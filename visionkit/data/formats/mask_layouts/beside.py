"""Masks next to their images, in the same folder or in folders of each sample; and masks of single objects."""

import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from visionkit.data.formats.mask_layouts.folders import MASK_FOLDERS, without_masks
from visionkit.data.formats.mask_layouts.tree import Tree, holds_masks, split_in
from visionkit.data.formats.matching import MASK_SUFFIXES, pair_by_name
from visionkit.data.images import stacks
from visionkit.data.images.listing import IMAGE_FOLDERS
from visionkit.data.images.masks.union import Union
from visionkit.data.images.stacks import Pairs
from visionkit.data.index import counted
from visionkit.data.split_names import SPLITS, WHOLE, split_name

SIGNS = "|".join(map(re.escape, sorted(MASK_SUFFIXES, key=len, reverse=True)))
OBJECT_NUMBER = re.compile(rf"(?P<start>.+(?:{SIGNS}))[-_ .(]*\d+\)?", re.IGNORECASE)
IMAGE_SIGNS = ("", "_sat", "_image", "_img", "_rgb", "_input")  # x_sat.jpg has x_mask.png
MASK_PREFIX = re.compile(r"(mask|gt|label|seg)[-_ ]+", re.IGNORECASE)  # mask_x.png next to x.jpg, or to img_x.jpg
IMAGE_PREFIXES = ("", "img_", "image_", "sat_", "rgb_")
SECOND_EXPERT = re.compile(r"[-_ ](2ndHO|manual2)$", re.IGNORECASE)
MASK_FILES = (".png", ".gif", ".bmp", ".tif", ".tiff")


class Beside(NamedTuple):
    """Images whose masks lie close to each of them.

    Attributes:
        splits: the pairs by split.
        images_left: images without a mask.
        masks_left: masks without an image.
        notes: how they were understood.
        format: the phrase of ``DataSet.format``.
    """

    splits: dict[str, Pairs]
    images_left: list[Path]
    masks_left: list[Path]
    notes: list[str]
    format: str

    @property
    def num_pairs(self) -> int:
        """The number of pairs in all splits."""
        return sum(map(len, self.splits.values()))


def find_samples(tree: Tree) -> Beside | None:
    """``<sample>/images/`` and ``<sample>/masks/`` for each sample, with a mask of each object (Data Science Bowl 2018)."""
    splits: dict[str, Pairs] = {}
    images_left, masks_left, num_objects, notes = [], [], 0, []
    without: dict[Path, int] = {}
    for folder in sorted({folder.parent for folder in tree.folders()} - {tree.root}):
        below = tree.children(folder)
        images = next((below[name] for name in IMAGE_FOLDERS if name in below), None)
        masks = next((below[name] for name in MASK_FOLDERS if name in below), None)
        if images is None or split_name(folder.name) in SPLITS or not tree.direct(images):
            continue
        if masks is None:
            without[folder.parent] = without.get(folder.parent, 0) + len(tree.direct(images))
            continue
        split = next((s for name in reversed(folder.relative_to(tree.root).parts) if (s := split_in(name)) != WHOLE), WHOLE)
        pairs = splits.setdefault(split, [])
        image_files, mask_files = tree.direct(images), tree.direct(masks)
        if len(image_files) == 1 and len(mask_files) > 1:
            num_objects += len(mask_files)
            pairs.append((image_files[0], Path(Union(str(masks)).path())))
        elif len(image_files) == 1 and mask_files:
            pairs.append((image_files[0], mask_files[0]))
            num_objects += 1
        else:
            pairing = pair_by_name(image_files, mask_files, images, masks)
            pairs += pairing.pairs
            images_left += pairing.images_left
            masks_left += pairing.masks_left
    if not any(splits.values()):
        return None
    if num_objects:
        notes.append(_note_on_objects(sum(map(len, splits.values())), num_objects))
    notes += [without_masks(count, folder) for folder, count in without.items()]
    kind = "one mask per object" if num_objects else "in a folder of each sample"
    return Beside(splits, images_left, masks_left, notes, f"images and masks ({kind})")


def find_beside(tree: Tree) -> Beside | None:
    """``x.jpg`` with ``x_mask.png`` in the same folder, at any depth; stacks; else ``x.jpg`` with ``x.png``."""
    stack_pairs = stacks.pairs_beside(tree.images)
    pairs = list(stack_pairs)
    united: set[Path] = set()
    num_united = 0
    for folder in tree.folders():
        for image, masks in _masks_beside(tree.direct(folder)):
            if len(masks) > 1:
                num_united += 1
                united.update(masks)
            pairs.append((image, masks[0] if len(masks) == 1 else Path(Union(str(folder), _start_of(masks)).path())))
    second = {path for path in tree.images if SECOND_EXPERT.search(path.stem)} if pairs else set()
    used = {path for pair in pairs for path in pair} | united | second
    shape = "stacks next to stacks of labels"
    if len(pairs) > len(stack_pairs):
        image, beside = pairs[-1]
        is_named = beside.stem.startswith(image.stem)
        shape = f"x{beside.stem[len(image.stem) :] if is_named else '_mask'}.png next to x.jpg"
    if not pairs:
        pairs = [pair for folder in tree.folders() for pair in _same_stems(tree.direct(folder))]
        if not pairs or not holds_masks([mask for _, mask in pairs]) or holds_masks([image for image, _ in pairs]):
            return None
        used, shape = {path for pair in pairs for path in pair}, "x.png next to x.jpg"
    notes = [_note_on_objects(num_united, len(united))] if united else []
    if second:
        are = "is" if len(second) == 1 else "are"
        notes.append(f"{counted(len(second), 'mask')} of a second expert, such as {min(second).name}, {are} not used")
    splits: dict[str, Pairs] = {}
    for image, mask in sorted(pairs):
        splits.setdefault(_split_of(tree, image), []).append((image, mask))
    first = {image.relative_to(tree.root).parts[0] for image, _ in pairs if image.parent != tree.root}
    if set(splits) == {WHOLE} and len(first) > 1:
        names = ", ".join(sorted(first)[:5]) + (", ..." if len(first) > 5 else "")
        notes.append(f"the folders {names} might be classes of images; here all are images with masks")
    left = [path for path in tree.images if path not in used]
    with_pairs = {image.relative_to(tree.root).parts[0] for image, _ in pairs}
    without: dict[str, list[Path]] = {}
    for path in left:
        top = path.relative_to(tree.root).parts[0]
        if split_name(top) in SPLITS and top not in with_pairs:
            without.setdefault(top, []).append(path)
    notes += [without_masks(len(files), tree.root / top) for top, files in without.items()]
    unused = {path for files in without.values() for path in files}
    return Beside(splits, [path for path in left if path not in unused], [], notes, f"images and masks ({shape})")


def _masks_beside(files: list[Path]) -> list[tuple[Path, list[Path]]]:
    """Each image of a folder that has masks of its name there, with these masks."""
    by_stem: dict[str, list[Path]] = {}
    for file in files:
        by_stem.setdefault(file.stem, []).append(file)
    by_start: dict[str, list[Path]] = {}
    for file in files:
        match = OBJECT_NUMBER.fullmatch(file.stem)
        by_start.setdefault(match["start"] if match else file.stem, []).append(file)
    found = []
    for start, masks in by_start.items():
        sign = re.search(f"(?:{SIGNS})$", start, re.IGNORECASE)
        if sign is None or sign.start() == 0:
            continue
        plain = start[: sign.start()]
        images = next((by_stem[name] for image_sign in IMAGE_SIGNS if (name := plain + image_sign) in by_stem), [])
        if len(images) == 1 and images[0] not in masks and len({mask.stem for mask in masks}) == len(masks):
            found.append((images[0], masks))
    for file in files:
        if match := MASK_PREFIX.match(file.stem):
            plain = file.stem[match.end() :]
            images = next((by_stem[name] for prefix in IMAGE_PREFIXES if (name := prefix + plain) in by_stem), [])
            found += [(images[0], [file])] if len(images) == 1 else []
    counts = Counter(image for image, _ in found)
    return [(image, masks) for image, masks in found if counts[image] == 1]


def _start_of(masks: list[Path]) -> str:
    """How the names of several masks of an image begin."""
    shortest = min((mask.stem for mask in masks), key=len)
    match = OBJECT_NUMBER.fullmatch(shortest)
    return match["start"] if match else shortest


def _same_stems(files: list[Path]) -> Pairs:
    """Pairs of one stem, of which one file has a suffix of masks and the other none."""
    by_stem: dict[str, list[Path]] = {}
    for file in files:
        by_stem.setdefault(file.stem, []).append(file)
    twos = [sorted(pair, key=lambda file: file.suffix.lower() in MASK_FILES) for pair in by_stem.values() if len(pair) == 2]
    return [(i, m) for i, m in twos if m.suffix.lower() in MASK_FILES and i.suffix.lower() not in MASK_FILES]


def _split_of(tree: Tree, image: Path) -> str:
    names = map(split_name, (stacks.stem_of(image), image.relative_to(tree.root).parts[0]))
    return next((name for name in names if name in SPLITS), WHOLE)


def _note_on_objects(num_images: int, num_masks: int) -> str:
    have = counted(num_images, "image has", "images have")
    return f"{have} {num_masks} masks of single objects; those of an image are read as one mask, their union"
