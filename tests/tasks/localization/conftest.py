"""Bundles whose predictions are known."""

import keras
import numpy as np
import pytest

from visionkit.tasks.localization.export import export_locator


def constant_network(kernel: list[float], bias: list[float], *shape: int) -> keras.Model:
    """The mean of the pixels, 0..1, times ``kernel``, plus ``bias``; reshaped."""
    pixels = keras.Input((32, 32, 3))
    mean = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(pixels))
    dense = keras.layers.Dense(len(bias))
    outputs = dense(mean)
    network = keras.Model(pixels, keras.layers.Reshape(shape)(outputs) if shape else outputs)
    dense.set_weights([np.tile(np.array(kernel, "float32") / 3, (3, 1)), np.array(bias, "float32")])
    return network


@pytest.fixture(scope="session")
def localizer_bundle(tmp_path_factory):
    """Finds, on bright images alone, a key in the middle of the padded square: half of its width, a quarter of its height."""
    network = constant_network([40] + [0] * 6, [-20, 0.5, 0.5, 0.5, 0.25, 0, 2])
    folder = tmp_path_factory.mktemp("localizer") / "model"
    return export_locator(network, folder, task="localization", class_names=("cup", "key"), metadata={})


@pytest.fixture(scope="session")
def landmark_bundle(tmp_path_factory):
    """Finds two landmarks, at a quarter and three quarters of the width of the padded square, in the middle of its height."""
    network = constant_network([0] * 4, [0.25, 0.5, 0.75, 0.5], 2, 2)
    folder = tmp_path_factory.mktemp("landmarks") / "model"
    return export_locator(network, folder, task="landmarks", class_names=("face",), metadata={})
