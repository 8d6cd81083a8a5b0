"""Gram matrices by loops, as the course has them, and of a part of the positions."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from visionkit.ops.gram import gram_matrix, mean_gram


def by_loops(features: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """``A A^T`` of each image, with ``A`` of channels times positions."""
    matrices = []
    for number, maps in enumerate(features):
        a = maps.reshape(-1, maps.shape[-1]).T.astype(np.float64)
        w = np.ones(a.shape[1]) if weights is None else weights[min(number, len(weights) - 1)].ravel()
        channels = range(len(a))
        matrices.append([[sum(w[k] * a[i, k] * a[j, k] for k in range(len(w))) for j in channels] for i in channels])
    return np.array(matrices).reshape(-1, features.shape[-1], features.shape[-1])


@pytest.mark.parametrize("function", [gram_matrix, mean_gram])
def test_no_images_and_no_positions(function):
    assert function(np.zeros((0, 4, 5, 3), "float32")).shape == (0, 3, 3)
    np.testing.assert_array_equal(function(np.zeros((2, 0, 5, 3), "float32")), np.zeros((2, 3, 3)))
    np.testing.assert_array_equal(function(np.ones((1, 2, 2, 3), "float32"), np.zeros((1, 2, 2))), np.zeros((1, 3, 3)))


def test_two_positions_by_hand():
    """Of a channel of 1 and 2 and another of 3 and 4."""
    features = np.array([[[[1, 3], [2, 4]]]], "float32")
    np.testing.assert_allclose(gram_matrix(features), [[[1 + 4, 3 + 8], [3 + 8, 9 + 16]]])
    np.testing.assert_allclose(mean_gram(features), [[[2.5, 5.5], [5.5, 12.5]]])
    np.testing.assert_allclose(mean_gram(features, np.array([[[1, 3]]])), [[[13 / 4, 27 / 4], [27 / 4, 57 / 4]]])


@pytest.mark.parametrize("weighted", [0, 1, 2])
def test_gram_matrices_are_those_of_loops(rng, weighted):
    """Without weights, with the same for both images, with some for each."""
    features = rng.normal(0, 3, (2, 4, 3, 5)).astype("float32")
    weights = rng.random((weighted, 4, 3)).astype("float32") if weighted else None
    output = gram_matrix(features, weights)
    np.testing.assert_allclose(output, by_loops(features, weights), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(output, np.swapaxes(output, 1, 2), rtol=1e-5, atol=1e-5)
    counted = 12 if weights is None else weights.sum((1, 2))[:, None, None]
    np.testing.assert_allclose(mean_gram(features, weights), by_loops(features, weights) / counted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("weighted", [0, 1])
def test_the_gradient_is_that_of_the_products(rng, weighted):
    """Of matrices that are not symmetric themselves, as a loss may ask for, also in half precision."""
    features, upstream = rng.normal(size=(2, 4, 3, 5)).astype("float32"), rng.normal(size=(2, 5, 5)).astype("float32")
    weights = rng.random((1, 4, 3)).astype("float32") if weighted else None
    watched = tf.convert_to_tensor(features)
    with tf.GradientTape() as tape:
        tape.watch(watched)
        loss = tf.reduce_sum(gram_matrix(watched, weights) * upstream)
    gradient = tape.gradient(loss, watched)
    scaled = features if weights is None else features * weights[..., None]
    expected = np.einsum("nhwc,ncd->nhwd", scaled, upstream + np.swapaxes(upstream, 1, 2))
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-4)
    half = tf.cast(watched, "bfloat16")
    with tf.GradientTape() as tape:
        tape.watch(half)
        loss = tf.reduce_sum(gram_matrix(half, weights) * upstream)
    gradient = tape.gradient(loss, half)
    assert gradient.dtype == tf.bfloat16
    assert np.abs(gradient.numpy().astype("float32") - expected).max() < 0.02 * np.abs(expected).max()


def test_neither_the_order_of_positions_nor_repeated_ones_change_the_mean(rng):
    features = rng.normal(size=(1, 4, 6, 3)).astype("float32")
    moved = rng.permutation(features.reshape(24, 3)).reshape(1, 6, 4, 3)
    twice = np.concatenate([features, features], axis=1)
    for other in (moved, twice):
        np.testing.assert_allclose(mean_gram(other), mean_gram(features), rtol=1e-5, atol=1e-5)


def test_a_mask_is_the_same_as_the_masked_part_alone(rng):
    features, mask = rng.normal(size=(1, 6, 4, 3)).astype("float32"), np.zeros((1, 6, 4))
    mask[:, 2:5, 1:] = 1
    np.testing.assert_allclose(mean_gram(features, mask), mean_gram(features[:, 2:5, 1:]), rtol=1e-5, atol=1e-5)


def test_half_precision_is_summed_in_full_precision(rng):
    features = keras.ops.cast(rng.normal(0, 100, (1, 30, 30, 4)), "float16")  # squares go beyond float16
    output = gram_matrix(features)
    assert output.dtype == "float32"
    np.testing.assert_allclose(output, gram_matrix(keras.ops.cast(features, "float32")), rtol=1e-5)


def test_gradients_are_finite_where_nothing_counts():
    features = tf.ones((1, 3, 3, 2))
    with tf.GradientTape() as tape:
        tape.watch(features)
        total = tf.reduce_sum(mean_gram(features, np.zeros((1, 3, 3), "float32")))
    np.testing.assert_array_equal(tape.gradient(total, features), np.zeros((1, 3, 3, 2)))
