"""What a segmenter is trained on: images in files, or volumes in memory, seen alike by the recipe."""

import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from visionkit.data.arrays.patches import VolumeVariation, patch_batches, patch_sources
from visionkit.data.arrays.volumes import VolumeSplits, standardized
from visionkit.data.augmentation.parameters import lasting_ratios
from visionkit.data.augmentation.presets import Augmentation
from visionkit.data.images.decode import ImageError
from visionkit.data.images.masks import read_fitting_mask
from visionkit.data.images.outline_masks import with_masks
from visionkit.data.images.scan import scan
from visionkit.data.index import Index, SkippedFiles
from visionkit.data.mask_targets import MaskTargets
from visionkit.data.pipeline.pixel_cache import open_cache
from visionkit.data.splits import Splits
from visionkit.errors import UserError
from visionkit.tasks.segmentation.evaluate import Answer, Outcome, outcomes_of_images, outcomes_of_volumes, read_pair
from visionkit.tasks.segmentation.report import SeenImage
from visionkit.tasks.segmentation.train import Schedule, patch_feeder
from visionkit.training.augment_device import Feeding
from visionkit.training.dataset import note_skipped
from visionkit.training.recipe import Story
from visionkit.viz.arrays import slices

SMOKE_IMAGES = {"training": 16, "validation": 4}
SOME = 12  # validation images on which the LiteRT model is compared
MOST_PATCHES = 64  # of one image in an epoch


class Evaluated(NamedTuple):
    """What a segmenter made of the validation data.

    Attributes:
        names: of the images or volumes.
        outcomes: of each.
        seen: gives one of them by its number, with its truth and its answer; None if it cannot be read any more.
    """

    names: list[str]
    outcomes: list[Outcome]
    seen: Callable[[int], SeenImage | None]


@dataclass(frozen=True)
class ImageData:
    """Images with masks, scanned; ``class_counts`` are training pixels of each class, int64 ``(C,)``."""

    splits: Splits
    class_counts: np.ndarray
    augmentation: Augmentation
    cache: str
    skipped: SkippedFiles
    kind = "image"
    channels = (2, 3)

    @property
    def class_names(self) -> tuple[str, ...]:
        """By number."""
        return self.splits.train.class_names

    @property
    def shapes(self) -> np.ndarray:
        """Of the training images in pixels, int ``(N, 2)``."""
        return self.splits.train.shapes

    def patches(self, size: int) -> np.ndarray:
        """How many patches of ``size`` pixels cover each training image, int ``(N,)``, within reason."""
        return np.clip(np.round(self.shapes.prod(axis=1) / size**2), 1, MOST_PATCHES).astype(int)

    def sides(self, size: int) -> tuple[int, ...]:
        """Of a patch."""
        return (size, size)

    def feeder(self, schedule: Schedule, targets: MaskTargets, seed: int, say: Callable[[str], None]) -> Callable:
        """A function from the number of an epoch to its batches."""
        train = self.splits.train
        ratios = lasting_ratios(train, self.augmentation, schedule.size)
        feeding = Feeding(self.augmentation, cache=open_cache(train, self.cache, ratios=ratios, say=say))
        return patch_feeder(train, feeding, schedule, seed=seed, skipped=self.skipped, targets=targets)

    def outcomes(self, answer: Answer) -> list[Outcome]:
        """Of the validation images; ``answer`` takes what a network does."""
        return outcomes_of_images(answer, self.splits.val, self.skipped)[1]

    def some(self) -> Iterator[np.ndarray]:
        """Validation images from all over, uint8 ``(H, W, 3)``."""
        for place in _spread(len(self.splits.val)):
            try:
                yield read_pair(self.splits.val, place)[0]
            except (ImageError, OSError):
                continue

    def evaluated(self, answer: Answer, *, are_cells: bool) -> Evaluated:
        """The same, closely; ``answer`` takes what a bundle does."""
        read, outcomes = outcomes_of_images(answer, self.splits.val, self.skipped, closely=True, are_cells=are_cells)

        def seen(place: int) -> SeenImage | None:
            try:
                pixels, truth = read_pair(read, place)
            except (ImageError, OSError):
                return None
            return SeenImage(pixels, truth, answer(pixels))

        return Evaluated(list(read.paths), outcomes, seen)


@dataclass(frozen=True)
class VolumeData:
    """Volumes with labels, in memory."""

    splits: VolumeSplits
    variation: VolumeVariation
    kind = "volume"

    @property
    def channels(self) -> tuple[int, int]:
        """The rank, and the channels of a voxel."""
        return 3, self.splits.train[0].values.shape[-1]

    @property
    def class_names(self) -> tuple[str, ...]:
        """By number."""
        return self.splits.class_names

    @property
    def shapes(self) -> np.ndarray:
        """Of the training volumes in voxels, int ``(N, 3)``."""
        return np.array([volume.labels.shape for volume in self.splits.train])

    def patches(self, size: int) -> np.ndarray:
        """How many patches cover each training volume, int ``(N,)``, within reason."""
        return np.clip(np.round(self.shapes.prod(axis=1) / size**3), 1, MOST_PATCHES).astype(int)

    def sides(self, size: int) -> tuple[int, ...]:
        """Of a patch."""
        return (size, size, size)

    @property
    def class_counts(self) -> np.ndarray:
        """Training voxels of each class, int64 ``(C,)``."""
        counts = sum(np.bincount(volume.labels.ravel(), minlength=256) for volume in self.splits.train)
        return counts[: len(self.class_names)]

    def feeder(self, schedule: Schedule, targets: MaskTargets, seed: int, say: Callable[[str], None]) -> Callable:
        """A function from the number of an epoch to its batches."""
        sources = patch_sources(self.splits.train)

        def epoch_batches(epoch: int) -> Iterable:
            return patch_batches(
                sources,
                self.sides(schedule.size),
                batch_size=schedule.batch_size,
                num_batches=schedule.steps_per_epoch,
                variation=self.variation,
                seed=seed,
                epoch=epoch,
                targets=targets,
            )

        return epoch_batches

    def outcomes(self, answer: Answer) -> list[Outcome]:
        """Of the validation volumes; ``answer`` takes what a network does."""
        return outcomes_of_volumes(lambda values: answer(standardized(values)), self.splits.val, len(self.class_names))

    def some(self) -> Iterator[np.ndarray]:
        """Values of validation volumes from all over."""
        return (self.splits.val[place].values for place in _spread(len(self.splits.val)))

    def evaluated(self, answer: Answer, *, are_cells: bool) -> Evaluated:
        """The same; ``answer`` takes what a bundle does."""
        outcomes = outcomes_of_volumes(answer, self.splits.val, len(self.class_names))

        def seen(place: int) -> SeenImage:
            volume = self.splits.val[place]
            image, (truth, said) = slices(volume.values, volume.labels, answer(volume.values))
            return SeenImage(image, truth, said)

        return Evaluated([volume.name for volume in self.splits.val], outcomes, seen)


Data = ImageData | VolumeData


def _spread(count: int) -> list[int]:
    """Some of ``count`` places, in even steps."""
    return np.unique(np.linspace(0, count - 1, SOME).round().astype(int)).tolist()


class UsableMasks(NamedTuple):
    """What a run trains on, and what it keeps in its plan.

    Attributes:
        scanned: images and masks that can be read.
        listed: with the broken files, so that a resumed run names them, too.
        class_counts: training pixels of each class, int64 ``(C,)``.
    """

    scanned: Splits
    listed: Splits
    class_counts: np.ndarray


def usable(splits: Splits, source: str | Path, folder: Path, skipped: SkippedFiles, story: Story) -> UsableMasks:
    """Open each image once, draw masks of outlines, leave out what cannot be read, and say so.

    Args:
        splits: as they were read, or as the plan of a resumed run has them.
        source: where they are from.
        folder: gets masks that are drawn.
        skipped: takes the files that cannot be read.

    Raises:
        UserError: there are no masks to learn from.
    """
    if not splits.train.has_masks and not splits.train.has_objects:
        raise UserError(
            f"{source} has no masks: expected images/ and masks/ with the same names in both, COCO polygons, stacks of TIFF "
            "pages, or volumes with labels. `visionkit check` says what it holds."
        )
    scanned = splits.map(lambda index, name: scan(index, skipped, description=f"checking {name} images"))
    if not splits.train.has_masks:
        scanned = scanned.map(lambda index, name: with_masks(index, folder / name, skipped))
        splits = scanned
    sound = {name: _with_sound_masks(index, skipped) for name, index in (("train", scanned.train), ("val", scanned.val))}
    scanned = dataclasses.replace(scanned, **{name: index for name, (index, _) in sound.items()})
    train, val = scanned.train, scanned.val
    for index, name in ((train, "training"), (val, "validation")):
        if not len(index):
            first = "; ".join(f"{file.path}: {file.reason}" for file in skipped.list()[:1])
            raise UserError(f"{source}: no {name} image can be used{f' ({first})' if first else ''}; mend them.")
    story.tell(
        f"{len(train)} training and {len(val)} validation images with masks of {len(train.class_names)} classes, in {source}."
    )
    note_skipped(scanned.notes, scanned.problems, skipped, story)
    return UsableMasks(scanned, splits, sound["train"][1])


def _with_sound_masks(index: Index, skipped: SkippedFiles) -> tuple[Index, np.ndarray]:
    """The images whose masks can be read, and are as large as they are; and their pixels of each class."""

    def count(place: int) -> np.ndarray | None:
        info = index.infos[place]
        try:
            mask = read_fitting_mask(index.annotations[place].mask, index, info.height, info.width)
        except (ImageError, OSError) as error:
            skipped.add(index.paths[place], str(error))
            return None
        return np.bincount(mask.ravel(), minlength=256)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        asked = pool.map(count, range(len(index)))
        counts = list(tqdm(asked, "checking masks", total=len(index), unit=" masks", leave=False))
    kept = [place for place, each in enumerate(counts) if each is not None]
    total = sum((counts[place] for place in kept), np.zeros(256, np.int64))
    return index.take(kept), total[: len(index.class_names)]


def few_volumes(splits: VolumeSplits) -> VolumeSplits:
    """The first volumes, for a smoke run."""
    train, val = SMOKE_IMAGES.values()
    return dataclasses.replace(splits, train=splits.train[:train], val=splits.val[:val])


def tell_volumes(splits: VolumeSplits, source: str, skipped: SkippedFiles, story: Story) -> None:
    """Say what was read."""
    shapes = np.array([volume.labels.shape for volume in splits.train])
    sides = " x ".join(f"{low} to {high}" for low, high in zip(shapes.min(axis=0), shapes.max(axis=0), strict=True))
    story.tell(
        f"{len(splits.train)} training and {len(splits.val)} validation volumes of {sides} voxels, labels of "
        f"{len(splits.class_names)} classes, in {source}."
    )
    note_skipped(splits.notes, (), skipped, story)
