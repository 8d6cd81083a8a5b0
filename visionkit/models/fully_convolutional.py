"""Dense layers as convolutions: a classifier of windows that processes all windows of an image at once.

OverFeat: Integrated Recognition, Localization and Detection using Convolutional Networks, Sermanet et al. 2013,
https://arxiv.org/abs/1312.6229. Features that neighboring windows share are then computed once.
"""

import math

import keras

from visionkit.layers import nd

SLIDES = ("Conv", "MaxPooling", "AveragePooling", "DepthwiseConv", "SeparableConv")  # layers that read neighboring pixels


def convolutional(classifier: keras.Model) -> keras.Model:
    """Make a network for images at least as large as the classifier's input, with a prediction for every window.

    Convolutions share their weights with the classifier; dense layers become convolutions that hold copies. The kernel of the
    first one is as large as the flattened map, the others are 1x1.

    Args:
        classifier: a chain of layers that ends in Flatten and dense layers, such as LeNet-5. Its sides are known and its
            padding is "valid", so that no layer reads beyond a window's border.

    Returns:
        a model from ``(N, H, W, C)`` to ``(N, rows, columns, num_classes)``; output ``[i, j]`` is the classifier's output for
        the window at ``[i * stride, j * stride]``, with ``stride = stride_of(classifier)``.

    Raises:
        ValueError: the classifier is no such chain; the message names the layer that prevents it.
    """
    chain = _chain(classifier)
    inputs = x = keras.Input((None,) * (len(classifier.input_shape) - 2) + classifier.input_shape[-1:], name="image")
    flattened = None
    for layer in chain:
        if isinstance(layer, keras.layers.Flatten):
            flattened = layer.input.shape[1:]
        elif isinstance(layer, keras.layers.Dense) and flattened is not None:
            x = _as_convolution(layer, x, flattened)
            flattened = (1,) * (len(flattened) - 1) + (layer.units,)
        else:
            x = layer(x)
    return keras.Model(inputs, x, name=f"convolutional_{classifier.name}")


def stride_of(classifier: keras.Model) -> int:
    """Pixels from one window to the next of ``convolutional(classifier)``.

    Raises:
        ValueError: see ``convolutional``.
    """
    return math.prod(_stride(layer) for layer in _chain(classifier))


def _chain(classifier: keras.Model) -> list[keras.layers.Layer]:
    """The layers after the input, checked."""
    chain = [layer for layer in classifier.layers if not isinstance(layer, keras.layers.InputLayer)]
    flat = [isinstance(layer, keras.layers.Flatten) for layer in chain]
    if sum(flat) != 1 or None in classifier.input_shape[1:]:
        raise ValueError(f"{classifier.name}: expected a classifier with known sides that flattens its feature map once.")
    for before, layer in zip([None, *chain], chain, strict=False):
        if before is not None and layer.input is not before.output:
            raise ValueError(f"{classifier.name} is not a chain of layers: {layer.name!r} does not follow {before.name!r}.")
        if getattr(layer, "padding", "valid") != "valid":
            raise ValueError(f"{layer.name!r} pads the borders of windows (padding={layer.padding!r}). Expected 'valid'.")
        if "Global" in type(layer).__name__ or isinstance(layer, keras.layers.Reshape):
            raise ValueError(f"{layer.name!r} ({type(layer).__name__}) cannot be applied to every window of a larger image.")
        if isinstance(layer, keras.layers.Dense) and not any(flat[: chain.index(layer)]):
            raise ValueError(f"{layer.name!r} is a dense layer before Flatten; expected dense layers after it.")
    return chain


def _stride(layer: keras.layers.Layer) -> int:
    strides = getattr(layer, "strides", 1) if type(layer).__name__.startswith(SLIDES) else 1
    if isinstance(strides, tuple) and len(set(strides)) > 1:
        raise ValueError(f"{layer.name!r} has strides {strides}; expected the same in all directions.")
    return strides[0] if isinstance(strides, tuple) else strides


def _as_convolution(dense: keras.layers.Dense, x: keras.KerasTensor, window: tuple[int, ...]) -> keras.KerasTensor:
    """A dense layer over ``window`` ``(spatial..., channels)``, applied at every position."""
    options = {"activation": dense.activation, "use_bias": dense.use_bias, "dtype": dense.dtype_policy}
    layer = nd.layer("Conv", x)(dense.units, window[:-1], name=dense.name, **options)
    x = layer(x)
    kernel, *bias = dense.get_weights()
    layer.set_weights([kernel.reshape(*window, dense.units), *bias])
    return x
