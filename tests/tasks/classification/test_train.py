"""The two kinds of phases, on real small data."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import log_softmax, softmax

from visionkit.data.augmentation import presets
from visionkit.data.formats.class_folders import read_class_folders
from visionkit.data.formats.small_sets import digits
from visionkit.data.images.scan import scan
from visionkit.data.index import Index, SkippedFiles
from visionkit.data.pipeline.in_memory import Variation
from visionkit.tasks.classification.train import feature_batches, head_phase, image_phase, measured, small_image_phase
from visionkit.tasks.classification.transfer import TransferModel
from visionkit.training.augment_device import Feeding
from visionkit.training.fit import compile_phase, run_epoch


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
    one_hot, weights = np.eye(7, dtype="float32"), np.arange(7, dtype="float32")
    parts = list(feature_batches(views, one_hot, weights, 4, seed=1, epoch=0))
    features, labels, sample_weights = (np.concatenate(part) for part in zip(*parts, strict=True))
    assert sorted(features[:, 0]) == sorted(np.concatenate(views)[:, 0])
    np.testing.assert_array_equal(features[:, 0] % 100, labels.argmax(1))
    np.testing.assert_array_equal(sample_weights, labels.argmax(1))
    assert list(feature_batches([], one_hot, weights, 4, 1, 0)) == []
    assert not np.array_equal(next(feature_batches(views, one_hot, weights, 4, seed=1, epoch=1))[0], parts[0][0])


def test_what_is_measured_agrees_with_scipy(rng):
    logits, labels = rng.normal(size=(20, 5)) * 5, rng.integers(0, 5, 20)
    validation = measured(softmax(logits, axis=1), labels)
    assert validation.loss == pytest.approx(-log_softmax(logits, axis=1)[np.arange(20), labels].mean())
    assert validation.accuracy == (logits.argmax(1) == labels).mean()


def test_rare_classes_weigh_more(model, rng):
    index = Index(("a", "b"), ("x",) * 8, np.array([0] * 6 + [1] * 2, np.int32))
    features = rng.normal(size=(8, 4)).astype("float32")
    phase = head_phase(model, index, [features], index, [features], epochs=1, batch_size=8, seed=0)
    _, one_hot, weights = next(phase.batches(0))
    assert weights[one_hot[:, 1] == 1] == pytest.approx(2.0) and weights[one_hot[:, 0] == 1] == pytest.approx(8 / 12)
    assert phase.steps_per_epoch == 1


def unfrozen(model, class_folders, feeding):
    splits, skipped = read_class_folders(class_folders), SkippedFiles()
    train, val = scan(splits.train, skipped), scan(splits.val, skipped)
    options = {"flips": True, "epochs": 1, "batch_size": 5, "seed": 0, "skipped": skipped}
    return image_phase(model.classifier, "last", train, val, feeding=feeding, **options)


def test_a_image_phase_gives_augmented_images_their_labels(model, class_folders):
    phase = unfrozen(model, class_folders, Feeding(presets.preset("light")))
    batches = [[part.numpy() for part in batch] for batch in phase.batches(0)]
    assert len(batches) == phase.steps_per_epoch == 3
    pixels, one_hot, weights = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    assert pixels.shape == (12, 32, 32, 3) and one_hot.sum(0).tolist() == [6, 6] and (weights == 1).all()
    assert not np.array_equal(next(iter(phase.batches(1)))[0], batches[0][0])
    measured = phase.validate()
    assert 0 <= measured.accuracy <= 1 and measured == phase.validate()


def small_network(side: bool) -> keras.Model:
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 1))
    features = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(image))
    logits = keras.layers.Dense(10, name="predictions")(features)
    return keras.Model(image, {"predictions": logits, "side1": keras.layers.Dense(10)(features)} if side else logits)


@pytest.mark.parametrize("loss_weights", [None, {"predictions": 1.0, "side1": 0.3}])
def test_a_network_learns_digits_in_memory_also_with_a_side_branch(loss_weights):
    train, val, _ = digits()
    options = {"variation": Variation(), "flips": False, "epochs": 3, "batch_size": 16, "seed": 0, "learning_rate": 0.02}
    network = small_network(loss_weights is not None)
    phase = small_image_phase(network, "x", train, val, loss_weights=loss_weights, label_smoothing=0.0, **options)
    compile_phase(phase)
    measured = [run_epoch(phase, epoch, lambda: None) for epoch in range(phase.epochs)]
    assert measured[-1]["accuracy"] > 0.85 and phase.validate().accuracy > 0.85
    if loss_weights is not None:
        logged = network.get_metrics_result()
        parts = sum(share * logged[f"{name}_loss"] for name, share in loss_weights.items())
        assert measured[-1]["loss"] == pytest.approx(float(parts), rel=1e-3)


@pytest.mark.parametrize("mix", [None, "mixup", "cutmix"])
def test_where_images_are_augmented_the_network_sees_the_same(model, class_folders, mix):
    feeding = Feeding(replace(presets.preset("light"), mix=mix))
    ours = unfrozen(model, class_folders, feeding)
    theirs = unfrozen(model, class_folders, replace(feeding, augment_on="device"))
    labels_seen = []
    for (pixels, one_hot, _), (batch, labels, _) in zip(ours.batches(0), theirs.batches(0), strict=True):
        np.testing.assert_array_equal(one_hot, labels)
        np.testing.assert_allclose(ours.model(tf.cast(pixels, tf.float32)), theirs.model(batch), atol=0.02)
        labels_seen.append(one_hot.numpy())
    labels_seen = np.concatenate(labels_seen)
    assert ((labels_seen > 0) & (labels_seen < 1)).any() == (mix is not None)
