"""Training of detectors: their loss, and the phase that feeds them: mosaic, then none; several sizes; averaged weights."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from visionkit.data.augment import preset
from visionkit.data.pipeline import batches
from visionkit.data.sample import Index, SkippedFiles
from visionkit.data.windows import boxes_on_picture
from visionkit.export.detector_bundle import MAX_DETECTIONS
from visionkit.export.suppression import suppress
from visionkit.layers.inference_mode import InferenceMode
from visionkit.metrics.detection import DetectionMetrics, Found, evaluate
from visionkit.models.detectors import TrainableDetector
from visionkit.training.detection_plan import truths
from visionkit.training.feeding import Feeding
from visionkit.training.fit import Phase
from visionkit.training.optimizers import adamw

WEIGHT_DECAY = 5e-4
AVERAGE = 0.99  # decay of the moving average of the weights: it looks back about a hundred steps
SAME_OBJECT = 0.5  # IoU from which the lower of two boxes of a class is dropped
LOWEST_SCORE = 0.001  # of what is measured: average precision looks at the doubtful, too


class Validation(NamedTuple):
    """What is measured of a detector after some epochs."""

    map: float
    map50: float


class DetectionTrainer(keras.Model):
    """A detector's network with its loss, and a moving average of all that training changes (https://arxiv.org/abs/1706.02677).

    BatchNorm's statistics are averaged along: those of the last weights do not fit averaged ones.

    Args:
        detector: what is trained.
    """

    def __init__(self, detector: TrainableDetector):
        super().__init__(name=f"{detector.network.name}_trainer")
        self.built = True
        self.network = detector.network
        self._parts_of = detector.losses
        self._changing = [*self.network.trainable_variables, *moving_statistics(self.network)]
        self._averages = [self.add_weight(v.shape, trainable=False, name=f"average_{n}") for n, v in enumerate(self._changing)]
        for average, variable in zip(self._averages, self._changing, strict=True):
            average.assign(variable)
        self._trackers = {name: keras.metrics.Mean(name=f"{name}_loss") for name in detector.parts}

    def call(self, pixels: keras.KerasTensor, training: bool | None = None) -> Any:
        """What the network says of pixels in 0..255."""
        return self.network(ops.cast(pixels, "float32"), training=training)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True) -> keras.KerasTensor:
        """The sum of the parts; Keras calls it in each step."""
        parts = self._parts_of(y_pred, y["boxes"], y["classes"])
        for name, tracker in self._trackers.items():
            tracker.update_state(parts[name])
        return sum(parts.values())

    def train_step(self, data: tuple) -> dict[str, Any]:
        """A step, and the average of the weights it leads to."""
        measured = super().train_step(data)
        for average, variable in zip(self._averages, self._changing, strict=True):
            average.assign(average + (1 - AVERAGE) * (variable - average))
        return measured

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Inside, the network has the averaged weights."""
        trained = [keras.ops.convert_to_numpy(variable) for variable in self._changing]
        self.take_average()
        try:
            yield
        finally:
            for variable, value in zip(self._changing, trained, strict=True):
                variable.assign(value)

    def take_average(self) -> None:
        """Put the averages in the weights' place."""
        for average, variable in zip(self._averages, self._changing, strict=True):
            variable.assign(average)


def moving_statistics(network: keras.layers.Layer) -> list[keras.Variable]:
    """BatchNorm's moving means and variances, except of what runs in inference mode."""
    if isinstance(network, InferenceMode):
        return []
    if isinstance(network, keras.layers.BatchNormalization):
        return [network.moving_mean, network.moving_variance]
    return [variable for layer in getattr(network, "layers", ()) for variable in moving_statistics(layer)]


@dataclass(frozen=True)
class Schedule:
    """How long, how large, how fast.

    Attributes:
        epochs: in all.
        batch_size: pictures a step.
        learning_rate: the peak.
        plain_epochs: the last ones, in which pictures are not put together any more (https://arxiv.org/abs/2107.08430) and
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
    """Train a detector on pictures augmented anew in every epoch.

    Args:
        detector: what to train.
        train: the training index.
        val: the validation index.
        feeding: how training pictures are made.
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
        pictures = batches(
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
        return pictures.map(lambda batch: (batch["image"], {"boxes": batch["boxes"], "classes": batch["classes"]}))

    trainer, answering = DetectionTrainer(detector), detector.at_size(schedule.size)

    def validate() -> Validation:
        with trainer.averaged():
            found = measure(answering, val, schedule.batch_size, skipped)
        return Validation(found.map, found.map50)

    return Phase(
        name="train",
        model=trainer,
        epochs=schedule.epochs,
        learning_rate=schedule.learning_rate,
        num_steps=-(-len(train) // schedule.batch_size),
        batches=epoch_batches,
        validate=validate,
        weight_decay=WEIGHT_DECAY,
        optimizer=partial(adamw, slow=detector.pretrained),
        brings_loss=True,
        validate_every=schedule.validate_every,
        finish=trainer.take_average,
    )


def measure(answering: keras.Model, val: Index, batch_size: int, skipped: SkippedFiles) -> DetectionMetrics:
    """How good a detector is as it is, on pictures as its bundle will see them.

    Args:
        answering: pixels ``(N, size, size, 3)`` to boxes and scores.
        val: the pictures, scanned.
        batch_size: pictures a step.
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
            found.append(Found(boxes_on_picture(boxes, truth[-1].size, side), scores, classes))
    return evaluate(truth, found, val.class_names)
