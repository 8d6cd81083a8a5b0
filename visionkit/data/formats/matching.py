"""Matching of names, for all readers: the file that an annotation names, and the mask that belongs to an image.

Both pair what is unique, and neither guesses: where two files would do, none is taken.
"""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

from visionkit.data.images.contents import file_of
from visionkit.data.images.decode import IMAGE_SUFFIXES

MASK_SUFFIXES = (
    *("_cp_masks", "_mask", "-mask", ".mask", "_masks", "_gt", "_label", "_labels", "_l", "_seg", "_segmentation"),
    *("_groundtruth", "_matte", "_annotation", "_anno", "_manual1", "_1stho", "_lesion", "_trimap", "_p"),
)
SUFFIX_ORDER = {suffix: rank for rank, suffix in enumerate(sorted(IMAGE_SUFFIXES))}
PROBED = 64  # images on which a rule is tried before all
NEARLY_ALL = 0.9  # share of files that need no rule besides the known suffixes
MOST_CUTS = 8  # prefixes or suffixes that are tried
DRIVE = re.compile("[A-Za-z]:")
WHOLE_PREFIX = re.compile(r"(?<=[\W_])|(?<=[^\W\d_])(?=\d|$)")  # where a common prefix may end
WHOLE_SUFFIX = re.compile(r"(?=[\W_])|(?<=\d)(?=[^\W\d_])|^(?=[^\W\d_])")  # where a common suffix may begin


class _Listing:
    """The names in one folder, and looser spellings of them, each made when it is first needed."""

    def __init__(self, folder: str):
        try:
            self.names = frozenset(os.listdir(folder))  # noqa: PTH208 - names, not a Path for each
        except (OSError, ValueError):  # no such folder; a name that no folder can have
            self.names = frozenset()
        self._by_stem: dict[str, list[str]] | None = None
        self._loose: dict[tuple[bool, bool], dict[str, list[str]]] = {}

    def exact(self, name: str, *, by_stem: bool) -> str | None:
        """The file ``name``; or the first image of this stem, in the order of the suffixes."""
        if not by_stem:
            return name if name in self.names else None
        if self._by_stem is None:
            self._by_stem = _grouped(self._images(), lambda file: os.path.splitext(file)[0])  # noqa: PTH122
        return _first(self._by_stem.get(name, []))

    def loose(self, name: str, *, by_stem: bool) -> list[str]:
        """The names that differ from ``name`` by their Unicode form alone; else those that differ by letter case, too."""
        for fold in (False, True):
            if (fold, by_stem) not in self._loose:
                names = self._images() if by_stem else self.names
                self._loose[fold, by_stem] = _grouped(
                    names,
                    lambda file, fold=fold: _plain(os.path.splitext(file)[0] if by_stem else file, fold=fold),  # noqa: PTH122
                )
            if found := self._loose[fold, by_stem].get(_plain(name, fold=fold)):
                return found
        return []

    def _images(self) -> list[str]:
        return [name for name in self.names if os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES]  # noqa: PTH122


class ImageFinder:
    """Searches folders for the files that annotations name; each folder is listed once. See ``image_finder``."""

    def __init__(self):
        self._listings: dict[str, _Listing] = {}
        self._folders: dict[tuple[str, tuple[str, ...]], list[str]] = {}
        self._claims: dict[str, str] = {}  # files that were found by the end of a path, with that path
        self._problems: dict[str, str] = {}

    def __call__(self, folders: Iterable[str], name: str) -> str | None:
        """See ``image_finder``."""
        return self._find(folders, name, by_stem=False)

    def by_stem(self, folders: Iterable[str], stem: str) -> str | None:
        """See ``find_by_stem``."""
        return self._find(folders, stem, by_stem=True)

    def problem(self, name: str) -> str:
        """Why the last search for ``name`` has found nothing, as the end of a sentence that begins with the name."""
        return self._problems.get(name, "does not exist")

    def _find(self, folders: Iterable[str], name: str, *, by_stem: bool) -> str | None:
        folders = [str(folder) for folder in folders]
        in_latin_1 = re.sub("[\udc80-\udcff]", lambda byte: chr(ord(byte[0]) - 0xDC00), name)
        for spelling in dict.fromkeys((name, name.replace("\\", "/"), in_latin_1)):
            for folder in folders:
                if (found := self._exact(folder, spelling, by_stem=by_stem)) is not None:
                    return found
        parts = [part for part in re.split(r"[\\/]+", in_latin_1) if part not in ("", ".")]
        problems: list[str] = []
        found = None if ".." in parts else self._loosely(folders, parts, by_stem, problems)
        found = found or self._by_tail(folders, parts, by_stem, problems)
        if found is None:
            self._problems[name] = next(iter(problems), "does not exist")
        return found

    def _listing(self, folder: str) -> _Listing:
        listing = self._listings.get(folder)
        if listing is None:
            listing = self._listings[folder] = _Listing(folder or ".")
        return listing

    def _exact(self, folder: str, name: str, *, by_stem: bool) -> str | None:
        path = os.path.join(folder, name)  # noqa: PTH118 - a Path costs more
        parent, last = os.path.split(file_of(path) if "@" in path and not by_stem else path)
        found = self._listing(parent).exact(last, by_stem=by_stem) if last else None
        if found is None:
            return None
        return str(Path(parent, found) if by_stem else Path(path))

    def _loosely(self, folders: list[str], parts: list[str], by_stem: bool, problems: list[str]) -> str | None:
        """The first folder's file whose path differs by Unicode form or letter case, if there is one alone."""
        for folder in folders if parts else ():
            found = self._below(folder, parts, by_stem)
            if len(found) == 1:
                return found[0]
            if found:
                problems.append(_several(found))
                return None
        return None

    def _below(self, folder: str, parts: list[str], by_stem: bool) -> list[str]:
        """All files below a folder whose path is ``parts``, whatever their Unicode form and letter case."""
        parents = self._parents(folder, tuple(parts[:-1]))
        return [str(Path(parent, name)) for parent in parents for name in self._spellings(parent, parts[-1], by_stem=by_stem)]

    def _parents(self, folder: str, parts: tuple[str, ...]) -> list[str]:
        if not parts:
            return [folder]
        if (folder, parts) not in self._folders:
            above = self._parents(folder, parts[:-1])
            found = [os.path.join(one, name) for one in above for name in self._spellings(one, parts[-1], by_stem=False)]  # noqa: PTH118
            self._folders[folder, parts] = found
        return self._folders[folder, parts]

    def _spellings(self, parent: str, name: str, *, by_stem: bool) -> list[str]:
        listing = self._listing(parent)
        exact = listing.exact(name, by_stem=by_stem)
        return [exact] if exact is not None else listing.loose(name, by_stem=by_stem)

    def _by_tail(self, folders: list[str], parts: list[str], by_stem: bool, problems: list[str]) -> str | None:
        """The longest end of a path that exists below one of the folders, for paths of another computer."""
        last_step_up = max((i for i, part in enumerate(parts) if part == ".." or DRIVE.fullmatch(part)), default=-1)
        for start in range(max(last_step_up + 1, 0), len(parts)):
            tail = parts[start:]
            files = [file for folder in folders for file in self._below(folder, tail, by_stem)]
            if len(files) > 1:  # perhaps one file, by way of several folders
                files = list({os.path.realpath(file): file for file in reversed(files)}.values())[::-1]
            files = [file for file in files if os.path.isfile(file)]  # noqa: PTH113
            if len(files) > 1:
                problems.append(_several(files))
                return None
            if files:
                claim = "/".join(parts)
                if self._claims.setdefault(files[0], claim) != claim:
                    problems.append(f"may be {files[0]}, but {self._claims[files[0]]} may be, too")
                    return None
                return files[0]
        return None


def image_finder() -> ImageFinder:
    """A function that searches folders for an image.

    Returns:
        ``find(folders, name)``: the path of the file ``name`` (it may contain folders) below the first of ``folders`` that has
        it, or None. These are tried in order: the name as it is; backslashes as slashes; other Unicode forms and Latin-1
        bytes; other letter case; and the longest end of the path that exists, where it is the path of another computer
        (``C:\\Users\\me\\images\\0.jpg``), if one file alone has it. ``find.problem(name)`` says why nothing was found.
        Each folder is listed only once, which is faster than a system call for every file.
    """
    return ImageFinder()


def find_by_stem(find: ImageFinder, folders: Iterable[str], stem: str) -> str | None:
    """The path of the image ``stem`` with any of ``IMAGE_SUFFIXES``, or None; see ``image_finder``."""
    return find.by_stem(folders, stem)


def _grouped(names: Iterable[str], key: Callable[[str], str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(key(name), []).append(name)
    return groups


def _first(files: list[str]) -> str | None:
    return min(files, key=lambda file: (SUFFIX_ORDER[os.path.splitext(file)[1].lower()], file), default=None)  # noqa: PTH122


def _plain(name: str, *, fold: bool) -> str:
    name = unicodedata.normalize("NFC", name)
    return unicodedata.normalize("NFC", name.casefold()) if fold else name


def _several(files: Sequence[str]) -> str:
    return f"may be any of several files: {', '.join(files[:3])}{', ...' if len(files) > 3 else ''}"


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
