"""What a segmenter is trained on and measured with: images in files, or volumes in memory, behind one interface."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, TypeVar

import numpy as np

from visionkit.data.arrays.patches import VolumeVariation, patch_batches, patch_sources
from visionkit.data.arrays.volumes import VolumeSplits
from visionkit.data.augmentation.presets import Augmentation
from visionkit.data.images.decode import read_image
from visionkit.data.images.listing import map_files
from visionkit.data.images.masks.read import read_fitting_mask
from visionkit.data.index import Skipped
from visionkit.data.mask_targets import MaskTargets
from visionkit.data.pipeline.batches import TrainingPipeline
from visionkit.data.pipeline.pixel_cache import Where
from visionkit.data.splits import Splits
from visionkit.progress import bar
from visionkit.tasks.segmentation.train import Schedule
from visionkit.training.dataset import with_cache
from visionkit.viz.arrays import slices

MOST_PATCHES = 64  # of one image in an epoch

Result = TypeVar("Result")


class SegmentationData(ABC):
    """Training and validation data.

    Attributes:
        rank: 2 for images, 3 for volumes.
        class_names: names by number.
        channels: the rank, and the channels of a pixel or voxel.
        shapes: int ``(N, rank)``, the sides of the training images or volumes.
        class_counts: int64 ``(C,)``, training pixels of each class.
        val_names: the names of the validation images or volumes.
        skipped: the files that could not be used, by path.
    """

    rank: ClassVar[int]
    class_names: tuple[str, ...]
    channels: tuple[int, int]
    shapes: np.ndarray
    class_counts: np.ndarray
    val_names: Sequence[str]
    skipped: Sequence[Skipped]

    def patches(self, size: int) -> np.ndarray:
        """How many patches of ``size`` pixels a side cover each training image, int ``(N,)``, at most ``MOST_PATCHES``."""
        return np.clip(np.round(self.shapes.prod(axis=1) / size**self.rank), 1, MOST_PATCHES).astype(int)

    def sides(self, size: int) -> tuple[int, ...]:
        """The sides of a patch."""
        return (size,) * self.rank

    @abstractmethod
    def batches(
        self, schedule: Schedule, targets: MaskTargets, seed: int, note: Callable[[str], None]
    ) -> Callable[[int], Iterable]:
        """A function from the number of an epoch to its batches of patches and their labels.

        Args:
            schedule: says how many patches of which size.
            targets: what is computed from the masks.
            seed: draws the patches, together with the epoch's number.
            note: called with a sentence on what was chosen, and why.
        """

    @abstractmethod
    def read_val(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """A validation image, uint8 ``(H, W, 3)``, or volume, float32 ``(D, H, W, channels)``, and its mask, uint8.

        Raises:
            ImageError, OSError: one of them cannot be read any more.
        """

    @abstractmethod
    def map_val(self, function: Callable[[np.ndarray, np.ndarray], Result]) -> list[Result | None]:
        """``function`` of each validation image or volume and its mask; None for each that cannot be read any more."""

    @abstractmethod
    def as_image(self, values: np.ndarray, *masks: np.ndarray) -> tuple[np.ndarray, ...]:
        """What ``read_val`` returns, and masks of it, as people look at them: uint8 ``(H, W, 3)`` and ``(H, W)``."""


@dataclass(frozen=True)
class ImageData(SegmentationData):
    """Scanned images with masks.

    Attributes:
        splits: the images.
        class_counts: see ``SegmentationData``, as all other attributes.
        augmentation: cuts and augments patches.
        cache: where decoded training images are kept.
    """

    rank = 2
    channels = (2, 3)

    splits: Splits
    class_counts: np.ndarray
    augmentation: Augmentation
    cache: Where

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names by number."""
        return self.splits.train.class_names

    @property
    def shapes(self) -> np.ndarray:
        """Heights and widths of the training images in pixels, int ``(N, 2)``."""
        return self.splits.train.shapes

    @property
    def val_names(self) -> Sequence[str]:
        """The files of the validation images."""
        return self.splits.val.paths

    @property
    def skipped(self) -> Sequence[Skipped]:
        """The files that could not be used, by path."""
        return self.splits.skipped

    def batches(
        self, schedule: Schedule, targets: MaskTargets, seed: int, note: Callable[[str], None]
    ) -> Callable[[int], Iterable]:
        """See ``SegmentationData.batches``."""
        options = {"seed": seed, "targets": targets}
        pipeline = TrainingPipeline(self.splits.train, schedule.size, schedule.batch_size, self.augmentation, **options)
        return image_patches(with_cache(pipeline, self.cache, note=note), schedule.patches)

    def read_val(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """See ``SegmentationData.read_val``."""
        index = self.splits.val
        pixels = read_image(index.paths[number])
        return pixels, read_fitting_mask(index.annotations[number].mask, index, *pixels.shape[:2])

    def map_val(self, function: Callable[[np.ndarray, np.ndarray], Result]) -> list[Result | None]:
        """See ``SegmentationData.map_val``; on all cores. Files that cannot be read are added to ``skipped``."""
        index = self.splits.val
        numbers = range(len(index))

        def read(_: str, number: int) -> tuple[np.ndarray, np.ndarray]:
            return self.read_val(number)

        return map_files(read, index.paths, index.skipped, "evaluating", numbers, then=lambda sample: function(*sample))

    def as_image(self, values: np.ndarray, *masks: np.ndarray) -> tuple[np.ndarray, ...]:
        """See ``SegmentationData.as_image``."""
        return values, *masks


@dataclass(frozen=True)
class VolumeData(SegmentationData):
    """Volumes with labels, in memory; see ``SegmentationData``.

    Attributes:
        splits: the volumes.
        variation: how patches are augmented.
    """

    rank = 3

    splits: VolumeSplits
    variation: VolumeVariation

    @property
    def channels(self) -> tuple[int, int]:
        """The rank, and the channels of a voxel."""
        return 3, self.splits.train[0].values.shape[-1]

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names by number."""
        return self.splits.class_names

    @property
    def shapes(self) -> np.ndarray:
        """The sides of the training volumes in voxels, int ``(N, 3)``."""
        return np.array([volume.labels.shape for volume in self.splits.train])

    @property
    def class_counts(self) -> np.ndarray:
        """Training voxels of each class, int64 ``(C,)``."""
        counts = sum(np.bincount(volume.labels.ravel(), minlength=256) for volume in self.splits.train)
        return counts[: len(self.class_names)]

    @property
    def val_names(self) -> Sequence[str]:
        """The names of the validation volumes."""
        return [volume.name for volume in self.splits.val]

    @property
    def skipped(self) -> Sequence[Skipped]:
        """The files that could not be used, by path."""
        return self.splits.skipped

    def batches(
        self, schedule: Schedule, targets: MaskTargets, seed: int, note: Callable[[str], None]
    ) -> Callable[[int], Iterable]:
        """See ``SegmentationData.batches``."""
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

    def read_val(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """See ``SegmentationData.read_val``."""
        volume = self.splits.val[number]
        return volume.values, volume.labels

    def map_val(self, function: Callable[[np.ndarray, np.ndarray], Result]) -> list[Result | None]:
        """See ``SegmentationData.map_val``; one after the other, as several at a time would take more memory."""
        volumes = bar(self.splits.val, "evaluating", unit=" volumes")
        return [function(volume.values, volume.labels) for volume in volumes]

    def as_image(self, values: np.ndarray, *masks: np.ndarray) -> tuple[np.ndarray, ...]:
        """See ``SegmentationData.as_image``: three slices."""
        image, shown = slices(values, *masks)
        return image, *shown


def image_patches(pipeline: TrainingPipeline, counts: np.ndarray) -> Callable[[int], Iterable]:
    """A function from the number of an epoch to its batches of patches of images, and their labels.

    Args:
        pipeline: of whole images; its augmentation cuts the patches.
        counts: how many patches are cut from each image in an epoch, int ``(N,)``.
    """
    places = np.repeat(np.arange(len(pipeline.index)), counts)
    cache = None if pipeline.cache is None else pipeline.cache.at(places)
    pipeline = replace(pipeline, index=pipeline.index.take(places), cache=cache)
    labels = ("mask", *pipeline.targets.shapes())
    return lambda epoch: pipeline.epoch(epoch).map(lambda batch: (batch["image"], {name: batch[name] for name in labels}))
