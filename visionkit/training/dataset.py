"""Which images a run works with: each is opened once, at its start; what cannot be read is left out and named."""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from visionkit.data.images.scan import scan
from visionkit.data.index import Index
from visionkit.data.splits import Splits
from visionkit.training.run_folder import RunFolder

SMOKE_TRAIN, SMOKE_VAL = 6, 3  # images a class

Validate = Callable[[Splits], tuple[Splits, str]]


class OpenedSplits(NamedTuple):
    """What a run trains on, and what it keeps in its plan.

    Attributes:
        readable: the images that can be read.
        listed: the same classes with the broken files, so that a resumed run names them, too.
    """

    readable: Splits
    listed: Splits


def read_splits(run: RunFolder, read: Callable[[], Splits], validate: Validate) -> Splits:
    """The splits of a run, each image opened once.

    A resumed run keeps to its first list of files: what was added since is not seen, what has vanished is skipped.

    Args:
        run: ``plan.json`` keeps the list under "data".
        read: makes the splits of a new run.
        validate: see ``open_splits``.

    Returns:
        the images that can be read.
    """
    plan = run.read_json("plan.json") or {}
    splits = Splits.from_plain(plan["data"]) if "data" in plan else read()
    opened = open_splits(run, splits, validate)
    if "data" not in plan:
        run.write_json("plan.json", plan | {"data": opened.listed.to_plain()})
    return opened.readable


def open_splits(run: RunFolder, splits: Splits, validate: Validate) -> OpenedSplits:
    """Open each image once, leave out what cannot be read, and note it.

    Args:
        run: takes the notes.
        splits: as they were read, or as the plan of a resumed run has them.
        validate: from the splits of readable images to those that the task can use, and a sentence on how they were
            understood; raises ``UserError`` where there is nothing to train on. A class that it leaves out is explained by
            the last note of the splits that it returns.
    """
    scanned = splits.map(lambda index, name: scan(index, description=f"checking {name} images"))
    readable, sentence = validate(scanned)
    left_out = set(splits.train.class_names) - set(readable.train.class_names)
    listed = splits.without_classes(left_out, readable.notes[-1]) if left_out else splits
    run.note(sentence)
    note_skipped(run, readable)
    return OpenedSplits(readable, listed)


def note_skipped(run: RunFolder, splits: Splits) -> None:
    """Note what a reader should know of the data, and name what is not trained on."""
    for note in splits.notes:
        run.note(f"Note: {note}.")
    if splits.problems:
        first = splits.problems[0]
        run.note(
            f"{len(splits.problems)} files or annotations are left out, the first: {first.path}: {first.kind}: "
            f"{first.detail}. `visionkit check` names all."
        )
    for file in splits.skipped:
        run.note(f"Skipped {file.path}: {file.reason}.")


def first_images(splits: Splits, counts: dict[str, int]) -> Splits:
    """The first ``counts["training"]`` and ``counts["validation"]`` images, for a smoke run."""
    return splits.map(lambda index, name: index.take(range(min(len(index), counts[name]))))


def few(splits: Splits) -> Splits:
    """The first images of each class, for a smoke run."""
    return dataclasses.replace(splits, train=_first(splits.train, SMOKE_TRAIN), val=_first(splits.val, SMOKE_VAL))


def _first(index: Index, count: int) -> Index:
    return index.take(i for label in range(len(index.class_names)) for i in np.flatnonzero(index.labels == label)[:count])
