"""The phases of training: a head on cached features, a network on augmented images, a network on anything in memory."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from visionkit.data.index import Index, SmallImages, class_weights
from visionkit.data.pipeline.batches import TrainingPipeline, evaluation_batches
from visionkit.data.pipeline.in_memory import ImagesInMemory, Variation
from visionkit.layers.batch_augmentation import augmented
from visionkit.metrics.multi_label import mean_average_precision
from visionkit.tasks.classification.feature_cache import Features
from visionkit.tasks.classification.transfer import HEAD, TransferModel
from visionkit.training import fit
from visionkit.training.fit import Phase

LABEL_SMOOTHING = 0.1
VALIDATION_BATCH = 256  # small images
VALIDATION_IN_MEMORY = 2**29  # bytes of validation images that are kept from epoch to epoch

Batches = Callable[[int], Iterable[tuple[Any, Any]]]  # from the number of an epoch to its inputs and their positions


@dataclass(frozen=True, kw_only=True)
class Schedule(fit.Schedule):
    """How long and how fast a classifier is trained, and towards which targets.

    Attributes:
        label_smoothing: share of each label that is spread over all classes (https://arxiv.org/abs/1512.00567).
    """

    label_smoothing: float = 0.0


def arrays_phase(
    model: keras.Model,
    train: Index | SmallImages,
    batches: Batches,
    validate: Callable[[], dict[str, float]],
    schedule: Schedule,
    *,
    name: str = "training",
    loop: Literal["fit", "train_on_batch"] = "train_on_batch",
    loss_weights: dict[str, float] | None = None,
    num_samples: int | None = None,
) -> Phase:
    """Train a classifier on samples in memory, with weights that let every class count alike.

    Args:
        model: inputs to logits, or to a dict of logits by output.
        train: the labels of the training samples.
        batches: from the number of an epoch to its batches ``(inputs, positions)``, where ``positions`` are the samples' rows
            in ``train``: an iterator, as ``shuffled`` makes it, or a ``tf.data.Dataset``.
        validate: see ``Phase``.
        schedule: how long and how fast.
        name: of the phase.
        loop: see ``Phase``.
        loss_weights: the weight of each output's loss, where the model has several outputs. The accuracy is that of the first.
        num_samples: samples an epoch. Default: each one once.
    """
    one_hot, weights = (tf.constant(targets) for targets in weighted_targets(train))

    def with_targets(inputs: Any, positions: Any) -> tuple:
        return inputs, *_for_outputs(loss_weights, tf.gather(one_hot, positions), tf.gather(weights, positions))

    def epoch_batches(epoch: int) -> Iterable:
        pairs = batches(epoch)
        return pairs.map(with_targets) if isinstance(pairs, tf.data.Dataset) else itertools.starmap(with_targets, pairs)

    return Phase(
        name=name,
        model=model,
        epochs=schedule.epochs,
        learning_rate=schedule.learning_rate,
        batch_size=schedule.batch_size,
        steps_per_epoch=-(-(len(train) if num_samples is None else num_samples) // schedule.batch_size),
        batches=epoch_batches,
        validate=validate,
        validate_every=schedule.validate_every,
        loop=loop,
        **_loss_and_metrics(schedule, loss_weights, multi_label=is_multi_label(train)),
    )


def shuffled(
    vary: Callable[[int, np.random.Generator], Callable[[np.ndarray], np.ndarray]], count: int, batch_size: int, seed: int
) -> Batches:
    """Batches for ``arrays_phase`` of arrays that are varied anew in every epoch.

    Args:
        vary: from the number of an epoch, and the generator that has drawn its order, to a function from positions to inputs.
        count: number of training samples.
        batch_size: samples a batch.
        seed: draws, together with the number of the epoch, its order and what ``vary`` draws.
    """

    def batches(epoch: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        rng = np.random.default_rng([seed, epoch])
        order = rng.permutation(count)
        inputs_at = vary(epoch, rng)
        for start in range(0, count, batch_size):
            positions = order[start : start + batch_size]
            yield inputs_at(positions), positions

    return batches


def feature_batches(features: Features, batch_size: int, seed: int, epoch: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Shuffled batches of one epoch from all views of cached features; rows are read from disk as they are needed.

    Args:
        features: of the training images.
        batch_size: rows a batch.
        seed: draws the order of all views' rows, together with ``epoch``.
        epoch: from 0.

    Returns:
        batches ``(features, positions)``.
    """
    views, count = features.views, len(features.index)
    order = np.random.default_rng([seed, epoch]).permutation(len(views) * count)
    for start in range(0, len(order), batch_size):
        view_numbers, rows = np.divmod(order[start : start + batch_size], count)
        yield np.stack([views[view][row] for view, row in zip(view_numbers, rows, strict=True)]), rows


def head_phase(model: TransferModel, train: Features, val: Features, schedule: Schedule, *, seed: int) -> Phase:
    """Train the head alone, on features that were computed before.

    Args:
        model: its head is trained.
        train: features of the training images; an epoch goes through all views of them.
        val: features of the validation images, and of their mirror images where the bundle will average over both.
        schedule: how long and how fast.
        seed: draws the order.
    """

    def validate() -> dict[str, float]:
        to_scores = keras.ops.sigmoid if is_multi_label(val.index) else keras.ops.softmax
        predictions = [to_scores(model.head(np.asarray(features), training=False)) for features in val.views]
        return measured(keras.ops.convert_to_numpy(sum(predictions) / len(predictions)), targets_of(val.index))

    batches = partial(feature_batches, train, schedule.batch_size, seed)
    num_samples = len(train.views) * len(train.index)
    return arrays_phase(model.head, train.index, batches, validate, schedule, name=HEAD, num_samples=num_samples)


def small_image_phase(
    classifier: keras.Model,
    train: SmallImages,
    val: SmallImages,
    schedule: Schedule,
    *,
    name: str,
    variation: Variation,
    flips: bool,
    seed: int,
    loss_weights: dict[str, float] | None = None,
) -> Phase:
    """Train a whole classifier on images in memory, shifted and mirrored anew in every epoch.

    Args:
        classifier: pixels ``(N, size, size, 1 or 3)`` to logits.
        train: the training images.
        val: the validation images.
        schedule: how long and how fast.
        name: of the phase.
        variation: how training images are varied.
        flips: whether to validate on mirror images, too, as a bundle with ``flips`` predicts.
        seed: draws order and variations.
        loss_weights: see ``arrays_phase``.
    """
    shape = {"size": classifier.input_shape[1], "channels": classifier.input_shape[-1]}
    shown = ImagesInMemory(train, **shape)

    def batches(epoch: int) -> tf.data.Dataset:
        images = shown.batches(schedule.batch_size, variation=variation, shuffle=True, seed=seed, epoch=epoch)
        return images.map(lambda batch: (batch["image"], batch["position"]))

    validate = _image_validator(classifier, ImagesInMemory(val, **shape).batches(VALIDATION_BATCH), flips=flips)
    options = {"name": name, "loop": "fit", "loss_weights": loss_weights}
    return arrays_phase(classifier, train, batches, validate, schedule, **options)


def image_phase(
    classifier: keras.Model,
    pipeline: TrainingPipeline,
    val: Index,
    schedule: Schedule,
    *,
    name: str,
    flips: bool,
    loss_weights: dict[str, float] | None = None,
) -> Phase:
    """Train a whole classifier, as far as it is unfrozen, on images augmented anew in every epoch.

    Args:
        classifier: pixels ``(N, size, size, 3)`` to logits; with one output only where the device augments.
        pipeline: makes the training images.
        val: the validation images.
        schedule: how long and how fast; its batch size is the pipeline's.
        name: of the phase.
        flips: whether to validate on mirror images, too, as a bundle with ``flips`` predicts.
        loss_weights: see ``arrays_phase``.
    """
    one_hot, weights = (tf.constant(targets) for targets in weighted_targets(pipeline.index))
    mixes, on_device = pipeline.augmentation.mix is not None, pipeline.augment_on == "device"
    trained = augmented(classifier, mixes=mixes) if on_device else classifier

    def with_targets(batch: dict[str, tf.Tensor]) -> tuple:
        labels = batch["label"] if mixes else tf.gather(one_hot, batch["position"])
        inputs = {name: batch[name] for name in trained.input} if on_device else batch["image"]
        return inputs, *_for_outputs(loss_weights, labels, tf.gather(weights, batch["position"]))

    val_batches = evaluation_batches(val, pipeline.size, schedule.batch_size)
    if len(val) * pipeline.size**2 * 3 * 4 <= VALIDATION_IN_MEMORY:
        val_batches = val_batches.cache()
    return Phase(
        name=name,
        model=trained,
        epochs=schedule.epochs,
        learning_rate=schedule.learning_rate,
        batch_size=schedule.batch_size,
        steps_per_epoch=len(pipeline),
        batches=lambda epoch: pipeline.epoch(epoch).map(with_targets),
        validate=_image_validator(classifier, val_batches, flips=flips, multi_label=is_multi_label(val)),
        validate_every=schedule.validate_every,
        **_loss_and_metrics(schedule, loss_weights, multi_label=is_multi_label(pipeline.index)),
    )


def is_multi_label(data: Any) -> bool:
    """Whether the images of an index may have several labels, or none; never of images in memory."""
    return isinstance(data, Index) and data.label_sets is not None


def targets_of(index: Index) -> np.ndarray:
    """The labels of an index, int ``(N,)``, or its sets of labels, bool ``(N, num_classes)``."""
    return index.labels if index.label_sets is None else index.label_sets


def _loss_and_metrics(
    schedule: Schedule, loss_weights: dict[str, float] | None, *, multi_label: bool = False
) -> dict[str, Any]:
    """Cross-entropy on logits, and the accuracy unless there are several labels, as ``Phase`` takes them."""
    if multi_label:
        loss = keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=schedule.label_smoothing)
        return {"loss": loss, "monitor": "map"}
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=schedule.label_smoothing)
    metrics = [keras.metrics.CategoricalAccuracy(name="accuracy")]
    if loss_weights is None:
        return {"loss": loss, "metrics": metrics, "monitor": "accuracy"}
    first = next(iter(loss_weights))
    losses = dict.fromkeys(loss_weights, loss)
    return {"loss": losses, "metrics": {first: metrics}, "loss_weights": loss_weights, "monitor": "accuracy"}


def _for_outputs(loss_weights: dict[str, float] | None, *targets: tf.Tensor) -> list[Any]:
    """Labels and sample weights, for each output of a model that has several."""
    return [each if loss_weights is None else dict.fromkeys(loss_weights, each) for each in targets]


def _image_validator(
    classifier: keras.Model, val_batches: tf.data.Dataset, *, flips: bool, multi_label: bool = False
) -> Callable[[], dict[str, float]]:
    """A function that measures the classifier as it is, and averages over mirror images where its bundle will."""
    pixels = tf.TensorSpec([None, *classifier.input_shape[1:]], tf.float32)
    to_scores = tf.sigmoid if multi_label else tf.nn.softmax

    @partial(tf.function, input_signature=[pixels], autograph=False)
    def predict(images):
        logits = classifier(images, training=False)
        return to_scores(logits["predictions"] if isinstance(logits, dict) else logits)

    def predict_as_bundle(images):
        return (predict(images) + predict(images[:, :, ::-1])) / 2 if flips else predict(images)

    def validate() -> dict[str, float]:
        parts = [(predict_as_bundle(batch["image"]).numpy(), batch["label"].numpy()) for batch in val_batches]
        return measured(*(np.concatenate(part) for part in zip(*parts, strict=True)))

    return validate


def array_validator(
    classifier: keras.Model, values: np.ndarray, labels: np.ndarray, batch_size: int
) -> Callable[[], dict[str, float]]:
    """A function that measures a classifier as it is on samples in memory.

    Args:
        classifier: values to logits.
        values: ``(N, ...)``, numbers of any type.
        labels: int ``(N,)``.
        batch_size: samples a step.
    """

    def validate() -> dict[str, float]:
        parts = [values[start : start + batch_size].astype(np.float32) for start in range(0, len(values), batch_size)]
        logits = np.concatenate([classifier.predict_on_batch(part) for part in parts])
        return loss_and_accuracy(keras.ops.convert_to_numpy(keras.ops.softmax(logits)), labels)

    return validate


def weighted_targets(index: Index | SmallImages) -> tuple[np.ndarray, np.ndarray]:
    """One-hot labels ``(N, num_classes)`` and each sample's class weight ``(N,)``, float32; 1 with several labels an image."""
    if is_multi_label(index):
        return index.label_sets.astype(np.float32), np.ones(len(index), np.float32)
    by_label = class_weights(index)
    weights = np.array([by_label[int(label)] for label in index.labels], np.float32)
    return np.eye(len(index.class_names), dtype=np.float32)[index.labels], weights


def measured(scores: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """What validation measures: loss and accuracy, or loss and mAP where an image may have several labels.

    Args:
        scores: ``(N, num_classes)``, 0..1.
        targets: int ``(N,)``, or sets of labels ``(N, num_classes)``.
    """
    if targets.ndim == 1:
        return loss_and_accuracy(scores, targets)
    truth = targets > 0
    likelihood = np.where(truth, scores, 1 - scores)
    loss = -np.log(np.maximum(likelihood, np.finfo(np.float32).eps)).mean()
    return {"loss": float(loss), "map": mean_average_precision(truth, scores)}


def loss_and_accuracy(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Cross-entropy and accuracy of ``(N, num_classes)`` probabilities."""
    true_class = probabilities[np.arange(len(labels)), labels]
    loss = -np.log(np.maximum(true_class, np.finfo(np.float32).tiny)).mean()
    return {"loss": float(loss), "accuracy": float((probabilities.argmax(axis=1) == labels).mean())}
