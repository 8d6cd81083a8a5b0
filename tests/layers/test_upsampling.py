"""Upsampling against Keras' own layers."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from visionkit.layers.upsampling import Upsample, UpsampleConv2D


def test_an_empty_batch_stays_empty():
    assert Upsample(3)(np.zeros((0, 4, 4, 2), np.float32)).shape == (0, 8, 8, 3)


def test_each_pixel_becomes_a_square():
    layer = Upsample(1)
    layer.build((None, None, None, 1))
    layer.kernel.assign(np.arange(4.0).reshape(2, 2, 1, 1))
    layer.bias.assign([10.0])
    assert np.array(layer(np.array([[[[1.0], [2.0]]]], np.float32)))[0, ..., 0].tolist() == [[10, 11, 10, 12], [12, 13, 14, 16]]


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_the_output_is_that_of_keras(rank, rng):
    x = rng.normal(size=(2, *(3, 4, 5)[:rank], 6)).astype("float32")
    keras.utils.set_random_seed(0)
    peer = getattr(keras.layers, f"Conv{rank}DTranspose")(7, 2, 2)
    ours = Upsample(7)
    expected = peer(x)
    ours.build(x.shape)
    assert np.array(ours.kernel).std() == pytest.approx(np.sqrt(2 / (2**rank * 7)), rel=0.3)  # He et al. 2015
    ours.kernel.assign(peer.kernel)
    ours.bias.assign(rng.normal(size=7))
    peer.bias.assign(ours.bias)
    np.testing.assert_allclose(np.array(ours(x)), np.array(peer(x)), rtol=1e-5, atol=1e-5)
    assert ours.compute_output_shape(x.shape) == expected.shape


def test_a_keras_file_round_trip_and_any_size(tmp_path, rng):
    inputs = keras.Input((None, None, 2))
    model = keras.Model(inputs, Upsample(3)(inputs))
    model.save(tmp_path / "model.keras")
    x = rng.normal(size=(1, 3, 5, 2)).astype("float32")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(np.array(loaded(x)), np.array(model(x)))
    assert model(x).shape == (1, 6, 10, 3)


def plainly(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """By NumPy: repeated, mirrored at the border, and each tap of the kernel in turn."""
    repeated = np.repeat(np.repeat(x, 2, axis=1), 2, axis=2)
    padded = np.pad(repeated, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    height, width = repeated.shape[1:3]
    taps = [(row, column) for row in range(3) for column in range(3)]
    return sum(padded[:, r : r + height, c : c + width] @ kernel[r, c] for r, c in taps)


def test_no_images():
    assert UpsampleConv2D(5)(np.zeros((0, 4, 3, 2), "float32")).shape == (0, 8, 6, 5)


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 5, 3, 4), (1, 2, 7, 3)])
def test_the_output_is_that_of_the_three_layers(shape, rng):
    x, layer = rng.normal(size=shape).astype("float32"), UpsampleConv2D(6)
    output = layer(x)
    assert layer.compute_output_shape(shape) == output.shape == (shape[0], 2 * shape[1], 2 * shape[2], 6)
    assert layer.compute_output_shape((None, None, 4, 3)) == (None, None, 8, 6)
    np.testing.assert_allclose(output, plainly(x, layer.get_weights()[0]), atol=1e-5)


def test_the_gradients_are_those_of_the_plain_layers(rng):
    x, layer = tf.constant(rng.normal(size=(1, 4, 5, 3)), tf.float32), UpsampleConv2D(2)
    layer.build(x.shape)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(tf.sin(layer(x)))
    ours = tape.gradient(loss, [x, layer.kernel.value])
    kernel = tf.constant(layer.get_weights()[0])
    with tf.GradientTape() as tape:
        tape.watch([x, kernel])
        repeated = tf.pad(tf.repeat(tf.repeat(x, 2, 1), 2, 2), [[0, 0], [1, 1], [1, 1], [0, 0]], "REFLECT")
        loss = tf.reduce_sum(tf.sin(tf.nn.conv2d(repeated, kernel, 1, "VALID")))
    for mine, theirs in zip(ours, tape.gradient(loss, [x, kernel]), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-4)


def test_half_precision_and_a_file(tmp_path, rng):
    image = keras.Input((None, None, 3))
    model = keras.Model(image, UpsampleConv2D(4, dtype="mixed_bfloat16")(image))
    x = rng.normal(size=(1, 6, 4, 3)).astype("float32")
    assert model(x).dtype == "bfloat16" and model.trainable_variables[0].dtype == "float32"
    np.testing.assert_allclose(tf.cast(model(x), tf.float32), plainly(x, model.get_weights()[0]), atol=0.1)
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(tf.cast(again(x), tf.float32), tf.cast(model(x), tf.float32))
