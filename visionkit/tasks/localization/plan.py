"""What is decided before training: which images show what a network is to learn."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from visionkit.data.boxes import cleaned
from visionkit.data.index import Index
from visionkit.data.pipeline.collate import num_keypoints
from visionkit.data.sources import read
from visionkit.data.splits import Splits, train_and_val
from visionkit.errors import UserError
from visionkit.training import dataset
from visionkit.training.config import RunConfig
from visionkit.training.dataset import open_splits, with_unmeasurable
from visionkit.training.recipe import Run

Step = Literal["object", "landmarks", "windows"]
SMOKE_IMAGES = {"num_train": 24, "num_val": 8}


class Requirement(NamedTuple):
    """The fewest and the most objects that an image may show to be used, and the same in words."""

    fewest: int
    most: float
    words: str


REQUIREMENTS: dict[Step, Requirement] = {
    "object": Requirement(0, 1, "at most one box"),
    "landmarks": Requirement(1, 1, "the landmarks of one thing"),
    "windows": Requirement(0, math.inf, "boxes"),
}


@dataclass(frozen=True)
class Plan:
    """What is decided at the start of a run, and kept when it is resumed.

    Attributes:
        train: files of the training images.
        val: files of the validation images.
    """

    train: list[str]
    val: list[str]


def open_data(run: Run, config: RunConfig, step: Step, *, built_in: Callable[..., Path]) -> Splits:
    """Read the data set, open each image once, and leave out what cannot be read or does not show what the step needs.

    A resumed run keeps to its first list of files: what was added since is not used, what has vanished is skipped.

    Args:
        run: takes the notes.
        config: names the data set; None takes the built-in one.
        step: what is learnt.
        built_in: writes the built-in data set into a folder, unless it is there; see ``make_localization_demo``.

    Raises:
        UserError: no image can be used.
    """
    write, name = partial(built_in, seed=config.seed), f"{step}-{config.seed}"
    source = config.data or dataset.built_in(write, name, smoke=config.smoke, **SMOKE_IMAGES)
    splits = read_data(source, step, seed=config.seed, allow_outside=config.allow_outside)
    plan = run.plan(Plan, lambda: choose_plan(splits))

    def describe(scanned: Splits) -> tuple[Splits, str]:
        counts = f"{len(scanned.train)} training and {len(scanned.val)} validation images"
        return with_unmeasurable(scanned), f"{counts}: {config.data or 'built-in'}."

    return open_splits(run, _listed(splits, plan), describe).readable


def read_data(source: str | Path, step: Step, *, seed: int, allow_outside: bool = False) -> Splits:
    """Read and split a data set, without the images that a step cannot use.

    Args:
        source: see ``visionkit.data.read``.
        step: what is learnt.
        seed: draws the validation split, if the data set has none.
        allow_outside: see ``visionkit.data.sources.read``.

    Raises:
        UserError: no image can be used for training, or none for validation.
    """
    splits = train_and_val(read(source, allow_outside=allow_outside), seed=seed)
    used = splits.map(lambda index, name: usable(index, name, step, source))
    num_removed = len(splits.train) + len(splits.val) - len(used.train) - len(used.val)
    note = (f"{num_removed} images left out that have more objects, or none",) if num_removed else ()
    return replace(used, notes=(*used.notes, *note))


def choose_plan(data: Splits) -> Plan:
    """List the images of a new run."""
    return Plan(list(data.train.paths), list(data.val.paths))


def landmark_names(index: Index) -> tuple[str, ...]:
    """The names of the landmarks; their numbers where the data set does not name them all."""
    count, attributes = num_keypoints(index), index.class_attributes[0] if index.class_attributes else {}
    names = attributes.get("keypoints") or ()
    return tuple(names if len(names) == count else map(str, range(count)))


def usable(index: Index, name: str, step: Step, source: str | Path) -> Index:
    """The images that meet the requirement of a step.

    Args:
        index: the images.
        name: of the split, for the message.
        step: what is predicted.
        source: the data set, for the message.

    Raises:
        UserError: there are none.
    """
    fewest, most, words = REQUIREMENTS[step]
    objects = [None if each.objects is None else cleaned(each.objects) for each in index.annotations]
    rows = [row for row, each in enumerate(objects) if each is not None and fewest <= len(each) <= most]
    if step == "landmarks":
        rows = [row for row in rows if objects[row].keypoints is not None]
    if not any(len(objects[row]) for row in rows):
        raise UserError(f"{source}: none of {len(index)} {name} images can be used: expected {words} on each.")
    return index.take(rows)


def _listed(splits: Splits, plan: Plan) -> Splits:
    """The images of a plan that are still there, each in the split that the plan has it in."""
    annotations = {
        path: annotation
        for index in (splits.train, splits.val)
        for path, annotation in zip(index.paths, index.annotations, strict=True)
    }

    def listed(index: Index, paths: list[str]) -> Index:
        present = tuple(path for path in paths if path in annotations)
        labels = np.full(len(present), -1, np.int32)
        return replace(index, paths=present, labels=labels, annotations=tuple(annotations[path] for path in present))

    return replace(splits, train=listed(splits.train, plan.train), val=listed(splits.val, plan.val))
