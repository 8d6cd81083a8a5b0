"""The contract of all networks of the catalogue."""

import importlib
import re
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.conftest import sweep
from visionkit import models
from visionkit.errors import UserError
from visionkit.models.catalog import CATALOG, find
from visionkit.models.cost import build_to_count, without_weights
from visionkit.models.endpoints import freeze, layers_behind, select_endpoints, strides_of, without_top
from visionkit.models.inception import SIDE_WEIGHTS, without_side_branches

SMALL = ["efficientnet_b0", "efficientnet_lite0", "mobilenet_v2"]  # one of each kind, for tests that take seconds
CLASSIC = ["vgg11", "resnet18", "resnet50", "resnet50_v2", "plain18", "mobilenet", "googlenet"]
UNPADDED = ["alexnet", "nin", "squeezenet", "inception_resnet_v1"]  # an endpoint's sides are smaller than side / stride
SIDES = {"inception_resnet_v1": 80, "lenet5": 32, "nin_small": 32}  # sides of the images in these tests; 64 for other networks
# Keras and the figures of keras.applications count moving statistics; the published figure of Lite0 does not.
PUBLISHED = {
    "efficientnet_b0": 5_330_571,
    "efficientnet_b1": 7_856_239,
    "efficientnet_b2": 9_177_569,
    "efficientnet_b3": 12_320_535,
    "efficientnet_b4": 19_466_823,
    "efficientnet_b5": 30_562_527,
    "efficientnet_b6": 43_265_143,
    "efficientnet_b7": 66_658_687,
    "alexnet": 60_965_224,
    "nin": 7_595_176,
    "squeezenet": 1_248_424,
    "squeezenet_1_1": 1_235_496,
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
LARGE = "b[2-7]|lite[2-4]|1[05][12]"  # variants of networks that are tested anyway
PUBLISHED_TRAINABLE = {"efficientnet_lite0": 4_652_008, "resnet18": 11_689_512, "resnet34": 21_797_672}


def count(variables) -> int:
    return sum(int(np.prod(v.shape)) for v in variables)


def structure(name: str, shape: tuple[int | None, ...] | None, num_classes: int | None) -> keras.Model:
    """A network whose layers are looked at, and not called; drawing its weights takes most of the time to build one."""
    return without_weights(lambda: models.build(name, shape, num_classes))


def test_no_classes_and_no_shape_build_a_backbone_of_the_published_size():
    assert structure("mobilenet_v2", None, None).input_shape == (None, 224, 224, 3)


@pytest.mark.parametrize("name", sweep(CATALOG, [*SMALL, *CLASSIC, *UNPADDED, "lenet5", "nin_small", "resnet20"]))
def test_parameter_counts_are_the_published_ones(name):
    model = build_to_count(name, num_classes=1000)
    assert model.name == name and model.output_shape == (None, 1000)
    if name in PUBLISHED:
        assert model.count_params() == PUBLISHED[name]
    if name in PUBLISHED_TRAINABLE:
        assert count(model.trainable_variables) == PUBLISHED_TRAINABLE[name]


@pytest.mark.parametrize("name", sweep(SMALL, ["mobilenet_v2"]))
@pytest.mark.parametrize("shape", [(64, 64, 3), (96, 33, 3), (None, None, 3), (64, 64, 1)])
def test_endpoints_are_named_by_stride(name, shape):
    backbone = structure(name, shape, None)
    assert list(backbone.output) == [f"stride_{s}" for s in (2, 4, 8, 16, 32)]
    for stride, feature_map in zip((2, 4, 8, 16, 32), backbone.output.values(), strict=True):
        assert feature_map.shape[1:3] == tuple(side and -(-side // stride) for side in shape[:2])
    assert backbone.output["stride_32"].shape[-1] == 1280


@pytest.mark.parametrize("name", sweep(CLASSIC, ["resnet18", "googlenet"]))
@pytest.mark.parametrize("shape", [(64, 64, 3), (96, 64, 1), (None, None, 3)])
def test_endpoints_of_the_classic_networks(name, shape):
    backbone = structure(name, shape, None)
    for stride in (2, 4, 8, 16, 32):
        expected = tuple(side and side // stride for side in shape[:2])
        assert backbone.output[f"stride_{stride}"].shape[1:3] == expected


@pytest.mark.parametrize("name", sweep(UNPADDED, ["squeezenet"]))
@pytest.mark.parametrize("shape", [(224, 192, 3), (None, None, 1)])
def test_endpoints_of_networks_that_pad_little(name, shape):
    backbone = structure(name, shape, None)
    for stride in strides_of(backbone):
        sides = backbone.output[f"stride_{stride}"].shape[1:3]
        for side, full in zip(sides, shape, strict=False):
            assert (side is None) if full is None else full / stride - 4 <= side <= full / stride


@pytest.mark.parametrize(
    "name", sweep(["vgg11", "resnet18", "resnet50", "resnet50_v2", "plain20", "lenet5", "nin_small"], ["resnet18", "nin_small"])
)
@pytest.mark.parametrize("shape", [(64, 2), (32, 48, 3), (32, 32, 32, 1)], ids=["signal", "image", "volume"])
def test_one_builder_for_signals_images_and_volumes(name, shape):
    model = models.build(name, shape, 5)
    assert model(np.zeros((2, *shape), "float32")).shape == (2, 5)


def test_lenet_has_the_published_parameters_in_every_layer():
    def sizes(model):
        return [layer.count_params() for layer in model.layers if layer.weights]

    assert sum(sizes(models.lenet5())) == 61_706
    assert sizes(models.lenet5((32, 32, 3), filters=(8, 16))) == [608, 3_216, 48_120, 10_164, 850]


@pytest.mark.parametrize("name", sweep([*UNPADDED, "googlenet"], ["squeezenet"]))
@pytest.mark.parametrize("shape", [(128, 2), (80, 80, 80, 1)], ids=["signal", "volume"])
def test_the_wide_networks_have_every_rank(name, shape):
    assert structure(name, shape, 5).output_shape == (None, 5)


def test_parameters_of_alexnet_with_one_group_and_in_the_layout_of_torchvision():
    assert without_weights(lambda: models.alexnet(groups=1)).count_params() == 62_378_344
    assert without_weights(lambda: models.alexnet(layout="torchvision")).count_params() == 61_100_840


def test_network_in_network_has_the_papers_million_for_ten_classes():
    assert models.nin_small(None, 10).count_params() == 966_986


def test_googlenet_has_the_parameters_of_the_papers_table():
    """Table 1 prints thousands (of 1024), which agree exactly with its own filters for 3a and 3b only."""
    printed = {"3a": 159, "3b": 380, "4a": 364, "4b": 437, "4c": 463, "4d": 580, "4e": 840, "5a": 1072, "5b": 1388}
    by_filters = {
        "3a": 163_696, "3b": 388_736, "4a": 376_176, "4b": 449_160, "4c": 510_104,
        "4d": 605_376, "4e": 868_352, "5a": 1_043_456, "5b": 1_444_080,
    }  # fmt: skip
    model = without_weights(models.googlenet)
    for module, thousands in printed.items():
        parameters = sum(layer.count_params() for layer in model.layers if layer.name.startswith(f"inception{module}_"))
        assert parameters == by_filters[module]
        assert parameters / 1024 == pytest.approx(thousands, abs=1 if module < "4" else 0.08 * thousands)
    assert model.get_layer("predictions").count_params() == 1_025_000  # the table's 1000K


def test_googlenet_in_the_layout_of_torchvision_has_its_parameters():
    without, with_sides = (
        without_weights(partial(models.googlenet, layout="torchvision", side_branches=sides)) for sides in (False, True)
    )
    assert (count(without.trainable_variables), count(with_sides.trainable_variables)) == (6_624_904, 13_004_888)


@pytest.mark.parametrize("shape", [(224, 224, 3), (64, 96, 3), (None, None, 3)])
@pytest.mark.parametrize("layout", sweep(["paper", "torchvision"], ["paper"]))
def test_side_branches_are_removed_for_inference(shape, layout):
    build = partial(models.googlenet, shape, 5, layout=layout, side_branches=True)
    model = without_weights(build) if shape[0] == 224 else build()
    assert {name: logits.shape for name, logits in model.output.items()} == dict.fromkeys(SIDE_WEIGHTS, (None, 5))
    inference = without_side_branches(model)
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3)).astype("float32")
    if shape[0] == 64:
        pixels = np.tile(pixels, (1, 1, 2, 1))[:, :, :96]
    if shape[0] != 224:
        np.testing.assert_allclose(inference(pixels), model(pixels)["predictions"], atol=1e-6)
    assert not [layer.name for layer in inference.layers if layer.name.startswith("side")]


def test_the_loss_weights_each_branch():
    model = models.googlenet((64, 64, 3), 3, side_branches=True)
    losses = {name: keras.losses.SparseCategoricalCrossentropy(from_logits=True) for name in SIDE_WEIGHTS}
    model.compile("sgd", losses, loss_weights=SIDE_WEIGHTS)
    measured = model.evaluate(np.zeros((3, 64, 64, 3)), dict.fromkeys(SIDE_WEIGHTS, np.arange(3)), verbose=0, return_dict=True)
    assert measured["loss"] == pytest.approx(sum(SIDE_WEIGHTS[name] * measured[f"{name}_loss"] for name in SIDE_WEIGHTS))


def test_inception_resnet_has_the_parameters_of_facenet():
    """facenet-pytorch's InceptionResnetV1 has 23,482,624, of which 918,528 belong to the embedding."""
    backbone = without_weights(lambda: models.inception_resnet_v1(None, None))
    assert count(backbone.trainable_variables) == 23_482_624 - 918_528


@pytest.mark.parametrize(("dimensions", "published"), [(512, 23_512_224), (128, 22_822_560)])
def test_facenet_has_the_parameters_of_facenet(dimensions, published):
    """The count of facenet-pytorch's state dict of 512 dimensions; 1792 + 4 fewer for each dimension less."""
    model = without_weights(lambda: models.facenet(dimensions=dimensions))
    assert model.count_params() == published and model.output_shape == (None, dimensions)


def test_a_resnet_in_the_layout_of_torchvision_has_its_parameters():
    model = without_weights(lambda: models.resnet50(layout="torchvision"))
    assert count(model.trainable_variables) == 25_557_032


def test_shortcuts_of_zeros_have_no_parameters():
    """The paper has 0.27 million for 20 layers and 32 x 32 pixels."""
    plain, zeros, projections = (
        without_weights(partial(models.resnet, variant, None, 10, shortcut=shortcut)).count_params()
        for variant, shortcut in (("plain20", "zeros"), ("resnet20", "zeros"), ("resnet20", "projection"))
    )
    assert zeros == plain == 271_098 < projections


@pytest.mark.parametrize(
    ("family", "peer"),
    [("vgg", "vgg16"), ("resnet", "resnet"), ("mobilenet", "mobilenet"), ("efficientnet", "efficientnet"),
     ("inception", "inception_v3"), ("inception_resnet", "inception_resnet_v2")],
)  # fmt: skip
def test_each_family_takes_half_the_lines_of_its_peer_in_keras_applications(family, peer):
    ours, theirs = (
        len(Path(importlib.import_module(f"{package}.{name}").__file__).read_text(encoding="utf-8").splitlines())
        for package, name in (("visionkit.models", family), ("keras.src.applications", peer))
    )
    assert 2 * ours <= theirs


def test_dense_layers_over_all_pixels_need_known_sides():
    with pytest.raises(ValueError, match="needs every side given"):
        models.vgg11((None, None, 3))


def test_endpoints_are_selected_by_stride():
    backbone = structure("efficientnet_lite0", (64, 64, 3), None)
    chosen = select_endpoints(backbone, (8, 32))
    assert {name: x.shape[1:] for name, x in chosen.output.items()} == {"stride_8": (8, 8, 40), "stride_32": (2, 2, 1280)}
    with pytest.raises(ValueError, match="stride_64"):
        select_endpoints(backbone, (64,))
    with pytest.raises(UserError, match="no endpoint 'stride_1'; it has stride_2, stride_4"):
        layers_behind(backbone, 1)


def test_a_classifier_is_not_a_backbone():
    with pytest.raises(ValueError, match=r"num_classes=None.*models\.backbone"):
        select_endpoints(structure("mobilenet_v2", (64, 64, 3), 2))


def test_the_layers_behind_an_endpoint_are_the_later_stages():
    names = [layer.name for layer in layers_behind(structure("efficientnet_b0", (64, 64, 3), None), 8)]
    assert names[0] == "block4a_expand_conv" and names[-1] == "top_activation"
    assert not any(name.startswith(("stem", "block1", "block2", "block3")) for name in names)


@pytest.mark.parametrize(("stride", "first"), [(None, "stem_conv"), (8, "block4a_expand_conv"), (32, None)])
def test_layers_are_frozen_up_to_a_stride(stride, first):
    backbone = structure("efficientnet_lite0", (64, 64, 3), None)
    trained = freeze(backbone, stride)
    assert [layer.name for layer in backbone.layers if layer.trainable] == [layer.name for layer in trained]
    assert next((layer.name for layer in trained if layer.weights), None) == first
    assert freeze(backbone, None) == backbone.layers and all(layer.trainable for layer in backbone.layers)


def test_a_layer_that_is_used_before_and_after_an_endpoint_is_frozen():
    shared, image = keras.layers.Conv2D(3, 3, 2, "same", name="shared"), keras.Input((16, 16, 3))
    half = shared(image)
    quarter = keras.layers.Conv2D(3, 1, name="last")(shared(half))
    backbone = keras.Model(image, {"stride_2": half, "stride_4": quarter})
    assert [layer.name for layer in freeze(backbone, 2)] == ["last"] and not shared.trainable


@pytest.mark.parametrize("name", sweep(SMALL, ["mobilenet_v2"]))
def test_a_signal_is_an_image_of_rank_one(name):
    model = models.build(name, (128, 2), 5) if name == "mobilenet_v2" else models.build(name, (128, 3), 5)
    assert model(np.zeros((2, 128, model.input_shape[-1]), "float32")).shape == (2, 5)


def test_a_rank_that_keras_lacks_is_an_error():
    with pytest.raises(ValueError, match="no DepthwiseConv layer"):
        models.mobilenet_v2((32, 32, 32, 1), 2)


QUICK = ["mobilenet_v2", "lenet5"]  # one that ends in pooling, one in dense layers over all pixels


@pytest.fixture(scope="module", params=sweep([*SMALL, *CLASSIC, *UNPADDED, "lenet5", "nin_small"], QUICK))
def small(request) -> tuple[keras.Model, np.ndarray]:
    """A classifier of four classes for small images, and four images; each network is built once for all its tests."""
    keras.utils.set_random_seed(0)
    side = SIDES.get(request.param, 64)
    pixels = np.random.default_rng(0).uniform(0, 255, (4, side, side, 3)).astype("float32")
    return models.build(request.param, (side, side, 3), 4), pixels


def test_every_weight_gets_a_gradient(small):
    import tensorflow as tf

    model, pixels = small
    with tf.GradientTape() as tape:
        loss = keras.losses.sparse_categorical_crossentropy(np.arange(4), model(pixels, training=True), from_logits=True)
    gradients = tape.gradient(loss, model.trainable_variables)
    dead = [v.path for v, g in zip(model.trainable_variables, gradients, strict=True) if g is None or not np.any(g)]
    assert dead == []


def test_keras_file_round_trip(small, tmp_path):
    model, pixels = small[0], small[1][:2]
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "model.keras")(pixels), model(pixels))


def test_the_exported_classifier_gives_the_scores_of_the_network(small, tmp_path):
    """For batches of two sizes."""
    import tensorflow as tf

    from visionkit.tasks.classification.export import ImageClassifier

    model, pixels = small
    tf.saved_model.save(ImageClassifier(model, tuple("abcd"), flips=False), str(tmp_path))
    exported = tf.saved_model.load(str(tmp_path))
    for count in (1, 3):
        expected = tf.nn.softmax(model(pixels[:count]))
        np.testing.assert_allclose(exported.serve_pixels(pixels[:count]), expected, atol=1e-5)


@pytest.mark.parametrize("name", ["EfficientNet-B0", "efficientnet_b0", "EFFICIENTNETB0", "efficientnet b0"])
def test_names_are_found_however_they_are_spelled(name):
    assert find(name) == "efficientnet_b0"


def test_an_unknown_name_lists_the_valid_ones_and_the_nearest():
    with pytest.raises(ValueError, match=r"did you mean 'mobilenet_v2'\? Networks: alexnet, efficientnet_b0, "):
        find("mobilnet_v3")


@pytest.mark.parametrize(("name", "before", "after"), [("efficientnet_lite0", 1280, 320), ("resnet18", 512, 512)])
def test_without_top_returns_the_last_map_before_it_is_widened_for_pooling(name, before, after):
    backbone = structure(name, (64, 64, 3), None)
    without = without_top(backbone)
    assert (backbone.output["stride_32"].shape[-1], without.output["stride_32"].shape[-1]) == (before, after)
    assert strides_of(without) == strides_of(backbone) and without.output["stride_16"] is backbone.output["stride_16"]


@pytest.fixture
def channels_first():
    keras.config.set_image_data_format("channels_first")
    yield
    keras.config.set_image_data_format("channels_last")


@pytest.mark.parametrize(
    "name", sweep([name for name in CATALOG if not re.search(LARGE, name)], ["vgg11", "googlenet", "squeezenet", "resnet18"])
)
def test_layers_have_channels_last_whatever_keras_is_configured_for(channels_first, name):
    """``image_data_format`` in ``~/.keras/keras.json`` may say so after other work."""
    for num_classes in (2, None):
        model = structure(name, None, num_classes)
        assert model.count_params() == without_format(name, num_classes)
        assert [layer.name for layer in model.layers if getattr(layer, "data_format", "channels_last") != "channels_last"] == []


def without_format(name: str, num_classes: int | None) -> int:
    keras.config.set_image_data_format("channels_last")
    number = structure(name, None, num_classes).count_params()
    keras.config.set_image_data_format("channels_first")
    return number


@pytest.mark.parametrize("name", ["resnet8", "lenet5"])
def test_networks_answer_the_same_where_keras_is_configured_for_channels_first(name):
    pixels = np.random.default_rng(0).uniform(0, 255, (1, 32, 32, 3)).astype("float32")
    model = models.build(name, (32, 32, 3), 2)
    expected = model(pixels).numpy()
    keras.config.set_image_data_format("channels_first")
    try:
        built = models.build(name, (32, 32, 3), 2)
        built.set_weights(model.get_weights())
        np.testing.assert_allclose(built(pixels), expected, rtol=1e-6)
        np.testing.assert_allclose(model(pixels), expected, rtol=1e-6)
    finally:
        keras.config.set_image_data_format("channels_last")
