"""Instance normalisation in a style, in another, and in a blend: as NumPy does it."""

import keras
import numpy as np
import pytest
from keras import ops

from visionkit.layers.instance_normalization import ConditionalInstanceNormalization


def layer_of(rng, num_styles: int, channels: int, **options) -> ConditionalInstanceNormalization:
    layer = ConditionalInstanceNormalization(num_styles, **options)
    layer.build([(None, None, None, channels), (None, num_styles)])
    layer.set_weights([rng.normal(1, 0.5, (num_styles, channels)), rng.normal(0, 1, (num_styles, channels))])
    return layer


def by_numpy(x: np.ndarray, styles: np.ndarray, layer: ConditionalInstanceNormalization) -> np.ndarray:
    gamma, beta = (styles @ weight for weight in layer.get_weights())
    outputs = []
    for maps, scale, offset in zip(x.astype(np.float64), gamma, beta, strict=True):
        mean, variance = maps.mean((0, 1)), maps.var((0, 1))
        outputs.append(scale * (maps - mean) / np.sqrt(variance + layer.epsilon) + offset)
    return np.array(outputs).reshape(x.shape)


def test_no_images(rng):
    layer = layer_of(rng, 2, 3)
    assert layer([np.zeros((0, 4, 4, 3), "float32"), np.zeros((0, 2), "float32")]).shape == (0, 4, 4, 3)
    assert layer.compute_output_shape([(None, 4, None, 3), (None, 2)]) == (None, 4, None, 3)


def test_a_new_layer_only_normalises(rng):
    x = rng.normal(5, 3, (2, 8, 9, 4)).astype("float32")
    output = ops.convert_to_numpy(ConditionalInstanceNormalization()([x, np.ones((2, 1), "float32")]))
    np.testing.assert_allclose(output.mean((1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(output.std((1, 2)), 1, atol=1e-3)


@pytest.mark.parametrize("styles", [[[1, 0, 0], [0, 0, 1]], [[0.5, 0.25, 0.25], [0, 1, 0]]])
def test_each_image_has_its_style_or_its_blend(rng, styles):
    x, layer = rng.normal(5, 3, (2, 6, 7, 4)).astype("float32"), layer_of(rng, 3, 4)
    styles = np.array(styles, "float32")
    np.testing.assert_allclose(layer([x, styles]), by_numpy(x, styles, layer), atol=1e-4)


def test_one_pixel_and_one_color_are_the_offset(rng):
    layer = layer_of(rng, 1, 3)
    for shape in ((1, 1, 1, 3), (1, 5, 4, 3)):
        output = layer([np.full(shape, 7, "float32"), np.ones((1, 1), "float32")])
        np.testing.assert_allclose(output, np.broadcast_to(layer.get_weights()[1], shape), atol=1e-4)


def test_half_precision_has_statistics_in_full_precision(rng):
    layer = layer_of(rng, 2, 3, dtype="mixed_bfloat16")
    styles = np.array([[0.5, 0.5]], "float32")
    x = ops.cast(rng.normal(100, 5, (1, 64, 64, 3)), "bfloat16")  # sums of so many would lose all in bfloat16
    output = layer([x, styles])
    assert output.dtype == "bfloat16" and layer.gamma.dtype == "float32"
    expected = by_numpy(ops.convert_to_numpy(ops.cast(x, "float32")), styles, layer)
    np.testing.assert_allclose(ops.cast(output, "float32"), expected, atol=0.05)


def test_a_keras_file_round_trip(rng, tmp_path):
    image, style = keras.Input((None, None, 3)), keras.Input((2,))
    model = keras.Model([image, style], ConditionalInstanceNormalization(2, epsilon=0.1)([image, style]))
    model.set_weights([rng.normal(size=weight.shape) for weight in model.get_weights()])
    model.save(tmp_path / "m.keras")
    inputs = [rng.normal(size=(1, 5, 6, 3)).astype("float32"), np.array([[0.3, 0.7]], "float32")]
    again = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again(inputs), model(inputs))
    assert again.layers[-1].epsilon == 0.1 and again.layers[-1].num_styles == 2
