"""The training of embedders: batches of people, losses with and without centers, and embeddings that learn to differ."""

import dataclasses

import keras
import numpy as np
import pytest

from tests.conftest import sweep
from visionkit.data.augmentation.presets import Augmentation
from visionkit.data.demo.faces import make_face_demo
from visionkit.data.formats.identities import read_identities, split_people
from visionkit.data.images.scan import scan
from visionkit.data.pipeline.batches import TrainingPipeline
from visionkit.data.pipeline.pixel_cache import open_cache
from visionkit.losses import similarity
from visionkit.tasks.embedding import train
from visionkit.tasks.embedding.train import Objective, Schedule
from visionkit.training import fit


def tiny(size: int = 32) -> keras.Model:
    keras.utils.set_random_seed(0)
    pixels = keras.Input((size, size, 3))
    x = keras.layers.Conv2D(8, 5, 4, activation="relu")(keras.layers.Rescaling(1 / 128, -1)(pixels))
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Dense(8)(keras.layers.Flatten()(x))
    return keras.Model(pixels, keras.layers.UnitNormalization()(x))


@pytest.fixture(scope="module")
def splits(tmp_path_factory):
    folder = make_face_demo(tmp_path_factory.mktemp("data") / "faces", num_train=5, num_val=2, images=4)
    return split_people(read_identities(folder), seed=0).map(lambda index, _: scan(index))


@pytest.fixture(scope="module")
def pipeline(splits):
    return TrainingPipeline(splits.train, 32, 6, Augmentation("none", zoom=(1.0, 1.0)))


SCHEDULE = Schedule(epochs=1, batch_size=6, learning_rate=1e-2, steps_per_epoch=7, images=2)


@pytest.mark.parametrize("loss", ["triplet", "contrastive"])
def test_a_batch_of_one_person_has_a_finite_loss(loss):
    embeddings = np.eye(4, 8, dtype=np.float32)
    (value,) = train.losses_of(Objective(loss, 0.2), 2)(embeddings, np.zeros(4, np.int32)).values()
    assert np.isfinite(value)


def test_batches_are_people_numbered_from_zero(pipeline):
    batches = list(train.people_feeder(pipeline, SCHEDULE)(0))
    assert len(batches) == SCHEDULE.steps_per_epoch and SCHEDULE.people == 3
    for pixels, people in batches:
        assert pixels.shape == (6, 32, 32, 3) and pixels.dtype == np.uint8
        assert sorted(np.unique(people, return_counts=True)[1].tolist()) == [2, 2, 2] and set(people) <= set(range(5))
        np.testing.assert_array_equal(people[::2], people[1::2])  # the images of a person are adjacent
    again, other = (list(train.people_feeder(pipeline, SCHEDULE)(epoch)) for epoch in (0, 1))
    assert all((one[1] == two[1]).all() for one, two in zip(batches, again, strict=True))
    assert any((one[1] != two[1]).any() for one, two in zip(batches, other, strict=True))


def test_a_cache_changes_no_batch(pipeline):
    cached = dataclasses.replace(pipeline, cache=open_cache(pipeline.index, "memory"))
    feeders = [train.people_feeder(each, SCHEDULE) for each in (pipeline, cached)]
    for epoch in (0, 1):  # the first one fills the cache
        for one, two in zip(*(feeder(epoch) for feeder in feeders), strict=True):
            np.testing.assert_array_equal(one[0], two[0])


def test_repetitions_of_an_image_are_augmented_differently(splits):
    """A person with one image has it several times in a batch."""
    places = [np.flatnonzero(splits.train.labels == label)[0] for label in np.unique(splits.train.labels)]
    augmentation = train.augmentation_of_people("strong", flip=False)
    pipeline = TrainingPipeline(splits.train.take(places), 32, 6, augmentation)
    (pixels, people), *_ = train.people_feeder(pipeline, SCHEDULE)(0)
    assert (people[::2] == people[1::2]).all() and (pixels[::2] != pixels[1::2]).any(axis=(1, 2, 3)).all()


@pytest.mark.parametrize("flip", [False, True])
def test_images_of_people_are_mirrored_where_that_shows_the_same_person(flip):
    assert (train.augmentation_of_people("medium", flip=flip).flip > 0) == flip


def test_contrastive_pairs_are_of_adjacent_images_and_of_other_people(rng):
    embeddings = rng.normal(size=(6, 8)).astype(np.float32)
    people = np.repeat(np.arange(3), 2)
    distances, same = [], []
    for shift in (1, 2):
        for place in range(6):
            other = (place - shift) % 6
            distances.append(np.linalg.norm(embeddings[place] - embeddings[other]))
            same.append(people[place] == people[other])
    expected = similarity.contrastive(np.array(distances, np.float32), np.array(same), margin=1.5)
    losses = train.losses_of(Objective("contrastive", 1.5), 2)(embeddings, people.astype(np.int32))
    assert float(losses["contrastive"]) == pytest.approx(float(expected), rel=1e-5)


def test_centers_are_trained_and_are_no_part_of_the_embedder():
    embedder = tiny()
    network = train.with_loss_layer(embedder, Objective("arcface", 0.3), 5)
    assert network.output_shape == (None, 5) and len(network.trainable_variables) == len(embedder.trainable_variables) + 1
    assert train.with_loss_layer(embedder, Objective(), 5) is embedder


@pytest.mark.parametrize(
    "objective", sweep([Objective(), Objective("contrastive", 1.0), Objective("arcface", 0.2)], [Objective("arcface", 0.2)])
)
def test_the_loss_falls_and_validation_leaves_the_weights_alone(splits, pipeline, objective):
    embedder, schedule = tiny(), dataclasses.replace(SCHEDULE, steps_per_epoch=30)
    phase = train.phase(embedder, pipeline, splits.val, schedule, objective)
    fit.compile_phase(phase)
    losses = [fit.run_epoch(phase, epoch, lambda: None)["loss"] for epoch in range(4)]
    assert losses[-1] < 0.9 * losses[0] and all(np.isfinite(losses))
    before = [weight.copy() for weight in embedder.get_weights()]
    metrics = phase.validate()
    assert list(metrics) == ["verification_accuracy", "auc"] and all(0 <= value <= 1 for value in metrics.values())
    for one, other in zip(before, embedder.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
