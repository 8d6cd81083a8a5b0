"""A network trains in memory on exactly the pixels that its bundle will see."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from visionkit.data.images.resize import letterbox
from visionkit.data.index import SmallImages
from visionkit.data.pipeline import in_memory
from visionkit.data.pipeline.in_memory import ImagesInMemory, Variation, as_bundle_input, shifted
from visionkit.tasks.classification.export import ImageClassifier


def make_images(rng, count=7, height=6, width=6) -> SmallImages:
    pixels = rng.integers(0, 256, (count, height, width)).astype(np.uint8)
    return SmallImages(("a", "b", "c"), pixels, (np.arange(count) % 3).astype(np.int32))


def gathered(dataset) -> dict[str, np.ndarray]:
    batches = list(dataset.as_numpy_iterator())
    return {key: np.concatenate([batch[key] for batch in batches]) for key in batches[0]}


def test_no_images_make_no_batches(rng):
    none = make_images(rng).take(np.arange(0))
    assert len(none) == 0 and none.counts().tolist() == [0, 0, 0]


def told_pixels(channels: int, size: int) -> keras.Model:
    """A network whose logits are its input pixels."""
    image = keras.Input((size, size, channels))
    return keras.Model(image, keras.layers.Flatten()(image))


@pytest.mark.parametrize(("height", "width", "size"), [(6, 6, 6), (6, 6, 16), (28, 28, 14), (6, 9, 8), (9, 6, 8)])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_network_trains_on_exactly_what_its_bundle_makes_of_the_raw_image(rng, height, width, size, channels):
    given = make_images(rng, 4, height, width)
    bundle = ImageClassifier(told_pixels(channels, size), ("pixel",) * (size * size * channels), flips=False, whole=True)
    probabilities = bundle.serve_images(given.as_rgb(0, 4))["probabilities"]
    trained_on = gathered(ImagesInMemory(given, size=size, channels=channels).batches(3))["image"]
    # Grey is made of three channels there, which rounds.
    np.testing.assert_allclose(tf.nn.softmax(tf.reshape(trained_on, [4, -1])), probabilities, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("kept_bytes", [0, 2**20])
def test_prepared_once_or_batch_by_batch_the_pixels_are_the_same(rng, monkeypatch, kept_bytes):
    given = make_images(rng)
    monkeypatch.setattr(in_memory, "KEPT_BYTES", kept_bytes)
    batches = ImagesInMemory(given, size=12, channels=1).batches(3)
    shown = gathered(batches)
    np.testing.assert_array_equal(shown["image"], as_bundle_input(given.pixels, 12, 1))
    np.testing.assert_array_equal(shown["label"], given.labels)
    assert [len(batch["label"]) for batch in batches] == [3, 3, 1]


def test_one_image_and_several_are_boxed_alike(rng):
    several = rng.integers(0, 256, (3, 10, 7, 3)).astype(np.uint8)
    np.testing.assert_array_equal(letterbox(several, 8), np.stack([letterbox(one, 8) for one in several]))


def test_order_and_variation_come_from_seed_and_epoch_and_place(rng):
    shown = ImagesInMemory(make_images(rng, 40), size=6, channels=1)

    def epoch(number, batch_size=8, seed=0):
        options = {"variation": Variation(2, 0.5), "shuffle": True, "seed": seed, "epoch": number}
        epoch = gathered(shown.batches(batch_size, **options))
        order = epoch["position"].argsort()
        return epoch["position"], epoch["image"][order]

    places, images = epoch(0)
    assert sorted(places) == list(range(40)) and list(places) != list(range(40))
    np.testing.assert_array_equal(epoch(0, batch_size=7)[1], images)
    for other in (epoch(1), epoch(0, seed=1)):
        assert not np.array_equal(other[0], places) and not np.array_equal(other[1], images)


def test_mirroring_mirrors(rng):
    given = make_images(rng)
    mirrored = gathered(ImagesInMemory(given, size=6, channels=3).batches(4, variation=Variation(flip=1.0)))["image"]
    np.testing.assert_array_equal(mirrored, as_bundle_input(given.pixels, 6, 3)[:, :, ::-1])


def test_shifts_move_all_pixels_and_bring_black_in():
    image = np.arange(1, 10, dtype=np.float32).reshape(1, 3, 3, 1)
    starts = np.array([[1, 1], [0, 1], [1, 2], [2, 0]])
    same, down, left, up_and_right = shifted(np.repeat(image, 4, axis=0), starts, 1).numpy()[..., 0]
    assert same.tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert down.tolist() == [[0, 0, 0], [1, 2, 3], [4, 5, 6]]
    assert left.tolist() == [[2, 3, 0], [5, 6, 0], [8, 9, 0]]
    assert up_and_right.tolist() == [[0, 4, 5], [0, 7, 8], [0, 0, 0]]
