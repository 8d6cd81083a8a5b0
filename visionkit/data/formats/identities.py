"""Images of people in one folder per person, split by person: validation has other people than training.

FOLDER/<person>/...                              one set of people
FOLDER/train/<person>/..., FOLDER/val/<person>/...

The label is the person. The class names are the people of all splits, so that a label means the same person in each.
"""

from pathlib import Path

import numpy as np

from visionkit.data.images.listing import is_hidden, list_images
from visionkit.data.index import DataError, Index, natural_order
from visionkit.data.splits import SPLITS, VAL_SHARE, WHOLE, DataSet, Splits, split_name

LAYOUT = "Expected one folder of images a person, or train/ and val/ with other people in each."

People = dict[str, list[Path]]  # the images of each person


def looks_like_identities(folder: Path) -> bool:
    """Whether ``train/`` and ``val/`` (or ``test/``) hold folders of images and share no folder name in any letter case."""
    splits = _split_folders(folder)
    if "train" not in splits or len(splits) < 2:
        return False
    train, *others = ({child.name.casefold() for child in _person_folders(splits[name])} for name in splits)
    if any(train & other for other in others):  # checked before the search for images, which takes time
        return False
    return all(_people(splits[name]) for name in list(splits)[:2])


def read_identities(folder: str | Path) -> DataSet:
    """Index a folder of people; no image is opened.

    Raises:
        DataError: the folder does not exist, or has no folders with images.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder. {LAYOUT}")
    splits = {name: people for name, child in _split_folders(folder).items() if (people := _people(child))}
    if "train" not in splits:
        splits = {WHOLE: _people(folder)}
    class_names = tuple(sorted(set().union(*splits.values()), key=natural_order))
    if not class_names:
        raise DataError(f"{folder}: no folders with images in it. {LAYOUT}")
    notes = [f"{name}: {len(people)} people" for name, people in splits.items()]
    shared = sorted(splits.get("train", {}).keys() & splits.get("val", {}).keys())
    if shared:
        notes.append(
            f"{len(shared)} people are in both training and validation, such as {shared[0]}: results will flatter the model"
        )
    return DataSet({name: _index(class_names, people) for name, people in splits.items()}, tuple(notes))


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
    val = next((data_set.splits[name] for name in ("val", "test") if len(data_set.splits.get(name, ()))), None)
    if train is None or len(train) == 0:
        raise DataError(f"No images to train on: found {', '.join(data_set.splits) or 'no splits'}. {LAYOUT}")
    if val is not None:
        return Splits(train, val, data_set.notes, data_set.problems)
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


def _split_folders(folder: Path) -> dict[str, Path]:
    """Folders that have the name of a split, in the order of ``SPLITS``."""
    children = {split_name(child.name): child for child in sorted(folder.iterdir(), reverse=True) if child.is_dir()}
    return {name: children[name] for name in SPLITS if name in children}


def _person_folders(folder: Path) -> list[Path]:
    return [child for child in sorted(folder.iterdir()) if child.is_dir() and not is_hidden(child.name)]


def _people(folder: Path) -> People:
    return {child.name: images for child in _person_folders(folder) if (images := list_images(child)[0])}


def _index(class_names: tuple[str, ...], people: People) -> Index:
    labels = {name: label for label, name in enumerate(class_names)}
    rows = [(str(path), labels[name]) for name in sorted(people, key=natural_order) for path in people[name]]
    return Index(class_names, tuple(path for path, _ in rows), np.array([label for _, label in rows], np.int32))
