"""The losses of localization, by hand; what does not count has no gradient."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from visionkit.losses.localization import BOX_WEIGHT, landmark_loss, localization_loss


def test_no_samples_have_no_loss():
    assert localization_loss(np.zeros((0, 8), "float32"), tf.zeros((0, 8))).shape == (0,)
    assert landmark_loss(np.zeros((0, 4, 3), "float32"), tf.zeros((0, 4, 2))).shape == (0,)


def test_by_hand():
    truth = np.array([[1, 0.5, 0.5, 0.2, 0.4, 0, 1], [0, 0, 0, 0, 0, 0, 0]], "float32")
    predictions = np.array([[0, 0.4, 0.5, 0.2, 0.6, 0, np.log(3)], [0, 0.9, 0.9, 0.9, 0.9, 5, -5]], "float32")
    expected = [np.log(2) + BOX_WEIGHT * (0.1 + 0.2) + np.log(4 / 3), np.log(2)]
    np.testing.assert_allclose(localization_loss(truth, tf.constant(predictions)), expected, rtol=1e-5)


def test_without_an_object_only_the_presence_has_a_gradient(rng):
    truth = rng.uniform(size=(6, 8)).astype("float32")
    truth[:, 0] = [0, 1, 0, 1, 0, 0]
    predictions = tf.Variable(rng.normal(size=(6, 8)).astype("float32"))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(localization_loss(truth, predictions))
    gradient = tape.gradient(loss, predictions).numpy()
    absent = truth[:, 0] == 0
    assert np.array_equal(gradient[absent, 1:], np.zeros((4, 7)))
    assert (gradient[:, 0] != 0).all() and (gradient[~absent] != 0).all()


def test_invisible_landmarks_do_not_count():
    truth = np.array([[[0.5, 0.5, 2], [9, 9, 0], [0.2, 0.2, 1]], [[0, 0, 0]] * 3], "float32")
    points = tf.Variable(np.array([[[0.4, 0.5], [0, 0], [0.2, 0.5]], [[1, 1]] * 3], "float32"))
    with tf.GradientTape() as tape:
        loss = landmark_loss(truth, points)
    np.testing.assert_allclose(loss, [(0.1 + 0.3) / 2, 0], rtol=1e-5)
    gradient = tape.gradient(loss, points).numpy()
    assert (gradient[0, 1] == 0).all() and (gradient[1] == 0).all() and gradient[0, 0, 0] != 0


@pytest.mark.parametrize("loss", [localization_loss, landmark_loss])
def test_keras_accepts_the_losses(loss):
    shape = (4, 8) if loss is localization_loss else (4, 5, 3)
    model = keras.Sequential([keras.Input(shape[1:]), keras.layers.Lambda(lambda x: x[..., : 8 if len(shape) == 2 else 2])])
    model.compile(loss=loss)
    assert np.isfinite(model.evaluate(np.ones(shape, "float32"), np.ones(shape, "float32"), verbose=0))
