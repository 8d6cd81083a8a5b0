"""Dense layers as convolutions: a classifier of windows that looks at a whole image at once.

OverFeat: Integrated Recognition, Localization and Detection using Convolutional Networks, Sermanet et al. 2013,
https://arxiv.org/abs/1312.6229. What neighboring windows share is then computed once.
"""

import math

import keras

from visionkit.layers import nd

SLIDES = ("Conv", "MaxPooling", "AveragePooling", "DepthwiseConv", "SeparableConv")  # layers that look at neighbors


def convolutional(classifier: keras.Model) -> keras.Model:
    """The same network for images of any size from its own input on: an answer for every window.

    Convolutions share their weights with the classifier; dense layers become convolutions that hold copies. The first one
    behind the flattening looks at all that was flattened, the others at one pixel.

    Args:
        classifier: a chain of layers that ends in Flatten and dense layers, such as LeNet-5, with sides that are known, and
            nothing that looks beyond a window's border: padding is "valid".

    Returns:
        a model from ``(N, H, W, C)`` to ``(N, rows, columns, num_classes)``; answer ``[i, j]`` is that of the classifier for
        the window at ``[i * stride, j * stride]``, with ``stride_of(classifier)``.

    Raises:
        ValueError: it is no such chain; says which layer is in the way.
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
        ValueError: as ``convolutional``.
    """
    return math.prod(_stride(layer) for layer in _chain(classifier))


def _chain(classifier: keras.Model) -> list[keras.layers.Layer]:
    """The layers behind the input, looked at."""
    chain = [layer for layer in classifier.layers if not isinstance(layer, keras.layers.InputLayer)]
    flat = [isinstance(layer, keras.layers.Flatten) for layer in chain]
    if sum(flat) != 1 or None in classifier.input_shape[1:]:
        raise ValueError(f"{classifier.name} does not flatten a feature map of known sides once: nothing is to be converted.")
    for before, layer in zip([None, *chain], chain, strict=False):
        if before is not None and layer.input is not before.output:
            raise ValueError(f"{classifier.name} is no chain: {layer.name!r} does not follow {before.name!r}.")
        if getattr(layer, "padding", "valid") != "valid":
            raise ValueError(f"{layer.name!r} pads ({layer.padding!r}): a window's border would be seen. Expected 'valid'.")
        if "Global" in type(layer).__name__ or isinstance(layer, keras.layers.Reshape):
            raise ValueError(f"{layer.name!r} ({type(layer).__name__}) cannot slide.")
        if isinstance(layer, keras.layers.Dense) and not any(flat[: chain.index(layer)]):
            raise ValueError(f"{layer.name!r} stands before the flattening.")
    return chain


def _stride(layer: keras.layers.Layer) -> int:
    strides = getattr(layer, "strides", 1) if type(layer).__name__.startswith(SLIDES) else 1
    if isinstance(strides, tuple) and len(set(strides)) > 1:
        raise ValueError(f"{layer.name!r} has strides {strides}; expected the same in all directions.")
    return strides[0] if isinstance(strides, tuple) else strides


def _as_convolution(dense: keras.layers.Dense, x: keras.KerasTensor, seen: tuple[int, ...]) -> keras.KerasTensor:
    """A dense layer over ``seen`` ``(spatial..., channels)``, in every place."""
    layer = nd.layer("Conv", x)(
        dense.units, seen[:-1], activation=dense.activation, use_bias=dense.use_bias, dtype=dense.dtype_policy, name=dense.name
    )
    x = layer(x)
    kernel, *bias = dense.get_weights()
    layer.set_weights([kernel.reshape(*seen, dense.units), *bias])
    return x
