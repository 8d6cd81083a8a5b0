"""What is decided before a detector is trained: which images, how large, how long, which anchors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from visionkit.data import sources
from visionkit.data.augmentation import geometry
from visionkit.data.boxes import cleaned, crowds, without_crowds
from visionkit.data.images.resize import letterbox_placement
from visionkit.data.index import NO_OBJECTS, Index, Objects, counted
from visionkit.data.pipeline.collate import pad_objects
from visionkit.data.quality.measurable import class_counts
from visionkit.data.splits import Splits, train_and_val
from visionkit.errors import UserError
from visionkit.metrics.detection import GroundTruth
from visionkit.ops.anchors import k_means_anchors
from visionkit.ops.grids import LARGEST_RATIO
from visionkit.ops.matching import Collisions, assign, count_collisions, fitting
from visionkit.tasks.detection.detectors import ANCHORS, STRIDES
from visionkit.training import dataset
from visionkit.training.config import RunConfig, TrainConfig
from visionkit.training.dataset import first_images, read_splits, with_unmeasurable
from visionkit.training.recipe import Run

SIZES = (320, 416, 512, 640)  # sides of the input in pixels
SMALLEST_SIDE, SHARE_OF_BOXES = 22, 0.95  # pixels that so many boxes should have: nearly three cells of the finest grid
IMAGES_SHOWN, EPOCHS = 9_200, (12, 120)  # images in all; the fewest and the most epochs
MAX_COUNTED = 2_000  # images in which collisions are counted
SMOKE_IMAGES = {"training": 24, "validation": 12}


@dataclass(frozen=True)
class Plan:
    """What is decided at the start of a run, and kept when it is resumed.

    Attributes:
        size: side of the network's input in pixels.
        epochs: how many.
        anchors: widths and heights of the anchors of each level, the finest first, relative to the network's input; empty for
            a network that has its own.
    """

    size: int
    epochs: int
    anchors: list[list[list[float]]]

    @property
    def anchor_arrays(self) -> list[np.ndarray]:
        """The anchors of each level, float32 ``(A, 2)``."""
        return [np.array(level, np.float32) for level in self.anchors]


def open_data(run: Run, config: RunConfig, *, built_in: Callable[..., Path]) -> Splits:
    """Read the data set, open each image once, and leave out what cannot be read. Crowds are not trained on.

    A resumed run keeps to its first list of files and boxes: what was added since is not seen, what has vanished is skipped.

    Args:
        run: takes the notes.
        config: names the data set; None takes the built-in one.
        built_in: writes the built-in data set into a folder, unless it is there; see ``make_detection_demo``.

    Raises:
        UserError: there are no boxes to train on.
    """
    fewer = {"num_train": SMOKE_IMAGES["training"], "num_val": SMOKE_IMAGES["validation"]}
    source = config.data or dataset.built_in(built_in, "detection_demo", smoke=config.smoke, **fewer)

    def read() -> Splits:
        splits = train_and_val(sources.read(source, allow_outside=config.allow_outside), seed=config.seed)
        refuse_without_boxes(splits, source)
        return first_images(splits, SMOKE_IMAGES) if config.smoke else splits

    return read_splits(run, read, lambda splits: _validate(splits, source))


def refuse_without_boxes(splits: Splits, source: str | Path) -> None:
    """Check that there are boxes to train on.

    Raises:
        UserError: there are none.
    """
    if not splits.train.has_objects:
        raise UserError(
            f"{source} has no boxes: expected VOC, COCO or YOLO annotations, or a table with xmin, ymin, xmax, ymax. "
            "`visionkit check` says what it holds."
        )


def _validate(splits: Splits, source: str | Path) -> tuple[Splits, str]:
    train = without_crowds(splits.train)
    counts, names = object_counts(train), train.class_names
    if not counts.sum():
        raise UserError(f"{source}: none of {len(train)} readable training images has a box with an area.")
    if not len(splits.val):
        raise UserError(f"{source}: no validation image can be read; mend them, or leave the split out.")
    in_val = class_counts(splits.val)
    absent = [name for name, *count in zip(names, counts, in_val, strict=True) if not any(count)]  # else it is a problem
    note = f"no training image shows {', '.join(absent[:20])}: the detector cannot learn to find it"
    sentence = (
        f"{len(train)} training images with {counts.sum():,} objects of {len(names)} classes, and {len(splits.val)} "
        f"validation images, in {source}."
    )
    splits = replace(splits, train=train, notes=(note, *splits.notes) if absent else splits.notes)
    return with_unmeasurable(splits), sentence


def choose_plan(
    run: Run, data: Splits, config: TrainConfig, *, num_levels: int, anchors: list[list[list[float]]] | None = None
) -> Plan:
    """Decide how to train, and note each choice with its reason.

    Args:
        run: takes the notes.
        data: the images that are trained on.
        config: the options that were set.
        num_levels: how many grids need anchors; 0 for a network that has its own.
        anchors: those of the model from which training goes on: its boxes are relative to them.
    """
    size, reason = (config.size, "as requested") if config.size else choose_size(data.train)
    run.note(f"Input of {size} x {size} pixels: {reason}.")
    epochs, reason = (config.epochs, "as requested") if config.epochs else choose_epochs(len(data.train))
    run.note(f"{epochs} epochs: {reason}.")
    if anchors is None:
        chosen = choose_anchors(data.train, size, num_levels, ANCHORS, config.seed) if num_levels else []
        anchors = [level.tolist() for level in chosen]
    return Plan(size, epochs, anchors)


def choose_size(index: Index) -> tuple[int, str]:
    """A side of the input at which small objects can be seen, and the reason."""
    sides = box_sides(letterboxed(index, SIZES[-1])).min(axis=1)
    small = float(np.quantile(sides, 1 - SHARE_OF_BOXES))
    size = next((size for size in SIZES if small * size >= SMALLEST_SIDE), SIZES[-1])
    return size, f"{SHARE_OF_BOXES:.0%} of the objects are at least {small * size:.0f} pixels wide and high then"


def choose_epochs(num_images: int) -> tuple[int, str]:
    """How long to train, and the reason."""
    epochs = int(np.clip(round(IMAGES_SHOWN / num_images), *EPOCHS))
    return epochs, f"each of {num_images} training images is shown so often"


def choose_anchors(index: Index, size: int, num_levels: int, num_anchors: int, seed: int) -> list[np.ndarray]:
    """Anchors of each level ``(num_anchors, 2)``, the smallest for the finest, relative to the network's square input."""
    anchors = k_means_anchors(box_sides(letterboxed(index, size)), num_levels * num_anchors, seed=seed)
    return np.split(anchors, num_levels)


class AnchorFit(NamedTuple):
    """How the objects of a data set fit the anchors and the grids of a network.

    Attributes:
        levels: the collisions on each grid, the finest first.
        unmatched: number of objects whose sides are more than four times those of the nearest anchor, or less than a quarter.
        num_images: how many images were counted.
    """

    levels: list[Collisions]
    unmatched: int
    num_images: int


def anchor_fit(index: Index, size: int, anchors: Sequence[np.ndarray], strides: Sequence[int], seed: int) -> AnchorFit:
    """Assign all objects to anchors as the loss does, and count collisions.

    Of a large data set, ``MAX_COUNTED`` randomly drawn images are counted.
    """
    drawn = np.random.default_rng(seed).permutation(len(index))[:MAX_COUNTED]
    padded = pad_objects(letterboxed(index.take(sorted(drawn)), size), 0)
    boxes, classes = padded["boxes"], padded["classes"]
    all_anchors = np.concatenate(anchors)
    fits = np.asarray(fitting(boxes, all_anchors))
    levels, first = [], 0
    for stride, level_anchors in zip(strides, anchors, strict=True):
        level_fits = fits[..., first : first + len(level_anchors)]
        first += len(level_anchors)
        side = -(-size // stride)
        levels.append(count_collisions(assign(boxes, classes, level_fits, (side, side)), level_fits))
    sides = np.maximum(boxes[..., 2:] - boxes[..., :2], 1e-9)[..., None, :]
    ratios = np.maximum(sides / all_anchors, all_anchors / sides).max(axis=-1).min(axis=-1)
    return AnchorFit(levels, int(((ratios >= LARGEST_RATIO) & (classes >= 0)).sum()), len(drawn))


def note_anchor_fit(run: Run, data: Splits, plan: Plan, seed: int) -> AnchorFit | None:
    """Count how the training objects fit the anchors, and note it; None for a network that has its own anchors."""
    if not plan.anchors:
        return None
    strides = STRIDES[: len(plan.anchors)]
    fit = anchor_fit(data.train, plan.size, plan.anchor_arrays, strides, seed)
    for stride, level in zip(strides, fit.levels, strict=True):
        run.note(
            f"Stride {stride}: {counted(level.objects, 'object')} of {counted(fit.num_images, 'training image')} fit its "
            f"anchors. {level.sharing} of them share a cell and an anchor with another object; {level.hidden} of them share "
            "all of their cells and anchors with others, so that they are hard to learn."
        )
    return fit


def trainable_objects(index: Index) -> list[Objects]:
    """The objects of each image that can be trained on."""
    return [NO_OBJECTS if a.objects is None else cleaned(a.objects) for a in index.annotations]


def object_counts(index: Index) -> np.ndarray:
    """Number of objects of each class, int ``(num_classes,)``."""
    classes = np.concatenate([np.zeros(0, int), *(objects.classes for objects in trainable_objects(index))])
    return np.bincount(classes, minlength=len(index.class_names))


def ground_truth(index: Index) -> list[GroundTruth]:
    """The ground truth of each image of a scanned index."""
    objects = trainable_objects(index)
    return [
        GroundTruth(each.boxes, each.classes, (info.height, info.width), crowds(each))
        for each, info in zip(objects, index.infos, strict=True)
    ]


def letterboxed(index: Index, size: int) -> list[Objects]:
    """The objects of each image of a scanned index, relative to the network's square input of ``size`` pixels."""
    frames = (letterbox_placement((info.height, info.width), size) for info in index.infos)
    return [geometry.into_frame(each, frame, size) for each, frame in zip(trainable_objects(index), frames, strict=True)]


def box_sides(objects: Sequence[Objects]) -> np.ndarray:
    """Widths and heights of all boxes ``(N, 2)``."""
    boxes = np.concatenate([np.zeros((0, 4)), *(each.boxes for each in objects)])
    return boxes[:, 2:] - boxes[:, :2]
