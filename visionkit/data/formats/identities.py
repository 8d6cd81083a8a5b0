"""Images of people, a folder a person, split by person: validation holds other people than training.

FOLDER/<person>/...                              one set of people
FOLDER/train/<person>/..., FOLDER/val/<person>/...

The label is the person. Class names are the people of all splits, so that a label means the same person everywhere.
"""

from pathlib import Path

import numpy as np

from visionkit.data.images.listing import list_images
from visionkit.data.index import DataError, Index, natural_order
from visionkit.data.splits import VAL_SHARE, WHOLE, DataSet, Splits, split_name

SPLITS = ("train", "val", "test")
LAYOUT = "Expected one folder of images a person, or train/ and val/ with other people in each."

People = dict[str, list[Path]]  # the images of each person


def looks_like_identities(folder: Path) -> bool:
    """Whether ``train/`` and ``val/`` (or ``test/``) hold folders of images, none in both whatever the letter case."""
    splits = _split_folders(folder)
    if "train" not in splits or len(splits) < 2:
        return False
    train, *others = ({child.name.casefold() for child in _person_folders(splits[name])} for name in splits)
    if any(train & other for other in others):  # before images are looked for, which takes time
        return False
    return all(_people(splits[name]) for name in list(splits)[:2])


def read_identities(folder: str | Path) -> DataSet:
    """Index a folder of people; no image is opened.

    Raises:
        DataError: no such folder, or no folder with images in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder. {LAYOUT}")
    found = {name: people for name, child in _split_folders(folder).items() if (people := _people(child))}
    if "train" not in found:
        found = {WHOLE: _people(folder)}
    class_names = tuple(sorted(set().union(*found.values()), key=natural_order))
    if not class_names:
        raise DataError(f"{folder}: no folders with images in it. {LAYOUT}")
    notes = [f"{name}: {len(people)} people" for name, people in found.items()]
    shared = sorted(found.get("train", {}).keys() & found.get("val", {}).keys())
    if shared:
        notes.append(
            f"{len(shared)} people are in training and in validation, such as {shared[0]}: results will flatter the model"
        )
    return DataSet({name: _index(class_names, people) for name, people in found.items()}, tuple(notes))


def split_people(found: DataSet, *, seed: int) -> Splits:
    """Training and validation by person: where the data has no validation split, a fifth of the people are held out, of
    four and more two at least.

    Args:
        found: what ``read_identities`` found. A split named "test" serves as validation where there is no other.
        seed: draws the people.

    Raises:
        DataError: fewer than two people to draw from.
    """
    train = found.splits.get("train", found.splits.get(WHOLE))
    val = next((found.splits[name] for name in ("val", "test") if len(found.splits.get(name, ()))), None)
    if train is None or len(train) == 0:
        raise DataError(f"No images to train on: found {', '.join(found.splits) or 'no splits'}. {LAYOUT}")
    if val is not None:
        return Splits(train, val, found.notes, found.problems)
    people = np.unique(train.labels)
    if len(people) < 2:
        raise DataError(
            f"Only one person, {found.class_names[people[0]]!r}; expected two at least, one of them to validate with."
        )
    fewest = 2 if len(people) >= 4 else 1  # two people to tell apart, if as many are left to train on
    count = max(fewest, round(VAL_SHARE * len(people)))
    drawn = np.random.default_rng([seed, len(people)]).permutation(people)[:count]
    held_out = np.isin(train.labels, drawn)
    note = f"no validation split found: {count} of {len(people)} people held out, drawn with seed {seed}"
    return Splits(
        train.take(np.flatnonzero(~held_out)), train.take(np.flatnonzero(held_out)), (*found.notes, note), found.problems
    )


def _split_folders(folder: Path) -> dict[str, Path]:
    """Folders that are named as splits are, in the order of ``SPLITS``."""
    found = {split_name(child.name): child for child in sorted(folder.iterdir(), reverse=True) if child.is_dir()}
    return {name: found[name] for name in SPLITS if name in found}


def _person_folders(folder: Path) -> list[Path]:
    return [child for child in sorted(folder.iterdir()) if child.is_dir() and not child.name.startswith((".", "__MACOSX"))]


def _people(folder: Path) -> People:
    return {child.name: images for child in _person_folders(folder) if (images := list_images(child)[0])}


def _index(class_names: tuple[str, ...], people: People) -> Index:
    labels = {name: label for label, name in enumerate(class_names)}
    rows = [(str(path), labels[name]) for name in sorted(people, key=natural_order) for path in people[name]]
    return Index(class_names, tuple(path for path, _ in rows), np.array([label for _, label in rows], np.int32))
