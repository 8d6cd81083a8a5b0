"""Doubling against Keras' own transposed convolutions."""

import keras
import numpy as np
import pytest

from visionkit.layers.doubling import Doubling


def test_nothing_is_doubled_to_nothing():
    assert Doubling(3)(np.zeros((0, 4, 4, 2), np.float32)).shape == (0, 8, 8, 3)


def test_each_pixel_becomes_a_square():
    layer = Doubling(1)
    layer.build((None, None, None, 1))
    layer.kernel.assign(np.arange(4.0).reshape(2, 2, 1, 1))
    layer.bias.assign([10.0])
    assert np.array(layer(np.array([[[[1.0], [2.0]]]], np.float32)))[0, ..., 0].tolist() == [[10, 11, 10, 12], [12, 13, 14, 16]]


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_it_answers_as_keras_does(rank, rng):
    x = rng.normal(size=(2, *(3, 4, 5)[:rank], 6)).astype("float32")
    keras.utils.set_random_seed(0)
    peer = getattr(keras.layers, f"Conv{rank}DTranspose")(7, 2, 2)
    ours = Doubling(7)
    expected = peer(x)
    ours.build(x.shape)
    assert np.array(ours.kernel).std() == pytest.approx(np.sqrt(2 / (2**rank * 7)), rel=0.3)  # He et al. 2015
    ours.kernel.assign(peer.kernel)
    ours.bias.assign(rng.normal(size=7))
    peer.bias.assign(ours.bias)
    np.testing.assert_allclose(np.array(ours(x)), np.array(peer(x)), rtol=1e-5, atol=1e-5)
    assert ours.compute_output_shape(x.shape) == expected.shape


def test_it_is_stored_and_takes_any_size(tmp_path, rng):
    inputs = keras.Input((None, None, 2))
    model = keras.Model(inputs, Doubling(3)(inputs))
    model.save(tmp_path / "model.keras")
    x = rng.normal(size=(1, 3, 5, 2)).astype("float32")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(np.array(loaded(x)), np.array(model(x)))
    assert model(x).shape == (1, 6, 10, 3)
