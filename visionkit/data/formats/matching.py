"""Pairs images and masks by their names, for all readers: what is unique is paired; where two files would do, none is taken."""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

from visionkit.data.images.decode import IMAGE_SUFFIXES

MASK_SUFFIXES = (
    *("_cp_masks", "_mask", "-mask", ".mask", "_masks", "_gt", "_label", "_labels", "_l", "_seg", "_segmentation"),
    *("_groundtruth", "_matte", "_annotation", "_anno", "_manual1", "_1stho", "_lesion", "_trimap", "_p"),
)
PROBED = 64  # images on which a rule is tried before all
NEARLY_ALL = 0.9  # share of files that need no rule besides the known suffixes
MOST_CUTS = 8  # prefixes or suffixes that are tried
WHOLE_PREFIX = re.compile(r"(?<=[\W_])|(?<=[^\W\d_])(?=\d|$)")  # where a common prefix may end
WHOLE_SUFFIX = re.compile(r"(?=[\W_])|(?<=\d)(?=[^\W\d_])|^(?=[^\W\d_])")  # where a common suffix may begin


class Pairing(NamedTuple):
    """Images and masks that belong together.

    Attributes:
        pairs: an image and its mask, in the order of the images.
        images_left, masks_left: the files that have no partner, or more than one.
        rule: how the names correspond, such as "image_0 with mask_0"; "" where the names are the same.
    """

    pairs: list[tuple[Path, Path]]
    images_left: list[Path]
    masks_left: list[Path]
    rule: str


class _Rule(NamedTuple):
    """What is cut off the stems; ``keys`` make the rest comparable."""

    image: tuple[str, str] = ("", "")
    mask: tuple[str, str] = ("", "")
    fold: bool = False  # whether letter case does not count
    flat: bool = False  # whether the folder does not count, because all images, or all masks, lie in one
    numbers: bool = False  # whether leading zeros do not count
    known: bool = False  # whether one of MASK_SUFFIXES is cut off each mask without an image of its whole name

    @property
    def rank(self) -> tuple[int, ...]:
        """The order in which rules are preferred that pair equally many."""
        cut = sum(map(len, (*self.image, *self.mask)))
        return self.numbers, self.flat, self.fold, cut > 0, self.known, cut


def pair_by_name(images: Sequence[Path], masks: Sequence[Path], image_folder: Path, mask_folder: Path) -> Pairing:
    """Pair the images of one folder with the masks of another by their paths in them, without suffixes.

    The same names come first; then a mask's name may have one of ``MASK_SUFFIXES``; then one rule for the whole folder: what
    all names of a side begin and end with is cut off ("image_0" and "mask_0"), and the rest must be the same, for most files.
    Leading zeros of numbers may differ if then every file has one partner. A name that several files have pairs with none.

    Args:
        images, masks: the files, in order.
        image_folder, mask_folder: the folders that their paths are relative to.
    """
    stems = [_stems(images, image_folder), _stems(masks, mask_folder)]
    rule, best = _best_rule(stems)
    pairs = [(image, masks[best[row]]) for row, image in enumerate(images) if row in best]
    used = set(best.values())
    left = [image for row, image in enumerate(images) if row not in best]
    return Pairing(pairs, left, [mask for row, mask in enumerate(masks) if row not in used], _described(rule, pairs))


def without_mask_suffix(stem: str) -> str:
    """A stem without the first of ``MASK_SUFFIXES`` that it ends with, in any letter case."""
    lower = stem.lower()
    suffix = next((suffix for suffix in MASK_SUFFIXES if lower.endswith(suffix)), "")
    return stem[: len(stem) - len(suffix)]


Stems = list[tuple[str, str]]  # folder and stem of each file
Matches = dict[int, int]  # position of the mask by the position of the image


def _stems(files: Sequence[Path], folder: Path) -> Stems:
    """Also ``a`` for ``a.jpg.png``."""
    base = len(str(folder).rstrip(os.sep)) + 1
    stems = []
    for file in files:
        parent, name = os.path.split(unicodedata.normalize("NFC", str(file)[base:]))
        name = os.path.splitext(name)[0]  # noqa: PTH122
        stem, suffix = os.path.splitext(name)  # noqa: PTH122
        stems.append((parent, stem if suffix.lower() in IMAGE_SUFFIXES and stem else name))
    return stems


def _best_rule(stems: list[Stems]) -> tuple[_Rule, Matches]:
    """The rule that pairs the most files, and the pairs; none if two rules that are equally good pair differently."""
    enough = min(map(len, stems))
    folders = [{folder for folder, _ in side} for side in stems]
    flat_too = len(set.union(*folders)) > 1 and min(map(len, folders)) == 1
    fold_too = any(stem != stem.casefold() for side in stems for _, stem in side) or set.union(*folders) != {""}
    loose = list(product((False, True)[: 1 + fold_too], (False, True)[: 1 + flat_too]))
    found: list[tuple[_Rule, Matches]] = []
    for known in (False, True):
        for fold, flat in loose:
            rule = _Rule(fold=fold, flat=flat, known=known)
            found.append((rule, _matched(stems, rule)))
            if len(found[-1][1]) == enough:
                return found[-1]
    rule, best = min(found, key=lambda one: (-len(one[1]), one[0].rank))
    if len(best) >= NEARLY_ALL * enough:
        return rule, best
    for numbers in (False, True):
        for fold, flat in loose:
            one_rule = [
                (rule, matches)
                for rule in _derived_rules(stems, fold=fold, flat=flat, numbers=numbers)
                if 2 * len(matches := _matched(stems, rule)) > enough and (not numbers or len(matches) == enough)
            ]
            found += one_rule
            if any(len(matches) == enough for _, matches in one_rule):
                return _decided(found)
    return _decided(found)


def _decided(found: list[tuple[_Rule, Matches]]) -> tuple[_Rule, Matches]:
    rule, best = min(found, key=lambda one: (-len(one[1]), one[0].rank))
    rivals = [matches for other, matches in found if len(matches) == len(best) and other.rank[:-1] == rule.rank[:-1]]
    if any(best.get(image, mask) != mask for matches in rivals for image, mask in matches.items()):
        return _Rule(), {}
    return rule, best


def _derived_rules(stems: list[Stems], *, fold: bool, flat: bool, numbers: bool) -> Iterator[_Rule]:
    """Rules that cut something off and that pair any of a few images; one name alone says nothing of a rule for many."""
    if min(map(len, stems)) == 1 < max(map(len, stems)):
        return
    image_cuts, mask_cuts = (_cuts([stem for _, stem in side]) for side in stems)
    step = max(1, len(stems[0]) // PROBED)
    for mask in mask_cuts:
        masks = _rows(stems[1], mask, _Rule(fold=fold, flat=flat, numbers=numbers))
        for image in image_cuts:
            rule = _Rule(image, mask, fold, flat, numbers)
            differ = _numbers(image) != _numbers(mask)
            if differ and _numbers(image) and _numbers(mask):  # subject_1 must not be paired with subject_2
                continue
            if not masks.keys().isdisjoint(_rows(stems[0][::step], image, rule)):
                yield rule


def _numbers(affixes: tuple[str, str]) -> list[str]:
    return re.findall(r"\d+", " ".join(affixes))


def _cuts(stems: list[str]) -> list[tuple[str, str]]:
    """Prefixes and suffixes that may be cut off: those of all stems, and those around the numbers of most."""
    if len(stems) < 2:
        numbers = re.search(r"\d(.*\d)?", stems[0]) if stems else None
        return [("", ""), *([(stems[0][: numbers.start()], stems[0][numbers.end() :])] if numbers else [])]
    prefix, suffix = _common_prefix(stems), _common_prefix([stem[::-1] for stem in stems])[::-1]
    prefixes = {prefix[: cut.start()] for cut in WHOLE_PREFIX.finditer(prefix)} | {""}
    suffixes = {suffix[cut.start() :] for cut in WHOLE_SUFFIX.finditer(suffix)} | {""}
    for pattern, found in ((r"\D*(?=\d)", prefixes), (r"(?<=\d)\D*$", suffixes)):
        counts = Counter(match[0] for stem in stems if (match := re.search(pattern, stem)))
        found |= {affix for affix, count in counts.most_common(1) if 2 * count > len(stems)}
    return list(product(sorted(prefixes, key=len)[:MOST_CUTS], sorted(suffixes, key=len)[:MOST_CUTS]))


def _common_prefix(names: list[str]) -> str:
    first, last = min(names), max(names)
    return first[: next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))]


def _matched(stems: list[Stems], rule: _Rule) -> Matches:
    """The position of the mask of each image that has one under a rule, where both are unique."""
    image_rows = _rows(stems[0], rule.image, rule)
    mask_rows = _rows(stems[1], rule.mask, rule)
    if rule.known:
        shorter: dict[tuple[str, str], list[int]] = {}
        for (folder, stem), rows in mask_rows.items():
            if (folder, stem) not in image_rows and (plain := without_mask_suffix(stem)) != stem:
                shorter.setdefault((folder, plain), []).extend(rows)
        for key, rows in shorter.items():
            mask_rows.setdefault(key, []).extend(rows)
    return {
        rows[0]: partners[0]
        for key, rows in image_rows.items()
        if len(rows) == 1 and len(partners := mask_rows.get(key, ())) == 1
    }


def _rows(stems: Stems, affixes: tuple[str, str], rule: _Rule) -> dict[tuple[str, str], list[int]]:
    """The positions of the files by what is left of their names."""
    prefix, suffix = affixes
    rows: dict[tuple[str, str], list[int]] = {}
    for row, (folder, stem) in enumerate(stems):
        core = stem[len(prefix) : len(stem) - len(suffix)]
        if core and stem.startswith(prefix) and stem.endswith(suffix):
            key = ("" if rule.flat else folder, core)
            if rule.fold:
                key = (key[0].casefold(), core.casefold())
            if rule.numbers:
                key = (key[0], re.sub(r"(?<!\d)0+(?=\d)", "", key[1]))
            rows.setdefault(key, []).append(row)
    return rows


def _described(rule: _Rule, pairs: list[tuple[Path, Path]]) -> str:
    image, mask = next(((i, m) for i, m in pairs if i.stem != m.stem), (Path(), Path()))
    if rule == _Rule(fold=rule.fold, flat=rule.flat) or image == mask:
        return ""
    return f"{image.stem} with {mask.stem}" + (", where leading zeros do not count" if rule.numbers else "")
