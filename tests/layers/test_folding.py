"""Folded networks have the outputs and gradients of the originals."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from visionkit.layers.folding import FoldedConvolution, folded


def num_folded(network):
    return sum(isinstance(layer, FoldedConvolution) for layer in network.layers)


def with_statistics(network):
    """Statistics as training leaves them."""
    rng = np.random.default_rng(0)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in layer.get_weights()])
    return network


def chain(rank, *, use_bias=False, scale=True, center=True):
    inputs = keras.Input((8,) * rank + (3,))
    x = getattr(keras.layers, f"Conv{rank}D")(4, 3, 2, "same", use_bias=use_bias, bias_initializer="ones")(inputs)
    x = keras.layers.BatchNormalization(scale=scale, center=center)(x)
    return with_statistics(keras.Model(inputs, keras.layers.ReLU()(x)))


def test_nothing_to_fold():
    inputs = keras.Input((8, 8, 3))
    network = keras.Model(inputs, keras.layers.BatchNormalization()(keras.layers.ReLU()(inputs)))
    assert num_folded(folded(network)) == 0
    x = np.ones((1, 8, 8, 3), "float32")
    np.testing.assert_allclose(folded(network)(x, training=False), network(x, training=False))


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("options", [{}, {"use_bias": True}, {"scale": False}, {"center": False}], ids=str)
def test_the_output_is_that_of_both_layers(rank, options):
    network = chain(rank, **options)
    x = np.random.default_rng(1).normal(size=(2, *(8,) * rank, 3)).astype("float32")
    assert num_folded(folded(network)) == 1
    np.testing.assert_allclose(folded(network)(x), network(x, training=False), atol=1e-5)


def test_depthwise_and_grouped_convolutions_are_folded():
    inputs = keras.Input((8, 8, 4))
    x = keras.layers.BatchNormalization()(keras.layers.DepthwiseConv2D(5, 2, "same", depth_multiplier=2)(inputs))
    x = keras.layers.BatchNormalization()(keras.layers.Conv2D(6, 3, padding="valid", groups=2)(x))
    network = with_statistics(keras.Model(inputs, {"a": x, "b": keras.layers.ReLU()(x)}))
    x = np.random.default_rng(1).normal(size=(2, 8, 8, 4)).astype("float32")
    assert num_folded(folded(network)) == 2
    for name, output in folded(network)(x).items():
        np.testing.assert_allclose(output, network(x, training=False)[name], atol=1e-5)


def test_a_convolution_with_another_consumer_stays():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3)(inputs)
    network = with_statistics(keras.Model(inputs, keras.layers.Add()([x, keras.layers.BatchNormalization()(x)])))
    assert num_folded(folded(network)) == 0


def test_a_normalization_of_two_convolutions_stays():
    inputs, normalization = keras.Input((8, 8, 3)), keras.layers.BatchNormalization()
    branches = [normalization(keras.layers.Conv2D(4, 3)(inputs)) for _ in range(2)]
    network = with_statistics(keras.Model(inputs, keras.layers.Add()(branches)))
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")
    assert num_folded(folded(network)) == 0
    np.testing.assert_allclose(folded(network)(x), network(x, training=False), atol=1e-5)


def test_gradients_and_weights_are_those_of_the_network():
    network = chain(2)
    once = folded(network)
    x = np.random.default_rng(1).normal(size=(2, 8, 8, 3)).astype("float32")
    gradients = []
    for model in (network, once):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(model(x, training=False)))
        gradients.append(tape.gradient(loss, [variable.value for variable in network.trainable_variables]))
    for ours, theirs in zip(*gradients, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3)
    assert {id(variable) for variable in once.variables} == {id(variable) for variable in network.variables}
    network.layers[1].kernel.assign(network.layers[1].kernel * 2)
    np.testing.assert_allclose(once(x), network(x, training=False), atol=1e-5)
