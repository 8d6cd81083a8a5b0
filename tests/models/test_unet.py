"""U-Net: the paper's figure, every rank, and backbones."""

import keras
import numpy as np
import pytest

from tests.conftest import sweep
from visionkit import models
from visionkit.errors import UserError
from visionkit.models.unet import PAPER, Style, attention_gate, unet, valid_output

TINY = (4, 8, 16)


def test_impossible_sides_are_errors():
    with pytest.raises(ValueError, match="the nearest it takes: \\[572, 572\\]"):
        unet((570, 570, 1), style=PAPER)
    with pytest.raises(ValueError, match="multiples of 4"):
        unet((30, 32, 1), filters=TINY)
    with pytest.raises(ValueError, match="multiples of 32"):
        unet((48, 64, 3), 2, backbone=models.build("mobilenet", (64, 64, 3), None))
    with pytest.raises(ValueError, match="over a backbone is padded"):
        unet(None, 2, backbone=models.build("resnet8", (32, 32, 3), None), style=PAPER)


def test_a_backbone_without_padding_is_an_error():
    backbone = models.build("squeezenet", (64, 64, 3), None)
    with pytest.raises(
        UserError, match="'squeezenet' does not pad its maps: a side of 64 pixels has 29 at stride 2, expected 32"
    ):
        unet(None, 2, backbone=backbone)
    with pytest.raises(
        UserError, match="'squeezenet' does not pad its maps: a side of 128 pixels has 61 at stride 2, expected 64"
    ):
        unet(None, 2, backbone=models.build("squeezenet", (None, None, 3), None))  # sides of 8 strides of 16 pixels are tried


def test_the_papers_figure():
    """572 pixels become 388, and the maps have the sides that figure 1 shows."""
    model = unet(style=PAPER)
    assert model.input_shape == (None, 572, 572, 1) and model.output_shape == (None, 388, 388, 2)
    sides = {layer.name: layer.output.shape[1] for layer in model.layers if layer.name.endswith("_relu")}
    down = [sides[f"down_{2**level}_2_relu"] for level in range(5)]
    up = [sides[f"up_{2**level}_2_relu"] for level in range(4)]
    assert down == [568, 280, 136, 64, 28] and up == [388, 196, 100, 52]
    assert valid_output(572) == 388 and valid_output(570) is None


def test_the_papers_parameters():
    """Counted by hand: 3x3 convolutions of both paths, 2x2 transposed ones, biases, and the last convolution."""
    widths = (64, 128, 256, 512, 1024)
    count = 2 * 64 + 2
    for below, width in zip((1, *widths), widths, strict=False):
        count += 9 * below * width + width + 9 * width * width + width
    for wide, width in zip(widths[1:], widths, strict=False):
        count += 4 * wide * width + width + 9 * 2 * width * width + width + 9 * width * width + width
    assert unet(style=PAPER).count_params() == count


@pytest.mark.parametrize("shape", [(32, 2), (32, 16, 1), (8, 16, 8, 1)], ids=["signal", "image", "volume"])
@pytest.mark.parametrize("style", [Style(), Style(up="resize", attention=True, dropout=0.1)], ids=["plain", "other"])
def test_logits_have_the_sides_of_the_input(shape, style):
    model = unet(shape, 3, filters=TINY, style=style)
    assert model(np.zeros((2, *shape), "float32")).shape == (2, *shape[:-1], 3)


def test_sides_may_be_unknown():
    model = unet((None, None, 3), 2, filters=TINY)
    assert model(np.zeros((1, 16, 24, 3), "float32")).shape == (1, 16, 24, 2)


def test_supervised_levels_return_logits_too():
    model = unet((32, 32, 1), 2, filters=TINY, style=Style(supervised=1))
    assert {name: logits.shape[1:] for name, logits in model.output.items()} == {"logits": (32, 32, 2), "logits_2": (16, 16, 2)}


@pytest.mark.parametrize("pretrained", [True, False])
@pytest.mark.parametrize("name", sweep(["mobilenet", "resnet18", "efficientnet_lite0"], ["mobilenet"]))
def test_over_a_backbone_every_weight_gets_a_gradient(name, pretrained):
    import tensorflow as tf

    model = unet(None, 2, backbone=models.build(name, (64, 64, 3), None), pretrained=pretrained)
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3)).astype("float32")
    with tf.GradientTape() as tape:
        logits = model(pixels, training=True)
        loss = tf.reduce_mean(tf.square(logits - 1.0))
    assert logits.shape == (2, 64, 64, 2)
    gradients = tape.gradient(loss, [variable.value for variable in model.trainable_variables])
    assert all(gradient is not None and np.isfinite(gradient).all() for gradient in gradients)


def test_an_attention_gate_closes_and_opens():
    skip, x = keras.Input((4, 4, 2)), keras.Input((4, 4, 3))
    gate = keras.Model([skip, x], attention_gate(skip, x, 2, name="gate"))
    values = [np.ones((1, 4, 4, 2), "float32"), np.zeros((1, 4, 4, 3), "float32")]
    sigmoid = gate.get_layer("gate_share")
    for bias, expected in ((-50.0, 0.0), (50.0, 1.0), (0.0, 0.5)):
        sigmoid.set_weights([np.zeros_like(sigmoid.get_weights()[0]), np.array([bias], "float32")])
        np.testing.assert_allclose(gate(values), np.full((1, 4, 4, 2), expected), atol=1e-6)


def test_a_transposed_convolution_by_hand():
    """2x2 input, 3x3 filter, padding 1, stride 2, 4x4 output: each value adds the filter to the output, two cells apart."""
    values, kernel = np.array([[2, 1], [3, 2]], "float32"), np.array([[1, 2, 1], [2, 0, 1], [0, 2, 1]], "float32")
    output = np.zeros((6, 6), "float32")
    for row in range(2):
        for column in range(2):
            output[2 * row : 2 * row + 3, 2 * column : 2 * column + 3] += values[row, column] * kernel
    by_hand = output[1:5, 1:5]
    np.testing.assert_array_equal(by_hand, [[0, 4, 0, 1], [10, 7, 6, 3], [0, 7, 0, 2], [6, 3, 4, 2]])
    layer = keras.layers.Conv2DTranspose(1, 3, 2, "valid", use_bias=False, output_padding=1)
    layer.build((1, 2, 2, 1))
    layer.set_weights([kernel[..., None, None]])
    np.testing.assert_array_equal(np.asarray(layer(values[None, ..., None]))[0, 1:5, 1:5, 0], by_hand)


def test_layers_have_channels_last_whatever_keras_is_configured_for():
    keras.config.set_image_data_format("channels_first")
    try:
        model = unet((32, 32, 3), 2)
        assert model(np.zeros((1, 32, 32, 3), "float32")).shape == (1, 32, 32, 2)
    finally:
        keras.config.set_image_data_format("channels_last")
