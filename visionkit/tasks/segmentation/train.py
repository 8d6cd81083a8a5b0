"""Training of segmenters: their loss, and the phase that feeds them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import keras
import numpy as np
from keras import ops

from visionkit.data.index import Index, SkippedFiles
from visionkit.data.mask_targets import MaskTargets
from visionkit.data.pipeline.batches import batches
from visionkit.losses import segmentation
from visionkit.metrics.segmentation import IGNORE, SegmentationMetrics
from visionkit.tasks.segmentation.segmenters import TrainableSegmenter
from visionkit.training.augment_device import Feeding
from visionkit.training.averaging import AveragingTrainer, averaged_phase
from visionkit.training.fit import Phase

DEEPER = 0.5  # share of the loss of each level of deep supervision in that of the next finer one
LossName = Literal["cross_entropy", "focal", "dice", "jaccard", "tversky", "boundary"]


class Validation(NamedTuple):
    """What is measured of a segmenter after some epochs."""

    pixel_error: float
    mean_iou: float


class Objective(NamedTuple):
    """What is made small.

    Attributes:
        losses: their sum, by name.
        class_weights: how much a pixel of each class counts in cross-entropy and the focal loss; empty where all count alike.
        targets: what the pipeline computes from the masks: weights of borders, distances.
    """

    losses: tuple[LossName, ...] = ("cross_entropy", "dice")
    class_weights: tuple[float, ...] = ()
    targets: MaskTargets = MaskTargets()


@dataclass(frozen=True)
class Schedule:
    """How long, how large, how fast.

    Attributes:
        epochs: in all.
        batch_size: patches a step.
        learning_rate: the peak.
        size: side of a patch in pixels.
        patches: that are cut from each image in an epoch, int ``(N,)``.
        validate_every: epochs.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    size: int
    patches: np.ndarray
    validate_every: int = 1

    @property
    def steps_per_epoch(self) -> int:
        """Of an epoch."""
        return -(-int(self.patches.sum()) // self.batch_size)


def losses_of(objective: Objective) -> Callable[[Any, dict[str, Any]], dict[str, keras.KerasTensor]]:
    """A function from what a network says and a batch's labels to the parts of its loss.

    Labels are ``mask`` int ``(N, sides...)``, and ``weights`` and ``distances`` where the targets have them.
    """

    def losses(said, labels):
        levels = said if isinstance(said, dict) else {"logits": said}
        parts = dict.fromkeys(objective.losses, 0.0)
        for name, logits in levels.items():
            stride = int(name.removeprefix("logits_")) if name != "logits" else 1
            seen = {key: _strided(each, stride, len(logits.shape) - 2) for key, each in labels.items()}
            for loss in objective.losses:
                parts[loss] += DEEPER ** np.log2(stride) * _loss(loss, logits, seen, objective)
        return parts

    return losses


def _loss(name: LossName, logits: keras.KerasTensor, labels: dict[str, Any], objective: Objective) -> keras.KerasTensor:
    mask = labels["mask"]
    if name == "boundary":
        return segmentation.boundary(logits, mask, labels["distances"])
    if name in ("cross_entropy", "focal"):
        return getattr(segmentation, name)(logits, mask, weights=_weights(mask, labels, objective))
    return getattr(segmentation, name)(logits, mask)


def _weights(mask: Any, labels: dict[str, Any], objective: Objective) -> keras.KerasTensor | None:
    """Of the pixels: their class's, times that of the border they lie on."""
    weights = labels.get("weights")
    if objective.class_weights:
        table = [*objective.class_weights, *[0.0] * (IGNORE + 1 - len(objective.class_weights))]
        of_class = ops.take(ops.convert_to_tensor(np.array(table, np.float32)), ops.cast(mask, "int32"))
        weights = of_class if weights is None else weights * of_class
    return weights


def _strided(labels: Any, stride: int, rank: int) -> Any:
    """The labels of a level ``stride`` times smaller: one in the middle of each of its cells."""
    if stride == 1:
        return labels
    return labels[(slice(None), *[slice(stride // 2, None, stride)] * rank)]


def patch_feeder(
    index: Index, feeding: Feeding, schedule: Schedule, *, seed: int, skipped: SkippedFiles, targets: MaskTargets
) -> Callable[[int], Iterable]:
    """A function from the number of an epoch to batches of patches of images, with their labels."""
    places = np.repeat(np.arange(len(index)), schedule.patches)
    of_patches = index.take(places)
    cache = None if feeding.cache is None else feeding.cache.at(places)

    def epoch_batches(epoch: int) -> Iterable:
        options = {"size": schedule.size, "batch_size": schedule.batch_size, "augmentation": feeding.augmentation}
        made = batches(
            of_patches, skipped=skipped, shuffle=True, seed=seed, epoch=epoch, cache=cache, targets=targets, **options
        )
        wanted = ("mask", *targets.shapes())
        return made.map(lambda batch: (batch["image"], {name: batch[name] for name in wanted}))

    return epoch_batches


def segmentation_phase(
    segmenter: TrainableSegmenter,
    schedule: Schedule,
    objective: Objective,
    epoch_batches: Callable[[int], Iterable],
    measure: Callable[[], SegmentationMetrics],
) -> Phase:
    """Train a segmenter.

    Args:
        segmenter: what to train.
        schedule: how long, how fast.
        objective: what is made small.
        epoch_batches: from the number of an epoch to its batches: pixels or values, and labels as ``losses_of`` takes them.
        measure: the segmenter as it is.
    """
    trainer = AveragingTrainer(segmenter.network, losses_of(objective), objective.losses)

    def validate() -> Validation:
        measured = measure()
        return Validation(measured.pixel_error, measured.mean_iou)

    return averaged_phase(
        trainer,
        validate,
        name="train",
        epochs=schedule.epochs,
        learning_rate=schedule.learning_rate,
        steps_per_epoch=schedule.steps_per_epoch,
        batches=epoch_batches,
        validate_every=schedule.validate_every,
    )
