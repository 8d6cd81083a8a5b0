"""The layers that style transfer compares: by name, by stride, and only of trained networks."""

import keras
import numpy as np
import pytest

from visionkit.errors import UserError
from visionkit.models import vgg16
from visionkit.models.style_features import LIGHT, VGG, in_half_precision, reach, style_features, style_layers


@pytest.fixture(scope="module")
def features():
    return style_features("vgg16", [*VGG.names, "stride_8"])


def test_no_layers_are_an_error():
    with pytest.raises(ValueError):
        style_features("efficientnet_lite0", [])


def test_default_weights_sum_to_one():
    assert style_layers("vgg19") == VGG and style_layers("squeezenet") == LIGHT
    for layers in (VGG, LIGHT):
        assert sum(layers.style.values()) == pytest.approx(1)
        assert len(set(layers.names)) == len(layers.names) and layers.content in layers.names


def test_layers_are_chosen_by_name_and_by_stride(features, photograph):
    maps = features(photograph[None, :64, :96].astype(np.float32))
    assert {name: tuple(each.shape[1:]) for name, each in maps.items()} == {
        "block1_conv1": (64, 96, 64),
        "block2_conv1": (32, 48, 128),
        "block3_conv1": (16, 24, 256),
        "block4_conv1": (8, 12, 512),
        "block5_conv1": (4, 6, 512),
        "block4_conv2": (8, 12, 512),
        "stride_8": (8, 12, 512),
    }
    whole = vgg16((64, 96, 3), None, weights="hed")(photograph[None, :64, :96].astype(np.float32))
    np.testing.assert_allclose(maps["stride_8"], whole["stride_8"], rtol=1e-4, atol=1e-2)
    assert not features.trainable_variables


def test_a_unit_reads_as_far_as_reach_says(features):
    network = keras.Model(features.input, features.output["block4_conv1"])
    stride, beyond = reach(network)
    assert (stride, beyond) == (8, 1 + 1 + 2 * 2 + 3 * 4 + 8)
    image = np.random.default_rng(0).uniform(0, 255, (1, 128, 128, 3)).astype(np.float32)
    changed = image.copy()
    changed[:, :, : 64 - beyond] = 0  # left of the pixels that the units from column 8 on read
    np.testing.assert_allclose(network(image)[:, :, 8:], network(changed)[:, :, 8:], rtol=1e-3, atol=1e-2)
    changed[:, :, 64 - beyond] = 0
    assert np.abs(network(image)[:, :, 8] - network(changed)[:, :, 8]).max() > 0


def test_the_branch_that_reads_farthest_counts():
    image = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 7, 2, padding="same")(image)
    long = keras.layers.Conv2D(4, 3, padding="same")(keras.layers.Conv2D(4, 3, 2, padding="same")(x))
    added = keras.layers.Add()([long, keras.layers.Conv2D(4, 1, 2)(x)])
    assert reach(keras.Model(image, {"a": added, "b": x})) == (4, 3 + 2 + 4)


def test_half_precision_is_close_and_scales_pixels_in_float32(photograph):
    image = photograph[None, :64, :64].astype(np.float32)
    exact, half = (style_features("vgg16", ["block3_conv1"]) for _ in range(2))
    half = in_half_precision(half)
    a, b = (keras.ops.convert_to_numpy(keras.ops.cast(each(image)["block3_conv1"], "float32")) for each in (exact, half))
    assert keras.backend.standardize_dtype(half(image)["block3_conv1"].dtype) == "bfloat16"
    assert 0 < np.abs(a - b).mean() < 0.02 * a.mean()
    assert half.layers[1].compute_dtype == "float32"


def test_light_networks_return_maps_by_stride():
    features = style_features("efficientnet_lite0", LIGHT.names)
    assert sorted(features(np.zeros((1, 64, 64, 3), np.float32))) == sorted(LIGHT.names)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("squeezenet", ["stride_8"]), "comes without weights"),
        (("vgg1616", ["stride_8"]), "did you mean 'vgg16'"),
        (("vgg16", ["block9_conv1"]), "no layer 'block9_conv1'; it has stride_1"),
    ],
)
def test_impossible_arguments_are_errors(arguments, message):
    with pytest.raises(UserError, match=message):
        style_features(*arguments)


def test_only_a_vgg_has_a_choice_of_pooling():
    with pytest.raises(UserError, match="pooling='average' is for VGG"):
        style_features("efficientnet_lite0", ["stride_8"], pooling="average")
