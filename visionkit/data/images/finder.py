"""Finds the files that annotations name, for all readers: what is unique is taken, and where two files would do, none is."""

import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from visionkit.data.images.contents import file_of
from visionkit.data.images.decode import IMAGE_SUFFIXES
from visionkit.data.images.inside import EVERYWHERE, Boundary
from visionkit.data.index import Problem

SUFFIX_ORDER = {suffix: rank for rank, suffix in enumerate(sorted(IMAGE_SUFFIXES))}
DRIVE = re.compile("[A-Za-z]:")


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

    def __init__(self, boundary: Boundary = EVERYWHERE):
        self.boundary = boundary
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

    def missing(self, folders: Iterable[str], name: str, file: str | Path, detail: str) -> Problem:
        """The problem that a search has found nothing: the entry leads out of the data set, or what ``detail`` says.

        Args:
            folders, name: those of the search.
            file: the file that names it.
            detail: for a file that does not exist.
        """
        is_unclear = self.problem(name) != "does not exist"  # some files below have the end of the path
        if not is_unclear and self.boundary.leads_out(folders, name):
            return self.boundary.refused(file, name)
        return Problem("missing partner", str(file), detail)

    def _find(self, folders: Iterable[str], name: str, *, by_stem: bool) -> str | None:
        folders = [str(folder) for folder in folders if self.boundary.holds(folder)]
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
        if not self.boundary.holds(path):
            return None
        if ".." in name and not self.boundary.allow_outside:
            path = os.path.normpath(path)  # else a link before the .. could lead out
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


def image_finder(boundary: Boundary = EVERYWHERE) -> ImageFinder:
    """A function that searches folders for an image.

    Args:
        boundary: the folder that images must lie in. Entries of annotations that lead out of it are not looked up.

    Returns:
        ``find(folders, name)``: the path of the file ``name`` (it may contain folders) below the first of ``folders`` that has
        it, or None. These are tried in order: the name as it is; backslashes as slashes; other Unicode forms and Latin-1
        bytes; other letter case; and the longest end of the path that exists, where it is the path of another computer
        (``C:\\Users\\me\\images\\0.jpg``), if one file alone has it. ``find.problem(name)`` says why nothing was found.
        Each folder is listed only once, which is faster than a system call for every file.
    """
    return ImageFinder(boundary)


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
