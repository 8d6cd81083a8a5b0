"""Tables and lists that only repeat what was read: they name the images of one split or more, and say nothing new of them."""

import csv
import os
import re
from collections.abc import Iterator
from pathlib import Path

from visionkit.data.formats.mask_layouts.tree import split_in
from visionkit.data.formats.unread.kinds import NUMBERS, TABLE_SUFFIXES
from visionkit.data.formats.unread.walk import LARGEST_LIST, stem_in
from visionkit.data.images.contents import read_text
from visionkit.data.split_names import SPLITS
from visionkit.data.splits import DataSet

FEWEST_OF_BOXES = 4  # columns of numbers
RUN_LENGTHS = re.compile(r"(\d+ \d+( \d+ \d+)*)?")

Owner = tuple[str, str]  # split and class name of an image; "" without one


class Repeats:
    """Finds out whether tables and lists only repeat what a data set has."""

    def __init__(self, data_set: DataSet):
        self._class_names = frozenset(data_set.class_names if data_set.splits else ())
        self._has_masks = any(index.has_masks for index in data_set.splits.values())
        self._has_objects = any(index.has_objects for index in data_set.splits.values())
        self._stems: dict[str, set[str]] = {}  # of the images of each split
        self._files: dict[str, dict[str, Owner]] = {}  # of images and masks, by stem and folder
        for split, index in data_set.splits.items():
            names = (*index.class_names, "")  # -1, no label, is the last
            for path, label in zip(index.paths, index.labels.tolist(), strict=True):
                folder, name = os.path.split(path)
                stem = os.path.splitext(name)[0]  # noqa: PTH122 - a Path costs more
                self._stems.setdefault(split, set()).add(stem)
                self._files.setdefault(stem, {})[os.path.basename(folder)] = (split, names[label])  # noqa: PTH119
            for annotation in index.annotations:
                if annotation.mask is not None:
                    stem = Path(annotation.mask).stem
                    self._files.setdefault(stem, {}).setdefault(Path(annotation.mask).parent.name, (split, ""))

    def are_all_in(self, file: Path) -> bool:
        """Whether the rows of a table or list, but for a header, name all images of a split or more, and say nothing new."""
        columns: dict[int, list[tuple[Owner, str]]] = {}
        stems: dict[str, set[str]] = {}
        count = 0
        try:
            for place, row in enumerate(_rows(file)):
                owners = [self._owner(field) for field in row]
                column = next((column for column, owner in enumerate(owners) if owner is not None), None)
                if column is None and place:
                    return False
                if column is not None:
                    count += 1
                    owner = owners[column]
                    stems.setdefault(owner[0], set()).add(stem_in(row[column]))
                    for column, field in enumerate(row):
                        if owners[column] is None:
                            columns.setdefault(column, []).append((owner, field))
        except (OSError, ValueError, csv.Error):
            return False
        if any(self._stems.get(split) != named for split, named in stems.items()):
            return False
        if (split := split_in(file.stem)) in SPLITS and set(stems) != {split}:  # the name says a split that is not read
            return False
        values = [{value for _, value in column} for column in columns.values()]
        if not self._has_objects and sum(all(map(NUMBERS.fullmatch, each)) for each in values) >= FEWEST_OF_BOXES:
            return False
        has_labels = any(len(each) == count and all(owner[1] == value for owner, value in each) for each in columns.values())
        more = [each for each in columns.values() if not (has_labels and self._class_names.issuperset(v for _, v in each))]
        return count > 0 and all(map(self._says_nothing, more))

    def _owner(self, field: str) -> Owner | None:
        """The image that a field names, by its path, or by its name where that is one of a single image or class."""
        stem, folders = stem_in(field), re.split(r"[/\\]", field)[:-1]
        if field.isdecimal():
            return None
        found = self._files.get(stem, {})
        if folders and folders[-1] in found:
            return found[folders[-1]]
        owners = set(found.values())
        return owners.pop() if len(owners) == 1 else None

    def _says_nothing(self, column: list[tuple[Owner, str]]) -> bool:
        values = {value for _, value in column}
        if self._has_masks and all(map(RUN_LENGTHS.fullmatch, values)):
            return True
        if self._has_objects and all(value in self._class_names or NUMBERS.fullmatch(value) or not value for value in values):
            return True
        pairs = set(column)
        owners = {owner for owner, _ in pairs}
        return len(owners) == len(pairs) and len(owners) < len(column)  # the same value for each class of each split


def _rows(file: Path) -> Iterator[list[str]]:
    """The fields of each line that is not blank.

    Raises:
        ValueError: the file is too large to look at.
    """
    if file.stat().st_size > LARGEST_LIST:
        raise ValueError
    lines = [line for line in read_text(file).splitlines() if line.strip()]
    if file.suffix.lower() not in TABLE_SUFFIXES:
        yield from (re.split(r"[\s,;]+", line.strip()) for line in lines)
    elif lines:
        delimiter = max(",;\t", key=lines[0].count)
        yield from ([field.strip() for field in row] for row in csv.reader(lines, delimiter=delimiter))
