"""Costs compared with arithmetic by hand and with the figures of the papers."""

import keras
import numpy as np
import pytest

from visionkit import models
from visionkit.errors import UserError
from visionkit.layers.inference_mode import InferenceMode
from visionkit.models.cost import build_to_count, layer_costs, separable_blocks, separable_cost, without_weights


def multiply_adds(model: keras.Model) -> int:
    return sum(cost.multiply_adds for cost in layer_costs(model))


def test_a_network_without_layers_costs_nothing():
    image = keras.Input((4, 5, 3), name="image")
    (cost,) = layer_costs(keras.Model(image, image))
    assert cost == ("image", "InputLayer", (), (4, 5, 3), 60, 0, 0) and cost.changes_shape and cost.held == 60
    assert separable_blocks(keras.Model(image, image)) == []


def test_lenet_by_hand():
    costs = {cost.name: cost for cost in layer_costs(models.lenet5())}
    by_hand = {
        "conv1": 28 * 28 * 6 * (5 * 5 * 1),
        "conv2": 10 * 10 * 16 * (5 * 5 * 6),
        "fc1": 5 * 5 * 16 * 120,
        "fc2": 120 * 84,
        "predictions": 84 * 10,
    }
    assert {name: cost.multiply_adds for name, cost in costs.items() if cost.multiply_adds} == by_hand
    assert sum(by_hand.values()) == 416_520
    assert [costs[name].parameters for name in by_hand] == [156, 2_416, 48_120, 10_164, 850]
    assert [costs[name].shape for name in ("conv1", "pool1", "flatten")] == [(28, 28, 6), (14, 14, 6), (400,)]
    assert costs["pool1"].size == 1_176 and costs["pool1"].held == 4_704 + 1_176


def test_resnet_50_by_hand():
    """As in keras.applications: the first convolution of a stage has the stride, so the 3x3 reads the smaller map."""
    total, channels = 112 * 112 * 64 * (7 * 7 * 3), 64
    for side, filters, repeats in ((56, 64, 3), (28, 128, 4), (14, 256, 6), (7, 512, 3)):
        for repeat in range(repeats):
            narrow, middle, widen = channels * filters, 9 * filters * filters, filters * 4 * filters
            projection = channels * 4 * filters if repeat == 0 else 0
            total += side * side * (narrow + middle + widen + projection)
            channels = 4 * filters
    assert multiply_adds(build_to_count("resnet50")) == total + 2048 * 1000 == 3_857_973_248


@pytest.mark.parametrize(
    ("name", "published"),
    [("vgg16", 15_470_264_320), ("mobilenet", 568_740_352), ("mobilenet_v2", 300_774_272), ("resnet18", 1_814_073_344)],
)
def test_multiply_adds_of_the_papers(name, published):
    """The papers round them to 15.5 billion, 569 million, 300 million and 1.8 billion."""
    assert multiply_adds(build_to_count(name)) == published


def test_efficientnet_b0_has_the_papers_390_million():
    assert multiply_adds(build_to_count("efficientnet_b0")) == pytest.approx(0.39e9, rel=0.02)


def test_weights_without_values_are_not_initialised_later():
    model = without_weights(lambda: keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]))
    with keras.StatelessScope():
        pass  # at its end Keras initialises the weights that its thread left without values
    assert model.weights[0]._value is None
    assert model.count_params() == 8


@pytest.mark.parametrize("sides", [(9,), (9, 7), (9, 7, 5)])
def test_convolutions_of_any_rank_and_groups(sides):
    rank = len(sides)
    image, positions = keras.Input((*sides, 4)), int(np.prod(sides))

    def count(kind, *arguments, **options):
        return multiply_adds(keras.Model(image, getattr(keras.layers, kind.format(rank))(*arguments, **options)(image)))

    assert count("Conv{}D", 6, 3, padding="same") == positions * 3**rank * 4 * 6
    assert count("Conv{}D", 6, 3, padding="same", groups=2) == positions * 3**rank * 2 * 6
    assert count("Conv{}D", 6, 1, strides=2) == int(np.prod([(side + 1) // 2 for side in sides])) * 24
    assert count("Conv{}DTranspose", 6, 2, strides=2) == positions * 2**rank * 4 * 6
    if rank < 3:
        assert count("DepthwiseConv{}D", 3, padding="same", depth_multiplier=2) == positions * 3**rank * 8
        assert count("SeparableConv{}D", 6, 3, padding="same") == positions * (3**rank * 4 + 4 * 6)
    assert count("MaxPooling{}D", 3) == 0


def test_a_dense_layer_is_applied_at_every_position():
    tokens = keras.Input((5, 8))
    assert multiply_adds(keras.Model(tokens, keras.layers.Dense(3)(tokens))) == 5 * 8 * 3


def test_models_inside_a_model_are_counted_layer_by_layer():
    base, image = models.lenet5((32, 32, 1), None), keras.Input((32, 32, 1))
    deepest = keras.Model(base.input, base.output["stride_4"], name="base")
    for inner in (deepest, InferenceMode(deepest)):
        outer = keras.Model(image, keras.layers.Dense(3)(keras.layers.Flatten()(inner(image))))
        costs = layer_costs(outer)
        assert [c.name for c in costs if c.multiply_adds] == ["conv1", "conv2", costs[-1].name]
        assert sum(c.multiply_adds for c in costs) == 117_600 + 240_000 + 400 * 3
        assert sum(c.parameters for c in costs) == outer.count_params()
        assert [c.kind for c in costs].count("InputLayer") == 1


def test_branches_and_operations_that_are_not_layers():
    image = keras.Input((6, 6, 3))
    branches = [keras.layers.Conv2D(filters, 1)(image) for filters in (2, 5)]
    costs = layer_costs(keras.Model(image, keras.ops.relu(keras.layers.Concatenate()(branches))))
    assert sum(c.multiply_adds for c in costs) == 36 * 3 * 7
    assert costs[-2].shape == (6, 6, 7) and costs[-2].changes_shape and not costs[-1].changes_shape


def test_the_textbook_example_of_separable_convolutions():
    assert separable_cost((4, 4), (3, 3), channels=3, filters=5) == (2_160, 672)
    image = keras.Input((6, 6, 3))
    (block,) = separable_blocks(keras.Model(image, keras.layers.SeparableConv2D(5, 3)(image)))
    assert (block.full, block.separable) == (2_160, 672)
    two = keras.layers.Conv2D(5, 1, name="b")(keras.layers.ReLU()(keras.layers.DepthwiseConv2D(3, name="a")(image)))
    assert separable_blocks(keras.Model(image, two)) == [("a + b", 2_160, 672)]
    grouped = keras.layers.Conv2D(5, 1, name="b")(keras.layers.Conv2D(3, 3, groups=3, name="a")(image))
    assert separable_blocks(keras.Model(image, grouped)) == [("a + b", 2_160, 672)]


def test_blocks_of_the_networks():
    """The gates of squeeze-and-excitation are 1x1 convolutions too, but not part of a block, however small the map."""
    assert len(separable_blocks(build_to_count("mobilenet"))) == 13
    assert len(separable_blocks(build_to_count("mobilenet_v2"))) == 17
    assert separable_blocks(build_to_count("resnet50")) == []
    for shape in (None, (32, 32, 3)):
        blocks = separable_blocks(build_to_count("efficientnet_b0", shape))
        assert len(blocks) == 16 and all(block.name.endswith("_project_conv") for block in blocks)


def test_an_unknown_side_is_an_error():
    with pytest.raises(UserError, match="give every side"):
        layer_costs(models.mobilenet((None, None, 3)))


@pytest.mark.parametrize(
    ("name", "shape", "reason"),
    [
        ("vgg16", (14, 14, 3), "14 x 14 x 3: a layer would have nothing left"),
        ("lenet5", (3,), "a signal"),
        ("mobilenet", (8, 8, 8, 1), "no DepthwiseConv"),
        ("resnet18", (0, 8, 3), "each 1 or more"),
    ],
)
def test_shapes_that_a_network_cannot_take_are_errors(name, shape, reason):
    with pytest.raises(UserError, match=reason) as caught:
        build_to_count(name, shape)
    assert "\n" not in str(caught.value) and "It was published with" in str(caught.value)


def test_the_number_of_classes_is_checked():
    with pytest.raises(UserError, match="1 or more"):
        build_to_count("lenet5", None, 0)
    assert layer_costs(build_to_count("resnet18", (100, 2), 7))[-1].shape == (7,)
