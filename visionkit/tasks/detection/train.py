"""The training of detectors: first on mosaics of four images and at several sizes, then on plain images at one size."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from visionkit.data.augmentation.presets import preset
from visionkit.data.images.resize import unletterbox
from visionkit.data.index import Index
from visionkit.data.pipeline.any_size import of_any_size
from visionkit.data.pipeline.batches import TrainingPipeline, evaluation_batches
from visionkit.metrics.detection import DetectionMetrics, detection_metrics
from visionkit.ops.detections import Detections
from visionkit.tasks.detection.detectors import STRIDES
from visionkit.tasks.detection.export import MAX_DETECTIONS
from visionkit.tasks.detection.plan import Plan, ground_truth
from visionkit.tasks.detection.suppression import suppress
from visionkit.tasks.detection.trainable import TrainableDetector
from visionkit.training import fit
from visionkit.training.averaging import AveragingTrainer, averaged_phase
from visionkit.training.config import TrainConfig
from visionkit.training.dataset import with_cache
from visionkit.training.recipe import Run

SAME_OBJECT = 0.5  # IoU from which the lower of two boxes of a class is dropped
LOWEST_SCORE = 0.001  # of detections that are measured: average precision also counts low scores


@dataclass(frozen=True, kw_only=True)
class Schedule(fit.Schedule):
    """How long, how large and how fast a detector trains.

    Attributes:
        plain_epochs: number of epochs at the end in which images form no mosaics any more (https://arxiv.org/abs/2107.08430)
            and are hardly augmented: they look like those that the detector will see.
        sizes: sides in pixels, of which each epoch but the plain ones draws one (YOLO9000's multi-scale training).
    """

    plain_epochs: int
    sizes: tuple[int, ...]


def schedule_of(plan: Plan, config: TrainConfig, *, multi_scale: bool) -> Schedule:
    """The schedule of a run: the last third of the epochs is plain.

    Args:
        plan: what was decided before training.
        config: the options that were set.
        multi_scale: whether epochs see images at different sizes, up to a fifth smaller and larger.
    """
    spread = round(plan.size / 5 / STRIDES[-1]) * STRIDES[-1] if multi_scale else 0
    return Schedule(
        epochs=plan.epochs,
        batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        validate_every=max(1, plan.epochs // 10),
        plain_epochs=plan.epochs // 3,
        sizes=tuple(range(plan.size - spread, plan.size + spread + 1, STRIDES[-1])),
    )


def training_pipeline(
    run: Run, index: Index, plan: Plan, config: TrainConfig, schedule: Schedule, *, any_way_up: bool
) -> TrainingPipeline:
    """The batches of a run.

    Args:
        run: takes a note on the cache.
        index: the training images, scanned.
        plan: what was decided before training.
        config: the options that were set.
        schedule: names the sizes of the images.
        any_way_up: whether an image that is turned by quarters shows the same.
    """
    augmentation = preset(config.augment, task="detection", flip=config.flip)
    augmentation = augmentation.any_way_up() if any_way_up else augmentation
    pipeline = TrainingPipeline(index, plan.size, config.batch_size, augmentation, seed=config.seed)
    return with_cache(pipeline, config.cache, note=run.note, largest=max(schedule.sizes))


def phase(detector: TrainableDetector, pipeline: TrainingPipeline, val: Index, schedule: Schedule) -> fit.Phase:
    """Train a detector on images augmented anew in every epoch.

    Args:
        detector: what to train.
        pipeline: makes the batches; its size is that of the exported network.
        val: the validation index.
        schedule: how long, how large, how fast.
    """
    plain = dataclasses.replace(preset("light", task="detection"), flip=pipeline.augmentation.flip)

    def batches(epoch: int) -> Iterable:
        is_plain = epoch >= schedule.epochs - schedule.plain_epochs
        sizes, augmentation = ((pipeline.size,), plain) if is_plain else (schedule.sizes, pipeline.augmentation)
        size = int(np.random.default_rng([pipeline.seed, epoch, 3]).choice(sizes))
        resized = dataclasses.replace(pipeline, size=size, augmentation=augmentation)
        return of_any_size(resized.epoch(epoch)).map(_inputs_and_targets)

    trainer, network = build_trainer(detector), detector.at_size(pipeline.size)

    def validate() -> dict[str, float]:
        metrics = measure(network, val, pipeline.batch_size)
        return {"map": metrics.map, "map50": metrics.map50}

    options = {"name": "train", "steps_per_epoch": len(pipeline), "batches": batches, "monitor": "map"}
    return averaged_phase(trainer, validate, schedule, **options)


def build_trainer(detector: TrainableDetector) -> AveragingTrainer:
    """A detector's network with its loss."""
    return AveragingTrainer(
        detector.network,
        lambda predictions, labels: detector.losses(predictions, labels["boxes"], labels["classes"]),
        detector.parts,
    )


def measure(network: keras.Model, val: Index, batch_size: int) -> DetectionMetrics:
    """Measure a detector as it is, on images as its bundle will see them.

    Args:
        network: pixels ``(N, size, size, 3)`` to boxes and scores.
        val: the images, scanned.
        batch_size: images a step.
    """
    size, objects, truth, detections = network.input_shape[1], ground_truth(val), [], []
    limits = {"score_threshold": LOWEST_SCORE, "iou_threshold": SAME_OBJECT, "max_detections": MAX_DETECTIONS}
    for batch in evaluation_batches(val, size, batch_size):
        predictions = network.predict_on_batch(batch["image"].numpy())
        remaining = suppress(predictions["boxes"], predictions["scores"], **limits)
        rows = (batch["position"].numpy(), *map(keras.ops.convert_to_numpy, remaining))
        for position, boxes, scores, classes in zip(*rows, strict=True):
            truth.append(objects[position])
            detections.append(Detections(unletterbox(boxes, truth[-1].size, size), scores, classes))
    return detection_metrics(truth, detections, val.class_names)


def _inputs_and_targets(batch: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """A batch as ``fit`` takes it."""
    return batch["image"], {"boxes": batch["boxes"], "classes": batch["classes"]}
