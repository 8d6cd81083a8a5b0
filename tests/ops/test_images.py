"""What the accelerator does to a batch, against what the processor does to each image."""

import keras
import numpy as np
import pytest

from visionkit.data.augmentation import pixelwise
from visionkit.data.augmentation.presets import Augmentation
from visionkit.data.pipeline import mixing
from visionkit.layers.batch_augmentation import BatchAugmentation, augmented
from visionkit.ops import images as image_ops

STRONG = Augmentation("all", flip=0.5, color=0.4, pca=0.3, erase=0.5)


def make_images(rng, number: int) -> np.ndarray:
    return rng.integers(0, 256, (number, 12, 16, 3)).astype(np.uint8)


def test_an_empty_batch_stays_empty():
    empty = np.zeros((0, 4, 4, 3), np.float32)
    assert image_ops.mirror(empty, np.zeros(0, bool)).shape == (0, 4, 4, 3)
    assert image_ops.erase(empty, np.zeros((0, 4), np.float32)).shape == (0, 4, 4, 3)


def test_neutral_parameters_change_nothing(rng):
    images = make_images(rng, 2)
    drawn = pixelwise.pixel_params(np.ones((2, pixelwise.NUM_DRAWN)), Augmentation("none"))
    np.testing.assert_array_equal(BatchAugmentation()({"image": images, **drawn._asdict()}), images)


def test_the_device_does_what_the_processor_does(rng):
    images = make_images(rng, 32)
    drawn = pixelwise.pixel_params(rng.random((32, pixelwise.NUM_DRAWN)), STRONG)
    ours = np.stack([pixelwise.apply(image, drawn, row) for row, image in enumerate(images)])
    theirs = keras.ops.convert_to_numpy(BatchAugmentation()({"image": images, **drawn._asdict()}))
    assert np.abs(ours - theirs).max() <= 1  # the processor rounds to whole levels
    assert np.abs(ours.astype(int) - images).max() > 50


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_mixing_on_the_device_is_mixing_on_the_processor(rng, kind):
    images = make_images(rng, 8)
    mixture = mixing.sample_mixture(kind, 8, rng)
    ours = mixing.mix(images, mixture)
    theirs = keras.ops.convert_to_numpy(image_ops.mix(images.astype(np.float32), *mixture))
    assert np.abs(ours - theirs).max() <= 1
    assert (ours != images).any()


def test_a_model_that_augments_shares_its_weights(rng, small_classifier):
    images = rng.integers(0, 256, (4, 32, 32, 3)).astype(np.uint8)
    drawn = pixelwise.pixel_params(np.ones((4, pixelwise.NUM_DRAWN)), Augmentation("none"))
    model = augmented(small_classifier, mixes=False)
    assert {id(weight) for weight in model.weights} == {id(weight) for weight in small_classifier.weights}
    batch = {"image": images, **drawn._asdict()}
    np.testing.assert_allclose(model(batch), small_classifier(images.astype(np.float32)), atol=1e-5)


def test_a_keras_file_round_trip(tmp_path, small_classifier):
    model = augmented(small_classifier, mixes=True)
    model.save(tmp_path / "model.keras")
    assert set(keras.saving.load_model(tmp_path / "model.keras").input) == set(model.input)
