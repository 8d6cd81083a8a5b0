"""The edge filter as a layer: first in a network, in a file, never trained."""

import keras
import numpy as np
import pytest

from visionkit.layers.edges import EdgeFilter
from visionkit.ops import filters


@pytest.mark.parametrize(
    ("options", "sides"),
    [
        ({}, (6, 7)),
        ({"kernel": "vertical", "padding": "valid"}, (4, 5)),
        ({"kernel": "scharr", "angle": 30}, (6, 7)),
        ({"kernel": [[1, -1]], "padding": "valid"}, (6, 6)),
    ],
)
def test_first_layer_and_file(options, sides, rng, tmp_path):
    image = keras.Input((None, None, 3), dtype="uint8")
    model = keras.Model(image, EdgeFilter(**options)(image))
    pixels = rng.integers(0, 256, (2, 6, 7, 3)).astype("uint8")
    output = np.asarray(model(pixels))
    assert output.dtype == np.float32 and output.shape == (2, *sides, 3)
    assert EdgeFilter(**options).compute_output_shape((2, 6, 7, 3)) == output.shape
    assert EdgeFilter(**options).compute_output_shape((None, None, None, 3)) == (None, None, None, 3)
    assert model.weights == []
    model.save(tmp_path / "edges.keras")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "edges.keras")(pixels), output)


def test_the_layer_agrees_with_the_function(rng):
    pixels = rng.normal(size=(1, 5, 5, 2)).astype("float32")
    expected = filters.correlate(pixels, filters.edge_kernel("prewitt", 45))
    np.testing.assert_array_equal(EdgeFilter("prewitt", 45)(pixels), expected)


def test_half_precision_is_kept():
    assert EdgeFilter(dtype="mixed_float16")(np.zeros((1, 4, 4, 1), "float32")).dtype == "float16"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernel": "canny"}, "expected one of"),
        ({"kernel": [[1, 0]]}, "odd sides"),
        ({"kernel": [[1, 0, -1]], "angle": 5}, "name of a kernel"),
    ],
)
def test_impossible_arguments_are_an_error_in_the_constructor(options, message):
    with pytest.raises(ValueError, match=message):
        EdgeFilter(**options)
