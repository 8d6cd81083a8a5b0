"""A network takes finite floats alone, all or none of them."""

import keras
import ml_dtypes
import numpy as np
import pytest

from visionkit.errors import UserError
from visionkit.weights.whole import Given, set_all


def normalization() -> keras.layers.BatchNormalization:
    layer = keras.layers.BatchNormalization()
    layer.build((None, 2))
    return layer


def given(layer: keras.layers.Layer, **changes: np.ndarray) -> Given:
    names = ["gamma", "beta", "mean", "variance"]
    return Given(layer, names, [changes.get(name, np.full(2, 3, "float32")) for name in names])


def test_nothing_is_set_without_layers():
    set_all([], "a.pth")


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64"])
def test_floats_of_any_length_are_set(dtype):
    layer = normalization()
    set_all([given(layer, gamma=np.array([1, -2], dtype))], "a.pth")
    np.testing.assert_array_equal(layer.get_weights(), [[1, -2], [3, 3], [3, 3], [3, 3]])


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"gamma": np.ones(2, "int8")}, "a.pth holds int8 numbers in gamma; expected float32, float16 or bfloat16.*scales"),
        ({"gamma": np.ones(2, bool), "beta": np.ones(2, bool)}, "bool numbers in gamma, beta; expected"),
        ({"gamma": np.ones(2, ml_dtypes.float8_e4m3fn)}, "float8_e4m3fn numbers in gamma"),
        ({"beta": np.array([np.nan, 0], "float32")}, "not finite as float32 in beta; .*earlier checkpoint"),
        ({"mean": np.array([0, np.inf], "float16")}, "not finite as float32 in mean"),
        ({"mean": np.array([0, 1e300])}, "not finite as float32 in mean"),
        ({"variance": np.array([1, -0.5], "float32")}, "negative variances in variance; expected 0 or more"),
    ],
)
def test_other_numbers_are_refused_and_no_layer_is_set(changes, named):
    good, bad = normalization(), normalization()
    before = bad.get_weights()
    with pytest.raises(UserError, match=named):
        set_all([given(good), given(bad, **changes)], "a.pth")
    for layer in (good, bad):
        np.testing.assert_array_equal(layer.get_weights(), before)


def test_a_counter_takes_whole_numbers_alone():
    layer = keras.layers.Normalization()
    layer.build((None, 2))
    numbers, dtype = np.ones(2, "float32"), np.dtype(layer.weights[2].dtype)
    if dtype.kind == "i":
        set_all([Given(layer, ["mean", "variance", "count"], [numbers, numbers, np.array(3, dtype)])], "a.pth")
        with pytest.raises(UserError, match="float32 numbers in count; expected whole numbers"):
            set_all([Given(layer, ["mean", "variance", "count"], [numbers, numbers, np.array(3, "float32")])], "a.pth")
