"""Which files a data set may name: those in its own folder. A stranger's list could name any file of this computer, and
``convert`` would copy it.

Paths are judged by their text, after ``..`` is resolved, and nothing outside is looked at: neither opened nor listed. Links in
the folder may lead elsewhere, since whoever has the folder made them.
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from visionkit.data.images.listing import is_inside
from visionkit.data.index import Problem

KIND = "outside the data set"
LEADS = "leads out of the data set's folder"
OPTION = "--allow-outside"
FOREIGN = re.compile(r"[A-Za-z]:|file:|\\\\|//", re.IGNORECASE)  # C:\, file:///, \\server\share
# Folders that are a part of a data set: those of splits (train2017/), and of annotations (labels/, coco_annotations/).
SPLIT = re.compile(r"(train|training|val|valid|validation|test|testing|trainval)[\W\d_]*", re.IGNORECASE)
ANNOTATIONS = re.compile(
    r"(.*[\W_])?(annotations?|annots?|annos?|labels?|jsons?|xmls?|csvs?|tables?|meta|metadata|splits?|lists?|groundtruth|gt)[\W\d_v]*",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Boundary:
    """The folder of a data set, and whether its files may name others.

    Attributes:
        folder: the folder; its subfolders belong to it.
        allow_outside: whether files elsewhere may be named, too.
    """

    folder: Path
    allow_outside: bool = False

    @classmethod
    def of(cls, data: str | Path, *, allow_outside: bool = False) -> "Boundary":
        """That of a folder; or of a file, whose folder counts, or the one above ``annotations/``, ``train/`` and their like."""
        if str(data).startswith("tfds:"):
            return EVERYWHERE
        path = Path(data)
        if path.is_dir():
            return cls(path, allow_outside)
        folder = path.parent
        name = folder.absolute().name
        if SPLIT.fullmatch(name) or ANNOTATIONS.fullmatch(name):
            folder = folder.absolute().parent if folder == Path() else folder.parent
        return cls(folder, allow_outside)

    def holds(self, path: str | Path) -> bool:
        """Whether a path may be opened; nothing is looked up."""
        if self.allow_outside:
            return True
        text = str(path)
        if ".." not in text and (is_inside(text, str(self.folder)) or (self._is_here and text[:1] != os.sep)):  # fast
            return True
        plain = os.path.abspath(text)  # noqa: PTH100 - without looking up links
        return any(is_inside(plain, root) for root in self._roots)

    @cached_property
    def _is_here(self) -> bool:
        return self.folder == Path()

    @cached_property
    def _roots(self) -> tuple[str, str]:
        """The absolute path of the folder, and the same without links."""
        return os.path.abspath(self.folder), os.path.realpath(self.folder)  # noqa: PTH100

    def leads_out(self, folders: Iterable[str | Path], name: str) -> bool:
        """Whether an entry that names a file relative to one of some folders leads out from any of them."""
        if self.allow_outside or ("://" in name[1:] and not name.lower().startswith("file:")):
            return False
        plain = name.replace("\\", "/")
        return FOREIGN.match(name) is not None or not all(self.holds(os.path.join(folder, plain)) for folder in folders)  # noqa: PTH118

    def refused(self, file: str | Path, entry: object) -> Problem:
        """The problem that an entry of a file leads out; ``gathered_outside`` makes one of many."""
        named = repr(str(entry)[:200])
        return Problem(KIND, str(file), f"{named} {LEADS} {self._roots[0]}, and is not opened; {OPTION} reads such files, too")


EVERYWHERE = Boundary(Path(), allow_outside=True)


def number_of_links_out(paths: Iterable[str], boundary: Boundary) -> int:
    """How many of the paths lie in the folder by their text, but elsewhere once links are followed."""
    if boundary.allow_outside:
        return 0
    root = os.path.realpath(boundary.folder)
    parents: dict[str, str] = {}
    count = 0
    for path in filter(boundary.holds, paths):
        parent = os.path.dirname(path)  # noqa: PTH120 - a Path costs more
        if parent not in parents:
            parents[parent] = os.path.realpath(parent)
        real = os.path.realpath(path) if os.path.islink(path) else parents[parent]  # noqa: PTH114 - fast
        count += not is_inside(real, root)
    return count


def gathered_outside(problems: Iterable[Problem]) -> list[Problem]:
    """The problems, where those of entries that lead out become one for each file: their number, and the first of them."""
    counts: dict[str, int] = {}
    firsts: dict[str, int] = {}
    result: list[Problem] = []
    for problem in dict.fromkeys(problems):
        if problem.kind == KIND:
            counts[problem.path] = counts.get(problem.path, 0) + 1
            if problem.path in firsts:
                continue
            firsts[problem.path] = len(result)
        result.append(problem)
    for path, place in firsts.items():
        if counts[path] > 1:
            entry, _, rest = result[place].detail.rpartition(f" {LEADS}")
            detail = (
                f"{counts[path]:,} entries lead out of the data set's folder{rest.replace(', and is not', ', and are not')}"
            )
            result[place] = result[place]._replace(detail=f"{detail}; the first is {entry}")
    return result
