"""Training of networks that locate one thing: its box, or its landmarks."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import keras
import numpy as np

from visionkit.data.index import Index
from visionkit.data.pipeline.batches import TrainingPipeline, evaluation_batches
from visionkit.losses.localization import landmark_loss, localization_loss
from visionkit.metrics.localization import landmark_errors, localization_metrics
from visionkit.ops.boxes import cxcywh_of
from visionkit.training.fit import Phase, Schedule

Batch = dict[str, np.ndarray]
Loss = Callable[[keras.KerasTensor, keras.KerasTensor], keras.KerasTensor]  # (truth, predictions) -> (N,)
Measure = Callable[[np.ndarray, np.ndarray], dict[str, float]]  # (truth, predictions) of all images -> metrics by name


class NetworkWithLoss(keras.Model):
    """A network with the loss that it is trained with."""

    def __init__(self, network: keras.Model, loss: Loss):
        super().__init__(name=f"{network.name}_with_loss")
        self.network = network
        self._loss = loss

    def call(self, pixels: keras.KerasTensor, training: bool | None = None) -> keras.KerasTensor:
        """The network's predictions for pixels in 0..255."""
        return self.network(keras.ops.cast(pixels, "float32"), training=training)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True) -> keras.KerasTensor:
        """The mean over the batch; Keras calls it in each step."""
        return keras.ops.mean(self._loss(y, y_pred))


def object_truth(batch: Batch, num_classes: int) -> np.ndarray:
    """The ground truth of a batch with at most one object per image, ``(N, 5 + num_classes)``; see ``localization_loss``."""
    rows = np.arange(len(batch["boxes"]))
    first = (batch["classes"] >= 0).argmax(axis=1)
    classes, boxes = batch["classes"][rows, first], batch["boxes"][rows, first]
    has_object = (classes >= 0)[:, None]
    one_hot = np.eye(num_classes, dtype=np.float32)[np.maximum(classes, 0)]
    return has_object * np.concatenate([has_object, np.asarray(cxcywh_of(boxes)), one_hot], axis=1).astype(np.float32)


def object_phase(network: keras.Model, pipeline: TrainingPipeline, val: Index, schedule: Schedule) -> Phase:
    """Train a ``models.localizer``.

    Args:
        network: is trained as far as it is unfrozen.
        pipeline: makes the training images.
        val: the validation images.
        schedule: how long and how fast; its batch size is the pipeline's.
    """
    num_classes = len(val.class_names)

    def truth_of(batch: Batch) -> np.ndarray:
        return object_truth(batch, num_classes)

    def measure(truth: np.ndarray, predictions: np.ndarray) -> dict[str, float]:
        return localization_metrics(truth, predictions)._asdict()

    return replace(_phase(network, pipeline, val, schedule, truth_of, localization_loss, measure), monitor="mean_iou")


def landmark_phase(network: keras.Model, pipeline: TrainingPipeline, val: Index, schedule: Schedule) -> Phase:
    """Train a ``models.landmark_finder``; see ``object_phase``."""

    def truth_of(batch: Batch) -> np.ndarray:
        return batch["keypoints"][:, 0]

    def measure(truth: np.ndarray, predictions: np.ndarray) -> dict[str, float]:
        squares = np.ones((len(truth), 2))  # images are padded to squares
        # One wrong annotation does not move the median.
        return {"median_error": float(np.nanmedian(landmark_errors(truth, predictions, squares)))}

    return replace(_phase(network, pipeline, val, schedule, truth_of, landmark_loss, measure), monitor="median_error")


def _phase(
    network: keras.Model,
    pipeline: TrainingPipeline,
    val: Index,
    schedule: Schedule,
    truth_of: Callable[[Batch], np.ndarray],
    loss: Loss,
    measure: Measure,
) -> Phase:
    """A phase on images that are augmented anew in every epoch.

    Args:
        network: is trained as far as it is unfrozen.
        pipeline: makes the training images.
        val: the validation images.
        schedule: how long and how fast.
        truth_of: from a batch to the ground truth that ``loss`` and ``measure`` take.
        loss: compares a batch.
        measure: compares all validation images.
    """

    def epoch_batches(epoch: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for batch in pipeline.epoch(epoch).as_numpy_iterator():
            yield batch["image"], truth_of(batch)

    def validate() -> dict[str, float]:
        batches = evaluation_batches(val, pipeline.size, schedule.batch_size).as_numpy_iterator()
        pairs = [(truth_of(batch), network.predict_on_batch(batch["image"])) for batch in batches]
        return measure(*(np.concatenate(part) for part in zip(*pairs, strict=True)))

    return Phase(
        name="training",
        model=NetworkWithLoss(network, loss),
        epochs=schedule.epochs,
        learning_rate=schedule.learning_rate,
        batch_size=schedule.batch_size,
        steps_per_epoch=len(pipeline),
        batches=epoch_batches,
        validate=validate,
        validate_every=schedule.validate_every,
    )
