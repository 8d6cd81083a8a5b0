"""Samples standardise themselves, whatever their unit."""

import keras
import numpy as np
import pytest

from visionkit.layers.normalization import Standardize, normalize


def standardized(x, preset="imagenet") -> np.ndarray:
    inputs = keras.Input(x.shape[1:])
    model = keras.Model(inputs, normalize(Standardize()(inputs), preset))
    return keras.ops.convert_to_numpy(model(x.astype("float32")))


def test_an_empty_batch_stays_empty():
    assert Standardize()(np.zeros((0, 5, 2), "float32")).shape == (0, 5, 2)


@pytest.mark.parametrize("shape", [(3, 40, 1), (3, 40, 2), (2, 6, 7, 8, 1)])
@pytest.mark.parametrize(("scale", "offset"), [(1, 0), (1e30, 0), (1e-30, 0), (1, 1000), (1e6, -1e8)])
def test_after_the_preset_each_channel_has_mean_zero_and_deviation_one(rng, shape, scale, offset):
    values = rng.normal(size=shape)
    axes = tuple(range(1, values.ndim - 1))
    expected = (values - values.mean(axes, keepdims=True)) / values.std(axes, keepdims=True)
    np.testing.assert_allclose(standardized(values * scale + offset), expected, atol=0.01)


@pytest.mark.parametrize("value", [0.0, 1.0, -3.3, 1e38, 1e-40])
def test_a_constant_becomes_the_mean(value):
    np.testing.assert_allclose(standardized(np.full((2, 50, 1), value)), 0, atol=0.2)


def test_samples_are_independent(rng):
    values = rng.normal(size=(4, 30, 1)) * np.array([1, 1e3, 1e-3, 1e6])[:, None, None]
    alone = np.concatenate([standardized(sample[None]) for sample in values])
    np.testing.assert_allclose(standardized(values), alone, atol=1e-5)


def test_a_keras_file_round_trip(tmp_path, rng):
    inputs = keras.Input((20, 1))
    model = keras.Model(inputs, Standardize()(inputs))
    model.save(tmp_path / "m.keras")
    values = rng.normal(size=(2, 20, 1)).astype("float32")
    np.testing.assert_array_equal(keras.saving.load_model(tmp_path / "m.keras")(values), model(values))
