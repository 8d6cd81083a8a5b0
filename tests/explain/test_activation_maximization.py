"""Activation maximization excites units, and filters have the colors of images."""

import keras
import numpy as np
import pytest

from visionkit import models
from visionkit.explain.activation_maximization import evened, exciting_images
from visionkit.explain.first_filters import as_images, first_filters
from visionkit.explain.network_graph import network_graph
from visionkit.explain.probe import Probe


@pytest.fixture(scope="module")
def probe():
    keras.utils.set_random_seed(5)
    network = models.build("resnet8", (64, 64, 3), None)
    return Probe(network_graph(lambda pixels: list(network(pixels, training=False).values()), 64))


def test_the_image_excites_its_unit_more_than_noise_and_has_the_size_of_the_receptive_field(probe):
    for layer in (probe.stages()[0], probe.deepest()):
        images, excitations = exciting_images(probe, layer, [0, 3], seed=1, steps=12)
        assert images.shape == (2, *layer.place.field, 3) and images.dtype == np.uint8
        assert (excitations[:, 1] > excitations[:, 0]).all()
        again, _ = exciting_images(probe, layer, [0, 3], seed=1, steps=12)
        np.testing.assert_array_equal(again, images)


def test_the_image_for_a_unit_that_detects_red_is_red():
    image = keras.Input((16, 16, 3))
    model = keras.Model(image, keras.layers.Conv2D(1, 3, activation="relu")(image))
    kernel = np.zeros((3, 3, 3, 1))
    kernel[:, :, 0], kernel[:, :, 2] = 1, -1
    model.set_weights([kernel, np.zeros(1)])
    probe = Probe(network_graph(lambda pixels: model(pixels), 16))
    images, _ = exciting_images(probe, probe.layers[0], [0], seed=0, steps=60)
    assert images[0, ..., 0].mean() > 200 and images[0, ..., 2].mean() < 60


def test_an_evened_gradient_has_deviation_one_and_a_zero_gradient_stays_zero(rng):
    assert evened(rng.normal(0, 1e-4, (20, 20, 3)).astype(np.float32)).std() == pytest.approx(1, rel=1e-3)
    assert np.abs(evened(np.zeros((20, 20, 3), np.float32))).max() == 0


def test_filters_of_a_bgr_network_are_shown_as_rgb():
    keras.utils.set_random_seed(6)
    network = models.build("vgg11", (32, 32, 3), None)
    found = first_filters(Probe(network_graph(lambda pixels: list(network(pixels, training=False).values()), 32)))
    kernel = network.get_layer("block1_conv1").get_weights()[0]
    np.testing.assert_allclose(found, kernel[:, :, ::-1].transpose(3, 0, 1, 2), atol=1e-6)
    images = as_images(found)
    assert images.dtype == np.uint8 and (np.abs(images.astype(int) - 127.5).max(axis=(1, 2, 3)) > 127).all()
    assert (as_images(np.zeros((1, 3, 3, 3))) // 2 == 64).all()


def test_filters_include_batch_normalization_and_scale():
    keras.utils.set_random_seed(7)
    image = keras.Input((16, 16, 3))
    convolution = keras.layers.Conv2D(2, 3, use_bias=False)
    x = keras.layers.BatchNormalization(epsilon=0.0)(convolution(keras.layers.Rescaling(1 / 128, -1)(image)))
    model = keras.Model(image, keras.layers.ReLU()(x))
    weights = model.get_weights()
    weights[1] = np.array([2.0, -1.0])  # gamma: the second filter is negated
    model.set_weights(weights)
    found = first_filters(Probe(network_graph(lambda pixels: model(pixels, training=False), 16)))
    expected = convolution.get_weights()[0].transpose(3, 0, 1, 2) / 128 * np.array([2.0, -1.0])[:, None, None, None]
    np.testing.assert_allclose(found, expected, atol=1e-7)
