"""Which images a run works with: each opened once, at its start; what cannot be read is left out and named."""

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from visionkit.data.images.scan import scan
from visionkit.data.index import Index, Problem, SkippedFiles
from visionkit.data.splits import Splits
from visionkit.errors import UserError
from visionkit.training.recipe import Story

SMOKE_TRAIN, SMOKE_VAL = 6, 3  # images a class


class Usable(NamedTuple):
    """What a run trains on, and what it keeps in its plan.

    Attributes:
        scanned: the images that can be read.
        listed: the same classes with the broken files, so that a resumed run names them, too.
    """

    scanned: Splits
    listed: Splits


def usable(splits: Splits, folder: Path, skipped: SkippedFiles, story: Story, *, resumed: bool) -> Usable:
    """Open each image once, leave out what cannot be read, and say so.

    Args:
        splits: as they were read, or as the plan of a resumed run has them.
        folder: where they are from.
        skipped: takes the files that cannot be read.
        resumed: the classes are then fixed.

    Raises:
        UserError: a class has no image that can be read, and without it there is no task, or the run was begun with it.
    """
    scanned = splits.map(lambda index, name: scan(index, skipped, description=f"checking {name} images"))
    empty = [name for name, count in zip(scanned.train.class_names, scanned.train.counts(), strict=True) if count == 0]
    if empty:
        note = f"no training image of {', '.join(empty)} can be read: left out"
        if resumed or len(scanned.train.class_names) - len(empty) < 2:
            raise UserError(f"{folder}: {note}, and the rest is no task to train; mend them, then start a new run.")
        scanned, splits = (each.without_classes(empty, note) for each in (scanned, splits))
    train, val = scanned.train, scanned.val
    story.tell(f"{len(train)} training and {len(val)} validation images of {len(train.class_names)} classes in {folder}.")
    note_skipped(scanned.notes, scanned.problems, skipped, story)
    return Usable(scanned, splits)


def note_skipped(notes: Iterable[str], problems: Sequence[Problem], skipped: SkippedFiles, story: Story) -> None:
    """Say what a reader should know of the data, and name what is not trained on."""
    for note in notes:
        story.tell(f"Note: {note}.")
    if problems:
        first = problems[0]
        story.tell(
            f"{len(problems)} files or annotations are left out, the first: {first.path}: {first.kind}: {first.detail}. "
            "`visionkit check` names all."
        )
    for file in skipped.list():
        story.tell(f"Skipped {file.path}: {file.reason}.")


def first_images(splits: Splits, counts: dict[str, int]) -> Splits:
    """So many "training" and "validation" images, for a smoke run."""
    return splits.map(lambda index, name: index.take(range(min(len(index), counts[name]))))


def few(splits: Splits) -> Splits:
    """The first images of each class, for a smoke run."""
    return dataclasses.replace(splits, train=_first(splits.train, SMOKE_TRAIN), val=_first(splits.val, SMOKE_VAL))


def _first(index: Index, count: int) -> Index:
    return index.take(i for label in range(len(index.class_names)) for i in np.flatnonzero(index.labels == label)[:count])
