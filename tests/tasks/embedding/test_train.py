"""Training of embedders: batches of people, losses with and without centers, and embeddings that learn to tell people apart."""

import dataclasses

import keras
import numpy as np
import pytest

from visionkit.data.augmentation.presets import Augmentation
from visionkit.data.demo.faces import make_face_demo
from visionkit.data.formats.identities import read_identities, split_people
from visionkit.data.images.scan import scan
from visionkit.data.index import SkippedFiles
from visionkit.losses import similarity
from visionkit.tasks.embedding.train import (
    Objective,
    Schedule,
    Validation,
    embedding_phase,
    losses_of,
    people_feeder,
    trained_form,
)
from visionkit.training import fit
from visionkit.training.augment_device import Feeding


def tiny(size: int = 32) -> keras.Model:
    keras.utils.set_random_seed(0)
    pixels = keras.Input((size, size, 3))
    x = keras.layers.Conv2D(8, 5, 4, activation="relu")(keras.layers.Rescaling(1 / 128, -1)(pixels))
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Dense(8)(keras.layers.Flatten()(x))
    return keras.Model(pixels, keras.layers.UnitNormalization()(x))


@pytest.fixture(scope="module")
def train(tmp_path_factory):
    folder = make_face_demo(tmp_path_factory.mktemp("data") / "faces", num_train=5, num_val=2, images=4)
    return scan(split_people(read_identities(folder), seed=0).train, SkippedFiles())


def feed(train, schedule, **options):
    feeding = Feeding(Augmentation("none", zoom=(1.0, 1.0)))
    return people_feeder(train, feeding, schedule, seed=0, skipped=SkippedFiles(), **options)


SCHEDULE = Schedule(epochs=1, steps_per_epoch=7, people=3, images=2, learning_rate=1e-2, size=32)


@pytest.mark.parametrize("loss", ["triplet", "contrastive"])
def test_a_batch_of_one_person_has_a_finite_loss(loss):
    embeddings = np.eye(4, 8, dtype=np.float32)
    (value,) = losses_of(Objective(loss, 0.2), 2)(embeddings, np.zeros(4, np.int32)).values()
    assert np.isfinite(value)


def test_batches_are_people_numbered_from_zero(train):
    made = list(feed(train, SCHEDULE)(0))
    assert len(made) == SCHEDULE.steps_per_epoch
    for pixels, people in made:
        assert pixels.shape == (6, 32, 32, 3) and pixels.dtype == np.uint8
        assert sorted(np.unique(people, return_counts=True)[1].tolist()) == [2, 2, 2] and set(people) <= set(range(5))
        np.testing.assert_array_equal(people[::2], people[1::2])  # the images of a person follow each other
    again, other = list(feed(train, SCHEDULE)(0)), list(feed(train, SCHEDULE)(1))
    assert all((one[1] == two[1]).all() for one, two in zip(made, again, strict=True))
    assert any((one[1] != two[1]).any() for one, two in zip(made, other, strict=True))


def test_contrastive_pairs_are_each_with_its_followers_and_with_other_people(rng):
    embeddings = rng.normal(size=(6, 8)).astype(np.float32)
    people = np.repeat(np.arange(3), 2)
    distances, same = [], []
    for shift in (1, 2):
        for place in range(6):
            other = (place - shift) % 6
            distances.append(np.linalg.norm(embeddings[place] - embeddings[other]))
            same.append(people[place] == people[other])
    expected = similarity.contrastive(np.array(distances, np.float32), np.array(same), margin=1.5)
    found = losses_of(Objective("contrastive", 1.5), 2)(embeddings, people.astype(np.int32))
    assert float(found["contrastive"]) == pytest.approx(float(expected), rel=1e-5)


def test_centers_are_trained_along_and_left_behind():
    embedder = tiny()
    form = trained_form(embedder, Objective("arcface", 0.3), 5)
    assert form.output_shape == (None, 5) and len(form.trainable_variables) == len(embedder.trainable_variables) + 1
    assert trained_form(embedder, Objective(), 5) is embedder


@pytest.mark.parametrize("objective", [Objective(), Objective("contrastive", 1.0), Objective("arcface", 0.2)])
def test_people_are_told_apart_after_some_steps(train, objective):
    embedder, schedule = tiny(), dataclasses.replace(SCHEDULE, steps_per_epoch=30)
    measured = []

    def measure() -> Validation:
        measured.append(True)
        return Validation(0.5, 0.5)

    phase = embedding_phase(embedder, schedule, objective, 5, feed(train, schedule), measure)
    fit.compile_phase(phase)
    losses = [fit.run_epoch(phase, epoch, lambda: None)["loss"] for epoch in range(4)]
    assert losses[-1] < 0.9 * losses[0] and all(np.isfinite(losses))
    before = [weight.copy() for weight in embedder.get_weights()]
    assert phase.validate() == Validation(0.5, 0.5) and measured
    for one, other in zip(before, embedder.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
