"""What is decided before a detector is trained: which images, how large, how long, which anchors."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from visionkit.data.augmentation import geometry
from visionkit.data.boxes import cleaned, crowds, without_crowds
from visionkit.data.images.resize import letterbox_placement
from visionkit.data.images.scan import scan
from visionkit.data.index import NO_OBJECTS, Index, Objects, SkippedFiles
from visionkit.data.pipeline.collate import pad_objects
from visionkit.data.splits import Splits
from visionkit.errors import UserError
from visionkit.metrics.detection import GroundTruth
from visionkit.ops.anchors import k_means_anchors
from visionkit.ops.grids import LARGEST_RATIO
from visionkit.ops.matching import Collisions, assign, count_collisions, fitting
from visionkit.training.dataset import Usable, note_skipped
from visionkit.training.recipe import Story

SIZES = (320, 416, 512, 640)  # sides of the input in pixels
SMALLEST_SIDE, OF_BOXES = 22, 0.95  # pixels that so many boxes should have: nearly three cells of the finest grid
SHOWN, EPOCHS = 9_200, (12, 120)  # images in all; bounds of how often each is shown
COUNTED = 2_000  # images in which collisions are counted
SMOKE_IMAGES = {"training": 24, "validation": 12}


def usable(splits: Splits, source: str | Path, skipped: SkippedFiles, story: Story) -> Usable:
    """Open each image once, leave out what cannot be read, and say so. Crowds are not learnt from.

    Args:
        splits: as they were read, or as the plan of a resumed run has them.
        source: where they are from.
        skipped: takes the files that cannot be read.

    Raises:
        UserError: there are no boxes to learn from.
    """
    if not splits.train.has_objects:
        raise UserError(
            f"{source} has no boxes: expected VOC, COCO or YOLO annotations, or a table with xmin, ymin, xmax, ymax. "
            "`visionkit check` says what it holds."
        )
    scanned = splits.map(lambda index, name: scan(index, skipped, description=f"checking {name} images"))
    train = without_crowds(scanned.train)
    counts = object_counts(train)
    if not counts.sum():
        raise UserError(f"{source}: none of {len(train)} readable training images has a box with an area.")
    if not len(scanned.val):
        raise UserError(f"{source}: no validation image can be read; mend them, or leave the split out.")
    names = train.class_names
    story.tell(
        f"{len(train)} training images with {counts.sum():,} objects of {len(names)} classes, and {len(scanned.val)} "
        f"validation images, in {source}."
    )
    never = [name for name, count in zip(names, counts, strict=True) if not count]
    if never:
        story.tell(f"Note: no training image shows {', '.join(never[:20])}: the detector cannot learn of it.")
    note_skipped(scanned.notes, scanned.problems, skipped, story)
    return Usable(Splits(train, scanned.val, scanned.notes, scanned.problems), splits)


def objects_of(index: Index) -> list[Objects]:
    """The objects of each image that can be learnt from."""
    return [NO_OBJECTS if a.objects is None else cleaned(a.objects) for a in index.annotations]


def object_counts(index: Index) -> np.ndarray:
    """Objects of each class, int ``(num_classes,)``."""
    classes = np.concatenate([np.zeros(0, int), *(objects.classes for objects in objects_of(index))])
    return np.bincount(classes, minlength=len(index.class_names))


def truths(index: Index) -> list[GroundTruth]:
    """What is there to be found on each image of a scanned index."""
    objects = objects_of(index)
    return [
        GroundTruth(each.boxes, each.classes, (info.height, info.width), crowds(each))
        for each, info in zip(objects, index.infos, strict=True)
    ]


def letterboxed(index: Index, size: int) -> list[Objects]:
    """The objects of each image of a scanned index, relative to the network's square input of ``size`` pixels."""
    frames = (letterbox_placement((info.height, info.width), size) for info in index.infos)
    return [geometry.into_frame(each, frame, size) for each, frame in zip(objects_of(index), frames, strict=True)]


def sides_of(objects: list[Objects]) -> np.ndarray:
    """Widths and heights of all boxes ``(N, 2)``."""
    boxes = np.concatenate([np.zeros((0, 4)), *(each.boxes for each in objects)])
    return boxes[:, 2:] - boxes[:, :2]


def choose_size(index: Index) -> tuple[int, str]:
    """A side of the input at which small objects can be seen, and the reason."""
    sides = sides_of(letterboxed(index, SIZES[-1])).min(axis=1)
    small = float(np.quantile(sides, 1 - OF_BOXES))
    size = next((size for size in SIZES if small * size >= SMALLEST_SIDE), SIZES[-1])
    return size, f"{OF_BOXES:.0%} of the objects are at least {small * size:.0f} pixels wide and high then"


def choose_anchors(index: Index, size: int, num_scales: int, a_scale: int, seed: int) -> list[np.ndarray]:
    """Anchors of each scale ``(a_scale, 2)``, the smallest for the finest, relative to the network's square input."""
    anchors = k_means_anchors(sides_of(letterboxed(index, size)), num_scales * a_scale, seed=seed)
    return np.split(anchors, num_scales)


class Crowding(NamedTuple):
    """How the objects of a data set fit a network's grids.

    Attributes:
        scales: of each scale, from the finest.
        unmatched: objects whose sides are more than four times those of the nearest anchor, or less than a quarter.
        images: that were looked at.
    """

    scales: list[Collisions]
    unmatched: int
    images: int


def count_crowding(index: Index, size: int, anchors: list[np.ndarray], strides: tuple[int, ...], seed: int) -> Crowding:
    """Assign all objects, of a large data set those of ``COUNTED`` drawn images, as the loss does, and count collisions."""
    drawn = np.random.default_rng(seed).permutation(len(index))[:COUNTED]
    padded = pad_objects(letterboxed(index.take(sorted(drawn)), size), 0)
    boxes, classes = padded["boxes"], padded["classes"]
    every = np.concatenate(anchors)
    fits = np.asarray(fitting(boxes, every))
    scales, first = [], 0
    for stride, its_anchors in zip(strides, anchors, strict=True):
        its_fits = fits[..., first : first + len(its_anchors)]
        first += len(its_anchors)
        side = -(-size // stride)
        scales.append(count_collisions(assign(boxes, classes, its_fits, (side, side)), its_fits))
    sides = np.maximum(boxes[..., 2:] - boxes[..., :2], 1e-9)[..., None, :]
    ratios = np.maximum(sides / every, every / sides).max(axis=-1).min(axis=-1)
    return Crowding(scales, int(((ratios >= LARGEST_RATIO) & (classes >= 0)).sum()), len(drawn))


def choose_epochs(num_images: int) -> tuple[int, str]:
    """How long to train, and the reason."""
    epochs = int(np.clip(round(SHOWN / num_images), *EPOCHS))
    return epochs, f"each of {num_images} training images is shown so often"
