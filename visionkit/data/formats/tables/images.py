"""Where the images of a table lie: a search by the names in the table, with or without folders and suffixes."""

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import takewhile
from pathlib import Path, PurePosixPath

from visionkit.data.formats.mask_layouts.folders import MASK_FOLDERS, SPLIT_SUFFIXES
from visionkit.data.images.contents import file_of
from visionkit.data.images.decode import IMAGE_SUFFIXES
from visionkit.data.images.finder import image_finder
from visionkit.data.images.inside import Boundary
from visionkit.data.images.listing import IMAGE_FOLDERS, is_hidden
from visionkit.data.index import Problem
from visionkit.data.split_names import SPLITS, split_name

TABLE_FOLDERS = ("annotations", "annotation", "labels", "label", "csv", "csvs", "tables", "meta", "metadata", "splits", "lists")
DEPTH = 2  # of the folders that are searched below the table's own
ENOUGH_MISSING = 50  # names without a file, from which on all folders are listed before further names are searched
LONGEST_NUMBER = 18  # digits of a name that is a number
MOST_FOLDERS = 2000  # below the table's own
SUFFIXES = tuple(spelled for suffix in sorted(IMAGE_SUFFIXES) for spelled in (suffix, suffix.upper()))


def split_of_name(name: str) -> str:
    """The split that a part of a file's name says ("train_labels", "validation-annotations-bbox"), or ""."""
    found = {split_name(part) for part in (name, *re.split(r"[-_. ]+", name))} & set(SPLITS)
    return found.pop() if len(found) == 1 else ""


class ImageSearch:
    """Finds the files that a table names; each folder is listed once.

    Args:
        table: the table; its own folder is searched first, or the folder of the split.
        folders: names of subfolders that are searched before all other subfolders.
        boundary: which files may be named; by default, those in the table's folder.
    """

    def __init__(self, table: Path, folders: Iterable[str] = IMAGE_FOLDERS, boundary: Boundary | None = None):
        self.boundary = boundary or Boundary.of(table)
        self._find = image_finder(self.boundary)
        self._folders = tuple(dict.fromkeys((*folders, "data")))
        self._roots = [table.parent]
        name = table.parent.name.lower()
        is_part = name in TABLE_FOLDERS or name.endswith(("_groundtruth", "_gt", "_labels", "_annotations"))
        if is_part and self.boundary.holds(table.parent.parent):
            self._roots.append(table.parent.parent)
        self._first: dict[str, tuple[str, ...]] = {}
        self._suffixes = list(SUFFIXES)  # the one that was found last comes first
        self._missing = 0
        self.by_number: set[str] = set()  # names that were found as numbers without their leading zeros

    def find(self, name: str, split: str = "", *, by_number: bool = True) -> str | None:
        """The path of a file, or None.

        Args:
            name: its name in the table. Of a path that leads nowhere, its end counts: tables are moved between computers.
            split: the split of the row; a folder of this name is searched first.
            by_number: whether 7 may mean 0007.jpg.
        """
        if "://" in name:
            name = name.partition("?")[0]
        if self._missing > ENOUGH_MISSING and not self._may_exist(name):
            return self._with_number(name) if by_number else None
        path = self._in_places(name, split)
        if path is None and not name.isascii():  # in a table in Latin-1, the files on disk may have names in Latin-1, too
            path = self._in_places(os.fsdecode(name.encode("latin-1", "ignore")), split)
        if path is None:
            path = next((path for end in _ends(name) if (path := self._in_places(end, split)) is not None), None)
        path = self._with_number(name) if path is None and by_number else path
        self._missing += path is None
        return path

    def leads_out(self, name: str) -> bool:
        """Whether a name leads out of the data set."""
        return self.boundary.leads_out(self._roots, name)

    def missing(self, file: Path, name: str, detail: str) -> Problem:
        """The problem that a file of the table was not found; see ``ImageFinder.missing``."""
        return self._find.missing(map(str, self._roots), name, file, detail)

    def _with_number(self, name: str) -> str | None:
        """The image whose name is this number with leading zeros, where no two images have one number."""
        path = self.numbers.get(int(name)) if name.isdecimal() and len(name) <= LONGEST_NUMBER else None
        if path is not None:
            self.by_number.add(name)
        return path

    @cached_property
    def numbers(self) -> dict[int, str]:
        """The images by their numbers, if all names of images are different numbers."""
        places = [place for place in dict.fromkeys((*self._first_places(""), *self._other_places)) if not _has_masks(place)]
        entries = [entry for place in places for entry in _entries(place)]
        named = [(*os.path.splitext(entry.name), entry.path) for entry in entries]  # noqa: PTH122 - a Path costs more
        images = [(stem, path) for stem, suffix, path in named if suffix.lower() in IMAGE_SUFFIXES]
        if not all(stem.isdecimal() and len(stem) <= LONGEST_NUMBER for stem, _ in images):
            return {}
        numbers = {int(stem): path for stem, path in images}
        return numbers if len(numbers) == len(images) else {}

    def rivals(self, name: str, path: str) -> list[str]:
        """Files that ``name`` may mean as well as ``path``: beside it; or in folders that are not named like splits.

        A path that leads to a file from the table's folder has none.
        """
        folder = str(Path(path).parent)
        has_suffix = PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES or file_of(path) != path  # a page of a stack
        if not has_suffix and (beside := self._beside(path)):
            return beside
        parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
        if len(parts) > 1 and any(
            _fit(parts, path) == len(parts) == len(Path(path).relative_to(root).parts)
            for root in self._roots
            if Path(path).is_relative_to(root)
        ):
            return []
        if folder not in self._other_places or split_of_name(Path(folder).name) == "train":
            return []
        places = [place for place in self._other_places if place != folder and not _has_masks(place)]
        others = [other for place in places if (other := self._in_any((place,), name)) is not None]
        real, fit = os.path.realpath(path), _fit(parts, path)
        return [other for other in others if os.path.realpath(other) != real and _fit(parts, other) >= fit]

    def _beside(self, path: str) -> list[str]:
        """Images beside an image that have another suffix."""
        folder, name = os.path.split(path)
        stem = os.path.splitext(name)[0]  # noqa: PTH122 - a Path costs more
        found = {self._find((folder,), stem + suffix) for suffix in self._suffixes} - {None}
        return sorted(other for other in found if other.casefold() != path.casefold())

    def searched(self, split: str = "") -> str:
        """The folders that ``find`` searches, for a message."""
        folders = list(dict.fromkeys((*self._first_places(split), *self._other_places)))
        return ", ".join(folders[:8]) + (f" and {len(folders) - 8} further folders below" if len(folders) > 8 else "")

    def _in_places(self, name: str, split: str) -> str | None:
        for places in (self._first_places(split), self._other_places):
            if (path := self._in_any(places, name)) is not None:
                return path
        return None

    def _in_any(self, places: tuple[str, ...], name: str) -> str | None:
        has_suffix = PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES
        for suffix in ("", *self._suffixes) if has_suffix else (*self._suffixes, ""):
            path = self._find(places, name + suffix)
            if path is not None and not (not suffix and os.path.isdir(path)):  # noqa: PTH112 - a Path costs more
                if suffix and suffix != self._suffixes[0]:
                    self._suffixes.remove(suffix)
                    self._suffixes.insert(0, suffix)
                return path
        return None

    def _first_places(self, split: str) -> tuple[str, ...]:
        """The folder of the split, that of the table, and its subfolders for images."""
        if split not in self._first:
            children = [child for root in self._roots for child in _subfolders(root)]
            wanted = split if split in SPLITS else "train"
            of_split = [child for child in children if split_of_name(child.name) == wanted]
            of_split = [place for child in of_split for place in (child, *self._named(_subfolders(child)))]
            plain = [place for root in self._roots for place in (root, *self._named(_subfolders(root)))]
            for child in self._named(children):  # images/train/
                inner = [place for place in _subfolders(child) if split_of_name(place.name) == wanted]
                of_split += inner
            places = (*of_split, *plain) if split in SPLITS else (*plain, *of_split)
            self._first[split] = tuple(dict.fromkeys(map(str, places)))
        return self._first[split]

    def _named(self, folders: list[Path]) -> list[Path]:
        by_name = {folder.name.lower(): folder for folder in folders}
        return [by_name[name] for name in self._folders if name in by_name]

    @cached_property
    def _other_places(self) -> tuple[str, ...]:
        places = [place for root in self._roots for place in _below(root, DEPTH)]
        places.sort(key=lambda place: (_has_masks(place), split_of_name(place.name) == "test"))  # stable
        first = {place for places in self._first.values() for place in places}
        return tuple(place for place in map(str, places[:MOST_FOLDERS]) if place not in first)

    @cached_property
    def _stems(self) -> frozenset[str]:
        """The stems of all files in the places, however their letters are encoded."""
        places = dict.fromkeys((*self._first_places(""), *self._other_places))
        names = (entry.name for place in places for entry in _entries(place))
        return frozenset(stem for name in names for stem in (_key(name), _key(name.rpartition(".")[0])))

    def _may_exist(self, name: str) -> bool:
        """False if a look-up shows that no place has the file: a table may name a million images that were not downloaded."""
        if not name or "/" in name or "\\" in name or not name.isascii():
            return bool(name)
        return _key(name) in self._stems or _key(name.rpartition(".")[0] or name) in self._stems


def _fit(parts: list[str], path: str) -> int:
    """How many parts at the end of a path are those of a name; the suffix of the file does not count."""
    ends = [
        [_key(part) for part in (*parents, file.rpartition(".")[0] or file)] for *parents, file in (parts, Path(path).parts)
    ]
    pairs = zip(*map(reversed, ends), strict=False)
    return len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))


def _has_masks(folder: str | Path) -> bool:
    """Whether a folder is named like those of masks, which may have the names of images."""
    name = Path(folder).name.lower()
    return name in MASK_FOLDERS or name.endswith(SPLIT_SUFFIXES)


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _ends(name: str) -> Iterator[str]:
    """The ends of a path: without its first folder, without its first two, ..."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    yield from ("/".join(parts[start:]) for start in range(0 if name[:1] in "/\\." else 1, len(parts)))


def _entries(folder: str | Path) -> list[os.DirEntry]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []


def _subfolders(folder: Path) -> list[Path]:
    return [Path(entry.path) for entry in _entries(folder) if not is_hidden(entry.name) and entry.is_dir()]


def _below(folder: Path, depth: int) -> list[Path]:
    folders = _subfolders(folder)[:MOST_FOLDERS] if depth else []
    return [*folders, *(place for child in folders for place in _below(child, depth - 1))]
