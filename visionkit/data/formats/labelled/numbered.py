"""Names of classes whose folders have numbers as names: from classes.txt, cat_to_name.json and the like.

ImageNet's folders have numbers of WordNet's, such as n01440764, which LOC_synset_mapping.txt names.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from visionkit.data.formats.annotation_files import brief
from visionkit.data.formats.class_names import class_name_of, names_by_number
from visionkit.data.images.contents import read_text
from visionkit.data.images.name_lists import name_lines
from visionkit.data.index import Problem
from visionkit.data.splits import DataSet

NAMES_FILE = re.compile(
    r"((class|cat|category|label|idx|index|id|num)s?_?(to|2)_?(name|label|class|label_?name|class_?name)s?|"
    r"(class|label|category)_?(names?|map|list|dict|ind(ex|ices))|classes|labels|categories|names)\.(txt|json|names)",
    re.IGNORECASE,
)
SYNSET = re.compile(r"n[0-9]{8}")
SYNSETS_FILES = ("LOC_synset_mapping.txt", "synset_words.txt", "words.txt")
LARGEST = 5_000_000  # bytes


def name_numbered_classes(folder: Path, data_set: DataSet) -> DataSet:
    """The data set, with names for its classes if all are numbers of folders and a file names each of them.

    Args:
        folder: the folder that the data set was read from.
        data_set: what was read as class folders; the order of its classes stays.

    Returns:
        the data set, with a note on the numbers; or with a problem if the file does not name each class.
    """
    if data_set.class_names and all(map(SYNSET.fullmatch, data_set.class_names)):
        return _name_synsets(folder, data_set)
    if not data_set.class_names or not all(re.fullmatch("[0-9]{1,9}", name) for name in data_set.class_names):
        return data_set
    file = next((file for file in _files(folder, data_set) if NAMES_FILE.fullmatch(file.name)), None)
    if file is None:
        return replace(data_set, notes=(*data_set.notes, "the classes are numbers, and no file names them"))
    numbers = [int(name) for name in data_set.class_names]
    if set(read_text(file).split()) == set(data_set.class_names):  # the list of the folders
        return replace(data_set, annotation_files=data_set.annotation_files | {str(file)})
    found = _names_by_number(file, numbers)
    names = [found.get(number, "") for number in numbers]
    if not all(names) or len(set(names)) < len(names):
        missing = [name for name, known in zip(data_set.class_names, names, strict=True) if not known]
        reason = f"it has no name for {', '.join(missing[:3])}" if missing else "it gives several numbers one name"
        detail = f"the classes keep their numbers: {reason}, or it is unclear whether it counts from 0 or 1"
        detail += '; write its number before each name, as "1 cat"'
        return replace(data_set, problems=(*data_set.problems, Problem("class names", str(file), detail)))
    splits = {split: replace(index, class_names=tuple(names)) for split, index in data_set.splits.items()}
    examples = ", ".join(
        f"{folder} is {brief(name)}" for folder, name in list(zip(data_set.class_names, names, strict=True))[:3]
    )
    note = f"the folders are numbers of the names in {file.name}: {examples}"
    files = data_set.annotation_files | {str(file)}
    return replace(data_set, splits=splits, notes=(*data_set.notes, note), annotation_files=files)


def _name_synsets(folder: Path, data_set: DataSet) -> DataSet:
    """The data set, with the first of the words that a file has for each synset, if it has one for each."""
    for file in _files(folder, data_set):
        if file.name not in SYNSETS_FILES:
            continue
        lines = [line.split(maxsplit=1) for line in read_text(file).splitlines()]
        words = {line[0]: class_name_of(line[1].split(",")[0]) for line in lines if len(line) == 2}
        names = [words.get(name, "") for name in data_set.class_names]
        if not all(names):
            continue
        doubled = {name for name, count in Counter(names).items() if count > 1}  # two classes are called crane
        pairs = list(zip(data_set.class_names, names, strict=True))
        names = tuple(f"{name} ({synset})" if name in doubled else name for synset, name in pairs)
        splits = {split: replace(index, class_names=names) for split, index in data_set.splits.items()}
        examples = ", ".join(f"{synset} is {brief(name)}" for synset, name in pairs[:3])
        note = f"the folders are synsets, named by {file.name}: {examples}"
        files = data_set.annotation_files | {str(file)}
        return replace(data_set, splits=splits, notes=(*data_set.notes, note), annotation_files=files)
    return data_set


def _files(folder: Path, data_set: DataSet) -> Iterator[Path]:
    """Small files in the data set's folder, and in the folders from there to the images."""
    paths = [index.paths[i] for index in data_set.splits.values() for i in (0, -1) if len(index)]
    common = Path(os.path.commonpath([Path(path).parent.parent for path in paths])) if paths else folder
    inner = [place for place in (*reversed(common.parents), common) if place.is_relative_to(folder)]
    for place in inner or [folder]:
        for file in sorted(place.iterdir()):
            if file.suffix.lower() in (".txt", ".json", ".names") and file.is_file() and file.stat().st_size < LARGEST:
                yield file


def _names_by_number(file: Path, numbers: list[int]) -> dict[int, str]:
    """Number -> name; empty if the file does not say it."""
    text = read_text(file)
    try:
        found = json.loads(text) if file.suffix.lower() == ".json" else [line for line in name_lines(text) if line]
    except (ValueError, RecursionError):
        return {}
    if isinstance(found, dict):
        pairs = [*found.items(), *((value, key) for key, value in found.items())]
        return {int(str(key)): class_name_of(name) for key, name in pairs if _is_number(key) and _is_name(name)}
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        return {}
    return names_by_number(found, numbers)


def _is_number(value: object) -> bool:
    return re.fullmatch("[0-9]{1,9}", str(value)) is not None and not isinstance(value, bool)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip()) and not _is_number(value)
