"""What is decided before a classifier is trained: the images, the size, how much is trained, how long and how fast."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np

from visionkit.data.augmentation.presets import Augmentation
from visionkit.data.index import Index, SmallImages, SmallSplits
from visionkit.data.pipeline.batches import TrainingPipeline
from visionkit.data.pipeline.in_memory import Variation
from visionkit.data.sources import read_classified
from visionkit.data.splits import Splits
from visionkit.errors import UserError
from visionkit.files import cache_folder
from visionkit.models.catalog import CATALOG, find
from visionkit.tasks.classification import transfer
from visionkit.tasks.classification.train import LABEL_SMOOTHING, Schedule, is_multi_label
from visionkit.training.augment_device import choose_device
from visionkit.training.config import RunConfig, TrainConfig
from visionkit.training.dataset import few, read_splits, with_cache, with_unmeasurable
from visionkit.training.early_stopping import kept_rows
from visionkit.training.freezing import Part
from visionkit.training.recipe import Run
from visionkit.training.run_folder import PLAN

SHIFT_SHARE = 1 / 8  # of the side: 4 pixels of 32, as in the residual paper
SMALL_SET = 10_000  # images; beyond, fewer epochs and larger batches do
MEASURES = (("accuracy", "Accuracy"), ("map", "mAP"))  # that choose the best approach: in the history, and in a sentence
FEW_PARAMETERS = 200_000  # LeNet-5 has 61,706: shifted images of a large set are too hard for it


@dataclass(frozen=True)
class Plan:
    """What is decided at the start of a run of transfer learning, and kept when it is resumed.

    Attributes:
        size: side of the network's input in pixels.
        approach: how far to train; see ``transfer``; "freeze" where ``--freeze`` or a schedule says it.
    """

    size: int
    approach: str


def open_data(
    run: Run, config: RunConfig, *, built_in: Callable[[Path], Path] | None = None, multi_label: bool = False
) -> Splits:
    """Read images with labels, open each image once, and leave out what cannot be read.

    A resumed run keeps to its first list of files: what was added since is not seen, what has vanished is skipped.

    Args:
        run: takes the notes.
        config: names the data, anything that ``sources.read_classified`` reads; None takes the built-in images.
        built_in: writes the built-in images into a folder, unless they are there, and returns it.
        multi_label: whether images may have several labels.

    Raises:
        UserError: a class has no image that can be read, and without it there is no task, or the run was begun with it.
    """
    source = config.data or str(built_in(cache_folder() / "demo"))

    def read() -> Splits:
        splits = read_classified(source, seed=config.seed, multi_label=multi_label, allow_outside=config.allow_outside)
        return few(splits) if config.smoke else splits

    resumed = "data" in (run.read_json(PLAN) or {})
    return read_splits(run, read, partial(_validate, source=source, resumed=resumed))


def _validate(splits: Splits, source: str, *, resumed: bool) -> tuple[Splits, str]:
    """The splits without classes of which no image can be read, and what there is in a sentence."""
    empty = [name for name, count in zip(splits.train.class_names, splits.train.counts(), strict=True) if count == 0]
    if empty:
        note = f"no training image of {', '.join(empty)} can be read: left out"
        fewest = 1 if is_multi_label(splits.train) else 2
        if resumed or len(splits.train.class_names) - len(empty) < fewest:
            raise UserError(f"{source}: {note}, and the rest is no task to train; mend them, then start a new run.")
        splits = splits.without_classes(empty, note)
    if not len(splits.val):
        raise UserError(f"{source}: no validation image can be used; expected at least one. Add some, or mend them.")
    splits = with_unmeasurable(splits)
    train, val = splits.train, splits.val
    sentence = f"{len(train)} training and {len(val)} validation images of {len(train.class_names)} classes in {source}."
    if is_multi_label(train):
        numbers = train.label_sets.sum(axis=1)
        counts = f"{int((numbers > 1).sum())} training images have several, and {int((numbers == 0).sum())} none"
        sentence += f" An image may have several labels: {counts}."
    return splits, sentence


def open_small_images(run: Run, name: str, images: SmallSplits, limits: tuple[int, int] | None = None) -> SmallSplits:
    """Images in memory: all of them, or the first.

    Args:
        run: takes the note.
        name: of the data set.
        images: all that there are.
        limits: the most training and the most validation images.
    """
    counts = [len(part) for part in images[:2]]
    numbers = counts if limits is None else [min(count, most) for count, most in zip(counts, limits, strict=True)]
    train, val = (part.take(np.arange(number)) for part, number in zip(images[:2], numbers, strict=True))
    part_of = "the first images of each split of " if numbers != counts else ""
    run.note(f"{len(train):,} training and {len(val):,} validation images: {part_of}{name}, {images.note}.")
    return SmallSplits(train, val, images.note)


def choose_plan(run: Run, train: Index, config: TrainConfig, *, approach: str | None) -> Plan:
    """Choose the size and the approach of transfer learning, and note the reasons.

    Args:
        run: takes the notes.
        train: the training images, scanned.
        config: the base, and the size if it is requested.
        approach: one of ``transfer.APPROACHES``, or "auto"; None where ``--freeze`` says how much is trained.
    """
    size, reason = config.size, "as requested"
    if size is None:
        size, reason = transfer.choose_size(CATALOG[find(config.base)].size, train.shapes.min(axis=1).tolist())
    run.note(f"Input of {size} x {size} pixels: {reason}.")
    if approach is None:
        return Plan(size, "freeze")
    reason, pretrained = "as requested", config.pretrained
    if approach == "auto" and pretrained:
        num_labels = int(train.counts().sum()) if is_multi_label(train) else None
        approach, reason = transfer.choose_approach(len(train), len(train.class_names), num_labels=num_labels)
    elif approach == "auto":
        approach, reason = transfer.ALL, "there are no pretrained weights to keep"
    elif approach != transfer.ALL and not pretrained:
        reason += ", though the frozen layers then keep random weights"
    run.note(f"Approach '{approach}': {reason}.")
    return Plan(size, approach)


def choose_transfer_schedule(config: TrainConfig, part: Part, *, multi_label: bool = False) -> Schedule:
    """How long and how fast to train a part of transfer learning; the learning rate of the head is its own.

    Random weights learn as fast as the head's, which begin at random, too. Several labels an image are not smoothed.
    """
    is_head = part.name == transfer.HEAD
    rate = transfer.LEARNING_RATES[transfer.ALL if config.pretrained and not is_head else transfer.HEAD]
    return Schedule(
        epochs=part.epochs,
        batch_size=config.batch_size,
        learning_rate=rate if is_head or config.learning_rate is None else config.learning_rate,
        label_smoothing=0.0 if is_head or multi_label else LABEL_SMOOTHING,
    )


def training_pipeline(
    run: Run,
    config: TrainConfig,
    train: Index,
    network: keras.Model,
    augmentation: Augmentation,
    *,
    augment_on: Literal["auto", "cpu", "device"],
    service: str | None,
) -> TrainingPipeline:
    """The pipeline of an approach that trains the base; notes say what it caches, and which device augments, and why.

    Args:
        run: takes the notes.
        config: the batch size, the seed, and where decoded images are kept.
        train: the training images, scanned.
        network: the classifier.
        augmentation: what is done to the images.
        augment_on: the device that augments, see ``TrainingPipeline``; "auto" measures.
        service: see ``TrainingPipeline``; its workers decode the images, which are then not cached.
    """
    size = network.input_shape[1]
    pipeline = TrainingPipeline(train, size, config.batch_size, augmentation, seed=config.seed, service=service)
    if service is None:
        pipeline = with_cache(pipeline, config.cache, note=run.note)
    device, reason = (augment_on, "as requested") if augment_on != "auto" else choose_device(pipeline, network)
    run.note(f"Images are mirrored, colored and mixed on '{device}': {reason}.")
    return replace(pipeline, augment_on=device)


def choose_best(run: Run, history: list[dict], *, stops_early: bool = False) -> tuple[str, dict[str, float]]:
    """The approach after which validation was best, and ``accuracy_after_<approach>`` of each; a note compares them.

    Of images with several labels, it is their mAP; where that could not be measured, the loss alone decides.
    """
    measure, title = next((pair for pair in MEASURES if f"val_{pair[0]}" in history[-1]), (None, "Loss"))
    ends = kept_rows(history, measure, stops_early=stops_early)
    if measure is None:
        results, values = ", ".join(f"{name} {row['val_loss']:.3f}" for name, row in ends.items()), {}
        best = min(ends, key=lambda name: ends[name]["val_loss"])
    else:
        values = {name: row[f"val_{measure}"] for name, row in ends.items()}
        results = ", ".join(f"{name} {value:.3f} (loss {ends[name]['val_loss']:.3f})" for name, value in values.items())
        best = max(ends, key=lambda name: (values[name], -ends[name]["val_loss"]))
    if len(ends) > 1:
        run.note(f"{title} after each approach: {results}. '{best}' is exported; it was chosen by these same images.")
    return best, {f"{measure}_after_{name}": value for name, value in values.items()}


def build_network(name: str, size: int, train: Index | SmallImages, **options: Any) -> keras.Model:
    """A network of random weights for the images at hand: of one channel for images in memory.

    Raises:
        UserError: it cannot take images of that size.
    """
    shape = (size, size, 1 if isinstance(train, SmallImages) else 3)
    try:
        return CATALOG[name].builder(shape, len(train.class_names), **options)
    except ValueError as error:
        published, reason = CATALOG[name].size, str(error).splitlines()[0]
        raise UserError(f"{name} takes no {size} x {size} pixels: give --size, for example {published}. ({reason})") from error


def choose_schedule(
    run: Run,
    model: keras.Model,
    num_images: int,
    *,
    epochs: int | None,
    batch_size: int | None,
    learning_rate: float | None,
    flips: bool,
) -> Schedule:
    """How long and how fast to train a network from random weights: as requested, else by the number of images.

    Args:
        run: takes a note.
        model: the network.
        num_images: training images.
        epochs, batch_size, learning_rate: None where they are to be chosen.
        flips: whether images are mirrored, for the note.
    """
    is_large = num_images > SMALL_SET
    rate, reason = choose_learning_rate(model) if learning_rate is None else (learning_rate, "as requested")
    schedule = Schedule(
        epochs=epochs or (20 if is_large else 40),
        batch_size=batch_size or (128 if is_large else 32),
        learning_rate=rate,
        label_smoothing=LABEL_SMOOTHING,
    )
    height, width = model.input_shape[1:3]
    run.note(
        f"AdamW with a learning rate of {rate:g} ({reason}), {schedule.epochs} epochs in batches of {schedule.batch_size}, "
        f"input of {height} x {width} pixels, {'mirrored, too' if flips else 'not mirrored'}."
    )
    return schedule


def choose_learning_rate(model: keras.Model) -> tuple[float, str]:
    """The peak learning rate of a network from random weights, and the reason in words."""
    if any(isinstance(layer, keras.layers.BatchNormalization) for layer in model.layers):
        return 2e-3, "it has batch normalisation"
    if model.count_params() < FEW_PARAMETERS:
        return 4e-3, "it is small"
    return 2e-4, "it is large and has no batch normalisation"


def choose_variation(model: keras.Model, num_images: int, *, flips: bool) -> Variation:
    """How small training images are varied: shifted, unless there are many of them and the network is small."""
    shifts = num_images <= SMALL_SET or model.count_params() > FEW_PARAMETERS
    return Variation(shift=round(SHIFT_SHARE * model.input_shape[1]) if shifts else 0, flip=0.5 if flips else 0.0)
