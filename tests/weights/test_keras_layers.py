"""Arrays find their layers by class and number, as Keras writes them, alone or inside of a larger model."""

import keras
import numpy as np
import pytest

from tests.conftest import sweep
from visionkit import models
from visionkit.errors import UserError
from visionkit.layers.inference_mode import InferenceMode
from visionkit.models.pretrained import HEADS
from visionkit.weights.keras_files import read_groups
from visionkit.weights.keras_layers import fill_from_groups, group_names


def network(classes: int | None = 5, *, filters: int = 3, name: str = "tiny", wide: bool = False) -> keras.Model:
    x = inputs = keras.Input((8, 8, 2))
    x = keras.layers.Conv2D(filters, 3, name="conv1")(x)
    x = keras.layers.BatchNormalization(name="bn1")(x)
    x = keras.layers.DepthwiseConv2D(3, use_bias=False, name="dwconv")(x)
    x = keras.layers.Conv2D(4, 1, name="conv2")(x)
    if wide:
        x = keras.layers.Conv2D(4, 3, padding="same", name="conv3")(x)
    if classes is not None:
        x = keras.layers.Dense(classes, name="predictions")(keras.layers.GlobalAveragePooling2D(name="avg_pool")(x))
    return keras.Model(inputs, x, name=name)


@pytest.fixture
def groups_of(tmp_path):
    def groups(model):
        model.save_weights(tmp_path / "a.weights.h5")
        return read_groups(tmp_path / "a.weights.h5")

    return groups


def test_an_empty_file_lacks_all_layers():
    with pytest.raises(UserError, match=r"a\.h5 does not fit tiny: 4 of its 4 layers .*: conv1 is missing, bn1 is missing"):
        fill_from_groups(network(), {}, HEADS, "a.h5")


@pytest.mark.parametrize("name", sweep(models.CATALOG, ["lenet5", "resnet8", "squeezenet_1_1"]))
def test_groups_are_named_as_keras_names_them(name, groups_of):
    model = models.build(name, None if name in ("lenet5", "alexnet") or name.startswith(("vgg", "inception")) else (64, 64, 3))
    groups = groups_of(model)
    named = group_names(model)
    assert {f"layers/{place}" for place in named} == set(groups)
    for place, layer in named.items():
        for array, weight in zip(groups[f"layers/{place}"], layer.get_weights(), strict=True):
            np.testing.assert_array_equal(array, weight)


def test_all_weights_are_set(groups_of):
    source, target = network(), network()
    filled = fill_from_groups(target, groups_of(source), HEADS, "")
    for one, other in zip(source.get_weights(), target.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert (filled.used, filled.left_out, filled.untrained) == (11, (), ())


@pytest.mark.parametrize(
    ("classes", "left_out", "untrained"),
    [(7, ("layers/dense/0", "layers/dense/1"), ("predictions",)), (None, ("layers/dense/0", "layers/dense/1"), ())],
)
def test_a_head_that_does_not_fit_is_named(groups_of, classes, left_out, untrained):
    source, target = network(), network(classes)
    filled = fill_from_groups(target, groups_of(source), HEADS, "")
    assert (filled.left_out, filled.untrained) == (left_out, untrained)
    np.testing.assert_array_equal(source.get_layer("conv2").get_weights()[0], target.get_layer("conv2").get_weights()[0])


def test_a_backbone_leaves_the_head_untrained(groups_of):
    assert fill_from_groups(network(), groups_of(network(None)), HEADS, "").untrained == ("predictions",)


@pytest.mark.parametrize("as_layer", [InferenceMode, lambda base: base])
def test_the_base_inside_of_a_runs_classifier_is_found(groups_of, as_layer):
    """RUN/after_last.weights.h5 holds the whole classifier, with a head of its own classes."""
    base = network(None)
    inputs = keras.Input((8, 8, 2))
    x = keras.layers.GlobalAveragePooling2D()(as_layer(base)(inputs))
    classifier = keras.Model(inputs, keras.layers.Dense(9)(x))
    classifier.compile("adam")
    classifier.optimizer.build(classifier.trainable_variables)
    target = network(None)
    filled = fill_from_groups(target, groups_of(classifier), HEADS, "")
    for one, other in zip(base.get_weights(), target.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert filled.left_out == ("layers/dense/0", "layers/dense/1")


@pytest.mark.parametrize(
    ("source", "named"),
    [
        (network(filters=4), r"4 of its 4 layers with weights differ: conv1 has \(3, 3, 2, 4\) instead of \(3, 3, 2, 3\), bn1"),
        (network(wide=True), r"holds 2 further layers, layers/conv2d_2\. Expected weights of the same network"),
    ],
)
def test_another_network_is_an_error_that_names_layers(groups_of, source, named):
    target = network(None)
    before = target.get_weights()
    with pytest.raises(UserError, match=named):
        fill_from_groups(target, groups_of(source), HEADS, "a.keras")
    for old, new in zip(before, target.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_head_of_a_1x1_convolution_becomes_dense(groups_of):
    """As in MobileNet of keras.applications."""
    base = network(None)
    pooled = keras.layers.GlobalAveragePooling2D(keepdims=True)(base.output)
    peer = keras.Model(base.input, keras.layers.Conv2D(5, 1, name="conv_preds")(pooled))
    target = network()
    assert fill_from_groups(target, groups_of(peer), HEADS, "").untrained == ()
    kernel = peer.get_layer("conv_preds").get_weights()[0]
    np.testing.assert_array_equal(target.get_layer("predictions").get_weights()[0], kernel[0, 0])


def test_numbers_that_are_not_finite_are_refused(groups_of):
    source = network()
    source.get_layer("conv1").bias.assign([np.nan, 0, 0])
    with pytest.raises(UserError, match=r"a\.h5 holds numbers that are not finite as float32 in layers/conv2d/1; expected"):
        fill_from_groups(network(), groups_of(source), HEADS, "a.h5")
