"""Small arithmetic of the blocks."""

import keras
import numpy as np
import pytest

from visionkit.layers import nd
from visionkit.layers.blocks import Names, conv_bn, depthwise_bn, make_divisible, squeeze_excite
from visionkit.layers.normalization import PRESETS, normalize


@pytest.mark.parametrize(("channels", "rounded"), [(0, 8), (8, 8), (11, 16), (12, 16), (35.2, 32), (17.6, 16), (44.8, 48)])
def test_channels_round_to_eights_and_lose_at_most_a_tenth(channels, rounded):
    assert make_divisible(channels) == rounded
    assert make_divisible(channels) >= 0.9 * channels


@pytest.mark.parametrize("side", [1, 7, 8])
def test_strides_divide_the_side_rounding_up(side):
    x = keras.Input((side, side, 3))
    assert conv_bn(x, 4, 3, strides=2, names=Names("c", "b", "a")).shape == (None, -(-side // 2), -(-side // 2), 4)
    assert depthwise_bn(x, 5, strides=2, names=Names("d", "e", "f")).shape == (None, -(-side // 2), -(-side // 2), 3)


def test_squeeze_and_excitation_scales_channels_and_keeps_their_pattern(rng):
    image = keras.Input((6, 5, 4))
    model = keras.Model(image, squeeze_excite(image, 2, activation="relu", name="se_"))
    x = rng.normal(size=(2, 6, 5, 4)).astype("float32")
    gates = np.asarray(model(x)) / x
    assert np.ptp(gates, axis=(1, 2)).max() < 1e-4
    assert gates.min() > 0 and gates.max() < 1


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_mean_and_deviation(preset):
    image = keras.Input((None, None, 3))
    pixels = np.broadcast_to(np.array([200, 100, 50], "float32"), (1, 2, 2, 3))
    mean, deviation, bgr = PRESETS[preset]
    expected = ((pixels[..., ::-1] if bgr else pixels) - mean) / deviation
    np.testing.assert_allclose(keras.Model(image, normalize(image, preset))(pixels), expected, rtol=1e-5, atol=1e-5)


def test_an_unknown_preset_lists_the_valid_ones():
    with pytest.raises(ValueError, match="efficientnet_lite"):
        normalize(keras.Input((2, 2, 3)), "torch")


@pytest.mark.parametrize("preset", ["imagenet", "caffe"])
@pytest.mark.parametrize("shape", [(8, 1), (8, 5), (2, 2, 1), (2, 2, 2, 4)])
def test_without_color_channels_all_are_normalised_alike(preset, shape):
    image = keras.Input(shape)
    normalised = keras.Model(image, normalize(image, preset))(np.full((1, *shape), 120.0, "float32"))
    assert normalised.shape == (1, *shape) and np.ptp(normalised) == 0 and abs(np.mean(normalised)) < 10


def test_rank_is_read_from_the_tensor():
    assert [nd.rank(keras.Input((4,) * r + (1,))) for r in (1, 2, 3)] == [1, 2, 3]
    assert nd.layer("Conv", keras.Input((4, 4, 4, 1))).func is keras.layers.Conv3D
    with pytest.raises(ValueError, match=r"a signal.*an image"):
        nd.layer("DepthwiseConv", keras.Input((4, 4, 4, 1)))
