"""Images in class folders, in any of three layouts:

FOLDER/<class>/...                       the class folders are not split
FOLDER/train/<class>/... and FOLDER/val/<class>/...
FOLDER/train.txt and FOLDER/val.txt      lines "path" (its folder is the class) or "path label"

Nearly any folder could be the first, so ``evidence`` rules out other layouts.
"""

import os
import re
import unicodedata
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from visionkit.data.formats.class_names import similar_names
from visionkit.data.formats.labelled.evidence import GENERIC, holds_only_folders, refuse_other_layouts, refuse_pairs
from visionkit.data.formats.labelled.left_folders import broken_links, folder_without_images, images_without_suffix
from visionkit.data.formats.split_lists import find_list, find_other_lists, read_lists
from visionkit.data.images.inside import KIND, Boundary, gathered_outside
from visionkit.data.images.listing import files_in, is_hidden, is_inside, list_images
from visionkit.data.index import DataError, Index, Problem, counted, natural_order
from visionkit.data.split_names import (
    SPLITS,
    TEST_NAMES,
    TRAIN_NAMES,
    VAL_NAMES,
    WHOLE,
    split_folders,
    split_name,
    split_names,
    split_order,
    word_of,
)
from visionkit.data.splits import DataSet

DOMAINS = re.compile(r"([a-z]+)[ _-]?([AB])|([a-z]+)[_-]([ab])")  # trainA, test_B
LAYOUTS = (
    "Expected one folder of images a class (cats/, dogs/); or train/ and val/ with such folders in each; "
    "or lists train.txt and val.txt with a path and a label in each line."
)
PREFERRED = {"train": TRAIN_NAMES, "val": VAL_NAMES, "test": TEST_NAMES}
FEW_FOLDERS = 10  # one of which may hold all that is to be read
DOCUMENTS = (".md", ".pdf", ".html", ".py", ".ipynb")  # besides README and LICENSE
NAMED = 5  # files or folders that a note names

Files = dict[str, list[Path]]  # the images of each class


class Part(NamedTuple):
    """The classes of one folder, and what was found there besides."""

    files: Files
    notes: list[str]
    problems: list[Problem]


def find_class_folders(folder: str | Path, boundary: Boundary | None = None) -> DataSet:
    """Index a folder of images as it is: nothing is held out, and one class is enough.

    Args:
        folder: the data set.
        boundary: which files lists may name; by default, those in the folder.

    Raises:
        DataError: the folder does not exist, is of another layout or none that is known, or validation has classes that
            training lacks.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder. {LAYOUTS}")
    boundary = boundary or Boundary.of(folder)
    data_set = _domains(folder) or _split_folders(folder) or _split_lists(folder, boundary)
    if data_set is not None:
        return data_set
    part = _read_part(folder, folder)
    if (inner := _only_with_class_folders(folder, part.files)) is not None:
        data_set = find_class_folders(inner, boundary)
        notes = (f"the images are all in {inner.name}/, and so are the classes", *data_set.notes)
        beside = (problem for problem in part.problems if problem.path not in (str(folder), str(inner)))
        return replace(data_set, notes=notes, problems=(*beside, *data_set.problems))
    _check_classes(folder, {WHOLE: part.files})
    problems = list(part.problems)
    if len(part.files) == 1:
        only = f"{next(iter(part.files))}/ is the only folder of images, and taken for a class; its images may have no labels"
        problems.append(Problem("unclear layout", str(folder), only))
    return _data_set(folder, {WHOLE: part.files}, part.notes, problems, "class folders")


def _only_with_class_folders(folder: Path, files: Files) -> Path | None:
    """The folder that all images are in, if they lie in folders of it; such a folder is no class."""
    if len(files) != 1:
        return None
    (images,) = files.values()
    inner = folder / images[0].relative_to(folder).parts[0]
    below = {path.relative_to(inner).parts[0] for path in images if path.parent != inner}
    nested = len(below) == 1 and not any(path.parent in (inner, inner / next(iter(below))) for path in images)
    return inner if nested or holds_only_folders(inner, images) else None


def only_folder(folder: Path) -> Path | None:
    """The folder in which a data set is wrapped: the only one, with folders and no images in it; None if there is none."""
    child = only_child(folder)
    return child if child is not None and visible_folders(child, []) and not _has_images(child) else None


def only_child(folder: Path) -> Path | None:
    """The only folder in a folder without images; None if there is none, or there are several."""
    children = visible_folders(folder, [])
    return children[0] if len(children) == 1 and not _has_images(folder) else None


def only_with_splits(folder: Path) -> Path | None:
    """The only one of a few folders in which class folders are split: beside docs/, or beside a test/ of images alone."""
    children = visible_folders(folder, [])
    if not 2 <= len(children) <= FEW_FOLDERS or "train" in split_names(child.name for child in children).values():
        return None
    found = [child for child in children if _holds_splits(only_folder(child) or child)]
    return found[0] if len(found) == 1 and sum(map(_has_images, children)) < 2 else None  # two may be classes


def _holds_splits(folder: Path) -> bool:
    if _has_images(folder):
        return False
    splits = split_folders(visible_folders(folder, [])).folders
    with_classes = {split for split, child in splits.items() if not _has_images(child) and len(visible_folders(child, [])) > 1}
    return {"train"} < with_classes


def holds_one_folder_alone(folder: Path) -> bool:
    """Whether there is nothing in a folder but another folder, and files for people to read."""
    rest = (child for child in folder.iterdir() if not is_hidden(child.name) and not child.is_dir())
    return only_child(folder) is not None and all(
        child.suffix.lower() in DOCUMENTS or child.stem.lower() in ("readme", "license") for child in rest
    )


def visible_folders(folder: Path, notes: list[str]) -> list[Path]:
    """The subfolders by name, without hidden ones and without links that lead back, which are noted."""
    children = [folder / name for name in files_in(folder)[2]]
    linked = [child for child in children if child.is_symlink()]
    if not linked:
        return children
    real = {child: os.path.realpath(child) for child in children}
    kept = [child for child in children if child not in linked]
    for child in linked:
        others = [real[other] for other in kept]
        place = os.path.realpath(folder)
        if is_inside(place, real[child]) or any(is_inside(real[child], o) or is_inside(o, real[child]) for o in others):
            notes.append(f"link {child} leads to a folder that is read already, and is not followed")
        else:
            kept.append(child)
    return sorted(kept)


def _has_images(folder: Path) -> bool:
    return bool(files_in(folder)[0])


def _domains(folder: Path) -> DataSet | None:
    """Read trainA/, trainB/, testA/ and testB/, as CycleGAN has them: A and B are the classes."""
    notes: list[str] = []
    splits: dict[str, Files] = {}
    read: list[str] = []
    children = sorted(visible_folders(folder, notes), key=lambda child: split_order(split_name(child.name[:-1].strip(" _-"))))
    for child in children:
        if (match := DOMAINS.fullmatch(child.name)) is None:
            continue
        split, domain = (match[1], match[2]) if match[1] else (match[3], match[4])
        if split_name(split) in SPLITS and _has_images(child) and (images := list_images(child, within=folder)[0]):
            splits.setdefault(split_name(split), {})[domain.upper()] = images
            read.append(child.name)
    if set(splits.get("train", ())) != {"A", "B"}:
        return None
    refuse_pairs(folder, splits["train"])
    notes.append(f"{', '.join(read)} are splits of two sets of images, A and B: these are taken for the classes")
    splits = {split: splits[split] for split in SPLITS if split in splits}
    return _data_set(folder, splits, notes, [], f"class folders ({', '.join(f'{name}/' for name in read)})")


def _split_folders(folder: Path) -> DataSet | None:
    """Read the folders that are named after splits, if the one for training has class folders."""
    notes: list[str] = []
    children = visible_folders(folder, notes)
    part_of = cache(lambda child: _read_part(child, folder))
    found = split_folders(children, lambda child: part_of(child).files)
    read = {split: child for split, child in found.folders.items() if part_of(child).files}
    named = split_names(child.name for child in children)
    others = [child for child in children if child.name not in named]
    if "train" not in read or (len(read) == 1 and sum(map(_has_images, others)) > 1):
        return None  # a class may be called train
    splits = {split: part_of(child).files for split, child in read.items()}
    notes += [*found.notes, *(note for child in read.values() for note in part_of(child).notes)]
    problems = [*found.problems, *(problem for child in read.values() for problem in part_of(child).problems)]
    said: list[Path] = []  # folders that a note names
    unknown = set(splits.get("test", ())) - set(splits["train"])
    if unknown and ("val" in splits or unknown == set(splits["test"])):  # such as test/unknown/
        del splits["test"]
        said.append(read["test"])
        notes.append(f"test is not used: it has folders that training lacks: {', '.join(sorted(unknown)[:NAMED])}")
    if "val" in found.folders and "val" not in splits:
        problems += _unread_split(found.folders["val"])
    used = [*(read[split] for split in splits), *said]
    unused = [child for child in children if child not in used and (child.name not in named or child in found.folders.values())]
    if unused:
        notes.append(f"not used: {', '.join(child.name for child in unused)}")
    _check_classes(folder, splits)
    layout = f"class folders ({', '.join(f'{read[split].name}/' for split in splits)})"
    return _data_set(folder, splits, notes, problems, layout)


def _unread_split(folder: Path) -> list[Problem]:
    images = list_images(folder)[0]
    if not images:
        return []
    are, they = ("is", "it lies") if len(images) == 1 else ("are", "they lie")
    example = f"the {counted(len(images), 'image')} in {folder.name}/, such as {images[0].name}"
    detail = f"{example}, {are} not used: {they} in no class folders, and no file that was read has their labels"
    return [Problem("unclear layout", str(folder), detail)]


def _split_lists(folder: Path, boundary: Boundary) -> DataSet | None:
    lists = {split: file for split, names in PREFERRED.items() if (file := find_list(folder, names)) is not None}
    if "train" not in lists:
        return None
    splits, notes, names_file, problems = read_lists(folder, lists, boundary)
    if len(splits["train"]) == 1 and _says_nothing(next(iter(splits["train"]))):
        others, kinds = find_other_lists(folder, lists, boundary)
        if others:
            lists = others
            splits, notes, names_file, problems = read_lists(folder, lists, boundary)
        if kinds:
            detail = f"the labels are those of {lists['train'].name}; other lists with labels are not used: {', '.join(kinds)}"
            problems.append(Problem("unclear layout", str(lists["train"]), detail))
    try:
        _check_classes(folder, splits)
    except DataError as error:
        refused = [f" {problem.path}: {problem.detail}." for problem in gathered_outside(problems) if problem.kind == KIND]
        raise DataError(f"{error}{''.join(refused[:1])}") from error
    problems += _contradicted(splits, lists["train"])
    files = [*lists.values(), *([names_file] if names_file else [])]
    read = ", ".join(str(file.relative_to(folder)) for file in lists.values())
    splits = {WHOLE: splits["train"]} if len(splits) == 1 else splits
    return _data_set(folder, splits, notes, problems, f"lists ({read})", frozenset(map(str, files)))


def _contradicted(splits: dict[str, Files], file: Path) -> list[Problem]:
    """The problem that images lie in the folder of another class than their list says."""
    pairs = [(name, path) for files in splits.values() for name, paths in files.items() for path in paths]
    names = {name for name, _ in pairs}
    wrong = [(name, path) for name, path in pairs if path.parent.name in names - {name}]
    if not wrong:
        return []
    name, path = wrong[0]
    detail = f"{len(wrong)} of {len(pairs)} images lie in the folder of another class, such as {path}, which is {name} here"
    return [Problem("unclear layout", str(file), f"{detail}; correct the list, or rename the folders")]


def _read_part(folder: Path, root: Path) -> Part:
    """The classes in a folder; or in its only folder, if that has the same name or a name such as images."""
    notes: list[str] = []
    inner = only_folder(folder)
    if inner is not None and folder != root and (inner.name == folder.name or inner.name.lower() in GENERIC):
        notes.append(f"the class folders of {folder.name} are in {inner.relative_to(root)}/")
        folder = inner
    files, not_followed, problems = {}, [], broken_links(folder)
    for child in visible_folders(folder, notes):
        images, others = list_images(child, within=root, not_followed=not_followed)
        if images:
            files.setdefault(unicodedata.normalize("NFC", child.name), []).extend(images)
        else:
            notes.append(f"folder {child} has no images and is not used as a class")
        problem = (images_without_suffix if images else folder_without_images)(child, others)
        problems += [problem] if problem else []
        if others:
            examples = ", ".join(path.name for path in others[:3]) + (", ..." if len(others) > 3 else "")
            do = "does" if len(others) == 1 else "do"
            notes.append(f"{counted(len(others), 'file')} in {child} {do} not have the suffix of an image: {examples}")
    if not_followed:
        examples = ", ".join(map(str, not_followed[:NAMED])) + (", ..." if len(not_followed) > NAMED else "")
        notes.append(f"links that lead back into the data set are not followed: {examples}")
    problems = problems if files else []
    return Part(files, notes, problems + refuse_other_layouts(folder, files))


def _check_classes(folder: Path, splits: dict[str, Files]) -> None:
    train, *others = splits.values()
    if not train:
        loose = counted(len(files_in(folder)[0]), "image lies", "images lie")
        reason = "it has no folders with images" if loose[0] == "0" else f"{loose} in it without class folders"
        raise DataError(f"{folder}: {reason}. {LAYOUTS}")
    if len(train) == 1 and _says_nothing(name := next(iter(train))):
        raise DataError(f"{folder}: the images are all in {name}/, without class folders or labels. {LAYOUTS}")
    unknown = sorted(set().union(*others) - set(train)) if others else []
    if unknown:
        cased = {name.strip().casefold(): name for name in train}
        similar = [f"{name} is {cased[key]} in training" for name in unknown if (key := name.strip().casefold()) in cased]
        remedy = "Rename, add or remove those folders."
        if len(similar) == len(unknown):
            remedy = f"Their names differ only in letter case or blanks ({', '.join(similar[:NAMED])}): rename those folders."
        having = [word_of(split) for split in list(splits)[1:] if not set(splits[split]) <= set(train)]
        where = f"{' and '.join(having)} {'has' if len(having) == 1 else 'have'}"
        raise DataError(
            f"{folder}: {where} classes that training lacks: {', '.join(unknown)} (training has {', '.join(train)}). {remedy}"
        )


def _says_nothing(name: str) -> bool:
    """Whether the name of a folder cannot be the label of its images: "images", "train"."""
    return name.lower() in GENERIC or split_name(name) in SPLITS


def _data_set(
    folder: Path,
    splits: dict[str, Files],
    notes: list[str],
    problems: list[Problem],
    layout: str,
    annotation_files: frozenset[str] = frozenset(),
) -> DataSet:
    class_names = tuple(sorted(next(iter(splits.values())), key=natural_order))
    indexes = {name: index_of_files(class_names, files) for name, files in splits.items()}
    problems = [*problems, *similar_names(class_names, folder)]
    return DataSet(indexes, tuple(notes), tuple(problems), layout, annotation_files)


def index_of_files(class_names: tuple[str, ...], files: Files) -> Index:
    """The index of the images of each class, by class; classes without images are allowed."""
    rows = [(str(path), label) for label, name in enumerate(class_names) for path in files.get(name, [])]
    return Index(class_names, tuple(path for path, _ in rows), np.array([label for _, label in rows], np.int32))
