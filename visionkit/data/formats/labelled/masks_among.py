"""Masks among images that are about to be read as classes, or without labels: known by their contents, of a small sample.

Masks have few values and are no JPEGs, so that only other files are opened; in this they differ from the images beside them.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from visionkit.data.formats.mask_layouts.tree import VERY_FEW_VALUES, is_named_like_masks, levels_of
from visionkit.data.index import DataError, Problem

LOSSLESS = (".png", ".bmp", ".tif", ".tiff", ".gif")
GROUPS, SAMPLE = 24, 3  # groups of files that are looked at, and files of each
FEW_CLASSES = 5  # so many classes are looked into; more may share names such as 1.png by chance
SIGNS = "_-. "
MOST = 0.5  # share of the files of masks that have an image of the same name
EXPECTED = (
    "Expected images/ and masks/ with the same file names in both, or x_mask.png next to x.jpg; or a table (.csv) with the "
    "columns image and mask."
)


def refuse_masks_as_classes(folder: Path, files: dict[str, list[Path]]) -> list[Problem]:
    """Check that no folder of masks is taken for a class, or for images of one.

    Args:
        folder: the folder of the data set.
        files: the images of each class.

    Returns:
        a problem where the images of classes look like images and masks.

    Raises:
        DataError: a class looks like the masks of another.
    """
    if not any(path.suffix.lower() in LOSSLESS for paths in files.values() for path in paths):
        return []
    names = list(files) if len(files) <= FEW_CLASSES else [name for name in files if is_named_like_masks(name)][:FEW_CLASSES]
    masks = [name for name in names if _are_masks(files[name])]
    images = [name for name in [*files][: GROUPS if masks else 0] if name not in masks and _are_masks(files[name]) is False]
    stems = {path.stem for name in images for path in files[name]}
    for name in masks if images else ():
        if is_named_like_masks(name) or sum(path.stem in stems for path in files[name]) > MOST * len(files[name]):
            raise DataError(
                f"{folder}: the files in {name}/ have few values, as masks have, and those in {images[0]}/ do not: images and "
                f"masks, not two classes? {EXPECTED}"
            )
    for name in list(files)[:FEW_CLASSES]:
        if (problem := masks_beside_images(folder / name, files[name])) is not None:
            return [problem]
    paths = [path for each in files.values() for path in each]
    stems = {path.stem for path in paths}
    if 1 < len(stems) <= FEW_CLASSES and not all(map(str.isdecimal, stems)):  # img.png and label.png in each folder
        problem = _problem(folder, paths, lambda path: path.stem, fewest=2)
        return [] if problem is None else [problem]
    return []


def masks_beside_images(folder: Path, paths: Sequence[Path]) -> Problem | None:
    """A problem where some of the images of a folder look like the masks of others, by their folders or their names.

    Args:
        folder: what the problem names.
        paths: all images in it and below it.
    """
    if not any(path.suffix.lower() in LOSSLESS for path in paths):
        return None
    return _problem(folder, paths, _folder_of, fewest=1) or _problem(folder, paths, _end_of(paths), fewest=2)


def _problem(folder: Path, paths: Sequence[Path], key: Callable[[Path], str], fewest: int) -> Problem | None:
    """A problem where some groups of files look like masks, at least ``fewest`` files, and others do not."""
    groups: dict[str, list[Path]] = {}
    for path in paths:
        groups.setdefault(key(path), []).append(path)
    if not 1 < len(groups) <= GROUPS:
        return None
    kinds = {group: _are_masks(groups[group]) for group in groups}
    masks = [path for group, kind in kinds.items() if kind for path in groups[group]]
    if len(masks) < fewest or False not in kinds.values():
        return None
    some = masks[0].relative_to(folder)
    detail = f"files such as {some} have few values, as masks have, and others do not: images and masks? {EXPECTED}"
    return Problem("unclear layout", str(folder), detail)


def _folder_of(path: Path) -> str:
    return str(path.parent)


def _end_of(paths: Iterable[Path]) -> Callable[[Path], str]:
    """What follows the name of another file in the same folder: "_seg" of x_seg.png next to x.jpg; else ""."""
    stems = {(path.parent, path.stem) for path in paths}

    def end(path: Path) -> str:
        stem = path.stem
        cuts = (place for place in range(1, len(stem)) if stem[place] in SIGNS)
        return next((stem[cut:] for cut in cuts if (path.parent, stem[:cut]) in stems), "")

    return end


def _are_masks(paths: Sequence[Path]) -> bool | None:
    """Whether each of a few files has very few values, and one of them more than one; None if none can be opened."""
    chosen = {paths[place] for place in (0, len(paths) // 2, len(paths) - 1)}
    counts = [count for path in chosen if (count := _num_values(path)) is not None]
    if not counts:
        return None
    return all(count <= VERY_FEW_VALUES for count in counts) and max(counts) > 1


def _num_values(path: Path) -> int | None:
    """The number of values or colors, of a JPEG more than those of any mask; None if the file cannot be opened."""
    if path.suffix.lower() not in LOSSLESS:
        return VERY_FEW_VALUES + 1
    levels = levels_of(path)
    return None if levels is None else levels[0]
