"""Fills layers with the weights of a PyTorch state dict, whose names and axes differ."""

import math
from collections.abc import Sequence

import keras
import numpy as np

from visionkit.errors import UserError
from visionkit.printable import some
from visionkit.weights.torch_names import FAMILIES, Form, forms
from visionkit.weights.torch_pickle import is_counter
from visionkit.weights.whole import Filled, Given, set_all

NORMALIZATION_PARTS = ("weight", "bias", "running_mean", "running_var")


def fill(model: keras.Model, tensors: dict[str, np.ndarray], heads: Sequence[Sequence[str]], source: object) -> Filled:
    """Copy a state dict into a network.

    Args:
        model: a network of the catalogue, identified by its ``name``.
        tensors: the state dict.
        heads: chains of layers that may be missing or have other shapes; each chain stays untrained from the first layer that
            does not match.
        source: name of the state dict in error messages.

    Returns:
        the library whose names the state dict uses, and what was left out. Counters are always left out.

    Raises:
        UserError: a layer has no tensor, a tensor has no layer, shapes differ, or numbers are no finite floats. The network is
            unchanged then.
    """
    in_heads = [name for chain in heads for name in chain]
    known_forms = forms(model.name, model.layers, in_heads)
    if not known_forms:
        raise UserError(
            f"{source}: no PyTorch form of {model.name} is known, only of {', '.join(FAMILIES)}. "
            "Expected a .weights.h5 or a .keras file."
        )
    library = max(known_forms, key=lambda name: sum(f"{prefix}.weight" in tensors for prefix in known_forms[name].values()))
    form = known_forms[library]
    input_statistics = keras.layers.Normalization  # PyTorch's networks leave input statistics to the caller
    layers = {layer.name: layer for layer in model.layers if layer.weights and not isinstance(layer, input_statistics)}
    base = {name: layer for name, layer in layers.items() if name not in in_heads}
    _check_keys(base, form, tensors, in_heads, f"{source} does not fit {model.name}")

    arrays = {name: arrays_for(layer, tensors, form[name]) for name, layer in base.items()}
    if misfits := [_misfit(form[name], arrays[name], base[name]) for name in base if not _fits(arrays[name], base[name])]:
        raise UserError(
            f"{source} does not fit {model.name}: other shapes in {some(misfits)}. Expected the same width and channels."
        )
    given = [Given(layer, _keys(layer, form[name]), arrays[name]) for name, layer in base.items()]
    for chain in heads:
        for name in chain:
            if name not in layers and f"{form.get(name)}.weight" not in tensors:
                continue  # both lack it
            if name not in layers or not tensors.keys() >= set(_keys(layers[name], form[name])):
                break
            weights = arrays_for(layers[name], tensors, form[name], _flattened(layers[name], model))
            if not _fits(weights, layers[name]):
                break  # the weights after a layer that does not match are useless
            given.append(Given(layers[name], _keys(layers[name], form[name]), weights))
    set_all(given, source)
    used = {key for each in given for key in each.names}
    untrained = layers.keys() - {each.layer.name for each in given}
    left_out = tuple(key for key in tensors if key not in used)
    return Filled(library, len(used), left_out, tuple(name for name in layers if name in untrained))


def arrays_for(
    layer: keras.layers.Layer, tensors: dict[str, np.ndarray], prefix: str, flattened: tuple[int, ...] | None = None
) -> list[np.ndarray]:
    """The tensors whose keys begin with ``prefix``, in the order and axes of ``layer``.

    Args:
        layer: a convolution, a dense layer or a batch normalisation.
        tensors: the state dict.
        prefix: prefix of the keys.
        flattened: shape ``(spatial..., C)`` that was flattened before a dense layer; in PyTorch it is ``(C, spatial...)``.
    """
    kernel, *others = (tensors[key] for key in _keys(layer, prefix))
    if kernel.ndim < 2:
        return [kernel, *others]
    if flattened is not None and kernel.shape[1:] == (math.prod(flattened),):
        kernel = kernel.reshape(len(kernel), flattened[-1], *flattened[:-1])
    last = (0, 1) if "Depthwise" in type(layer).__name__ else (1, 0)
    kernel = kernel.transpose(*range(2, kernel.ndim), *last)  # (out, in, spatial...) -> (spatial..., in, out)
    if isinstance(layer, keras.layers.Dense):  # PyTorch may have a convolution instead
        kernel = kernel.reshape(-1, kernel.shape[-1])
    return [kernel, *others]


def _check_keys(base: dict, form: Form, tensors: dict, in_heads: Sequence[str], complaint: str) -> None:
    needed = [key for name, layer in base.items() for key in _keys(layer, form.get(name, name))]
    optional = [f"{form[name]}.{part}" for name in in_heads if name in form for part in NORMALIZATION_PARTS]
    missing = [key for key in needed if key not in tensors]
    unexpected = sorted(key for key in set(tensors) - {*needed, *optional} if not is_counter(key))
    if missing or unexpected:
        problems = [f"it lacks {some(missing)}"] if missing else []
        problems += [f"nothing here is called {some(unexpected)}"] if unexpected else []
        raise UserError(
            f"{complaint}: {'; '.join(problems)}. Expected the state dict of the same network from torchvision, timm or "
            "facenet-pytorch, and layout='torchvision' where the network has a layout."
        )


def _keys(layer: keras.layers.Layer, prefix: str) -> list[str]:
    if isinstance(layer, keras.layers.BatchNormalization):
        return [f"{prefix}.{part}" for part in NORMALIZATION_PARTS]
    return [f"{prefix}.weight", f"{prefix}.bias"][: len(layer.weights)]


def _flattened(layer: keras.layers.Layer, model: keras.Model) -> tuple[int, ...] | None:
    """The shape ``(spatial..., C)`` that is flattened right before ``layer``."""
    producers = {id(producer.output): producer for producer in model.layers}
    previous = producers[id(layer.input)]
    while isinstance(previous, keras.layers.Dropout):
        previous = producers[id(previous.input)]
    return previous.input.shape[1:] if isinstance(previous, keras.layers.Flatten) else None


def _fits(arrays: list[np.ndarray], layer: keras.layers.Layer) -> bool:
    return [array.shape for array in arrays] == [tuple(weight.shape) for weight in layer.weights]


def _misfit(prefix: str, arrays: list[np.ndarray], layer: keras.layers.Layer) -> str:
    """The first shape that differs, with the axes of Keras."""
    received, expected = ([tuple(each.shape) for each in these] for these in (arrays, layer.weights))
    first = next((pair for pair in zip(received, expected, strict=False) if pair[0] != pair[1]), (received, expected))
    return f"{prefix} ({first[0]} instead of {first[1]})"
