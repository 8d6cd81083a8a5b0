"""Folders of images beside folders of masks."""

import re
from collections.abc import Iterable
from pathlib import Path

from visionkit.data.formats.mask_layouts.known import one_form
from visionkit.data.formats.mask_layouts.objects import pair_objects
from visionkit.data.formats.mask_layouts.tree import (
    Found,
    Part,
    Tree,
    UnclearError,
    holds_masks,
    is_named_like_masks,
    same_size,
    split_in,
    words_of,
)
from visionkit.data.formats.matching import Pairing, pair_by_name
from visionkit.data.images.listing import IMAGE_FOLDERS
from visionkit.data.index import Problem, counted
from visionkit.data.split_names import SPLITS, WHOLE, split_folders, split_name

MASK_FOLDERS = (
    *("masks", "mask", "labels", "label", "annotations", "annotation", "gt", "ground_truth", "groundtruth"),
    *("segmentationclass", "segmentationclassaug", "segmentation", "trimaps", "1st_manual"),
)
# Ranks of folders that may hold the masks of the same images: the lowest is chosen.
FIRST_EXPERT, EXPERT, PLAIN, OTHER, INSTANCES = range(5)
RANKS = {
    **dict.fromkeys(MASK_FOLDERS, PLAIN),
    **dict.fromkeys(("gtfine", "semantic", "semantics"), PLAIN),
    **dict.fromkeys(("segmentationclassaug", "gtcoarse"), OTHER),
    **dict.fromkeys(("segmentationobject", "instances", "instance", "overlay", "overlays"), INSTANCES),
}
SPLIT_SUFFIXES = ("_masks", "_mask", "_labels", "_label", "_annot", "annot", "_gt")  # train_masks/ next to train/
MOST_FOLDERS = 20  # more that are named like neither images nor masks are classes


def find_folders(tree: Tree) -> Found:
    """The folders of images and masks of a data set: by their names, else by the names of the files in them.

    Raises:
        UnclearError: several folders may hold the masks.
    """
    for find in (_of_whole, _of_splits, _of_any_names):
        found = find(tree)
        if found.parts:
            return found
    return Found()


def pairing_of(tree: Tree, part: Part) -> Pairing:
    """The images of a part with their masks, of which one form is used; see ``known.one_form``."""
    masks, _ = one_form(tree.below(part.masks))
    images = tree.below(part.images)
    pairing = pair_by_name(images, masks, part.images, part.masks)
    if 2 * len(pairing.pairs) > len(images):
        return pairing
    return pair_objects(images, masks, part.images, part.masks) or pairing


def _of_whole(tree: Tree) -> Found:
    """``images/`` and ``masks/``."""
    children = tree.children(tree.root)
    images = _image_folder(children)
    candidates = {} if images is None else _candidates(tree, images, children)
    if not candidates:
        return Found()
    masks, notes = _chosen(tree, images, candidates)
    below = _parts_below(tree, images, masks)
    known = {path for candidate in candidates for path in (candidate, candidate.parent)}
    others = [child for child in children.values() if child != images and child not in known]
    rest = [child for child in children.values() if child != images and child not in (masks, *masks.parents)]
    unread = _other_pairs(tree, rest)
    detail = (
        f"images and masks lie in {', '.join(tree.name(path) for path in sorted(unread))} too, and are not read; expected "
        f"{tree.name(images)}train/, {tree.name(images)}test/ and the same in {tree.name(masks)}, or a list of each split"
    )
    problems = (Problem("unclear layout", str(min(unread)), detail),) if unread else ()
    notes = (*notes, *below.notes, *_unused(tree, [child for child in others if child not in unread]))
    return below._replace(notes=notes, problems=(*below.problems, *problems))


def _other_pairs(tree: Tree, folders: list[Path]) -> set[Path]:
    """The folders of images and masks of a split, such as test_images/ and test_masks/, beside those that are read."""
    try:
        parts = _sides(tree, folders).parts
    except UnclearError:  # several sorts of images, which are not those of this data set
        return set()
    return {side for part in parts if part.split != WHOLE for side in part[1:]}


def _of_splits(tree: Tree) -> Found:
    """``train/images/`` and ``train/masks/``; or ``train/`` and ``train_masks/``."""
    children = tree.children(tree.root)
    folders, notes, problems = split_folders(children.values())
    inside, parts, without = {}, [], []
    for split, folder in folders.items():
        below = tree.children(folder)
        images = _image_folder(below)
        beside = [children[name] for suffix in SPLIT_SUFFIXES if (name := folder.name.lower() + suffix) in children]
        if images is not None and (candidates := _candidates(tree, images, below)):
            inside[split] = images, candidates
        elif beside and tree.count(folder):
            parts.append(Part(split, folder, beside[0]))
        elif (found := _sides(tree, below.values())).parts:
            parts += [Part(split, part.images, part.masks) for part in found.parts]
            notes, problems = (*notes, *found.notes), (*problems, *found.problems)
        elif tree.count(folder):
            without.append(folder)
    by_experts = any(min(candidates.values()) <= EXPERT for _, candidates in inside.values())
    for split, (images, candidates) in inside.items():
        if by_experts and min(candidates.values()) > EXPERT:  # such as DRIVE's field of view, which is no mask of vessels
            without.append(images)
            continue
        masks, more = _chosen(tree, images, candidates)
        parts.append(Part(split, images, masks))
        notes = (*notes, *more)
    used = {path for part in parts for side in part[1:] for path in (side, *side.parents)}
    used |= {path for folder in without for path in (folder, *folder.parents)}
    named = {path for path in children.values() if split_name(path.name) in SPLITS}
    others = [path for path in children.values() if path not in used | named]
    lost = [path for path in others if parts and (below := _image_folder(tree.children(path))) and _masks_of(tree, below)]
    detail = "images and masks lie in it, but its name is that of no split, and they are not read; expected train/, val/, test/"
    problems += tuple(Problem("unclear layout", str(path), detail) for path in lost)
    notes += tuple(_unused(tree, [*without, *(path for path in others if path not in lost)]))
    return Found(tuple(parts), notes, problems)


def _masks_of(tree: Tree, images: Path) -> dict[Path, int]:
    return _candidates(tree, images, tree.children(images.parent))


def _of_any_names(tree: Tree) -> Found:
    """Two folders of any names, in which the files have corresponding names."""
    children = tree.children(tree.root)
    return _sides(tree, [child for name, child in children.items() if split_name(name) not in SPLITS or _is_image_folder(name)])


def without_masks(count: int, folder: Path) -> str:
    """The note that a folder holds so many images without masks."""
    return counted(
        count, f"image in {folder} has no mask and is not used", f"images in {folder} have no masks and are not used"
    )


def _unused(tree: Tree, folders: Iterable[Path]) -> list[str]:
    """A note on each folder of images that have no masks."""
    return [without_masks(tree.count(folder), folder) for folder in folders]


def _image_folder(children: dict[str, Path]) -> Path | None:
    return next((children[name] for name in IMAGE_FOLDERS if name in children), None)


def _split_of(name: str) -> str:
    """The split of a folder that is named like it, or like masks of it: train/, train_masks/; else the name."""
    split = split_in(name) if is_named_like_masks(name) else WHOLE
    return split_name(name) if split == WHOLE else split


def _rank(name: str) -> int | None:
    """The rank of a folder of this name among those that may hold masks; None if it is not named like masks."""
    name = name.lower()
    if "manual" in name:
        return FIRST_EXPERT if re.search(r"1st|first|^manual_?1?$", name) else EXPERT
    return RANKS.get(name, OTHER if is_named_like_masks(name) else None)


def _candidates(tree: Tree, images: Path, children: dict[str, Path]) -> dict[Path, int]:
    """The folders that may hold the masks of ``images``, with their ranks."""
    ranked = {child: _rank(name) for name, child in children.items() if child != images and name not in IMAGE_FOLDERS}
    ranked = {
        child: rank
        for child, rank in ranked.items()
        if rank is not None and (child.name.lower() in RANKS or holds_masks(tree.below(child)))
    }
    return {inner: rank for child, rank in ranked.items() for inner in _inside(tree, images, child)}


def _inside(tree: Tree, images: Path, masks: Path) -> list[Path]:
    """A folder of masks, or its subfolders (``annotations/trimaps/``), if they are not those of the images."""
    below = tree.children(masks)
    stems = {image.stem.lower() for image in tree.below(images)}
    if not stems.isdisjoint(below):  # a folder of masks for each image
        return [masks]
    names = {_split_of(name) for name in below}
    if tree.direct(masks) or not below or names & {split_name(name) for name in tree.children(images)}:
        return [masks]
    return [masks] if names & set(SPLITS) else list(below.values())


def _chosen(tree: Tree, images: Path, candidates: dict[Path, int]) -> tuple[Path, list[str]]:
    """The folder of masks, and a note on those that are not used."""
    best = min(candidates.values())
    folders = [folder for folder, rank in candidates.items() if rank == best]
    if len(folders) > 1:
        paired = [folder for folder in folders if pairing_of(tree, Part(WHOLE, images, folder)).pairs]
        folders = paired or folders
    if len(folders) > 1:
        raise UnclearError(
            f"{tree.root}: {' and '.join(tree.name(folder) for folder in folders)} may both hold the masks of "
            f"{tree.name(images)}. Expected one folder of masks; move the others away, or write a table (.csv) with the "
            "columns image and mask."
        )
    unused = [tree.name(folder) for folder in candidates if folder != folders[0]]
    if not unused:
        return folders[0], []
    return folders[0], [f"the masks are those of {tree.name(folders[0])}; not used: {', '.join(unused)}"]


def _parts_below(tree: Tree, images: Path, masks: Path) -> Found:
    """``images/train`` with ``masks/train`` and so on, or else the two folders as a whole."""
    stems = {image.stem.lower() for image in tree.below(images)}  # a folder may hold the masks of one image
    images, masks = (_single(tree, folder, stems) for folder in (images, masks))
    image_folders, mask_folders = tree.children(images), tree.children(masks)
    image_splits, notes, problems = split_folders(image_folders.values(), lambda child: child.name.lower() in mask_folders)
    mask_splits = split_folders(mask_folders.values(), lambda child: child.name.lower() in image_folders).folders
    for split in image_splits.keys() - mask_splits.keys():  # train_masks/
        if (masks_of := next((child for name, child in mask_folders.items() if _split_of(name) == split), None)) is not None:
            mask_splits[split] = masks_of
    parts = [Part(split, folder, mask_splits[split]) for split, folder in image_splits.items() if split in mask_splits]
    if not parts:
        return Found((Part(split_in(images.name), images, masks),))
    used = {part.images for part in parts}
    left = [folder for folder in image_folders.values() if folder not in used]
    return Found(tuple(parts), (*notes, *_unused(tree, left)), problems)


def _single(tree: Tree, folder: Path, stems: set[str]) -> Path:
    """The folder within a folder that holds nothing else, as archives are unpacked."""
    while not tree.direct(folder) and len(below := tree.children(folder)) == 1:
        (name, child), *_ = below.items()
        if _split_of(name) in SPLITS or name in stems:
            break
        folder = child
    return folder


def _sides(tree: Tree, folders: Iterable[Path]) -> Found:
    """Pairs of folders among folders of any names: one side is named like masks and holds masks, or holds masks alone."""
    folders = list(folders)
    if not 2 <= len(folders) <= MOST_FOLDERS:
        return Found()
    masks = [folder for folder in folders if is_named_like_masks(folder.name)]
    images = [folder for folder in folders if folder not in masks]
    if not masks or not images:
        return _by_contents(tree, folders) if len(folders) == 2 else Found()
    masks = [folder for folder in masks if holds_masks(tree.below(folder))]
    parts: list[Part] = []
    notes: list[str] = []
    problems: list[Problem] = []
    for folder in images:
        split = split_in(folder.name)
        candidates = {
            mask: _rank(mask.name) for mask in masks if split_in(mask.name) in (split, WHOLE) and _do_pair(tree, folder, mask)
        }
        if candidates:
            mask, more = _chosen(tree, folder, candidates)
            found = _parts_below(tree, folder, mask)
            parts += [part if part.split != WHOLE else Part(split, part.images, part.masks) for part in found.parts]
            notes += [*more, *found.notes]
            problems += found.problems
    parts, more = _one_kind_of_images(tree, parts)
    problems += more
    if parts:
        used = {path for part in parts for side in part[1:] for path in (side, *side.parents)}
        used |= {Path(problem.path) for problem in problems}
        left = [tree.name(folder) for folder in images if folder not in used]
        notes += [f"not used, since they have no masks: {', '.join(left)}"] if left else []
    return Found(tuple(parts), tuple(notes), tuple(problems))


def _one_kind_of_images(tree: Tree, parts: list[Part]) -> tuple[list[Part], list[Problem]]:
    """The parts without a second image of the same masks, such as a depth map or the image before a change.

    Raises:
        UnclearError: no name says which of them are the images.
    """
    groups: dict[Path, list[Part]] = {}
    for part in parts:
        groups.setdefault(part.masks, []).append(part)
    problems = []
    for masks, group in groups.items():
        if len(group) < 2:
            continue
        used = [{mask for _, mask in pairing_of(tree, part).pairs} for part in group]
        if sum(map(len, used)) == len(set().union(*used)):
            continue
        names = ", ".join(tree.name(part.images) for part in group)
        by_word = [[part for part in group if word(part.images.name)] for word in (_is_rgb, _is_image_folder)]
        chosen = next((found[0] for found in by_word if len(found) == 1), None)
        if chosen is None:
            raise UnclearError(
                f"{tree.root}: {names} all hold images of the masks in {tree.name(masks)}. Expected one image for each mask; "
                "move the other folders away, or name the folder to read images/."
            )
        others = [part for part in group if part != chosen]
        detail = (
            f"{names} all hold images of the masks in {tree.name(masks)}: only those of {tree.name(chosen.images)} are read"
        )
        problems += [Problem("unclear layout", str(part.images), detail) for part in others]
        parts = [part for part in parts if part not in others]
    return parts, problems


def _is_rgb(name: str) -> bool:
    return "rgb" in words_of(name)


def _is_image_folder(name: str) -> bool:
    return not set(IMAGE_FOLDERS).isdisjoint(words_of(name))


def _by_contents(tree: Tree, folders: list[Path]) -> Found:
    """Two folders whose names do not say which of them holds the masks."""
    masks = [folder for folder in folders if holds_masks(tree.below(folder))]
    if len(masks) != 1 or not holds_masks(tree.below(masks[0]), surely=True):
        return Found()
    (images,) = (folder for folder in folders if folder != masks[0])
    if not _do_pair(tree, images, masks[0]):
        return Found()
    found = _parts_below(tree, images, masks[0])
    detail = f"taken for the masks of {tree.name(images)}, since its files have few values and the same names"
    return found._replace(problems=(*found.problems, Problem("unclear layout", str(masks[0]), detail)))


def _do_pair(tree: Tree, images: Path, masks: Path) -> bool:
    """Whether most files of the smaller folder have a partner, and the first two have the same size."""
    pairings = [pairing_of(tree, part) for part in _parts_below(tree, images, masks).parts]
    pairs = [pair for pairing in pairings for pair in pairing.pairs]
    fewer = min(tree.count(images), sum(len(pair.pairs) + len(pair.masks_left) for pair in pairings))
    return 2 * len(pairs) > fewer and (same_size(*pairs[0]) or same_size(*pairs[-1]))
