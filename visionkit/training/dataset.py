"""The images of a run: each is opened once, at the start, and kept if they fit; what cannot be read is reported."""

import dataclasses
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np

from visionkit.data.augmentation.parameters import lasting_ratios
from visionkit.data.images.bit_depth import how_floats_are_scaled, unused_bits
from visionkit.data.images.scan import scan, size_notes
from visionkit.data.index import Index
from visionkit.data.pipeline.batches import TrainingPipeline
from visionkit.data.pipeline.pixel_cache import Where, open_cache
from visionkit.data.quality.measurable import unmeasurable
from visionkit.data.splits import DataSet, Splits
from visionkit.files import cache_folder
from visionkit.training.run_folder import PLAN, RunFolder

SMOKE_TRAIN, SMOKE_VAL = 6, 3  # images per class
TOLD_ONE_BY_ONE = frozenset(["unmeasurable split"])  # kinds of problems in which no file is left out, and which are few

Validate = Callable[[Splits], tuple[Splits, str]]


class OpenedSplits(NamedTuple):
    """The splits that a run trains on, and those that it stores in its plan.

    Attributes:
        readable: the images that can be read.
        listed: the same classes with the broken files, so that a resumed run reports them again.
    """

    readable: Splits
    listed: Splits


def read_splits(run: RunFolder, read: Callable[[], Splits], validate: Validate) -> Splits:
    """Read the splits of a run, and open each image once.

    A resumed run keeps its first list of files: it ignores files that were added since, and skips those that have vanished.

    Args:
        run: its ``plan.json`` stores the list under "data".
        read: reads the splits of a new run.
        validate: see ``open_splits``.

    Returns:
        the images that can be read.
    """
    plan = run.read_json(PLAN) or {}
    splits = Splits.from_plain(plan["data"]) if "data" in plan else read()
    opened = open_splits(run, splits, validate)
    if "data" not in plan:
        run.write_json(PLAN, plan | {"data": opened.listed.to_plain()})
    return opened.readable


def open_splits(run: RunFolder, splits: Splits, validate: Validate) -> OpenedSplits:
    """Open each image once, leave out what cannot be read, and note it.

    Args:
        run: the run that the notes are for.
        splits: from a reader, or from the plan of a resumed run.
        validate: maps the splits of readable images to those that the task can use, and a sentence on how they were
            understood; raises ``UserError`` where there is nothing to train on. A class that it leaves out is explained by
            the last note of the splits that it returns.
    """
    scanned = splits.map(lambda index, name: scan(index, description=f"checking {name} images"))
    scanned = dataclasses.replace(scanned, notes=(*scanned.notes, *size_notes(scanned)))
    readable, sentence = validate(scanned)
    left_out = set(splits.train.class_names) - set(readable.train.class_names)
    listed = splits.without_classes(left_out, readable.notes[-1]) if left_out else splits
    run.note(sentence)
    note_skipped(run, readable)
    depths = [info.depth for index in (readable.train, readable.val) for info in index.infos]
    for note in filter(None, (unused_bits(depths), how_floats_are_scaled(depths))):
        run.note(f"Note: {note}.")
    return OpenedSplits(readable, listed)


def note_skipped(run: RunFolder, splits: Splits) -> None:
    """Note what a reader should know about the data, and which files are left out."""
    for note in notes_of(splits):
        run.note(f"Note: {note}.")
    for file in splits.skipped:
        run.note(f"Skipped {file.path}: {file.reason}.")


def notes_of(data: Splits | DataSet) -> tuple[str, ...]:
    """What a reader should know about data: its notes, and the first problem of each kind, without full stops."""
    notes = list(data.notes)
    for kind, problems in groupby(sorted(data.problems, key=lambda problem: problem.kind), lambda problem: problem.kind):
        first, *others = problems
        if kind in TOLD_ONE_BY_ONE:
            notes += [f"{problem.detail} ({problem.path})" for problem in (first, *others)]
            continue
        more = f" ({len(others):,} more; `visionkit check` names all)" if others else ""
        notes.append(f"{kind}: {first.path}: {first.detail.removesuffix('.')}{more}")
    return tuple(dict.fromkeys(notes))


def with_unmeasurable(splits: Splits, *counts: np.ndarray) -> Splits:
    """The splits, with a problem for all that validation cannot measure and training cannot teach.

    Args:
        splits: the images that a run can use.
        counts: how much of each class there is in training and in validation; see ``unmeasurable``.
    """
    by_name = {"train": splits.train, "val": splits.val}
    problems = unmeasurable(by_name, dict(zip(by_name, counts, strict=True)) if counts else None)
    return dataclasses.replace(splits, problems=splits.problems + problems)


def with_cache(
    pipeline: TrainingPipeline, where: Where, *, note: Callable[[str], None], largest: int | None = None
) -> TrainingPipeline:
    """The pipeline with a cache of decoded images, where they fit.

    Args:
        pipeline: the pipeline.
        where: see ``open_cache``.
        note: takes a sentence on where they are kept, and why.
        largest: the largest size in pixels that images are trained at. Default: the pipeline's.
    """
    ratios = lasting_ratios(pipeline.index, pipeline.augmentation, largest or pipeline.size)
    cache = open_cache(pipeline.index, where, ratios=ratios, note=note)
    return dataclasses.replace(pipeline, cache=cache)


def built_in(write: Callable[..., Path], name: str, *, smoke: bool, **fewer: int) -> Path:
    """The folder of a built-in data set, which is written when it is first needed.

    Args:
        write: writes the data set into a folder, unless it is there.
        name: of the folder, in the cache.
        smoke: whether to write less, for a smoke run.
        fewer: arguments of ``write`` for a smoke run: how much it writes.
    """
    return write(cache_folder() / f"{name}_smoke", **fewer) if smoke else write(cache_folder() / name)


def first_images(splits: Splits, counts: dict[str, int]) -> Splits:
    """The first ``counts["training"]`` and ``counts["validation"]`` images, for a smoke run."""
    return splits.map(lambda index, name: index.take(range(min(len(index), counts[name]))))


def few(splits: Splits) -> Splits:
    """The first images of each class, for a smoke run."""
    return dataclasses.replace(splits, train=_first(splits.train, SMOKE_TRAIN), val=_first(splits.val, SMOKE_VAL))


def _first(index: Index, count: int) -> Index:
    if index.label_sets is not None:
        rows = [*index.label_sets.T, ~index.label_sets.any(axis=1)]
        return index.take(sorted({int(i) for each in rows for i in np.flatnonzero(each)[:count]}))
    return index.take(i for label in range(len(index.class_names)) for i in np.flatnonzero(index.labels == label)[:count])
