"""Images of people, whose labels are their names: one folder per person, or any data set with labels.

They are split by person: validation has other people than training.

FOLDER/<person>/...                              one set of people
FOLDER/train/<person>/..., FOLDER/val/<person>/...

The label is the person. The class names are the people of all splits, so that a label means the same person in each.
"""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from visionkit.data.formats.class_folders import visible_folders
from visionkit.data.formats.labelled.evidence import GENERIC, refuse_other_layouts
from visionkit.data.images.listing import list_images
from visionkit.data.index import DataError, Index, Problem, natural_order
from visionkit.data.split_names import SPLITS, VAL_SHARE, WHOLE, split_folders, split_name, word_of
from visionkit.data.splits import DataSet, Splits

LAYOUT = "Expected one folder of images a person, or train/ and val/ with other people in each."

FEW_PEOPLE = 10  # fewer folders may be classes, which are named in another way in each split

People = dict[str, list[Path]]  # the images of each person


def looks_like_identities(folder: Path) -> bool:
    """Whether ``train/`` and ``val/`` (or ``test/``) hold folders of images, named after people, and share none of them.

    Letter case does not matter. A single person in training, and names such as "images" or "unknown", are no evidence.
    """
    splits = split_folders(visible_folders(folder, []), _holds_folders).folders
    if "train" not in splits or len(splits) < 2:
        return False
    train, *others = ({child.name.casefold() for child in visible_folders(splits[name], [])} for name in splits)
    if len(train) < 2 or any(
        train & other or other & GENERIC for other in others
    ):  # before the search for images: it takes time
        return False
    return all(_people(splits[name], folder)[0] for name in list(splits)[:2])


def read_identities(folder: str | Path) -> DataSet:
    """Index a folder of people; no image is opened.

    Raises:
        DataError: the folder does not exist, has no folders with images, or is of another layout (see ``evidence``).
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder. {LAYOUT}")
    splits: dict[str, People] = {}
    notes: list[str] = []
    places, unused, unread = split_folders(visible_folders(folder, notes), _holds_folders)
    notes += unused
    for name, child in places.items():
        people, more = _people(child, folder)
        if people:
            splits[name] = people
            notes += more
    layout = f"one folder per person ({', '.join(f'{places[name].name}/' for name in splits)})"
    if "train" not in splits:
        people, notes = _people(folder, folder)
        splits, unread, layout = {WHOLE: people}, (), "one folder per person"
    class_names = tuple(sorted(set().union(*splits.values()), key=natural_order))
    if not class_names:
        raise DataError(f"{folder}: no folders with images in it. {LAYOUT}")
    problems = list(unread)
    for name, people in splits.items():
        problems += refuse_other_layouts(places.get(name, folder), people)
    data_set = DataSet(
        {name: _index(class_names, people) for name, people in splits.items()}, tuple(notes), tuple(problems), layout
    )
    return people_of(data_set)


def doubts_of_people(folder: str | Path, data_set: DataSet) -> tuple[tuple[Problem, ...], tuple[Problem, ...]]:
    """Why folders that training and validation do not share may be classes, and no people.

    Args:
        folder: of the data set.
        data_set: result of ``read_identities``.

    Returns:
        the problem that names are alike (cat, cats; cat_train, cat_test; 1, 01), which are hardly people; and the one that
        there are few of them, which is as it should be where people are asked for.
    """
    names = [{index.class_names[label] for label in np.unique(index.labels)} for index in data_set.splits.values()]
    if len(names) < 2 or names[0] & set().union(*names[1:]):
        return (), ()
    guess = "training and validation share no folder, so the folders are taken for people, not for classes"
    remedy = "if they are classes, give each the same name in all splits"
    train = {_plain(name): name for name in sorted(names[0])}
    others = sorted(set().union(*names[1:]))
    alike = [(train[_plain(name)], name) for name in others if _plain(name) in train]
    if 2 * len(alike) >= min(len(train), len(others)):
        one, other = alike[0]
        return (Problem("unclear layout", str(folder), f"{guess}; but {one!r} and {other!r} may be one class: {remedy}"),), ()
    if len(names[0]) + len(others) >= FEW_PEOPLE:
        return (), ()
    few = f"{guess}; but there are only {len(names[0]) + len(others)}: {remedy}"
    return (), (Problem("unclear layout", str(folder), few),)


def _plain(name: str) -> str:
    """A name without what its spelling in another split may add: the word of the split, an s of the plural, zeros."""
    words = [word for word in re.split(r"[\W_]+", name.casefold()) if word and split_name(word) not in SPLITS]
    return " ".join(word.lstrip("0") or "0" if word.isdecimal() else word.removesuffix("s") for word in words) or name


def people_of(data_set: DataSet) -> DataSet:
    """A data set whose labels are people, with notes on how many there are in each split.

    Args:
        data_set: any data set in which every image has a label.
    """
    names = data_set.class_names
    people = {split: {names[label] for label in np.unique(index.labels)} for split, index in data_set.splits.items()}
    counts = [f"{len(each)} in {split}" for split, each in people.items() if split != WHOLE]
    notes = list(data_set.notes)
    if counts:
        notes.append(f"people: {', '.join(counts)}")
    measuring = "val" if "val" in people else "test"
    train, val = people.get("train", set()), people.get(measuring, set())
    shared = sorted(train & val)
    if shared:
        are = "1 person is" if len(shared) == 1 else f"{len(shared)} people are"
        notes.append(f"{are} in both training and {word_of(measuring)}, such as {shared[0]}: results will flatter the model")
    elif train and val:
        notes.append(f"{word_of(measuring)} has nobody of training, so the labels are taken for people, not for classes")
    return replace(data_set, notes=tuple(notes))


def split_people(data_set: DataSet, *, seed: int) -> Splits:
    """Split by person into training and validation.

    If the data has no validation split, a fifth of the people are held out: at least one, and at least two of four or more.

    Args:
        data_set: result of ``read_identities``. A split named "test" serves as validation if there is no other.
        seed: seed that draws the people.

    Raises:
        DataError: there are no images to train on, or fewer than two people to draw from.
    """
    train = data_set.splits.get("train", data_set.splits.get(WHOLE))
    val_name = next((name for name in ("val", "test") if len(data_set.splits.get(name, ()))), None)
    if train is None or len(train) == 0:
        raise DataError(f"No images to train on: found {', '.join(data_set.splits) or 'no splits'}. {LAYOUT}")
    if val_name is not None:
        notes = ("test serves as validation: there is no val with images",) if val_name == "test" else ()
        return Splits(train, data_set.splits[val_name], data_set.notes + notes, data_set.problems)
    people = np.unique(train.labels)
    if len(people) < 2:
        raise DataError(
            f"Only one person, {data_set.class_names[people[0]]!r}; expected at least two, one of them for validation."
        )
    fewest = 2 if len(people) >= 4 else 1  # verification needs two people, but as many must be left to train on
    count = max(fewest, round(VAL_SHARE * len(people)))
    drawn = np.random.default_rng([seed, len(people)]).permutation(people)[:count]
    held_out = np.isin(train.labels, drawn)
    note = f"no validation split found: {count} of {len(people)} people are held out, drawn with seed {seed}"
    notes = (*data_set.notes, note)
    return Splits(train.take(np.flatnonzero(~held_out)), train.take(np.flatnonzero(held_out)), notes, data_set.problems)


def _holds_folders(folder: Path) -> bool:
    return bool(visible_folders(folder, []))


def _people(folder: Path, root: Path) -> tuple[People, list[str]]:
    """The images of each person, and notes on links that are not followed."""
    notes: list[str] = []
    links: list[Path] = []
    people = {
        child.name: images
        for child in visible_folders(folder, notes)
        if (images := list_images(child, within=root, not_followed=links)[0])
    }
    return people, notes + [f"link {link} leads back into the data set, and is not followed" for link in links]


def _index(class_names: tuple[str, ...], people: People) -> Index:
    labels = {name: label for label, name in enumerate(class_names)}
    rows = [(str(path), labels[name]) for name in sorted(people, key=natural_order) for path in people[name]]
    return Index(class_names, tuple(path for path, _ in rows), np.array([label for _, label in rows], np.int32))
