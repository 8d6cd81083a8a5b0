"""Normalisation of responses, as TensorFlow has it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from visionkit.layers.response_normalization import LocalResponseNormalization


def test_an_empty_batch_stays_empty():
    assert LocalResponseNormalization()(np.zeros((0, 4, 4, 3), "float32")).shape == (0, 4, 4, 3)


@pytest.mark.parametrize("channels", [1, 3, 20])
def test_it_agrees_with_tensorflow(channels, rng):
    x = rng.normal(0, 30, (2, 5, 4, channels)).astype("float32")
    expected = tf.nn.local_response_normalization(x, depth_radius=2, bias=2.0, alpha=1e-4, beta=0.75)
    np.testing.assert_allclose(LocalResponseNormalization()(x), expected, rtol=1e-5, atol=1e-5)


def test_signals_and_volumes(rng):
    x = rng.normal(0, 30, (2, 8, 6)).astype("float32")
    flat = LocalResponseNormalization()(x)
    np.testing.assert_array_equal(flat, np.asarray(LocalResponseNormalization()(x[:, :, None, None]))[:, :, 0, 0])


def test_a_keras_file_keeps_the_constants():
    layer = LocalResponseNormalization(channels=3, bias=1.0, alpha=1e-3, beta=0.5)
    config = keras.saving.serialize_keras_object(layer)
    assert keras.saving.deserialize_keras_object(config).get_config() == layer.get_config()
