"""Tiny ImageNet, as Stanford's CS231n published it:

FOLDER/wnids.txt, words.txt                                the classes; and lines "n01443537<tab>goldfish, Carassius auratus"
FOLDER/train/n01443537/images/n01443537_0.JPEG
FOLDER/val/images/val_0.JPEG, val/val_annotations.txt      lines "val_0.JPEG<tab>n03444034<tab>0 32 44 62"
FOLDER/test/images/test_0.JPEG                             without labels
"""

from collections import Counter
from pathlib import Path

import numpy as np

from visionkit.data.formats.annotation_files import brief
from visionkit.data.images.contents import read_text
from visionkit.data.images.inside import Boundary
from visionkit.data.images.listing import is_hidden, list_images
from visionkit.data.index import DataError, Index, Problem
from visionkit.data.splits import DataSet

CLASSES, NAMES, VAL = "wnids.txt", "words.txt", "val/val_annotations.txt"


def looks_like_tiny_imagenet(folder: Path) -> bool:
    """Whether a folder has class folders in ``train/``, and a file with the labels of ``val/images/``."""
    return (folder / "train").is_dir() and (folder / VAL).is_file() and (folder / "val" / "images").is_dir()


def read_tiny_imagenet(folder: str | Path) -> DataSet:
    """Index a folder of the layout above. Class names are the first names in ``words.txt``; ``id`` of each class is its wnid.

    Raises:
        DataError: there are no class folders in ``train/``, or a file cannot be read.
    """
    folder = Path(folder)
    problems: list[Problem] = []
    used = [folder / VAL]
    train = {
        child.name: images
        for child in sorted((folder / "train").iterdir())
        if child.is_dir() and not is_hidden(child.name) and (images := list_images(child, within=folder)[0])
    }
    if not train:
        raise DataError(f"{folder / 'train'}: no class folders with images; expected train/n01443537/images/*.JPEG.")
    ids = sorted(train)
    if (folder / CLASSES).is_file():
        listed = list(dict.fromkeys(_read(folder / CLASSES).split()))
        used.append(folder / CLASSES)
        problems += [
            Problem("unknown label", str(folder / CLASSES), f"{each}: no images in train/")
            for each in listed
            if each not in train
        ]
        ids = [each for each in listed if each in train] + [each for each in ids if each not in listed]
    names = ids
    if (folder / NAMES).is_file():
        used.append(folder / NAMES)
        names = _names(folder / NAMES, ids)
    attributes = tuple({"id": each} for each in ids)
    numbers = {each: number for number, each in enumerate(ids)}
    pairs = [(str(path), numbers[each]) for each in ids for path in train[each]]
    splits = {"train": _index(names, pairs, attributes), "val": _index(names, _val(folder, numbers, problems), attributes)}
    notes = ["boxes in val_annotations.txt and *_boxes.txt are not used"]
    nameless = [each for each, name in zip(ids, names, strict=True) if each == name]
    if nameless and names is not ids:
        notes.append(f"{len(nameless)} classes have no name in {NAMES} and are called by their ids, such as {nameless[0]}")
    if (folder / "test").is_dir():
        notes.append("test is not used: it has no labels")
    boxes = [file for each in ids if (file := folder / "train" / each / f"{each}_boxes.txt").is_file()]
    annotation_files = frozenset(map(str, [*used, *boxes]))
    return DataSet(splits, tuple(notes), tuple(problems), f"Tiny ImageNet ({VAL})", annotation_files)


def _index(names: list[str], pairs: list[tuple[str, int]], attributes: tuple[dict, ...]) -> Index:
    labels = np.array([label for _, label in pairs], np.int32)
    return Index(tuple(names), tuple(path for path, _ in pairs), labels, class_attributes=attributes)


def _val(folder: Path, numbers: dict[str, int], problems: list[Problem]) -> list[tuple[str, int]]:
    """The images in ``val/images/`` and their labels."""
    file = folder / VAL
    images = {path.name: path for path in list_images(folder / "val" / "images", within=folder)[0]}
    labels: dict[str, int] = {}
    for number, line in enumerate(_read(file).splitlines(), 1):
        fields = line.split()
        if not fields:
            continue
        if len(fields) < 2 or fields[0] not in images:
            if Boundary(folder).leads_out([file.parent, file.parent / "images"], fields[0]):
                problems.append(Boundary(folder).refused(file, fields[0]))
                continue
            problem = "expected a file name and a class" if len(fields) < 2 else "there is no such image in val/images"
            problems.append(Problem("missing partner", str(file), f"line {number}: {brief(line)}: {problem}"))
        elif fields[1] not in numbers:
            problems.append(Problem("unknown label", str(file), f"line {number}: {brief(fields[1])} is no folder in train/"))
        else:
            labels[fields[0]] = numbers[fields[1]]
    for name in images.keys() - labels.keys():
        problems.append(Problem("missing partner", str(images[name]), f"{file} gives it no label that is known"))
    return [(str(path), labels[name]) for name, path in images.items() if name in labels]


def _names(file: Path, ids: list[str]) -> list[str]:
    """The first name of each class; its wnid where it has none, or shares it with another."""
    words = {}
    for line in _read(file).splitlines():
        wnid, _, synonyms = line.strip().partition("\t")
        words[wnid] = synonyms.split(",")[0].strip()
    names = [words.get(each) or each for each in ids]
    counts = Counter(names)
    return [
        name if counts[name] == 1 else f"{name} ({each})" if name != each else each
        for name, each in zip(names, ids, strict=True)
    ]


def _read(file: Path) -> str:
    try:
        return read_text(file)
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror or error}).") from error
