"""The phases of training: a head on cached features, a network on augmented images, from files or in memory."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from visionkit.data.index import Index, SkippedFiles, SmallImages, class_weights
from visionkit.data.pipeline.batches import batches
from visionkit.data.pipeline.in_memory import ShownImages, Variation
from visionkit.layers.batch_augmentation import augmented
from visionkit.tasks.classification.transfer import TransferModel
from visionkit.training.augment_device import Feeding
from visionkit.training.fit import Phase

HEAD_RATE = 1e-3
UNFROZEN_RATE = 1e-4  # pretrained weights are adapted, not replaced
LABEL_SMOOTHING = 0.1
VALIDATION_BATCH = 256  # small images
VALIDATION_IN_MEMORY = 2**29  # bytes of validation images that are kept from epoch to epoch


class Validation(NamedTuple):
    """What is measured of a classifier after each epoch."""

    loss: float
    accuracy: float


def feature_batches(
    views: list[np.ndarray], one_hot: np.ndarray, weights: np.ndarray, batch_size: int, seed: int, epoch: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Shuffled batches of one epoch from the views of a feature cache; rows are read from disk as they are needed.

    Args:
        views: arrays ``(N, D)``, one a view.
        one_hot: ``(N, num_classes)``.
        weights: ``(N,)``.
        batch_size: rows a batch.
        seed: draws the order of all views' rows, together with ``epoch``.
        epoch: from 0.
    """
    order = np.random.default_rng([seed, epoch]).permutation(len(views) * len(one_hot))
    for start in range(0, len(order), batch_size):
        view, row = np.divmod(order[start : start + batch_size], len(one_hot))
        features = np.stack([views[v][r] for v, r in zip(view, row, strict=True)])
        yield features, one_hot[row], weights[row]


def head_phase(
    model: TransferModel,
    train: Index,
    views: list[np.ndarray],
    val: Index,
    val_views: list[np.ndarray],
    *,
    epochs: int,
    batch_size: int,
    seed: int,
) -> Phase:
    """Train the head alone, on features that were computed before.

    Args:
        model: its head is trained.
        train: the training index.
        views: its features ``(N, D)`` in one or more views; an epoch goes through all of them.
        val: the validation index.
        val_views: its features, and those of the mirror images where the bundle will average over both.
    """
    one_hot, weights = weighted_targets(train)

    def validate() -> Validation:
        answers = [keras.ops.softmax(model.head(np.asarray(features), training=False)) for features in val_views]
        return measured(keras.ops.convert_to_numpy(sum(answers) / len(answers)), val.labels)

    return Phase(
        name="head",
        model=model.head,
        epochs=epochs,
        learning_rate=HEAD_RATE,
        steps_per_epoch=-(-len(views) * len(train) // batch_size),
        batches=lambda epoch: feature_batches(views, one_hot, weights, batch_size, seed, epoch),
        validate=validate,
        short_steps=True,
    )


def image_phase(
    classifier: keras.Model,
    name: str,
    train: Index,
    val: Index,
    *,
    feeding: Feeding,
    flips: bool,
    epochs: int,
    batch_size: int,
    seed: int,
    skipped: SkippedFiles,
    learning_rate: float = UNFROZEN_RATE,
    loss_weights: dict[str, float] | None = None,
) -> Phase:
    """Train a whole classifier, as far as it is unfrozen, on images augmented anew in every epoch.

    Args:
        classifier: pixels ``(N, size, size, 3)`` to logits.
        name: of the phase.
        train: the training index.
        val: the validation index.
        feeding: how training images are made; one output only where "device" augments them.
        flips: validate as a bundle with ``flips`` will answer.
        skipped: takes files that vanish on the way.
        learning_rate: the peak.
        loss_weights: of a classifier with several outputs; see ``fit.Phase``.
    """
    size = classifier.input_shape[1]
    one_hot, weights = (tf.constant(targets) for targets in weighted_targets(train))

    mixes = feeding.augmentation.mix is not None
    on_device = feeding.augment_on == "device"
    trained = augmented(classifier, mixes=mixes) if on_device else classifier

    def targets(batch):
        labels = batch["label"] if mixes else tf.gather(one_hot, batch["position"])
        inputs = {name: batch[name] for name in trained.input} if on_device else batch["image"]
        return inputs, *_for_outputs(loss_weights, labels, tf.gather(weights, batch["position"]))

    def epoch_batches(epoch: int) -> tf.data.Dataset:
        images = batches(
            train,
            size=size,
            batch_size=batch_size,
            skipped=skipped,
            augmentation=feeding.augmentation,
            shuffle=True,
            seed=seed,
            epoch=epoch,
            cache=feeding.cache,
            augment_on=feeding.augment_on,
            service=feeding.service,
        )
        return images.map(targets)

    val_batches = batches(val, size=size, batch_size=batch_size, skipped=skipped)
    if len(val) * size * size * 3 * 4 <= VALIDATION_IN_MEMORY:
        val_batches = val_batches.cache()
    return Phase(
        name=name,
        model=trained,
        epochs=epochs,
        learning_rate=learning_rate,
        steps_per_epoch=-(-len(train) // batch_size),
        batches=epoch_batches,
        validate=_validator(classifier, val_batches, flips=flips),
        label_smoothing=LABEL_SMOOTHING,
        loss_weights=loss_weights,
    )


def small_image_phase(
    classifier: keras.Model,
    name: str,
    train: SmallImages,
    val: SmallImages,
    *,
    variation: Variation,
    flips: bool,
    epochs: int,
    batch_size: int,
    seed: int,
    learning_rate: float,
    label_smoothing: float = LABEL_SMOOTHING,
    loss_weights: dict[str, float] | None = None,
) -> Phase:
    """Train a whole classifier on images in memory, shifted and mirrored anew in every epoch.

    Args:
        classifier: pixels ``(N, size, size, 1 or 3)`` to logits.
        name: of the phase.
        train: the training images.
        val: the validation images.
        variation: how training images are varied.
        flips: validate as a bundle with ``flips`` will answer.
        learning_rate: the highest.
        label_smoothing: see ``fit.Phase``.
        loss_weights: of a classifier with several outputs; see ``fit.Phase``.
    """
    shape = {"size": classifier.input_shape[1], "channels": classifier.input_shape[-1]}
    shown = ShownImages(train, **shape)
    one_hot, weights = (tf.constant(targets) for targets in weighted_targets(train))

    def targets(batch):
        labels, shares = (tf.gather(each, batch["position"]) for each in (one_hot, weights))
        return batch["image"], *_for_outputs(loss_weights, labels, shares)

    options = {"variation": variation, "shuffle": True, "seed": seed}
    return Phase(
        name=name,
        model=classifier,
        epochs=epochs,
        learning_rate=learning_rate,
        steps_per_epoch=-(-len(train) // batch_size),
        batches=lambda epoch: shown.batches(batch_size, epoch=epoch, **options).map(targets),
        validate=_validator(classifier, ShownImages(val, **shape).batches(VALIDATION_BATCH), flips=flips),
        label_smoothing=label_smoothing,
        loss_weights=loss_weights,
    )


def _for_outputs(loss_weights: dict[str, float] | None, *targets: tf.Tensor) -> list[Any]:
    """Labels and sample weights, for each output of a model that has several."""
    return [each if loss_weights is None else dict.fromkeys(loss_weights, each) for each in targets]


def _validator(classifier: keras.Model, val_batches: tf.data.Dataset, *, flips: bool) -> Callable[[], Validation]:
    """A function that measures the classifier as it is, answering as its bundle will."""
    pixels = tf.TensorSpec([None, *classifier.input_shape[1:]], tf.float32)

    @partial(tf.function, input_signature=[pixels])
    def answer(images):
        logits = classifier(images, training=False)
        return tf.nn.softmax(logits["predictions"] if isinstance(logits, dict) else logits)

    def answer_as_bundle(images):
        return (answer(images) + answer(images[:, :, ::-1])) / 2 if flips else answer(images)

    def validate() -> Validation:
        answers = [(answer_as_bundle(batch["image"]).numpy(), batch["label"].numpy()) for batch in val_batches]
        return measured(*(np.concatenate(parts) for parts in zip(*answers, strict=True)))

    return validate


def weighted_targets(index: Index | SmallImages) -> tuple[np.ndarray, np.ndarray]:
    """One-hot labels ``(N, num_classes)`` and each sample's class weight ``(N,)``, float32."""
    by_label = class_weights(index)
    weights = np.array([by_label[int(label)] for label in index.labels], np.float32)
    return np.eye(len(index.class_names), dtype=np.float32)[index.labels], weights


def answering_in_parts(
    classifier: keras.Model, values: np.ndarray, labels: np.ndarray, at_once: int
) -> Callable[[], Validation]:
    """A function that measures a classifier as it is on samples in memory.

    Args:
        classifier: values to logits.
        values: ``(N, ...)``, numbers of any type.
        labels: int ``(N,)``.
        at_once: samples a step.
    """

    def validate() -> Validation:
        parts = [values[start : start + at_once].astype(np.float32) for start in range(0, len(values), at_once)]
        logits = np.concatenate([classifier.predict_on_batch(part) for part in parts])
        return measured(keras.ops.convert_to_numpy(keras.ops.softmax(logits)), labels)

    return validate


def measured(probabilities: np.ndarray, labels: np.ndarray) -> Validation:
    """Cross-entropy and accuracy of ``(N, num_classes)`` probabilities."""
    of_truth = probabilities[np.arange(len(labels)), labels]
    loss = -np.log(np.maximum(of_truth, np.finfo(np.float32).tiny)).mean()
    return Validation(float(loss), float((probabilities.argmax(axis=1) == labels).mean()))
