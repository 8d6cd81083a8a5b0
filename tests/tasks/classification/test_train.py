"""The kinds of phases, on real small data."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import log_softmax, softmax
from sklearn.metrics import average_precision_score

from tests.colored_quadrants import write_quadrants
from visionkit.data.augmentation import presets
from visionkit.data.formats.small_sets import digits
from visionkit.data.images.decode import read_image
from visionkit.data.images.resize import center_crop
from visionkit.data.images.scan import scan
from visionkit.data.index import Index
from visionkit.data.pipeline.batches import TrainingPipeline
from visionkit.data.pipeline.in_memory import Variation
from visionkit.data.sources import read_classified
from visionkit.tasks.classification.feature_cache import Features
from visionkit.tasks.classification.train import (
    Schedule,
    array_validator,
    arrays_phase,
    feature_batches,
    head_phase,
    image_phase,
    is_multi_label,
    loss_and_accuracy,
    measured,
    shuffled,
    small_image_phase,
    weighted_targets,
)
from visionkit.tasks.classification.transfer import TransferModel
from visionkit.training.fit import compile_phase, run_epoch

SCHEDULE = Schedule(epochs=1, batch_size=5, learning_rate=1e-4)


@pytest.fixture
def model() -> TransferModel:
    keras.utils.set_random_seed(0)
    image = keras.Input((32, 32, 3))
    features = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(keras.layers.Rescaling(1 / 255)(image)))
    logits = keras.layers.Dense(2)
    feature_input = keras.Input((4,))
    return TransferModel(
        keras.Model(image, features), keras.Model(feature_input, logits(feature_input)), keras.Model(image, logits(features))
    )


def test_an_epoch_of_features_goes_through_every_view_of_every_image_once():
    views = [np.arange(7)[:, None] + 100.0 * view for view in range(3)]
    features = Features(range(7), views)
    batches = list(feature_batches(features, 4, seed=1, epoch=0))
    values, positions = (np.concatenate(part) for part in zip(*batches, strict=True))
    assert sorted(values[:, 0]) == sorted(np.concatenate(views)[:, 0])
    np.testing.assert_array_equal(values[:, 0] % 100, positions)
    assert list(feature_batches(Features(range(7), []), 4, 1, 0)) == []
    assert not np.array_equal(next(feature_batches(features, 4, seed=1, epoch=1))[0], batches[0][0])


def test_loss_and_accuracy_agree_with_scipy(rng):
    logits, labels = rng.normal(size=(20, 5)) * 5, rng.integers(0, 5, 20)
    measured = loss_and_accuracy(softmax(logits, axis=1), labels)
    assert measured["loss"] == pytest.approx(-log_softmax(logits, axis=1)[np.arange(20), labels].mean())
    assert measured["accuracy"] == (logits.argmax(1) == labels).mean()


def test_rare_classes_weigh_more(model, rng):
    index = Index(("a", "b"), ("x",) * 8, np.array([0] * 6 + [1] * 2, np.int32))
    features = Features(index, [rng.normal(size=(8, 4)).astype("float32")])
    phase = head_phase(model, features, features, replace(SCHEDULE, batch_size=8), seed=0)
    _, one_hot, weights = (np.asarray(part) for part in next(iter(phase.batches(0))))
    assert weights[one_hot[:, 1] == 1] == pytest.approx(2.0) and weights[one_hot[:, 0] == 1] == pytest.approx(8 / 12)
    assert phase.steps_per_epoch == 1


def test_an_epoch_of_arrays_has_an_order_of_its_own_and_then_draws_the_variations(rng):
    values = np.arange(7.0)

    def vary(epoch, rng):
        added = rng.uniform(size=7)
        return lambda positions: values[positions] + added[positions]

    batches = shuffled(vary, 7, 3, seed=2)
    inputs, positions = zip(*batches(1), strict=True)
    expected = np.random.default_rng([2, 1])
    order, added = expected.permutation(7), expected.uniform(size=7)
    assert [len(part) for part in positions] == [3, 3, 1]
    np.testing.assert_array_equal(np.concatenate(positions), order)
    np.testing.assert_array_equal(np.concatenate(inputs), (values + added)[order])
    assert not np.array_equal(np.concatenate([part for _, part in batches(2)]), order)


def test_a_network_learns_arrays_in_memory(rng):
    keras.utils.set_random_seed(0)
    values = rng.normal(size=(40, 6)).astype("float32")
    index = Index(("a", "b"), ("x",) * 40, (values[:, 0] > 0).astype(np.int32))
    network = keras.Sequential([keras.Input((6,)), keras.layers.Dense(2)])
    batches = shuffled(lambda epoch, rng: values.__getitem__, 40, 8, seed=0)
    validate = array_validator(network, values, index.labels, 16)
    phase = arrays_phase(network, index, batches, validate, Schedule(epochs=20, batch_size=8, learning_rate=0.05))
    compile_phase(phase)
    measured = [run_epoch(phase, epoch, lambda: None) for epoch in range(phase.epochs)]
    assert phase.steps_per_epoch == 5 and measured[-1]["accuracy"] > 0.9 and phase.validate()["accuracy"] > 0.9


def unfrozen(model, class_folders, augmentation, augment_on="cpu"):
    splits = read_classified(class_folders)
    train, val = scan(splits.train), scan(splits.val)
    pipeline = TrainingPipeline(train, 32, SCHEDULE.batch_size, augmentation, augment_on=augment_on)
    return image_phase(model.classifier, pipeline, val, SCHEDULE, name="last", flips=True)


def test_an_image_phase_gives_augmented_images_their_labels(model, class_folders):
    phase = unfrozen(model, class_folders, presets.preset("light"))
    batches = [[part.numpy() for part in batch] for batch in phase.batches(0)]
    assert len(batches) == phase.steps_per_epoch == 3
    pixels, one_hot, weights = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    assert pixels.shape == (12, 32, 32, 3) and one_hot.sum(0).tolist() == [6, 6] and (weights == 1).all()
    assert not np.array_equal(next(iter(phase.batches(1)))[0], batches[0][0])
    measured = phase.validate()
    assert 0 <= measured["accuracy"] <= 1 and measured == phase.validate()


def small_network(side: bool) -> keras.Model:
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 1))
    features = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(image))
    logits = keras.layers.Dense(10, name="predictions")(features)
    return keras.Model(image, {"predictions": logits, "side1": keras.layers.Dense(10)(features)} if side else logits)


@pytest.mark.parametrize("loss_weights", [None, {"predictions": 1.0, "side1": 0.3}])
def test_a_network_learns_digits_in_memory_also_with_a_side_branch(loss_weights):
    train, val, _ = digits()
    schedule = Schedule(epochs=3, batch_size=16, learning_rate=0.02)
    options = {"name": "x", "variation": Variation(), "flips": False, "seed": 0, "loss_weights": loss_weights}
    network = small_network(loss_weights is not None)
    phase = small_image_phase(network, train, val, schedule, **options)
    compile_phase(phase)
    measured = [run_epoch(phase, epoch, lambda: None) for epoch in range(phase.epochs)]
    assert measured[-1].keys() == {"loss", "accuracy"}
    assert measured[-1]["accuracy"] > 0.85 and phase.validate()["accuracy"] > 0.85
    if loss_weights is not None:
        logged = network.get_metrics_result()
        parts = sum(share * logged[f"{name}_loss"] for name, share in loss_weights.items())
        assert measured[-1]["loss"] == pytest.approx(float(parts), rel=1e-3)


@pytest.mark.parametrize("mix", [None, "mixup", "cutmix"])
def test_where_images_are_augmented_the_network_sees_the_same(model, class_folders, mix):
    augmentation = replace(presets.preset("light"), mix=mix)
    on_cpu, on_device = (unfrozen(model, class_folders, augmentation, place) for place in ("cpu", "device"))
    all_labels = []
    for (pixels, one_hot, _), (batch, labels, _) in zip(on_cpu.batches(0), on_device.batches(0), strict=True):
        np.testing.assert_array_equal(one_hot, labels)
        np.testing.assert_allclose(on_cpu.model(tf.cast(pixels, tf.float32)), on_device.model(batch), atol=0.02)
        all_labels.append(one_hot.numpy())
    all_labels = np.concatenate(all_labels)
    assert ((all_labels > 0) & (all_labels < 1)).any() == (mix is not None)


def test_the_loss_and_map_of_several_labels_agree_with_keras_and_scikit_learn(rng):
    logits, truth = rng.normal(size=(40, 3)) * 3, rng.random((40, 3)) < 0.4
    scores = 1 / (1 + np.exp(-logits))
    values = measured(scores, truth.astype(np.float32))
    assert values["loss"] == pytest.approx(float(keras.losses.BinaryCrossentropy(from_logits=True)(truth, logits)), rel=1e-4)
    assert values["map"] == pytest.approx(average_precision_score(truth, scores), abs=1e-6)
    assert list(measured(scores, truth.argmax(axis=1))) == ["loss", "accuracy"]


@pytest.mark.parametrize("mix", [None, "cutmix"])
def test_a_phase_on_images_with_several_labels_has_a_binary_loss(model, tmp_path, mix):
    index = scan(write_quadrants(tmp_path, 10, side=32))
    targets, weights = weighted_targets(index)
    np.testing.assert_array_equal(targets, index.label_sets)
    assert (weights == 1).all() and is_multi_label(index)
    classifier = keras.Model(model.classifier.input, keras.layers.Dense(3)(model.extractor(model.classifier.input)))
    pipeline = TrainingPipeline(index, 32, 5, replace(presets.preset("light"), mix=mix))
    phase = image_phase(classifier, pipeline, index, SCHEDULE, name="all", flips=True)
    compile_phase(phase)
    epoch = run_epoch(phase, 0, lambda: None)
    assert list(epoch) == ["loss"] and 0.3 < epoch["loss"] < 3
    logits = classifier.predict(np.stack([center_crop(read_image(path), 32).numpy() for path in index.paths]), verbose=0)
    mirrored = classifier.predict(
        np.stack([center_crop(read_image(path), 32).numpy()[:, ::-1] for path in index.paths]), verbose=0
    )
    scores = (1 / (1 + np.exp(-logits)) + 1 / (1 + np.exp(-mirrored))) / 2
    assert phase.validate()["map"] == pytest.approx(average_precision_score(index.label_sets, scores), abs=1e-4)
