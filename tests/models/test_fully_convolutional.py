"""A classifier of windows, and the network that applies it to every window of an image."""

import keras
import numpy as np
import pytest

from visionkit import models
from visionkit.models.fully_convolutional import convolutional, stride_of


def windows_in(image: np.ndarray, side: int, stride: int) -> np.ndarray:
    view = np.lib.stride_tricks.sliding_window_view(image, (side, side), axis=(0, 1))[::stride, ::stride]
    return view.transpose(0, 1, 3, 4, 2)


def test_an_image_of_one_window_gives_the_classifiers_logits(rng):
    classifier = models.lenet5((32, 32, 3), 5)
    image = rng.uniform(0, 255, (1, 32, 32, 3)).astype("float32")
    logits = convolutional(classifier)(image)
    assert logits.shape == (1, 1, 1, 5)
    np.testing.assert_allclose(logits[:, 0, 0], classifier(image), atol=1e-5)


def test_every_window_of_a_larger_image_gets_its_own_logits(rng):
    classifier = models.lenet5((32, 32, 3), 5)
    assert stride_of(classifier) == 4
    image = rng.uniform(0, 255, (60, 47, 3)).astype("float32")
    windows = windows_in(image, 32, 4)
    logits = np.asarray(convolutional(classifier)(image[None]))[0]
    assert logits.shape == (8, 4, 5)
    expected = np.asarray(classifier(windows.reshape(-1, 32, 32, 3))).reshape(8, 4, 5)
    np.testing.assert_allclose(logits, expected, atol=1e-4)
    assert np.ptp(expected, axis=(0, 1)).max() > 1e-2


def test_signals_and_a_softmax_layer(rng):
    signal = keras.Input((16, 2))
    x = keras.layers.MaxPooling1D(2)(keras.layers.Conv1D(4, 3, strides=2)(signal))
    x = keras.layers.Dropout(0.5)(keras.layers.Dense(6, use_bias=False)(keras.layers.Flatten()(x)))
    classifier = keras.Model(signal, keras.layers.Dense(3, activation="softmax")(x))
    values = rng.normal(size=(24, 2)).astype("float32")
    scores = np.asarray(convolutional(classifier)(values[None]))[0]
    assert stride_of(classifier) == 4 and scores.shape == (3, 3)
    expected = classifier(np.stack([values[start : start + 16] for start in (0, 4, 8)]))
    np.testing.assert_allclose(scores, expected, atol=1e-5)


def chain(*layers) -> keras.Model:
    return keras.Sequential([keras.Input((8, 8, 1)), *layers])


@pytest.mark.parametrize(
    ("classifier", "message"),
    [
        (lambda: chain(keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)), "flattens its feature map once"),
        (lambda: chain(keras.layers.Conv2D(2, 3, padding="same"), keras.layers.Flatten(), keras.layers.Dense(2)), "pads"),
        (lambda: chain(keras.layers.Dense(2), keras.layers.Flatten(), keras.layers.Dense(2)), "a dense layer before Flatten"),
        (lambda: models.resnet18((32, 32, 3), 2), "flattens its feature map once"),
    ],
)
def test_a_classifier_that_is_no_such_chain_is_an_error(classifier, message):
    with pytest.raises(ValueError, match=message):
        convolutional(classifier())
