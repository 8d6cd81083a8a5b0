"""Distances and directions of embeddings, and ArcFace's margin: against loops, and where gradients tend to be infinite."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from visionkit.ops.embeddings import arcface_logits, pair_distances, root, squared_distances, unit


def drawn(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def gradient_of(function, x):
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        output = ops.sum(function(x))
    return ops.convert_to_numpy(tape.gradient(output, x))


def test_no_embeddings_have_no_distances():
    none, three = np.zeros((0, 4), "float32"), drawn(0, 3, 4)
    assert squared_distances(none, three).shape == (0, 3)
    assert squared_distances(three, none).shape == (3, 0)
    assert pair_distances(none, none).shape == (0,) and unit(none).shape == (0, 4)
    assert arcface_logits(np.zeros((0, 5), "float32"), np.zeros(0, "int32")).shape == (0, 5)
    assert not gradient_of(lambda x: squared_distances(x, none), three).any()


def test_squared_distances_are_those_of_a_loop():
    a, b = drawn(1, 5, 7), drawn(2, 4, 7)
    expected = [[((x - y) ** 2).sum() for y in b] for x in a]
    np.testing.assert_allclose(squared_distances(a, b), expected, rtol=1e-5)


@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_close_embeddings_far_from_zero_keep_their_distances(offset):
    a = (np.float64(offset) + 0.01 * drawn(3, 6, 3)).astype("float32")
    squared = np.array(squared_distances(a, a))
    expected = ((a[:, None].astype(float) - a[None]) ** 2).sum(-1)
    assert (squared >= 0).all()
    np.testing.assert_allclose(squared, expected, atol=1e-3 * expected.max())


def test_never_negative():
    a = drawn(4, 200, 128)
    assert np.min(squared_distances(a, a)) >= 0
    assert np.max(np.diag(squared_distances(a, a))) < 1e-3


def test_gradients_at_distance_zero_are_finite():
    a = np.repeat(drawn(5, 1, 4), 3, axis=0)
    np.testing.assert_allclose(gradient_of(lambda x: squared_distances(x, x), a), 0, atol=1e-5)
    np.testing.assert_array_equal(gradient_of(lambda x: root(squared_distances(x, x)), np.zeros((2, 3), "float32")), 0)
    np.testing.assert_array_equal(gradient_of(lambda x: pair_distances(x, a), a), 0)


def test_the_gradient_of_distances_is_that_of_differences():
    a, b, weights = drawn(6, 4, 3), drawn(7, 5, 3), drawn(8, 4, 5)
    ours = gradient_of(lambda x: weights * squared_distances(x, b), a)
    np.testing.assert_allclose(ours, (2 * weights[..., None] * (a[:, None] - b[None])).sum(1), rtol=1e-4, atol=1e-4)
    both = drawn(9, 4, 4)
    ours = gradient_of(lambda x: both * squared_distances(x, x), a)
    np.testing.assert_allclose(ours, (2 * (both + both.T)[..., None] * (a[:, None] - a[None])).sum(1), rtol=1e-4, atol=1e-4)
    ours = gradient_of(lambda x: pair_distances(x, b[:4]), a)
    np.testing.assert_allclose(ours, (a - b[:4]) / np.linalg.norm(a - b[:4], axis=1, keepdims=True), rtol=1e-5)


def test_roots():
    np.testing.assert_array_equal(root(np.array([0.0, 4.0, 1e-30], "float32")), np.array([0, 2, 1e-15], "float32"))
    np.testing.assert_array_equal(gradient_of(root, np.array([0.0, 4.0], "float32")), [0, 0.25])


def test_normalized_embeddings_have_length_one_and_zero_stays_zero():
    x = np.concatenate([drawn(10, 3, 4), np.zeros((1, 4), "float32")])
    np.testing.assert_allclose(np.linalg.norm(unit(x), axis=1), [1, 1, 1, 0], rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(unit(x, axis=0), axis=0), 1, rtol=1e-6)
    assert np.isfinite(gradient_of(unit, x)).all()


@pytest.mark.parametrize("margin", [0.0, 0.3, 0.5, 1.2])
def test_arcface_is_that_of_a_loop(margin):
    cosines = np.random.default_rng(11).uniform(-1, 1, (200, 3)).astype("float32")
    labels = np.random.default_rng(12).integers(0, 3, 200)
    expected = cosines.astype(float)
    for row, label in enumerate(labels):
        angle = math.acos(cosines[row, label])
        turned = math.cos(angle + margin)
        expected[row, label] = turned if angle + margin < math.pi else math.cos(angle) - margin * math.sin(margin)
    np.testing.assert_allclose(arcface_logits(cosines, labels, margin, 30.0), 30 * expected, atol=1e-3)


def test_a_larger_angle_never_makes_a_larger_logit():
    cosines = np.cos(np.linspace(0, math.pi, 2000))[:, None].astype("float32")
    logits = np.array(arcface_logits(cosines, np.zeros(2000, "int32")))[:, 0]
    assert (np.diff(logits) <= 1e-4).all() and logits[0] == pytest.approx(64 * math.cos(0.5), rel=1e-6)


def test_gradients_of_arcface_are_finite_at_the_ends():
    cosines = np.array([[1.0, 0.2], [-1.0, 0.2], [1.0000001, 0.2], [0.5, 0.2]], "float32")
    gradient = gradient_of(lambda x: arcface_logits(x, np.zeros(4, "int32")), cosines)
    assert np.isfinite(gradient).all()
    assert gradient[0, 0] == pytest.approx(64 * math.cos(0.5), rel=1e-5) and gradient[1, 0] == 64
    angle = math.acos(0.5)
    assert gradient[3, 0] == pytest.approx(64 * math.sin(angle + 0.5) / math.sin(angle), rel=1e-5)
    assert (gradient[:, 1] == 64).all()


def test_a_negative_label_has_no_margin():
    cosines = drawn(13, 1, 4) / 10
    np.testing.assert_allclose(arcface_logits(cosines, np.array([-1])), 64 * cosines, rtol=1e-6)


def test_half_precision_gives_full_precision():
    cosines = keras.ops.cast(np.array([[0.5, -0.5]]), "float16")
    assert keras.backend.standardize_dtype(arcface_logits(cosines, np.array([1])).dtype) == "float32"
