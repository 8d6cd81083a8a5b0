"""Several masks of one image in a folder of masks: each is that of an object, and their union is read (``mask_union``)."""

import re
from collections.abc import Sequence
from pathlib import Path

from visionkit.data.formats.matching import Pairing
from visionkit.data.images.masks.union import Union

NUMBERED = re.compile(r"(?P<start>.+?)[-_ .(]+\d+\)?")  # 0_1, "0 (1)"


def pair_objects(images: Sequence[Path], masks: Sequence[Path], image_folder: Path, mask_folder: Path) -> Pairing | None:
    """Pair each image with all masks ``<stem>_1.png``, ``<stem>_2.png``, or with all in the folder ``<stem>/``.

    Returns:
        the pairs, if most images have such masks, and one has several; else None. The masks are virtual paths.
    """
    groups: dict[tuple[Path, str], list[Path]] = {}
    for mask in masks:
        match = NUMBERED.fullmatch(mask.stem)
        if match:
            groups.setdefault((mask.parent.relative_to(mask_folder), match["start"]), []).append(mask)
        groups.setdefault((mask.parent.relative_to(mask_folder), ""), []).append(mask)
    pairs, used = [], set()
    left = []
    for image in images:
        place = image.parent.relative_to(image_folder)
        beside, inside = groups.get((place, image.stem), []), groups.get((place / image.stem, ""), [])
        if bool(beside) == bool(inside):
            left.append(image)
            continue
        union = Union(str(mask_folder / place), image.stem) if beside else Union(str(mask_folder / place / image.stem))
        pairs.append((image, Path(union.path())))
        used.update(beside or inside)
    if len(used) <= len(pairs) or 2 * len(pairs) <= len(images):
        return None
    several = [mask.stem for mask in sorted(used)[:2]]
    rule = f"{pairs[0][0].stem} with the union of its objects' masks ({', '.join(several)}, ...)"
    return Pairing(pairs, left, [mask for mask in masks if mask not in used], rule)
