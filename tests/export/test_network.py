"""A network in a bundle computes what it does in Keras, wherever its weights are stored."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from visionkit.export import network
from visionkit.export.network import Network

VALUES = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")


def small_network():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.BatchNormalization(name="norm")(keras.layers.Conv2D(4, 3)(inputs))
    model = keras.Model(inputs, {"a": x, "b": keras.layers.Dense(2)(keras.layers.Flatten()(x))})
    model.get_layer("norm").set_weights(list(np.random.default_rng(1).uniform(0.5, 1.5, (4, 4))))
    return model


def saved(model, folder, **options):
    module = Network(model, **options)
    module.compute = tf.function(module.forward, input_signature=[tf.TensorSpec([None, *model.input_shape[1:]], tf.float32)])
    tf.saved_model.save(module, str(folder))
    return tf.saved_model.load(str(folder))


def test_a_network_without_weights(tmp_path):
    inputs = keras.Input((3,))
    held = saved(keras.Model(inputs, keras.layers.ReLU()(inputs)), tmp_path / "model")
    assert held.compute(tf.constant([[-1.0, 0.0, 2.0]])).numpy().tolist() == [[0.0, 0.0, 2.0]]


@pytest.mark.parametrize("in_graph", [True, False])
def test_the_outputs_are_those_of_the_model(in_graph, tmp_path, monkeypatch):
    if not in_graph:
        monkeypatch.setattr(network, "LARGEST_IN_GRAPH", 100)
    model = small_network()
    held = saved(model, tmp_path / "model")
    assert len(tf.train.list_variables(str(tmp_path / "model" / "variables" / "variables"))) == (1 if in_graph else 9)
    for name, output in model(VALUES, training=False).items():
        np.testing.assert_allclose(held.compute(VALUES)[name], output, atol=1e-5)


def test_later_training_does_not_change_it():
    model = small_network()
    module = Network(model)
    before = module.forward(tf.constant(VALUES))["b"].numpy()
    for variable in model.variables:
        variable.assign(variable * 2 + 1)
    np.testing.assert_array_equal(module.forward(tf.constant(VALUES))["b"], before)


def test_half_precision_keeps_vectors_whole():
    model = small_network()
    kernel, statistics = model.layers[1].kernel, model.get_layer("norm").moving_variance
    for half in (False, True):
        assert network._stored(kernel, half_precision=half).dtype == (np.float16 if half else np.float32)
        assert network._stored(statistics, half_precision=half).dtype == np.float32
