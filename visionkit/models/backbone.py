"""A backbone made of any Keras model: the graph of the model is searched for its feature maps, which are named by stride.

The stride of a map is measured, not read from the layers: how much the map grows when the image grows. Convolutions without
padding make a map smaller than side / stride, but they do not change this.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras

from visionkit.errors import UserError
from visionkit.layers import nd
from visionkit.layers.inference_mode import InferenceMode
from visionkit.models.endpoints import STRIDES, is_backbone

PROBES = (256, 512)  # sides in pixels of the two images whose maps are compared: multiples of every stride
LARGEST_POOLING = 4  # a pooling layer with larger strides is the global pooling of a network for small images, not a stage
MOVING = ("Cropping", "ZeroPadding")  # layers that only shift pixels: their maps are taken where there is no other
ATTENTION = (
    keras.layers.Attention,
    keras.layers.AdditiveAttention,
    keras.layers.GroupQueryAttention,
    keras.layers.MultiHeadAttention,
)


def backbone(
    model: keras.Model,
    *,
    preprocess: Callable[[keras.KerasTensor], keras.KerasTensor] | None = None,
    input_shape: tuple[int | None, ...] | None = None,
) -> keras.Model:
    """Turn any Keras model into a backbone that shares its layers and weights.

    The output at each stride is the last feature map through which everything coarser passes; where branches run side by side
    from one stride to the next, it is the last map of that stride. Pooled features, dense heads, decoders and side branches are
    left out. Models inside the model are taken apart, so that their layers can be frozen one by one.

    Args:
        model: a functional or Sequential model with one input ``(N, spatial..., channels)``, of a signal, an image or a volume,
            with or without its head. A model that is a backbone already is returned as it is.
        preprocess: a layer or a function of ``keras.ops`` that is put before the model, for example
            ``keras.applications.resnet.preprocess_input``. visionkit feeds every model pixels in 0..255, and most models of
            keras.applications expect something else. Leave it out if the model normalises pixels itself.
        input_shape: sides and channels of the backbone's input; sides may be None. None keeps the shape of the model's input.

    Returns:
        a model whose outputs are ``{"stride_2": (N, spatial..., C), ..., "stride_32": ...}``, as far as there are such maps.

    Raises:
        UserError: the model has no graph, several inputs, a layer that wants channels first, or no feature map; or it cannot
            take ``input_shape``.
    """
    unchanged = preprocess is None and input_shape is None
    if unchanged and is_backbone(model):
        return model
    graph = _checked_graph(model)
    (original,) = graph.inputs
    if unchanged and not any(_inner_model(operation) for operation in graph.operations):
        pixels, trace = original, _Trace(retrace=False)
        features = pixels
    else:
        pixels = keras.Input(input_shape or original.shape[1:], dtype=original.dtype, name="image")
        features, trace = _preprocessed(pixels, preprocess), _Trace(retrace=True)
    start = _Value(features, tuple(_probe(original, side) for side in PROBES), call=-1)
    try:
        ends = trace.run(graph, [start])
    except (ValueError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{model.name!r} cannot take an input of {tuple(pixels.shape[1:])}: {reason}") from error
    if is_backbone(model):
        outputs = keras.tree.pack_sequence_as(model.output, [end.tensor for end in ends])
    else:
        outputs = {f"stride_{stride}": tensor for stride, tensor in _feature_maps(model.name, trace.calls, start).items()}
    try:
        return keras.Model(pixels, outputs, name=model.name)
    except ValueError as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{model.name!r} contains a model that cannot be taken apart: {reason}") from error


@dataclass(eq=False)
class _Value:
    """One tensor of the graph.

    Attributes:
        tensor: symbolic, in the graph of the backbone.
        specs: its shape for an image of each of ``PROBES``; None where a layer takes no image of that size.
        call: the position of the call that returned it; -1 for the input.
    """

    tensor: keras.KerasTensor
    specs: tuple[keras.KerasTensor | None, ...]
    call: int


class _Call(NamedTuple):
    """One call of a layer or another operation: what it read, by position, and what it returned."""

    operation: keras.Operation
    reads: tuple[int, ...]
    values: list[_Value]


class _Trace:
    """The calls of a model and of all models inside it, in the order in which they run.

    Args:
        retrace: whether every operation is called anew; else the tensors of the model's own graph are taken.
    """

    def __init__(self, *, retrace: bool):
        self.retrace = retrace
        self.calls: list[_Call] = []

    def run(self, graph: keras.Model, inputs: list[_Value]) -> list[_Value]:
        """Run through a functional model, and return its outputs."""
        values = {id(tensor): value for tensor, value in zip(graph.inputs, inputs, strict=True)}
        for depth in sorted(graph._nodes_by_depth, reverse=True):
            for node in graph._nodes_by_depth[depth]:
                if node.is_input or any(id(tensor) not in values for tensor in node.input_tensors):
                    continue
                args, kwargs = node.arguments.fill_in(values)
                inner = _inner_model(node.operation)
                outputs = self._call(node, args, kwargs) if inner is None else self.run(inner, keras.tree.flatten(args))
                values |= {id(tensor): value for tensor, value in zip(node.outputs, outputs, strict=True)}
        return [values[id(tensor)] for tensor in graph.outputs]

    def _call(self, node: Any, args: Any, kwargs: Any) -> list[_Value]:
        read = [value for value in keras.tree.flatten((args, kwargs)) if isinstance(value, _Value)]
        tensors = node.outputs
        if self.retrace:
            args_now, kwargs_now = _replaced((args, kwargs), lambda value: value.tensor)
            tensors = keras.tree.flatten(node.operation(*args_now, **kwargs_now))
        specs = []
        for index in range(len(PROBES)):
            fits = all(value.specs[index] is not None for value in read)
            probes = _replaced((args, kwargs), lambda value, index=index: value.specs[index])
            specs.append(_output_specs(node.operation, *probes) if fits else [None] * len(tensors))
        values = [_Value(*parts, call=len(self.calls)) for parts in zip(tensors, zip(*specs, strict=True), strict=True)]
        self.calls.append(_Call(node.operation, tuple(value.call for value in read), values))
        return values


def _replaced(arguments: Any, of_value: Callable[[_Value], Any]) -> Any:
    return keras.tree.map_structure(lambda part: of_value(part) if isinstance(part, _Value) else part, arguments)


def _output_specs(operation: keras.Operation, args: Any, kwargs: Any) -> list[keras.KerasTensor | None]:
    """Shapes of what an operation returns, which is not executed."""
    try:
        return keras.tree.flatten(operation.compute_output_spec(*args, **kwargs))
    except Exception:  # a layer that takes no image of that size, such as a dense head, raises what its author chose
        return [None] * len(keras.tree.flatten(operation.output))


def _feature_maps(name: str, calls: list[_Call], start: _Value) -> dict[int, keras.KerasTensor]:
    """The feature map of each stride, from the finest to the coarsest."""
    strides = _strides(calls, start, _probed_stride) or _strides(calls, start, _own_stride)
    if not strides:
        raise UserError(
            f"{name!r} has no feature map that is 2 to 32 times smaller than its input {tuple(start.tensor.shape[1:])}. "
            "Expected a network of strided convolutions or pooling layers, such as models.efficientnet_lite0."
        )
    coarsest = max(index for index, stride in strides.items() if stride == max(strides.values()))
    ancestors = _ancestors(calls, coarsest)
    for index, call in enumerate(calls):
        if isinstance(call.operation, ATTENTION) and index not in ancestors:
            raise UserError(
                f"{name!r} is a transformer: from its layer {call.operation.name!r} on it works on a sequence, not on feature "
                "maps. Expected a convolutional network, such as models.efficientnet_lite0."
            )
    narrow = _bottlenecks(calls, ancestors)
    best: dict[int, tuple[bool, bool, int]] = {}
    for index in sorted(ancestors & strides.keys()):
        stride = strides[index]
        rank = (_is_in_place(calls[index], stride, start), index in narrow, index)
        best[stride] = max(best.get(stride, rank), rank)
    return {stride: calls[best[stride][-1]].values[0].tensor for stride in sorted(best)}


def _strides(calls: list[_Call], start: _Value, stride_of: Callable[[_Value, _Value], int | None]) -> dict[int, int]:
    """The stride of each call that returns a feature map, by the position of the call."""
    pooled = _globally_pooled(calls)
    single = {index: call.values[0] for index, call in enumerate(calls) if len(call.values) == 1 and index not in pooled}
    strides = {index: stride_of(value, start) for index, value in single.items()}
    return {index: stride for index, stride in strides.items() if stride in STRIDES}


def _is_in_place(call: _Call, stride: int, start: _Value) -> bool:
    """Whether a map was neither cropped nor padded for the next convolution, which makes it larger than its stride says."""
    if type(call.operation).__name__.startswith(MOVING):
        return False
    (value,) = call.values
    part, whole = (each.tensor if value.specs[0] is None else each.specs[0] for each in (value, start))
    return all(0 < part_side <= -(-side // stride) for part_side, side in zip(part.shape[1:-1], whole.shape[1:-1], strict=True))


def _probed_stride(value: _Value, start: _Value) -> int | None:
    """By how much a map grows when the image does, as a power of two; None if it is no map, or its axes differ."""
    if None in value.specs:
        return _own_stride(value, start)
    small, large = (spec.shape for spec in value.specs)
    if len(small) != len(start.tensor.shape) or None in (*small[1:-1], *large[1:-1]):
        return None
    return _power_of_two([(PROBES[1] - PROBES[0], b - a) for a, b in zip(small[1:-1], large[1:-1], strict=True)])


def _own_stride(value: _Value, start: _Value) -> int | None:
    """The same by the sides of the model's own input, for layers that take no other; None where they are unknown."""
    sides, whole = value.tensor.shape[1:-1], start.tensor.shape[1:-1]
    if len(sides) != len(whole) or None in (*sides, *whole) or max(sides) == 1:
        return None
    return _power_of_two(list(zip(whole, sides, strict=True)))


def _power_of_two(ratios: list[tuple[int, int]]) -> int | None:
    if any(part <= 0 for _, part in ratios):
        return None
    strides = {2 ** round(math.log2(whole / part)) for whole, part in ratios}
    return strides.pop() if len(strides) == 1 else None


def _globally_pooled(calls: list[_Call]) -> set[int]:
    """Positions of pooling layers that leave one place of a whole map, and of what comes after them."""
    pooled = set()
    for index, call in enumerate(calls):
        if any(read in pooled for read in call.reads) or _pools_globally(call, calls):
            pooled.add(index)
    return pooled


def _pools_globally(call: _Call, calls: list[_Call]) -> bool:
    kind, strides = type(call.operation).__name__, getattr(call.operation, "strides", None)
    if "Pooling" not in kind or not isinstance(strides, tuple) or len(call.reads) != 1:
        return False
    (read,) = call.reads
    before = calls[read].values[0].tensor.shape[1:-1] if read >= 0 else ()
    leaves_one = set(call.values[0].tensor.shape[1:-1]) == {1} and all(side and side > 2 for side in before)
    return leaves_one or max(strides) > LARGEST_POOLING


def _ancestors(calls: list[_Call], last: int) -> set[int]:
    """Positions of all calls that the call ``last`` depends on, and its own."""
    ancestors, waiting = set(), [last]
    while waiting:
        index = waiting.pop()
        if index >= 0 and index not in ancestors:
            ancestors.add(index)
            waiting.extend(calls[index].reads)
    return ancestors


def _bottlenecks(calls: list[_Call], members: set[int]) -> set[int]:
    """Positions through which every way from the input to the last of ``members`` leads: no call reads past them."""
    last_reader: dict[int, int] = {}
    for index in sorted(members):
        for read in calls[index].reads:
            last_reader[read] = index  # rising: the last one stays
    bottlenecks, farthest = set(), last_reader[-1]
    for index in sorted(members):
        if farthest <= index:
            bottlenecks.add(index)
        farthest = max(farthest, last_reader.get(index, index))
    return bottlenecks


def _checked_graph(model: keras.Model) -> keras.Model:
    """The functional model to search.

    Raises:
        UserError: the model is not of a kind that can be a backbone.
    """
    graph = _functional(model)
    if graph is None:
        raise UserError(
            f"{model.name!r} ({type(model).__name__}) has no graph of layers to search: expected a functional model, or a "
            "Sequential one that begins with keras.Input. Build it as keras.Model(inputs, outputs)."
        )
    if len(graph.inputs) != 1:
        names = ", ".join(tensor.name for tensor in graph.inputs)
        raise UserError(
            f"{model.name!r} has {len(graph.inputs)} inputs ({names}): expected one. "
            "Pass the part that reads the image, as keras.Model(image, features)."
        )
    shape = graph.inputs[0].shape
    if nd.rank(graph.inputs[0]) not in nd.SPATIAL_NAMES or shape[-1] is None:
        raise UserError(f"{model.name!r} takes {tuple(shape[1:])}: expected {' or '.join(nd.SPATIAL_NAMES.values())}.")
    first = _channels_first(graph)
    if first is not None:
        raise UserError(
            f"{model.name!r} has channels first in its layer {first!r}: expected channels last. "
            "Build it after keras.config.set_image_data_format('channels_last')."
        )
    return graph


def _channels_first(graph: keras.Model) -> str | None:
    for operation in graph.operations:
        inner = _inner_model(operation)
        name = operation.name if inner is None else _channels_first(inner)
        if name is not None and (inner is not None or getattr(operation, "data_format", None) == "channels_first"):
            return name
    return None


def _inner_model(operation: keras.Operation) -> keras.Model | None:
    """The functional model that is called as a layer, if this is one."""
    inner = operation.network if isinstance(operation, InferenceMode) else operation
    return _functional(inner) if isinstance(inner, keras.Model) else None


def _functional(model: keras.Model) -> keras.Model | None:
    graph = model._functional if isinstance(model, keras.Sequential) else model
    return graph if hasattr(graph, "_nodes_by_depth") else None


def _probe(pixels: keras.KerasTensor, side: int) -> keras.KerasTensor:
    return keras.KerasTensor((1, *(side,) * nd.rank(pixels), pixels.shape[-1]), dtype=pixels.dtype)


def _preprocessed(pixels: keras.KerasTensor, preprocess: Callable | None) -> keras.KerasTensor:
    if preprocess is None:
        return pixels
    features = preprocess(pixels)
    if not isinstance(features, keras.KerasTensor) or len(features.shape) != len(pixels.shape):
        shape = getattr(features, "shape", type(features).__name__)
        raise UserError(
            f"preprocess turned pixels {tuple(pixels.shape)} into {shape}: expected a tensor of the same rank. "
            "Pass a layer, or a function of keras.ops."
        )
    return features
