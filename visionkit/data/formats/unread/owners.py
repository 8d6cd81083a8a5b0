"""The names of the images of a data set, which files may belong to."""

import os
import re
from collections import Counter
from itertools import product
from pathlib import Path

from visionkit.data.formats.annotation_files import read_paths
from visionkit.data.formats.unread.kinds import PROBED_BYTES, PROBED_LINES
from visionkit.data.formats.unread.walk import LARGEST_LIST, Place, stem_in
from visionkit.data.images.contents import encoding_of
from visionkit.data.splits import DataSet
from visionkit.files import open_file

PROBED_NAMES = 200  # of files, which may hold a name of an image
MOST_CUTS = 8  # beginnings and ends of a name that may be cut off
BOUNDARY = re.compile(r"[_\W]+")
ID_COLUMN = re.compile(r"(?!.*(class|label|category)).*(id|image|img|file|name|number|no|key)", re.IGNORECASE)
LONGEST_NUMBER = 18  # digits
FEWEST_NUMBERS = 3  # rows whose ids are numbers of images


class Owners:
    """The names of the images that files may belong to."""

    def __init__(self, places: list[Place], data_set: DataSet):
        names = {os.path.basename(path) for index in data_set.splits.values() for path in index.paths}  # noqa: PTH119
        self.read = {os.path.splitext(name)[0] for name in names}  # noqa: PTH122
        names |= {name for place in places for name in place.images}
        self.names = names | {os.path.splitext(name)[0] for name in names}  # noqa: PTH122
        self.cores: set[str] = set()  # what is left of the names without the ends that all in their folder have
        for place in places:
            if len(place.images) > 1:
                stems = [os.path.splitext(name)[0] for name in place.images]  # noqa: PTH122
                end = _common_end(stems)
                end = end[min((cut.start() for cut in BOUNDARY.finditer(end)), default=len(end)) :]
                self.cores |= {stem.removesuffix(end) for stem in stems} if end else set()

    def are_all_in(self, file: Path) -> bool:
        """Whether each line of a list is an image and no image is missing: such a list tells nothing."""
        try:
            lines = read_paths(file) if file.stat().st_size <= LARGEST_LIST else []
        except OSError:
            return False
        return bool(self.read) and {stem_in(line) for line in lines} == self.read

    def are_numbered_in(self, file: Path) -> bool:
        """Whether the first column of a table is one of ids, and nearly all of them are numbers of images."""
        numbers = {int(stem) for stem in self.read if stem.isdecimal() and len(stem) <= LONGEST_NUMBER}
        try:
            with open_file(file) as opened:
                head = opened.read(PROBED_BYTES)
        except OSError:
            return False
        lines = [line for line in head.decode(encoding_of(head), "replace").splitlines() if line.strip()]
        first = [re.split(r"[,;\t]", line)[0].strip(" \"'") for line in lines]
        if len(first) < 2 or not ID_COLUMN.fullmatch(first[0]):
            return False
        ids = [int(one) for one in first[1:] if one.isdecimal() and len(one) <= LONGEST_NUMBER]
        return len(numbers.intersection(ids)) >= max(FEWEST_NUMBERS, 0.9 * len(ids), min(PROBED_LINES, len(numbers) / 2))

    def have_named(self, files: list[str]) -> bool:
        """Whether most of some files have names of images, in full or with the same text before or after them in each."""
        if len(files) < 2:
            return False
        named = sum(any(part in self.names for part in _without_suffixes(name)) for name in files)
        return 2 * named > len(files) or self._with_affixes(files)

    def _with_affixes(self, files: list[str]) -> bool:
        sample = files[:: max(1, len(files) // PROBED_NAMES)]
        affixes: Counter[tuple[str, str]] = Counter()
        for name in sample:
            stem = min(_without_suffixes(name), key=len)
            cuts = [0, *(cut.end() for cut in BOUNDARY.finditer(stem))][:MOST_CUTS]
            ends = [len(stem), *(cut.start() for cut in BOUNDARY.finditer(stem))][:MOST_CUTS]
            affixes.update(
                {
                    (stem[:start], stem[end:])
                    for start, end in product(cuts, ends)
                    if start < end and ((core := stem[start:end]) in self.names or core in self.cores)
                }
            )
        return max(affixes.values(), default=0) * 2 > len(sample)


def _common_end(stems: list[str]) -> str:
    backwards = [stem[::-1] for stem in stems]
    first, last = min(backwards), max(backwards)
    length = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return first[:length][::-1]


def _without_suffixes(name: str) -> list[str]:
    """The beginnings of a name before each of its last dots: "a.jpg", "a" for "a.jpg.json"; the name itself if it has none."""
    dots = [position for position, letter in enumerate(name) if letter == "." and position][-3:]
    return [name[:position] for position in dots] or [name]
