"""Backbones made of any Keras model: which maps are found, what is shared, frozen and trained, and what is refused."""

import keras
import numpy as np
import pytest
from keras import layers

from tests.conftest import sweep
from tests.models.small_backbones import small_backbone
from visionkit import models
from visionkit.errors import UserError
from visionkit.models.cost import without_weights
from visionkit.models.endpoints import deepest, freeze, layers_behind, strides_of, without_top
from visionkit.models.unet import unet
from visionkit.models.yolo import Variant, yolo
from visionkit.tasks.classification import transfer

ANCHORS = [np.array([[1.0, 1.0], [2.0, 1.0]], "float32")] * 3
TINY = Variant("small", 8, 1, True)


def pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, shape).astype("float32")


def sides(backbone: keras.Model) -> dict[str, tuple]:
    return {name: tuple(x.shape[1:-1]) for name, x in backbone.output.items()}


def producers(backbone: keras.Model) -> dict[int, str]:
    """The layer that returns each feature map, by stride."""
    return {int(name.removeprefix("stride_")): x._keras_history.operation.name for name, x in backbone.output.items()}


def sequential(*head, shape=(64, 64, 3), **options) -> keras.Sequential:
    conv = {3: layers.Conv1D, 4: layers.Conv2D, 5: layers.Conv3D}[len(shape) + 1]
    body = []
    for number in range(1, 6):
        body += [conv(4 * number, 3, 2, "same", name=f"conv{number}", **options), layers.BatchNormalization(name=f"bn{number}")]
    return keras.Sequential([keras.Input(shape), *body, *head], name="chain")


def residual(shape=(64, 64, 3)) -> keras.Model:
    """A user's own network: residual blocks, two of them with strides, a dense head over all pixels."""
    image = keras.Input(shape)
    x = layers.Conv2D(8, 3, 2, "same", name="stem")(layers.Rescaling(1 / 255)(image))
    for number, strides in enumerate((1, 2, 1, 2), start=1):
        carried = layers.Conv2D(8, 1, strides, name=f"carried{number}")(x)
        x = layers.Conv2D(8, 3, strides, "same", activation="relu", name=f"first{number}")(x)
        x = layers.Add(name=f"block{number}")([layers.Conv2D(8, 3, padding="same", name=f"second{number}")(x), carried])
    return keras.Model(image, layers.Dense(2)(layers.Flatten()(x)), name="residual")


def nested() -> keras.Model:
    image = keras.Input((64, 64, 3), name="photo")
    inner = keras.Sequential([keras.Input((64, 64, 3)), layers.Conv2D(4, 3, 2, "same", name="inner1"), small()], name="inner")
    return keras.Model(image, layers.GlobalAveragePooling2D()(inner(layers.Rescaling(1 / 255)(image))), name="outer")


def small() -> keras.Model:
    x = features = keras.Input((32, 32, 4))
    for number in (2, 3):
        x = layers.Conv2D(4 * number, 3, 2, "same", use_bias=False, name=f"inner{number}")(x)
        x = layers.ReLU(name=f"relu{number}")(layers.BatchNormalization(name=f"norm{number}")(x))
    return keras.Model(features, x, name="innermost")


def mobilenet(shape=(96, 96, 3)) -> keras.Model:
    return keras.applications.MobileNetV2(weights=None, include_top=False, alpha=0.35, input_shape=shape)


def statistics(backbone: keras.Model) -> list[np.ndarray]:
    norms = [layer for layer in backbone.layers if isinstance(layer, layers.BatchNormalization)]
    return [keras.ops.convert_to_numpy(value) for norm in norms for value in (norm.moving_mean, norm.moving_variance)]


def test_a_model_without_a_smaller_map_is_no_backbone():
    image = keras.Input((32, 32, 3))
    flat = keras.Model(image, layers.Dense(2)(layers.Flatten()(image)), name="dense")
    with pytest.raises(UserError, match="'dense' has no feature map that is 2 to 32 times smaller than its input"):
        models.backbone(flat)
    with pytest.raises(UserError, match="no feature map"):
        models.backbone(keras.Model(image, layers.Conv2D(4, 3, padding="same")(image)))


def test_a_backbone_is_returned_as_it_is():
    backbone = small_backbone()
    assert models.backbone(backbone) is backbone
    made = models.backbone(mobilenet())
    assert models.backbone(made) is made


@pytest.mark.parametrize(
    ("build", "shape", "expected"),
    [
        (keras.applications.MobileNetV2, (96, 96, 3), {2: (48, 48), 4: (24, 24), 8: (12, 12), 16: (6, 6), 32: (3, 3)}),
        (keras.applications.ResNet50, None, dict.fromkeys((2, 4, 8, 16, 32), (None, None))),
        pytest.param(
            keras.applications.InceptionV3, (299, 299, 3), {2: (147, 147), 4: (71, 71), 8: (35, 35), 16: (17, 17), 32: (8, 8)},
            marks=pytest.mark.exhaustive,
        ),
        pytest.param(
            keras.applications.Xception, (161, 96, 3), {2: (78, 45), 4: (39, 23), 8: (20, 12), 16: (10, 6), 32: (5, 3)},
            marks=pytest.mark.exhaustive,
        ),
        pytest.param(
            keras.applications.VGG16, (32, 32, 3), {2: (16, 16), 4: (8, 8), 8: (4, 4), 16: (2, 2), 32: (1, 1)},
            marks=pytest.mark.exhaustive,
        ),
    ],
)  # fmt: skip
def test_maps_of_networks_of_keras_applications(build, shape, expected):
    model = without_weights(lambda: build(weights=None, include_top=False, input_shape=shape))
    backbone = models.backbone(model)
    assert sides(backbone) == {f"stride_{stride}": part for stride, part in expected.items()}
    assert backbone.name == model.name and backbone.input_shape == model.input_shape


def test_what_comes_after_the_last_map_is_left_out_and_weights_are_shared():
    model = keras.applications.MobileNetV3Small(weights=None, input_shape=(64, 64, 3), classes=3)  # ends in 1x1 convolutions
    backbone = models.backbone(model)
    assert sides(backbone)["stride_32"] == (2, 2)
    assert {id(layer) for layer in backbone.layers} < {id(layer) for layer in model.layers}
    before = keras.Model(model.input, deepest(backbone))
    np.testing.assert_array_equal(backbone(pixels(1, 64, 64, 3))["stride_32"], before(pixels(1, 64, 64, 3)))


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (keras.applications.ResNet50, {2: "conv1_relu", 4: "conv2_block3_out", 8: "conv3_block4_out", 16: "conv4_block6_out",
                                       32: "conv5_block3_out"}),
        (keras.applications.ResNet50V2, {2: "conv1_conv", 4: "conv2_block2_out", 8: "conv3_block3_out", 16: "conv4_block5_out",
                                         32: "post_relu"}),
    ],
)  # fmt: skip
def test_a_map_is_the_last_through_which_everything_coarser_passes(build, expected):
    """Thus neither a part of the next block, nor what was padded for its first convolution."""
    model = without_weights(lambda: build(weights=None, input_shape=(64, 64, 3), classes=2))
    assert producers(models.backbone(model)) == expected


def test_a_users_own_network():
    assert producers(models.backbone(residual())) == {2: "block1", 4: "block3", 8: "block4"}


@pytest.mark.parametrize("shape", [(64, 2), (64, 96, 3), (64, 64, 32, 1)], ids=["signal", "image", "volume"])
@pytest.mark.parametrize("known", [True, False])
def test_a_sequential_model_of_every_rank(shape, known):
    backbone = models.backbone(sequential(shape=shape if known else (None,) * (len(shape) - 1) + shape[-1:]))
    assert producers(backbone) == {2**number: f"bn{number}" for number in range(1, 6)}
    maps = backbone(pixels(2, *shape))
    assert {name: tuple(x.shape[1:-1]) for name, x in maps.items()} == {
        f"stride_{s}": tuple(side // s for side in shape[:-1]) for s in (2, 4, 8, 16, 32)
    }


def test_a_dense_head_of_fixed_size_does_not_matter():
    head = [layers.Flatten(), layers.Dense(3)]
    assert strides_of(models.backbone(sequential(*head))) == [2, 4, 8, 16, 32]


def test_global_pooling_by_a_large_pooling_layer_is_no_map():
    """As in the ResNet for CIFAR-10 of Keras' examples: 8 x 8 places are averaged by AveragePooling2D(8)."""
    model = keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            layers.Conv2D(4, 3, 2, "same"),
            layers.Conv2D(4, 3, 2, "same", name="last"),
            layers.AveragePooling2D(8),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )
    assert producers(models.backbone(model))[4] == "last" and strides_of(models.backbone(model)) == [2, 4]


def test_a_layer_that_takes_one_size_only_is_measured_at_that_size():
    image = keras.Input((64, 64, 3))
    x = layers.Conv2D(4, 3, 4, "same")(image)
    x = layers.Reshape((16, 16, 4))(layers.Reshape((256, 4))(x))
    model = keras.Model(image, layers.Conv2D(4, 3, 2, "same", name="last")(x))
    assert producers(models.backbone(model))[8] == "last"


def test_a_resized_input_is_measured_at_its_own_size():
    x = image = keras.Input((128, 128, 3))
    x = layers.Conv2D(4, 3, 2, "same", name="last")(layers.Resizing(64, 64, name="smaller")(x))
    assert producers(models.backbone(keras.Model(image, x))) == {2: "smaller", 4: "last"}


def test_the_way_up_again_and_side_branches_are_left_out():
    backbone = models.backbone(unet((32, 32, 1), 2, filters=(4, 8, 16)))
    assert producers(backbone) == {2: "down_2_2_relu", 4: "down_4_2_relu"}
    backbone = models.backbone(models.googlenet((64, 64, 3), 5, side_branches=True))
    assert not [layer.name for layer in backbone.layers if layer.name.startswith("side")]


@pytest.mark.parametrize("name", sweep(["efficientnet_lite0", "resnet18", "resnet50_v2", "googlenet"], ["resnet18"]))
def test_a_classifier_of_visionkit_gives_maps_as_large_as_its_backbone(name):
    backbone = models.backbone(models.build(name, (64, 64, 3), 2))
    expected = models.build(name, (64, 64, 3), None)
    assert sides(backbone) == sides(expected) and deepest(backbone).shape == deepest(expected).shape


def test_models_inside_a_model_are_taken_apart():
    model = nested()
    backbone = models.backbone(model)
    assert producers(backbone) == {2: "inner1", 4: "relu2", 8: "relu3"}
    assert [layer.name for layer in layers_behind(backbone, 4)] == ["inner3", "norm3", "relu3"]
    values = pixels(2, 64, 64, 3)
    np.testing.assert_allclose(np.mean(backbone(values)["stride_8"], axis=(1, 2)), model(values), atol=1e-5)
    freeze(backbone, 4)
    assert [weight.path.split("/")[-2] for weight in model.trainable_weights] == ["inner3", "norm3", "norm3"]


def test_a_classifier_over_a_pretrained_base_becomes_a_backbone_again():
    classifier = transfer.transfer_model(small_backbone((64, 64)), 2).classifier
    assert strides_of(models.backbone(classifier)) == [4, 8, 16, 32]


def test_layers_of_one_name_in_two_models_are_refused():
    def inner(channels):
        x = features = keras.Input((None, None, channels))
        return keras.Model(features, layers.Conv2D(4, 3, 2, "same", name="conv")(x))

    image = keras.Input((64, 64, 3))
    with pytest.raises(UserError, match=r"cannot be taken apart.*conv"):
        models.backbone(keras.Model(image, inner(4)(inner(3)(image))))


def test_preprocessing_is_put_before_the_model():
    model = residual()
    functions = (keras.applications.resnet.preprocess_input, layers.Rescaling(1 / 127.5, -1.0))
    values = pixels(2, 64, 64, 3)
    for preprocess in functions:
        backbone = models.backbone(model, preprocess=preprocess)
        expected = models.backbone(model)(preprocess(keras.ops.convert_to_tensor(values)))
        assert backbone.input_shape == (None, 64, 64, 3) and strides_of(backbone) == [2, 4, 8]
        for name, feature_map in backbone(values).items():
            np.testing.assert_allclose(feature_map, expected[name], atol=1e-4)
    twice = models.backbone(models.backbone(model), preprocess=functions[1])
    np.testing.assert_allclose(twice(values)["stride_4"], expected["stride_4"], atol=1e-4)
    with pytest.raises(UserError, match="preprocess turned pixels"):
        models.backbone(model, preprocess=layers.Flatten())


def test_preprocessing_is_in_the_saved_model(tmp_path):
    backbone = models.backbone(residual(), preprocess=keras.applications.resnet.preprocess_input)
    backbone.save(tmp_path / "backbone.keras")
    again = keras.models.load_model(tmp_path / "backbone.keras")
    np.testing.assert_allclose(again(pixels(1, 64, 64, 3))["stride_8"], backbone(pixels(1, 64, 64, 3))["stride_8"], atol=1e-5)


def test_another_input_shape():
    backbone = models.backbone(residual(), input_shape=(None, None, 3))
    assert backbone(pixels(1, 32, 96, 3))["stride_8"].shape == (1, 4, 12, 8)
    with pytest.raises(UserError, match=r"'residual' cannot take an input of \(None, None, 1\)"):
        models.backbone(residual(), input_shape=(None, None, 1))


class Subclassed(keras.Model):
    def call(self, x):
        return x


def test_what_cannot_be_a_backbone_is_refused_with_a_reason():
    image = keras.Input((64, 64, 3), name="image")
    refused = {
        "has no graph of layers": Subclassed(),
        "begins with keras.Input": keras.Sequential([layers.Conv2D(4, 3, 2)]),
        "expected a signal": keras.Model(one := keras.Input((8,)), layers.Dense(2)(one)),
        "has 2 inputs \\(image, mask\\)": keras.Model(
            [image, mask := keras.Input((64, 64, 3), name="mask")], layers.Conv2D(4, 3, 2)(layers.Add()([image, mask]))
        ),
        "channels first in its layer 'conv1'": sequential(shape=(3, 64, 64), data_format="channels_first"),
        "is a transformer: from its layer 'attention' on": transformer(),
    }
    for reason, model in refused.items():
        with pytest.raises(UserError, match=reason):
            models.backbone(model)


def transformer() -> keras.Model:
    image = keras.Input((64, 64, 3))
    x = layers.Reshape((16, 8))(layers.Conv2D(8, 16, 16, name="patches")(image))
    x = layers.MultiHeadAttention(2, 4, name="attention")(x, x)
    return keras.Model(image, layers.Dense(2)(layers.GlobalAveragePooling1D()(x)), name="vit")


BACKBONES = {
    "mobilenet_v2": lambda: models.backbone(mobilenet()),
    "with_top": lambda: models.backbone(
        keras.applications.MobileNet(weights=None, alpha=0.25, input_shape=(96, 96, 3), classes=3), input_shape=(None, None, 3)
    ),
    "resnet50": lambda: models.backbone(keras.applications.ResNet50(weights=None, include_top=False, input_shape=(96, 96, 3))),
    "sequential": lambda: models.backbone(sequential(layers.Flatten(), layers.Dense(2), shape=(96, 96, 3))),
    "functional": lambda: models.backbone(
        residual((96, 96, 3)), preprocess=keras.applications.resnet.preprocess_input, input_shape=(None, None, 3)
    ),
    "nested": lambda: models.backbone(nested(), input_shape=(96, 96, 3)),
}


@pytest.mark.parametrize("name", sweep(BACKBONES, ["sequential", "functional", "nested"]))
def test_heads_accept_them(name):
    """A U-Net, a YOLO and a classifier."""
    backbone, values = BACKBONES[name](), pixels(1, 96, 96, 3)
    assert unet(None, 2, backbone=backbone, filters=(4,))(values).shape == (1, 96, 96, 2)
    strides = tuple(stride for stride in strides_of(backbone) if stride >= 8)
    network = yolo(backbone, 2, ANCHORS[: len(strides)], variant=TINY, strides=strides)
    assert {n: x.shape for n, x in network(values).items()} == {f"stride_{s}": (1, 96 // s, 96 // s, 14) for s in strides}
    model = transfer.transfer_model(backbone, 3)
    assert model.classifier(values).shape == (1, 3)
    np.testing.assert_allclose(
        model.extractor(values),
        np.mean(backbone(values, training=False)[f"stride_{strides[-1]}"], axis=(1, 2)),
        rtol=1e-3,
        atol=1e-4,
    )


def test_the_head_of_one_that_was_built_anew_can_be_taken_off():
    """Its layers have two places in two graphs."""
    backbone = models.backbone(mobilenet(), input_shape=(None, None, 3))
    assert without_top(backbone).output["stride_32"].shape == (None, None, None, 112)


@pytest.mark.parametrize("name", sweep(["mobilenet_v2", "nested", "sequential"], ["nested"]))
def test_a_step_of_training_moves_no_statistics_of_a_pretrained_base(name):
    backbone = BACKBONES[name]()
    middle = strides_of(backbone)[1]
    freeze(backbone, middle)
    frozen = {layer.name: layer.get_weights() for layer in backbone.layers if layer.weights and not layer.trainable}
    trained = layers_behind(backbone, middle)
    before, moved = statistics(backbone), [weight.numpy() for layer in trained for weight in layer.trainable_weights]
    network = unet(None, 1, backbone=backbone, filters=(4,))
    network.compile(keras.optimizers.SGD(0.1), "mse")
    network.fit(pixels(2, 96, 96, 3), np.ones((2, 96, 96, 1), "float32"), verbose=0)
    for old, new in zip(before, statistics(backbone), strict=True):
        np.testing.assert_array_equal(old, new)
    for layer, weights in frozen.items():
        for old, new in zip(weights, backbone.get_layer(layer).get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)
    now = [weight.numpy() for layer in trained for weight in layer.trainable_weights]
    assert any((old != new).any() for old, new in zip(moved, now, strict=True))


def test_of_a_base_that_is_trained_from_scratch_the_frozen_part_alone_keeps_its_statistics():
    backbone = BACKBONES["nested"]()
    freeze(backbone, 4)
    model = transfer.transfer_model(backbone, 2, pretrained=False).classifier
    model.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True))
    before = statistics(backbone)
    model.fit(pixels(4, 96, 96, 3), np.eye(2, dtype="float32")[[0, 1, 0, 1]], verbose=0)
    changed = [bool((old != new).any()) for old, new in zip(before, statistics(backbone), strict=True)]
    assert changed == [False, False, True, True]
