"""One contract for the whole catalogue."""

import keras
import numpy as np
import pytest

from visionkit import models
from visionkit.models.catalog import CATALOG, find
from visionkit.models.endpoints import layers_behind, select_endpoints

SMALL = ["efficientnet_b0", "efficientnet_lite0", "mobilenet_v2"]  # one of each kind, for what takes seconds
CLASSIC = ["vgg11", "resnet18", "resnet50", "resnet50_v2", "plain18", "mobilenet"]
# Keras counts moving statistics, keras.applications' figures too; Lite0's was published without them.
PUBLISHED = {
    "efficientnet_b0": 5_330_571,
    "efficientnet_b1": 7_856_239,
    "efficientnet_b2": 9_177_569,
    "efficientnet_b3": 12_320_535,
    "efficientnet_b4": 19_466_823,
    "efficientnet_b5": 30_562_527,
    "efficientnet_b6": 43_265_143,
    "efficientnet_b7": 66_658_687,
    "mobilenet": 4_253_864,
    "mobilenet_v2": 3_538_984,
    "vgg11": 132_863_336,
    "vgg13": 133_047_848,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
    "resnet50": 25_636_712,
    "resnet101": 44_707_176,
    "resnet152": 60_419_944,
    "resnet50_v2": 25_613_800,
    "resnet101_v2": 44_675_560,
    "resnet152_v2": 60_380_648,
}
PUBLISHED_TRAINABLE = {"efficientnet_lite0": 4_652_008, "resnet18": 11_689_512, "resnet34": 21_797_672}


def count(variables) -> int:
    return sum(int(np.prod(v.shape)) for v in variables)


def test_no_classes_and_no_shape_build_a_backbone_of_the_published_size():
    assert models.build("mobilenet_v2", None, None).input_shape == (None, 224, 224, 3)


@pytest.mark.parametrize("name", CATALOG)
def test_parameter_counts_are_the_published_ones(name):
    model = models.build(name)
    assert model.name == name and model.output_shape == (None, 1000)
    if name in PUBLISHED:
        assert model.count_params() == PUBLISHED[name]
    if name in PUBLISHED_TRAINABLE:
        assert count(model.trainable_variables) == PUBLISHED_TRAINABLE[name]


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("shape", [(64, 64, 3), (96, 33, 3), (None, None, 3), (64, 64, 1)])
def test_endpoints_are_named_by_stride(name, shape):
    backbone = models.build(name, shape, None)
    assert list(backbone.output) == [f"stride_{s}" for s in (2, 4, 8, 16, 32)]
    for stride, feature_map in zip((2, 4, 8, 16, 32), backbone.output.values(), strict=True):
        assert feature_map.shape[1:3] == tuple(side and -(-side // stride) for side in shape[:2])
    assert backbone.output["stride_32"].shape[-1] == 1280


@pytest.mark.parametrize("name", CLASSIC)
@pytest.mark.parametrize("shape", [(64, 64, 3), (96, 64, 1), (None, None, 3)])
def test_endpoints_of_the_classic_networks(name, shape):
    backbone = models.build(name, shape, None)
    for stride in (2, 4, 8, 16, 32):
        expected = tuple(side and side // stride for side in shape[:2])
        assert backbone.output[f"stride_{stride}"].shape[1:3] == expected


@pytest.mark.parametrize("name", ["vgg11", "resnet18", "resnet50", "resnet50_v2", "plain20", "lenet5"])
@pytest.mark.parametrize("shape", [(64, 2), (32, 48, 3), (32, 32, 32, 1)], ids=["signal", "picture", "volume"])
def test_one_builder_for_signals_pictures_and_volumes(name, shape):
    model = models.build(name, shape, 5)
    assert model(np.zeros((2, *shape), "float32")).shape == (2, 5)


def test_lenet_has_the_published_parameters_in_every_layer():
    def sizes(model):
        return [layer.count_params() for layer in model.layers if layer.weights]

    assert sum(sizes(models.lenet5())) == 61_706
    assert sizes(models.lenet5((32, 32, 3), filters=(8, 16))) == [608, 3_216, 48_120, 10_164, 850]


def test_a_resnet_as_torchvision_has_it_has_its_parameters():
    model = models.resnet50(layout="torchvision")
    assert count(model.trainable_variables) == 25_557_032


def test_shortcuts_of_zeros_have_no_parameters():
    """As the paper's 20 layers for 32 x 32 pixels: 0.27 million."""
    plain, zeros = models.build("plain20", None, 10), models.resnet("resnet20", None, 10, shortcut="zeros")
    assert zeros.count_params() == plain.count_params() == 271_098
    assert models.build("resnet20", None, 10).count_params() > zeros.count_params()


def test_dense_layers_over_all_pixels_need_to_know_how_many():
    with pytest.raises(ValueError, match="needs every side given"):
        models.vgg11((None, None, 3))


def test_endpoints_can_be_chosen():
    chosen = select_endpoints(models.efficientnet_lite0((64, 64, 3), None), (8, 32))
    assert {name: x.shape[1:] for name, x in chosen.output.items()} == {"stride_8": (8, 8, 40), "stride_32": (2, 2, 1280)}
    with pytest.raises(ValueError, match="stride_64"):
        select_endpoints(models.efficientnet_lite0((64, 64, 3), None), (64,))


def test_a_classifier_is_no_backbone():
    with pytest.raises(ValueError, match="num_classes=None"):
        select_endpoints(models.mobilenet_v2((64, 64, 3), 2))


def test_the_layers_behind_an_endpoint_are_the_later_stages():
    names = [layer.name for layer in layers_behind(models.efficientnet_b0((64, 64, 3), None), 8)]
    assert names[0] == "block4a_expand_conv" and names[-1] == "top_activation"
    assert not any(name.startswith(("stem", "block1", "block2", "block3")) for name in names)


@pytest.mark.parametrize("name", SMALL)
def test_a_signal_is_a_picture_of_rank_one(name):
    model = models.build(name, (128, 2), 5) if name == "mobilenet_v2" else models.build(name, (128, 3), 5)
    assert model(np.zeros((2, 128, model.input_shape[-1]), "float32")).shape == (2, 5)


def test_a_rank_that_keras_lacks_is_told():
    with pytest.raises(ValueError, match="no DepthwiseConv layer"):
        models.mobilenet_v2((32, 32, 32, 1), 2)


@pytest.mark.parametrize("name", SMALL + CLASSIC)
def test_every_weight_gets_a_gradient(name):
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    model = models.build(name, (64, 64, 3), 4)
    pixels = np.random.default_rng(0).uniform(0, 255, (4, 64, 64, 3)).astype("float32")
    with tf.GradientTape() as tape:
        loss = keras.losses.sparse_categorical_crossentropy(np.arange(4), model(pixels, training=True), from_logits=True)
    gradients = tape.gradient(loss, model.trainable_variables)
    dead = [v.path for v, g in zip(model.trainable_variables, gradients, strict=True) if g is None or not np.any(g)]
    assert dead == []


@pytest.mark.parametrize("name", SMALL + CLASSIC)
def test_keras_file_round_trip(name, tmp_path):
    model = models.build(name, (64, 64, 3), 4)
    model.save(tmp_path / "model.keras")
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3)).astype("float32")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "model.keras")(pixels), model(pixels))


@pytest.mark.parametrize("name", ["EfficientNet-B0", "efficientnet_b0", "EFFICIENTNETB0", "efficientnet b0"])
def test_names_are_found_however_they_are_spelled(name):
    assert find(name) == "efficientnet_b0"


def test_an_unknown_name_lists_the_valid_ones_and_the_nearest():
    with pytest.raises(ValueError, match=r"did you mean 'mobilenet_v2'\? Networks: efficientnet_b0, "):
        find("mobilnet_v3")
