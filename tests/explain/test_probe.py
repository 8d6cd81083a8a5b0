"""Activations, scores and gradients of a probe equal those of the network."""

import keras
import numpy as np
import pytest
from keras import layers

from tests.conftest import sweep
from visionkit import models
from visionkit.errors import UserError
from visionkit.explain.model import ExplainedModel, open_explained
from visionkit.explain.network_graph import before_softmax, network_graph
from visionkit.explain.probe import Probe
from visionkit.tasks.classification.export import export_classifier


def image_of(rng, side=32, count=1) -> np.ndarray:
    return rng.uniform(0, 255, (count, side, side, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def classifier():
    keras.utils.set_random_seed(1)
    return models.build("resnet8", (32, 32, 3), 3)


@pytest.mark.parametrize("flips", [False, True])
@pytest.mark.parametrize("half_precision", sweep([False, True], [True]))
def test_a_bundle_has_the_outputs_of_its_keras_model(classifier, tmp_path, rng, flips, half_precision):
    names = ("a", "b", "c")
    folder = export_classifier(
        classifier, tmp_path / "m", class_names=names, metadata={}, flips=flips, half_precision=half_precision
    )
    model = open_explained(str(folder))
    assert model.labels == names and model.kind == "classes"
    pixels = image_of(rng, count=2)
    tolerance = 2e-2 if half_precision else 1e-3
    names_of_layers = ["conv1_relu", "conv3_block1_out", "conv4_block1_out"]
    layers_by_name = {layer.name: layer for layer in model.probe.layers}
    inner = keras.Model(classifier.input, [classifier.get_layer(name).output for name in names_of_layers])
    activations = model.probe.activations(pixels, [layers_by_name[name] for name in names_of_layers])
    for ours, theirs in zip(activations, inner(pixels, training=False), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=tolerance, rtol=tolerance)
    views = [pixels, pixels[:, :, ::-1]] if flips else [pixels]
    logits = [keras.ops.convert_to_numpy(classifier(view, training=False)) for view in views]
    probabilities, parts = model.probe.answers(pixels)
    expected = np.mean([np.exp(each) / np.exp(each).sum(axis=1, keepdims=True) for each in logits], axis=0)
    np.testing.assert_allclose(probabilities, expected, atol=tolerance)
    np.testing.assert_allclose(parts, np.concatenate(logits), atol=tolerance, rtol=tolerance)
    target = model.target(pixels[0], "b")
    assert target.label == "b" and target.score == pytest.approx(probabilities[0, 1], abs=1e-5)
    scores = model.probe.scores(pixels, target.weights)
    np.testing.assert_allclose(scores, np.mean(logits, axis=0)[:, 1], atol=tolerance, rtol=tolerance)
    explained = model.probe.explain(pixels[0], target.weights)
    assert explained.score == pytest.approx(scores[0], rel=1e-4) and len(explained.maps) == len(views)


def test_the_gradient_of_a_linear_model_is_its_weights(rng):
    image = keras.Input((8, 8, 3))
    features = layers.Conv2D(4, 1, use_bias=False)(image)
    model = keras.Model(image, layers.Dense(2)(layers.Flatten()(features)))
    network = network_graph(lambda pixels: keras.ops.softmax(model(pixels)), 8)
    probe = Probe(network, before_softmax(network))
    kernel, dense = model.get_weights()[0][0, 0], model.get_weights()[1]
    expected = dense[:, 1].reshape(8, 8, 4) @ kernel.T
    explained = probe.explain(image_of(rng, 8)[0], np.array([[0, 1]]))
    np.testing.assert_allclose(explained.pixels, expected, atol=1e-6)


def test_the_length_of_features_grows_along_its_gradient(classifier, tmp_path, rng):
    network = network_graph(lambda pixels: classifier(pixels, training=False), 32)
    model = ExplainedModel("resnet8", "features", (), network, lambda image, size: image)
    pixels = image_of(rng)[0]
    target = model.target(pixels)
    explained = model.probe.explain(pixels, target.weights)
    assert target.label is None and explained.score == pytest.approx(target.score, rel=1e-5)
    more = model.target(pixels + 0.5 * explained.pixels / np.abs(explained.pixels).max())
    assert more.score > target.score
    with pytest.raises(UserError, match="has no classes"):
        model.target(pixels, "cat")


def test_stages_are_the_last_layers_at_each_stride_and_others_between(classifier):
    probe = Probe(network_graph(lambda pixels: classifier(pixels, training=False), 32))
    names = [layer.name for layer in probe.stages()]
    assert len(names) == 5 and {"conv2_block1_out", "conv3_block1_out", "conv4_block1_out"} <= set(names)
    order = [layer.name for layer in probe.layers]
    assert [order.index(name) for name in names] == sorted(order.index(name) for name in names)
    assert [layer.name for layer in probe.stages(2)] == [order[order.index("conv2_block1_out")], "conv4_block1_out"]


def test_swish_and_concatenated_branches_are_layers():
    image = keras.Input((16, 16, 3))
    x = layers.Conv2D(4, 3, activation="silu", name="swish")(image)
    x = layers.Concatenate(name="joined")([layers.Conv2D(n, 1, activation="relu", name=f"branch{n}")(x) for n in (2, 3)])
    model = keras.Model(image, layers.GlobalAveragePooling2D()(x))
    probe = Probe(network_graph(lambda pixels: model(pixels), 16))
    assert [(layer.name, layer.channels) for layer in probe.layers] == [("swish", 4), ("joined", 5)]


def test_a_grey_bundle_is_explained_with_colored_images(tmp_path, rng):
    keras.utils.set_random_seed(2)
    network = models.build("lenet5", None, 3)
    model = open_explained(
        str(export_classifier(network, tmp_path / "m", class_names=("a", "b", "c"), metadata={}, flips=True))
    )
    pixels = image_of(rng)
    (ours,) = model.probe.activations(pixels, model.probe.layers[:1])
    grey = pixels @ np.float32([0.299, 0.587, 0.114])
    theirs = keras.Model(network.input, network.get_layer("conv1").output)(grey[..., None])
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_a_layer_is_found_in_a_network_for_smaller_images(classifier, rng):
    probe = Probe(network_graph(lambda pixels: classifier(pixels, training=False), 32))
    layer = probe.at_side(probe.deepest(), 16)
    assert layer.place.sides == (4, 4)
    values, gradients = probe.excitation_gradient(image_of(rng, 16, 2), layer, [0, 5], (2, 2))
    assert values.shape == (2,) and gradients.shape == (2, 16, 16, 3) and np.abs(gradients).max() > 0
