"""The receptive field of a unit holds the pixels with a nonzero gradient."""

import keras
import numpy as np
import pytest
from keras import layers

from visionkit.errors import UserError
from visionkit.explain.network_graph import network_graph
from visionkit.explain.probe import Probe

SIZE = 37


def probe_of(outputs, image) -> Probe:
    """Probe of a network whose weights are all positive, so that no gradients cancel."""
    model = keras.Model(image, outputs)
    model.set_weights([np.full_like(weight, 0.1) for weight in model.get_weights()])
    return Probe(network_graph(lambda pixels: model(pixels, training=False), image.shape[1]))


def conv(filters=2, kernel=3, **options):
    return layers.Conv2D(filters, kernel, **{"activation": "relu", "padding": "same", **options})


def skip(x):
    return layers.Activation("relu")(layers.Add()([x, conv(x.shape[-1], 5)(conv(x.shape[-1])(x))]))


def gated(x):
    gate = layers.Reshape((1, 1, x.shape[-1]))(layers.GlobalAveragePooling2D()(x))
    return conv()(layers.Multiply()([x, conv(x.shape[-1], 1, activation="sigmoid")(gate)]))


def branches(x):
    return layers.Concatenate()([conv(3, 1)(x), conv(2, (1, 7))(x), conv(1, (5, 1))(x)])


BUILDERS = {
    "one convolution": lambda x: conv()(x),
    "valid": lambda x: conv(padding="valid")(conv(padding="valid")(x)),
    "strides": lambda x: conv(kernel=5, strides=2)(conv(strides=2)(x)),
    "even kernels": lambda x: conv(kernel=4, strides=3)(conv(kernel=2)(x)),
    "pooling": lambda x: conv()(layers.AveragePooling2D(2)(conv()(layers.MaxPooling2D(3, 2, padding="same")(x)))),
    "padded": lambda x: conv(strides=2, padding="valid")(layers.ZeroPadding2D(((1, 0), (2, 3)))(conv(strides=2)(x))),
    "dilated": lambda x: conv(dilation_rate=2)(conv(dilation_rate=3)(conv()(x))),
    "dilated, unpadded": lambda x: conv(dilation_rate=2, padding="valid")(conv(strides=2)(x)),
    "depthwise": lambda x: layers.Activation("silu")(layers.DepthwiseConv2D(5, strides=2, padding="same")(conv()(x))),
    "oblong": lambda x: conv(kernel=(1, 5))(conv(kernel=(3, 1), strides=(1, 1))(x)),
    "normalized": lambda x: layers.ReLU(6.0)(layers.BatchNormalization()(layers.Conv2D(2, 3, use_bias=False)(x))),
    "skip": lambda x: skip(skip(conv(strides=2)(x))),
    "branches": lambda x: conv()(branches(branches(x))),
    "grouped": lambda x: conv(4, groups=2)(conv(4)(x)),
    "cropped channels": lambda x: conv()(conv(4)(x)[..., ::-1]),
}


@pytest.mark.parametrize("name", BUILDERS)
def test_the_receptive_field_is_where_the_gradient_is_not_zero(name):
    image = keras.Input((SIZE, SIZE, 3))
    probe = probe_of(BUILDERS[name](image), image)
    layer = probe.layers[-1]
    pixels = np.random.default_rng(0).uniform(80, 120, (1, SIZE, SIZE, 3)).astype(np.float32)
    middle = tuple(length // 2 for length in layer.place.sides)
    for place in (middle, (0, 0), tuple(length - 1 for length in layer.place.sides)):
        (top, left), (height, width) = layer.window(*place)
        seen = np.zeros((SIZE, SIZE), bool)
        seen[max(top, 0) : top + height, max(left, 0) : left + width] = True
        unions = np.zeros_like(seen)
        for _ in range(30 if "pooling" in name else 1):  # a maximum sees one pixel of its window at a time
            _, gradient = probe.excitation_gradient(pixels, layer, [0], place)
            unions |= np.abs(gradient[0]).max(axis=-1) > 0
            pixels = np.random.default_rng(unions.sum()).permuted(pixels, axis=1)
        if "dilated" in name or "pooling" in name:  # there are holes between what it sees, or what never is the maximum
            rows, columns = (np.flatnonzero(unions.any(axis=axis)) for axis in (1, 0))
            filled = np.zeros_like(unions)
            filled[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
            unions = filled
        if name == "branches":  # a union of crosses: within its rectangle
            assert not (unions & ~seen).any()
            assert unions.any(axis=1).sum() == seen.any(axis=1).sum() and unions.any(axis=0).sum() == seen.any(axis=0).sum()
        else:
            np.testing.assert_array_equal(unions, seen)


def test_a_gate_is_ignored_although_it_sees_the_whole_image():
    image = keras.Input((SIZE, SIZE, 3))
    layer = probe_of(gated(conv()(image)), image).layers[-1]
    assert layer.place.field == (5, 5) and layer.stride == 1


def test_layers_after_an_upsampling_are_left_out():
    image = keras.Input((SIZE - 1, SIZE - 1, 3))
    fine = conv(4)(image)
    coarse = conv(4, strides=2)(fine)
    joined = layers.Concatenate()([fine, layers.UpSampling2D()(coarse)])
    probe = probe_of(conv()(joined), image)
    assert [(layer.stride, layer.place.field) for layer in probe.layers] == [(1, (3, 3)), (2, (5, 5))]


def test_a_network_without_convolutions_cannot_be_explained():
    image = keras.Input((8, 8, 3))
    with pytest.raises(UserError, match="no layer to explain"):
        probe_of(layers.Dense(2, activation="relu")(layers.Flatten()(image)), image)
