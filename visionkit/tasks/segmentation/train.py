"""Training of segmenters: their loss, and the phase that minimizes it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import keras
import numpy as np
from keras import ops

from visionkit.data.mask_targets import NO_TARGETS, MaskTargets
from visionkit.losses import segmentation
from visionkit.metrics.segmentation import IGNORE, SegmentationMetrics
from visionkit.tasks.segmentation.segmenters import TrainableSegmenter
from visionkit.training import fit
from visionkit.training.averaging import AveragingTrainer, averaged_phase

DEEPER = 0.5  # with deep supervision: the weight of a level's loss, relative to that of the next finer level
LossName = Literal["cross_entropy", "focal", "dice", "jaccard", "tversky", "boundary"]


class Objective(NamedTuple):
    """What is minimized.

    Attributes:
        losses: names of the losses that are summed.
        class_weights: weights of each class's pixels in cross-entropy and the focal loss; empty where all are weighted alike.
        targets: what the pipeline computes from the masks: weights of borders, distances.
    """

    losses: tuple[LossName, ...] = ("cross_entropy", "dice")
    class_weights: tuple[float, ...] = ()
    targets: MaskTargets = NO_TARGETS


@dataclass(frozen=True, kw_only=True)
class Schedule(fit.Schedule):
    """How long and how fast to train, on which patches. A batch consists of patches.

    Attributes:
        size: side of a patch in pixels.
        patches: how many patches are cut from each image in an epoch, int ``(N,)``.
    """

    size: int
    patches: np.ndarray

    @property
    def steps_per_epoch(self) -> int:
        """Batches an epoch."""
        return -(-int(self.patches.sum()) // self.batch_size)


def phase(
    segmenter: TrainableSegmenter,
    schedule: Schedule,
    objective: Objective,
    batches: Callable[[int], Iterable],
    measure: Callable[[], SegmentationMetrics],
) -> fit.Phase:
    """The training of a segmenter.

    Args:
        segmenter: what is trained.
        schedule: how long and how fast.
        objective: what is minimized.
        batches: from the number of an epoch to its batches: pixels or values, and labels as ``losses_of`` takes them.
        measure: the metrics of the segmenter as it is.
    """
    trainer = AveragingTrainer(segmenter.network, losses_of(objective), objective.losses)

    def validate() -> dict[str, float]:
        metrics = measure()
        return {"pixel_error": metrics.pixel_error, "mean_iou": metrics.mean_iou}

    options = {"name": "train", "steps_per_epoch": schedule.steps_per_epoch, "batches": batches, "monitor": "mean_iou"}
    return averaged_phase(trainer, validate, schedule, **options)


def losses_of(objective: Objective) -> Callable[[Any, dict[str, Any]], dict[str, keras.KerasTensor]]:
    """A function from the output of a network and the labels of a batch to the parts of the loss.

    Labels are ``mask`` int ``(N, sides...)``, and ``weights`` and ``distances`` where the targets have them.
    """

    def losses(output, labels):
        levels = output if isinstance(output, dict) else {"logits": output}
        parts = dict.fromkeys(objective.losses, 0.0)
        for name, logits in levels.items():
            stride = int(name.removeprefix("logits_")) if name != "logits" else 1
            level_labels = {key: _strided(values, stride, len(logits.shape) - 2) for key, values in labels.items()}
            for loss in objective.losses:
                parts[loss] += DEEPER ** np.log2(stride) * _loss(loss, logits, level_labels, objective)
        return parts

    return losses


def _loss(name: LossName, logits: keras.KerasTensor, labels: dict[str, Any], objective: Objective) -> keras.KerasTensor:
    mask = labels["mask"]
    if name == "boundary":
        return segmentation.boundary(logits, mask, labels["distances"])
    if name in ("cross_entropy", "focal"):
        return getattr(segmentation, name)(logits, mask, weights=_pixel_weights(mask, labels, objective))
    return getattr(segmentation, name)(logits, mask)


def _pixel_weights(mask: Any, labels: dict[str, Any], objective: Objective) -> keras.KerasTensor | None:
    """The weight of each pixel's class, times that of the border on which it lies; None where all are weighted alike."""
    weights = labels.get("weights")
    if objective.class_weights:
        table = [*objective.class_weights, *[0.0] * (IGNORE + 1 - len(objective.class_weights))]
        class_weights = ops.take(ops.convert_to_tensor(np.array(table, np.float32)), ops.cast(mask, "int32"))
        weights = class_weights if weights is None else weights * class_weights
    return weights


def _strided(labels: Any, stride: int, rank: int) -> Any:
    """The labels of a level ``stride`` times smaller: the one in the middle of each of its cells."""
    if stride == 1:
        return labels
    return labels[(slice(None), *[slice(stride // 2, None, stride)] * rank)]
