"""Fills layers with the arrays of Keras' files, whose groups are numbered by class: conv2d, conv2d_1 ..."""

import math
import re
from collections.abc import Sequence

import keras
import numpy as np

from visionkit.errors import UserError
from visionkit.printable import some
from visionkit.weights.keras_files import Groups
from visionkit.weights.whole import Filled, Given, set_all

MOST_CANDIDATES = 20  # networks inside a file that are compared
MOST_SURPLUS = 5  # layers of a head


def fill_from_groups(model: keras.Model, groups: Groups, heads: Sequence[str], source: object) -> Filled:
    """Copy weights into a network.

    The file may hold the network alone, or a larger model with the network inside, such as the classifier that a run trained:
    then what is around it is left out.

    Args:
        model: the network.
        groups: the contents of the file.
        heads: names of layers, in order, that may be missing or have other shapes. All stay untrained from the first that does
            not fit.
        source: name of the file in error messages.

    Returns:
        what was left out.

    Raises:
        UserError: layers are missing or differ, or numbers are no finite floats. The network is unchanged then.
    """
    places = group_names(model)
    base = {place: layer for place, layer in places.items() if layer.name not in heads}
    inside, misfits = _best(base, groups, f"layers/{next(iter(base))}")
    if misfits:
        raise UserError(
            f"{source} does not fit {model.name}: {len(misfits)} of its {len(base)} layers with weights differ: "
            f"{some(misfits)}. Expected weights of the same network: its own file, or RUN/after_....weights.h5 of a run with "
            "the same base."
        )
    given = [_given(layer, f"{inside}layers/{place}", groups) for place, layer in base.items()]
    surplus = _surplus(places, groups, inside, source, model.name)
    for place, layer in ((place, layer) for head in heads for place, layer in places.items() if layer.name == head):
        where = f"{inside}layers/{place}"
        if where not in groups:  # a 1x1 convolution there, in keras.applications
            where = next((each for each in surplus if [_flat(part).shape for part in groups[each]] == _shapes(layer)), where)
        flatten = _flat if isinstance(layer, keras.layers.Dense) else np.asarray
        arrays = [flatten(array) for array in groups.get(where, [])]
        if [array.shape for array in arrays] != _shapes(layer):
            break  # weights after a layer that does not fit would be meaningless
        given.append(Given(layer, [f"{where}/{number}" for number in range(len(arrays))], arrays))
    set_all(given, source)
    used = {name for each in given for name in each.names}
    filled = {each.layer.name for each in given}
    left_out = tuple(
        name for group, arrays in groups.items() for name in (f"{group}/{n}" for n in range(len(arrays))) if name not in used
    )
    return Filled(None, len(used), left_out, tuple(layer.name for layer in places.values() if layer.name not in filled))


def group_names(model: keras.Model) -> dict[str, keras.layers.Layer]:
    """The layers that have weights, by the names under which Keras stores them; of networks inside, their layers."""
    counts: dict[str, int] = {}
    named = {}
    for layer in model.layers:
        kind = _snake_case(type(layer).__name__)
        number = counts[kind] = counts.get(kind, -1) + 1
        place = f"{kind}_{number}" if number else kind
        inner = layer if isinstance(layer, keras.Model) else getattr(layer, "network", None)  # InferenceMode's
        if isinstance(inner, keras.Model):
            step = "layers" if inner is layer else "network/layers"
            named |= {f"{place}/{step}/{below}": each for below, each in group_names(inner).items()}
        elif layer.weights:
            named[place] = layer
    return named


def _best(base: dict[str, keras.layers.Layer], groups: Groups, first: str) -> tuple[str, list[str]]:
    """Where in the file the network is ("" or "layers/inference_mode/network/"), and the layers that do not fit."""
    insides = sorted({group.removesuffix(first) for group in groups if f"/{group}".endswith(f"/{first}")}, key=len)
    candidates = []
    for inside in insides[:MOST_CANDIDATES]:
        groups_here = ((layer, groups.get(f"{inside}layers/{place}")) for place, layer in base.items())
        candidates.append((inside, [complaint for layer, arrays in groups_here if (complaint := _misfit(layer, arrays))]))
    nothing = ("", [f"{layer.name} is missing" for layer in base.values()])
    return min(candidates, key=lambda candidate: len(candidate[1]), default=nothing)


def _misfit(layer: keras.layers.Layer, arrays: list[np.ndarray] | None) -> str:
    if arrays is None:
        return f"{layer.name} is missing"
    received, expected = [array.shape for array in arrays], _shapes(layer)
    if received == expected:
        return ""
    first = next((pair for pair in zip(received, expected, strict=False) if pair[0] != pair[1]), None)
    if first is None:
        return f"{layer.name} has {len(received)} arrays instead of {len(expected)}"
    return f"{layer.name} has {first[0]} instead of {first[1]}"


def _surplus(places: dict[str, keras.layers.Layer], groups: Groups, inside: str, source: object, name: str) -> list[str]:
    """The groups beside those of the network, which can only be a head's: without extent, or flat."""
    start = f"{inside}layers/"
    expected = {start + place for place in places}
    surplus = [
        group for group in groups if group.startswith(start) and "/" not in group[len(start) :] and group not in expected
    ]
    body = [group for group in surplus if any(math.prod(array.shape[:-2]) > 1 for array in groups[group])]
    if body or len(surplus) > MOST_SURPLUS:
        raise UserError(
            f"{source} does not fit {name}: it holds {len(surplus)} further layers, {some(body or surplus)}. "
            "Expected weights of the same network."
        )
    return surplus


def _given(layer: keras.layers.Layer, where: str, groups: Groups) -> Given:
    return Given(layer, [f"{where}/{number}" for number in range(len(groups[where]))], groups[where])


def _flat(kernel: np.ndarray) -> np.ndarray:
    """The kernel of a 1x1 convolution in the shape of a dense layer's; other arrays unchanged."""
    return kernel.reshape(kernel.shape[-2:]) if kernel.ndim > 2 and math.prod(kernel.shape[:-2]) == 1 else kernel


def _shapes(layer: keras.layers.Layer) -> list[tuple[int, ...]]:
    return [tuple(weight.shape) for weight in layer.weights]


def _snake_case(name: str) -> str:
    """Keras' own rule: "DepthwiseConv2D" -> "depthwise_conv2d"."""
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)).lower()
