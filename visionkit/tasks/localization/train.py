"""Training of networks that say where one thing is: its box, or its landmarks."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import keras
import numpy as np

from visionkit.data.index import Index, SkippedFiles
from visionkit.data.pipeline.batches import batches
from visionkit.losses.localization import landmark_loss, localization_loss
from visionkit.metrics.localization import LocalizationMetrics, landmark_errors, measure_localization
from visionkit.ops.boxes import cxcywh_of
from visionkit.training.augment_device import Feeding
from visionkit.training.fit import Phase

Truth = Callable[[dict[str, np.ndarray]], np.ndarray]


class LandmarkMetrics(NamedTuple):
    """What is measured of landmarks: the median of ``metrics.landmark_errors``, which one wrong annotation does not move."""

    median_error: float


class NetworkWithLoss(keras.Model):
    """A network that is trained by any loss of its answer, ``loss(truth, answer) -> (N,)``."""

    def __init__(self, network: keras.Model, loss: Callable):
        super().__init__(name=f"{network.name}_with_loss")
        self.network = network
        self._loss = loss

    def call(self, pixels: keras.KerasTensor, training: bool | None = None) -> keras.KerasTensor:
        """What the network says of pixels in 0..255."""
        return self.network(keras.ops.cast(pixels, "float32"), training=training)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True) -> keras.KerasTensor:
        """The mean over the batch; Keras calls it in each step."""
        return keras.ops.mean(self._loss(y, y_pred))


def object_truth(num_classes: int) -> Truth:
    """A function from a batch of at most one object an image to what ``localization_loss`` takes."""

    def truth(batch: dict[str, np.ndarray]) -> np.ndarray:
        rows = np.arange(len(batch["boxes"]))
        first = (batch["classes"] >= 0).argmax(axis=1)
        classes, boxes = batch["classes"][rows, first], batch["boxes"][rows, first]
        there = (classes >= 0)[:, None]
        one_hot = np.eye(num_classes, dtype=np.float32)[np.maximum(classes, 0)]
        return there * np.concatenate([there, np.asarray(cxcywh_of(boxes)), one_hot], axis=1).astype(np.float32)

    return truth


def landmark_truth(batch: dict[str, np.ndarray]) -> np.ndarray:
    """The landmarks of the first object of each image, ``(N, K, 3)``: what ``landmark_loss`` takes."""
    return batch["keypoints"][:, 0]


def localization_phase(network: keras.Model, train: Index, val: Index, **options: Any) -> Phase:
    """Train a ``models.localizer``; see ``_phase`` for the options."""

    def measure(truth: np.ndarray, answer: np.ndarray) -> LocalizationMetrics:
        return measure_localization(truth, answer)

    return _phase(network, train, val, object_truth(len(train.class_names)), localization_loss, measure, **options)


def landmark_phase(network: keras.Model, train: Index, val: Index, **options: Any) -> Phase:
    """Train a ``models.landmark_finder``; see ``_phase`` for the options."""

    def measure(truth: np.ndarray, answer: np.ndarray) -> LandmarkMetrics:
        squares = np.ones((len(truth), 2))  # images are padded to squares
        return LandmarkMetrics(float(np.nanmedian(landmark_errors(truth, answer, squares))))

    return _phase(network, train, val, landmark_truth, landmark_loss, measure, **options)


def _phase(
    network: keras.Model,
    train: Index,
    val: Index,
    truth: Truth,
    loss: Callable,
    measure: Callable[[np.ndarray, np.ndarray], tuple],
    *,
    feeding: Feeding,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    skipped: SkippedFiles,
) -> Phase:
    """Train on images augmented anew in every epoch.

    Args:
        network: what is trained, as far as it is unfrozen.
        train: the training index.
        val: the validation index.
        truth: from a batch to what ``loss`` and ``measure`` compare with.
        loss: ``loss(truth, answer) -> (N,)``.
        measure: from all truth and answers of the validation images to a named tuple.
        feeding: how training images are made.
        epochs: how many.
        batch_size: images a step.
        learning_rate: the highest.
        seed: draws order and augmentation.
        skipped: takes files that vanish on the way.
    """
    size = network.input_shape[1]
    shown = {"size": size, "batch_size": batch_size, "skipped": skipped}

    def epoch_batches(epoch: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        drawn = {"augmentation": feeding.augmentation, "cache": feeding.cache, "shuffle": True, "seed": seed, "epoch": epoch}
        for batch in batches(train, **shown, **drawn).as_numpy_iterator():
            yield batch["image"], truth(batch)

    def validate() -> tuple:
        pairs = [
            (truth(batch), network.predict_on_batch(batch["image"])) for batch in batches(val, **shown).as_numpy_iterator()
        ]
        return measure(*(np.concatenate(part) for part in zip(*pairs, strict=True)))

    return Phase(
        name="training",
        model=NetworkWithLoss(network, loss),
        epochs=epochs,
        learning_rate=learning_rate,
        steps_per_epoch=-(-len(train) // batch_size),
        batches=epoch_batches,
        validate=validate,
        brings_loss=True,
    )
