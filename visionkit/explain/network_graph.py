"""A network as one graph of TensorFlow from pixels to answers, its weights constants in it, so that any part can be asked.

Bundles and Keras models become the same thing here. ``layers_of`` says what can be looked at.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from visionkit.explain.receptive_fields import CONVOLUTIONS, LINEAR, NONLINEARITIES, Pair, Place, places
from visionkit.export.bundle import LUMA


class NetworkGraph(NamedTuple):
    """A network.

    Attributes:
        definition: the graph.
        pixels: name of the tensor of float32 pixels ``(N, size, size, 3)`` in 0..255; of their grey, where ``is_grey``.
        outputs: names of the tensors that were answered.
        size: side of the images.
    """

    definition: Any
    pixels: str
    outputs: tuple[str, ...]
    size: int
    is_grey: bool = False

    def feed(self, pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        """What ``tf.graph_util.import_graph_def`` is to map for colored pixels."""
        return {self.pixels: tf.reduce_sum(pixels * LUMA, -1, keepdims=True) if self.is_grey else pixels}


class Layer(NamedTuple):
    """The units behind one nonlinearity.

    Attributes:
        name: as the network's builder named it.
        activation: the tensor behind the nonlinearity.
        excitation: the tensor before it, which grows where the other is clipped.
        channels: the number of units at each place.
        place: which pixels they see.
    """

    name: str
    activation: str
    excitation: str
    channels: int
    place: Place

    @property
    def stride(self) -> int:
        """Pixels from a unit to the next."""
        return max(self.place.stride)

    def window(self, y: int, x: int) -> tuple[Pair, Pair]:
        """The first pixel (y, x) that the unit at a place sees, and how many (height, width)."""
        start, stride = self.place.start, self.place.stride
        return (start[0] + y * stride[0], start[1] + x * stride[1]), self.place.field


def network_graph(answer: Callable[[tf.Tensor], Any], size: int, *, takes_images: bool = False) -> NetworkGraph:
    """Make one graph of a function.

    Args:
        answer: of float32 pixels ``(N, size, size, 3)`` in 0..255, to tensors.
        size: side of the images.
        takes_images: ``answer`` takes uint8 images of any size in place of pixels and brings them to that size itself, in a
            map; the graph begins behind it.
    """
    given = tf.TensorSpec([None, None, None, 3], tf.uint8) if takes_images else tf.TensorSpec([None, size, size, 3], tf.float32)
    traced = tf.function(answer, input_signature=[given], autograph=False).get_concrete_function()
    constant = convert_variables_to_constants_v2(traced)
    pixels = constant.inputs[0]
    if takes_images:
        stacks = [op.outputs[0] for op in constant.graph.get_operations() if op.type == "TensorListStack"]
        pixels = next(each for each in stacks if each.dtype == tf.float32 and each.shape[1:].as_list() == [size, size, 3])
    grey = _grey_of(constant.graph)
    pixels = pixels if grey is None else grey
    outputs = tuple(output.name for output in constant.outputs)
    definition = constant.graph.as_graph_def()
    for node in definition.node:
        # Order of execution does not matter to constants. Gradients of Keras' own are known only where they were traced.
        del node.input[len([name for name in node.input if not name.startswith("^")]) :]
        for name in [name for name in node.attr if name.startswith("_")]:
            del node.attr[name]
        if node.name == pixels.op.name:
            _replace(node, "Placeholder", {"dtype": tf.float32.as_datatype_enum})
    return NetworkGraph(part_for(definition, outputs), pixels.name, outputs, size, grey is not None)


def part_for(definition: Any, tensors: Sequence[str]) -> Any:
    """The part of a graph that some tensors need, by their names."""
    by_name = {node.name: node for node in definition.node}
    open_names, needed = [_node(name) for name in tensors], set()
    while open_names:
        if (name := open_names.pop()) not in needed:
            needed.add(name)
            open_names += [_node(each) for each in by_name[name].input]
    part = type(definition)(versions=definition.versions)
    part.node.extend(node for node in definition.node if node.name in needed)
    return part


def imported(network: NetworkGraph, size: int | None = None) -> tuple[tf.Graph, tf.Tensor]:
    """The graph by itself, to be looked through, and its pixels."""
    with tf.Graph().as_default() as graph:
        side = size or network.size
        pixels = tf.compat.v1.placeholder(tf.float32, [None, side, side, 3], name="pixels_in")
        tf.graph_util.import_graph_def(network.definition, network.feed(pixels), name="")
    return graph, pixels


def with_one_view(network: NetworkGraph) -> NetworkGraph:
    """Without the mirror images that a bundle looks at besides: a row an image, not two."""
    graph, _ = imported(network)
    mirrored = [op.name for op in graph.get_operations() if _adds_mirror_images(op)]
    if not mirrored:
        return network
    definition = type(network.definition)()
    definition.CopyFrom(network.definition)
    for node in definition.node:
        if node.name in mirrored:
            del node.input[1:]
            _replace(node, "Identity", {"T": node.attr["T"].type}, keep_inputs=True)
    return network._replace(definition=definition)


def before_softmax(network: NetworkGraph) -> str | None:
    """Name of the tensor that the last softmax takes: logits."""
    graph, _ = imported(network)
    found = [op.inputs[0].name for op in graph.get_operations() if op.type == "Softmax"]
    return found[-1] if found else None


def layers_of(network: NetworkGraph, size: int | None = None) -> list[Layer]:
    """What comes out of the nonlinearities behind convolutions, in the order of the network; of a linear one, out of those.

    What lies behind a way up (a larger map made of a smaller one) is left out, and so are gates.
    """
    graph, pixels = imported(network, size)
    known, operations = places(graph, pixels), graph.get_operations()
    pairs = [pair for op in operations if (pair := _nonlinearity(op)) is not None]
    found = _joined([pair for pair in pairs if _is_map(pair[1], known)], known)
    return _layers(found or [(end, end) for end in _ends(operations, known)], known)


def first_convolution(network: NetworkGraph, size: int | None = None) -> Layer | None:
    """The first convolution with what scales it, before any nonlinearity."""
    graph, pixels = imported(network, size)
    known = places(graph, pixels)
    return next(iter(_layers([(end, end) for end in _ends(graph.get_operations(), known)], known)), None)


def _layers(found: list[tuple[tf.Tensor, tf.Tensor]], known: dict[str, Place | None]) -> list[Layer]:
    names = [_name(after) for _, after in found]
    if all(name.endswith("_1") for name in names):  # of what was traced a second time
        names = [name.removesuffix("_1") for name in names]
    return [
        Layer(name, after.name, before.name, after.shape[-1], known[after.name])
        for name, (before, after) in zip(names, found, strict=True)
    ]


def _joined(found: list[tuple[tf.Tensor, tf.Tensor]], known: dict[str, Place | None]) -> list[tuple[tf.Tensor, tf.Tensor]]:
    """Branches that are joined, as Inception's, count as one layer, from where they are."""
    layers = {}
    for before, after in found:
        joints = [op.outputs[0] for op in after.consumers() if op.type == "ConcatV2" and _is_map(op.outputs[0], known)]
        for pair in [(joint, joint) for joint in joints] or [(before, after)]:
            layers.pop(pair[1].name, None)  # a joint comes where its last branch does
            layers[pair[1].name] = pair
    return list(layers.values())


def _ends(operations: Sequence[tf.Operation], known: dict[str, Place | None]) -> list[tf.Tensor]:
    """The convolutions, each with what scales it."""
    ends = [_end_of(operation.outputs[0]) for operation in operations if operation.type in CONVOLUTIONS]
    return [end for end in ends if _is_map(end, known)]


def _node(tensor: str) -> str:
    return tensor.split(":")[0]


def _replace(node: Any, operation: str, types: dict[str, int], *, keep_inputs: bool = False) -> None:
    if not keep_inputs:
        del node.input[:]
    node.op = operation
    node.attr.clear()
    for name, value in types.items():
        node.attr[name].type = value


def _grey_of(graph: tf.Graph) -> tf.Tensor | None:
    """The grey images that a bundle makes of colored ones first; TensorFlow loses their sides on the way."""
    for operation in graph.get_operations():
        if operation.type == "MatMul" and _is_luma(operation.inputs[1]):
            tensor = operation.outputs[0]
            while tensor.shape.rank != 4:
                tensor = tensor.consumers()[0].outputs[0]
            return tensor
    return None


def _is_luma(tensor: tf.Tensor) -> bool:
    while tensor.op.type in ("Identity", "Reshape"):
        tensor = tensor.op.inputs[0]
    value = tf.get_static_value(tensor)
    return value is not None and value.size == len(LUMA) and np.allclose(value.ravel(), LUMA)


def _adds_mirror_images(operation: tf.Operation) -> bool:
    if operation.type != "ConcatV2" or len(operation.inputs) != 3 or tf.get_static_value(operation.inputs[2]) != 0:
        return False
    plain, other = operation.inputs[:2]
    return other.op.type == "ReverseV2" and other.op.inputs[0] is plain


def _nonlinearity(operation: tf.Operation) -> tuple[tf.Tensor, tf.Tensor] | None:
    """What goes in and what comes out; None of other operations."""
    if operation.type == "Mul":  # x * sigmoid(x): SiLU, or swish
        for given, gate in (tuple(operation.inputs), tuple(operation.inputs)[::-1]):
            if gate.op.type == "Sigmoid" and _is_scaled(gate.op.inputs[0], given):
                return given, operation.outputs[0]
        return None
    is_gate = operation.type == "Sigmoid" and any(op.type == "Mul" for op in operation.outputs[0].consumers())
    return (operation.inputs[0], operation.outputs[0]) if operation.type in NONLINEARITIES and not is_gate else None


def _is_scaled(tensor: tf.Tensor, given: tf.Tensor) -> bool:
    """Whether a tensor is another one, or that times a constant."""
    while tensor is not given and tensor.op.type in ("Identity", "Mul"):
        variable = [each for each in tensor.op.inputs if each.op.type != "Const"]
        if len(variable) != 1:
            return False
        tensor = variable[0]
    return tensor is given


def _is_map(tensor: tf.Tensor, known: dict[str, Place | None]) -> bool:
    place = known.get(tensor.name)
    return place is not None and place.is_convolved and tensor.shape.rank == 4 and tensor.shape[-1] is not None


def _end_of(tensor: tf.Tensor) -> tf.Tensor:
    """Behind the scaling that follows a convolution: bias, BatchNorm."""
    while (
        len(behind := tensor.consumers()) == 1
        and (behind[0].type in LINEAR or behind[0].type == "FusedBatchNormV3")
        and behind[0].outputs[0].shape.rank == 4
    ):
        others = [each for each in behind[0].inputs if each is not tensor]
        if any(each.shape.rank == 4 and each.shape[1] != 1 for each in others):
            break  # another map joins
        tensor = behind[0].outputs[0]
    return tensor


def _name(tensor: tf.Tensor) -> str:
    """Of the layer that a tensor comes out of; BatchNorm's operations have a scope more."""
    scopes = [part for part in tensor.op.name.split("/")[:-1] if part != "batchnorm"]
    return scopes[-1] if scopes else tensor.op.name
