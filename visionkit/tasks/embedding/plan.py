"""What is decided before an embedder is trained: whose images, how large, how long."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from visionkit.data.formats.identities import split_people
from visionkit.data.formats.pairs import LfwPairs, read_lfw_pairs
from visionkit.data.index import Index
from visionkit.data.sources import read_people
from visionkit.data.splits import Splits
from visionkit.errors import UserError
from visionkit.training import dataset
from visionkit.training.config import RunConfig, TrainConfig
from visionkit.training.dataset import note_skipped, read_splits
from visionkit.training.recipe import Run

SIZES = (64, 96, 128, 160)  # sides of the input in pixels
MIN_STEPS, SMOKE_STEPS = 60, 4  # batches an epoch: with few people, an epoch would be too short
IMAGES_SHOWN, EPOCHS = 40_000, (8, 60)  # images in all; the fewest and the most epochs
SMOKE_PEOPLE, SMOKE_IMAGES = {"training": 8, "validation": 4}, 4


@dataclass(frozen=True)
class Plan:
    """What is decided at the start of a run, and kept when it is resumed.

    Attributes:
        size: side of the network's input in pixels.
        epochs: how many.
    """

    size: int
    epochs: int


def open_data(run: Run, config: RunConfig, *, built_in: Callable[..., Path]) -> Splits:
    """Read the images of people, open each image once, and leave out what cannot be read.

    A resumed run keeps to its first list of files: what was added since is not seen, what has vanished is skipped.

    Args:
        run: takes the notes.
        config: names the data, anything that ``sources.read_people`` reads; None takes the built-in one.
        built_in: draws synthetic faces into a folder, unless they are there; see ``make_face_demo``.

    Returns:
        images of people, with other people in validation than in training.

    Raises:
        UserError: there are too few people, or nobody has two images.
    """
    fewer = {"num_train": SMOKE_PEOPLE["training"], "num_val": SMOKE_PEOPLE["validation"], "images": SMOKE_IMAGES}
    source = config.data or dataset.built_in(built_in, "face_demo", smoke=config.smoke, **fewer)

    def read() -> Splits:
        splits = split_people(read_people(source, allow_outside=config.allow_outside), seed=config.seed)
        return few_people(splits) if config.smoke else splits

    data = read_splits(run, read, lambda splits: _validate(splits, source))
    if config.data is None:
        run.note("All faces are synthetic, of people who do not exist: results do not show how well real ones are verified.")
    return data


def _validate(splits: Splits, source: str | Path) -> tuple[Splits, str]:
    train, val = splits.train, splits.val
    for index, name in ((train, "training"), (val, "validation")):
        counts = np.unique(index.labels, return_counts=True)[1]
        if len(counts) < 2 or counts.max() < 2:
            raise UserError(
                f"{source}: {len(counts)} {name} people with up to {counts.max(initial=0)} readable images; expected at "
                "least two people, one of them with two images. Validation takes other people than training, a fifth of them."
            )
    return splits, (
        f"{len(train)} training images of {count_people(train)} people, and {len(val)} validation images of "
        f"{count_people(val)} others, in {source}."
    )


def few_people(splits: Splits) -> Splits:
    """The first images of the first people, for a smoke run."""

    def first_images(index: Index, name: str) -> Index:
        people = np.unique(index.labels)[: SMOKE_PEOPLE[name]]
        return index.take(np.concatenate([np.flatnonzero(index.labels == person)[:SMOKE_IMAGES] for person in people]))

    return splits.map(first_images)


def read_pairs(run: Run, file: Path, folder: str, train: Index) -> LfwPairs:
    """Read the pairs to evaluate on, and note how the file was understood, and how many of its people are trained on.

    Args:
        run: takes the notes.
        file: a pairs.txt in LFW's format.
        folder: the folder of its people.
        train: the training images.

    Raises:
        DataError: the file cannot be read, or no pair can be used.
    """
    listed = read_lfw_pairs(file, folder)
    note_skipped(run, Splits(listed.index, listed.index, listed.notes, listed.problems))
    trained = people_in(train) & people_in(listed.index)
    if trained:
        run.note(
            f"{len(trained)} of the {len(people_in(listed.index))} people of the pairs are also trained on: people whom the "
            "network has not seen will be verified less accurately than the metrics say."
        )
    return listed


def choose_plan(run: Run, train: Index, config: TrainConfig, *, people: int, images: int) -> Plan:
    """Decide how to train, and note each choice with its reason.

    Args:
        run: takes the notes.
        train: the training images, scanned.
        config: the options that were set.
        people: people in a batch.
        images: images of each person in a batch.
    """
    size, reason = (config.size, "as requested") if config.size else choose_size(train)
    run.note(f"Input of {size} x {size} pixels: {reason}.")
    steps = steps_per_epoch(train, people * images, smoke=config.smoke)
    epochs, reason = (config.epochs, "as requested") if config.epochs else choose_epochs(steps, people * images)
    run.note(f"{epochs} epochs of {steps} batches, {people} people with {images} images each: {reason}.")
    return Plan(size, epochs)


def choose_size(index: Index) -> tuple[int, str]:
    """The side of the input, and the reason."""
    side = int(np.median(index.shapes.max(axis=1)))
    size = next((size for size in SIZES if size >= 0.8 * side), SIZES[-1])
    return size, f"half of the images are no larger than {side}"


def choose_epochs(num_steps: int, batch_size: int) -> tuple[int, str]:
    """How long to train with ``num_steps`` batches an epoch, and the reason."""
    epochs = int(np.clip(round(IMAGES_SHOWN / (num_steps * batch_size)), *EPOCHS))
    return epochs, f"about {epochs * num_steps * batch_size:,} images are shown"


def steps_per_epoch(index: Index, batch_size: int, *, smoke: bool = False) -> int:
    """Batches an epoch."""
    return SMOKE_STEPS if smoke else max(MIN_STEPS, -(-len(index) // batch_size))


def people_in(index: Index) -> set[str]:
    """The names of the people on the images of an index."""
    return {index.class_names[label] for label in np.unique(index.labels)}


def count_people(index: Index) -> int:
    """The number of people who have an image."""
    return len(np.unique(index.labels))
