"""Training of detectors: their loss, and the phase that feeds them: mosaic, then none; several sizes; averaged weights."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

import keras
import numpy as np

from visionkit.data.augmentation.presets import preset
from visionkit.data.images.resize import unletterbox
from visionkit.data.index import Index, SkippedFiles
from visionkit.data.pipeline.batches import batches
from visionkit.metrics.detection import DetectionMetrics, Detections, evaluate
from visionkit.tasks.detection.export import MAX_DETECTIONS
from visionkit.tasks.detection.plan import truths
from visionkit.tasks.detection.suppression import suppress
from visionkit.tasks.detection.trainable import TrainableDetector
from visionkit.training.augment_device import Feeding
from visionkit.training.averaging import AveragingTrainer, averaged_phase
from visionkit.training.fit import Phase

SAME_OBJECT = 0.5  # IoU from which the lower of two boxes of a class is dropped
LOWEST_SCORE = 0.001  # of what is measured: average precision looks at the doubtful, too


class Validation(NamedTuple):
    """What is measured of a detector after some epochs."""

    map: float
    map50: float


def trainer_of(detector: TrainableDetector) -> AveragingTrainer:
    """A detector's network with its loss."""
    return AveragingTrainer(
        detector.network, lambda said, labels: detector.losses(said, labels["boxes"], labels["classes"]), detector.parts
    )


@dataclass(frozen=True)
class Schedule:
    """How long, how large, how fast.

    Attributes:
        epochs: in all.
        batch_size: images a step.
        learning_rate: the peak.
        plain_epochs: the last ones, in which images are not put together any more (https://arxiv.org/abs/2107.08430) and
            hardly changed: they look as those that will be answered.
        size: side of the input in pixels, as it is exported.
        sizes: each epoch but the last ones takes one of these sides (YOLO9000's multi-scale training).
        validate_every: epochs.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    plain_epochs: int
    size: int
    sizes: tuple[int, ...]
    validate_every: int = 1


def detection_phase(
    detector: TrainableDetector,
    train: Index,
    val: Index,
    *,
    feeding: Feeding,
    schedule: Schedule,
    seed: int,
    skipped: SkippedFiles,
) -> Phase:
    """Train a detector on images augmented anew in every epoch.

    Args:
        detector: what to train.
        train: the training index.
        val: the validation index.
        feeding: how training images are made.
        schedule: how long, how large, how fast.
        seed: draws order, augmentation and sizes.
        skipped: takes files that vanish on the way.
    """
    light = preset("light", task="detection")
    plain_augmentation = replace(light, flip=feeding.augmentation.flip)

    def epoch_batches(epoch: int) -> Iterable:
        plain = epoch >= schedule.epochs - schedule.plain_epochs
        sizes = (schedule.size,) if plain else schedule.sizes
        augmentation = plain_augmentation if plain else feeding.augmentation
        images = batches(
            train,
            size=int(np.random.default_rng([seed, epoch, 3]).choice(sizes)),
            batch_size=schedule.batch_size,
            skipped=skipped,
            augmentation=augmentation,
            shuffle=True,
            seed=seed,
            epoch=epoch,
            cache=feeding.cache,
            service=feeding.service,
            fixed_size=False,
        )
        return images.map(lambda batch: (batch["image"], {"boxes": batch["boxes"], "classes": batch["classes"]}))

    trainer, answering = trainer_of(detector), detector.at_size(schedule.size)

    def validate() -> Validation:
        found = measure(answering, val, schedule.batch_size, skipped)
        return Validation(found.map, found.map50)

    return averaged_phase(
        trainer,
        validate,
        name="train",
        epochs=schedule.epochs,
        learning_rate=schedule.learning_rate,
        steps_per_epoch=-(-len(train) // schedule.batch_size),
        batches=epoch_batches,
        validate_every=schedule.validate_every,
    )


def measure(answering: keras.Model, val: Index, batch_size: int, skipped: SkippedFiles) -> DetectionMetrics:
    """How good a detector is as it is, on images as its bundle will see them.

    Args:
        answering: pixels ``(N, size, size, 3)`` to boxes and scores.
        val: the images, scanned.
        batch_size: images a step.
        skipped: takes files that have vanished.
    """
    side, objects, truth, found = answering.input_shape[1], truths(val), [], []
    limits = {"score_threshold": LOWEST_SCORE, "iou_threshold": SAME_OBJECT, "max_detections": MAX_DETECTIONS}
    for batch in batches(val, size=side, batch_size=batch_size, skipped=skipped):
        answers = answering.predict_on_batch(batch["image"].numpy())
        kept = suppress(answers["boxes"], answers["scores"], **limits)
        rows = (batch["position"].numpy(), *map(keras.ops.convert_to_numpy, kept))
        for position, boxes, scores, classes in zip(*rows, strict=True):
            truth.append(objects[position])
            found.append(Detections(unletterbox(boxes, truth[-1].size, side), scores, classes))
    return evaluate(truth, found, val.class_names)
