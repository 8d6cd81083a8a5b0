"""A network as one TensorFlow graph from pixels to outputs, with its weights as constants, so that any tensor can be read.

Bundles and Keras models have the same form here. ``layers_of`` lists the layers that can be explained.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from visionkit.explain.receptive_fields import CONVOLUTIONS, LINEAR, NONLINEARITIES, Pair, Place, places
from visionkit.export.bundle import LUMA


class NetworkGraph(NamedTuple):
    """A network as a graph.

    Attributes:
        definition: graph definition.
        pixels: name of the input: float32 pixels ``(N, size, size, 3)`` in 0..255, or one grey channel with ``is_grey``.
        outputs: names of the output tensors.
        size: side of the images.
        is_grey: whether the input is grey.
    """

    definition: Any
    pixels: str
    outputs: tuple[str, ...]
    size: int
    is_grey: bool = False

    def feed(self, pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        """The ``input_map`` of ``tf.graph_util.import_graph_def`` for colored pixels."""
        return {self.pixels: tf.reduce_sum(pixels * LUMA, -1, keepdims=True) if self.is_grey else pixels}


class Layer(NamedTuple):
    """A layer: the units of one nonlinearity.

    Attributes:
        name: name in the Keras model.
        activation: name of the tensor after the nonlinearity.
        excitation: name of the tensor before the nonlinearity, which still changes where the activation is clipped.
        channels: number of units at each place.
        place: receptive fields of the units.
    """

    name: str
    activation: str
    excitation: str
    channels: int
    place: Place

    @property
    def stride(self) -> int:
        """Distance of neighboring units in pixels."""
        return max(self.place.stride)

    def window(self, y: int, x: int) -> tuple[Pair, Pair]:
        """Receptive field of the unit at a place: its first pixel (y, x) and its size (height, width)."""
        start, stride = self.place.start, self.place.stride
        return (start[0] + y * stride[0], start[1] + x * stride[1]), self.place.field


def network_graph(predict: Callable[[tf.Tensor], Any], size: int, *, takes_images: bool = False) -> NetworkGraph:
    """Convert a function to one graph.

    Args:
        predict: function from float32 pixels ``(N, size, size, 3)`` in 0..255 to tensors.
        size: side of the images.
        takes_images: whether ``predict`` takes uint8 images of any size instead, and resizes them in a map; the graph then
            begins after that map.
    """
    spec = tf.TensorSpec([None, None, None, 3], tf.uint8) if takes_images else tf.TensorSpec([None, size, size, 3], tf.float32)
    traced = tf.function(predict, input_signature=[spec], autograph=False).get_concrete_function()
    constant = convert_variables_to_constants_v2(traced)
    pixels = constant.inputs[0]
    if takes_images:
        stacks = [op.outputs[0] for op in constant.graph.get_operations() if op.type == "TensorListStack"]
        pixels = next(stack for stack in stacks if stack.dtype == tf.float32 and stack.shape[1:].as_list() == [size, size, 3])
    grey = _grey_pixels(constant.graph)
    pixels = pixels if grey is None else grey
    outputs = tuple(output.name for output in constant.outputs)
    definition = constant.graph.as_graph_def()
    for node in definition.node:
        # Constants need no control dependencies, and Keras' custom gradients are known only to the graph that traced them.
        del node.input[len([name for name in node.input if not name.startswith("^")]) :]
        for name in [name for name in node.attr if name.startswith("_")]:
            del node.attr[name]
        if node.name == pixels.op.name:
            _replace(node, "Placeholder", {"dtype": tf.float32.as_datatype_enum})
    return NetworkGraph(part_for(definition, outputs), pixels.name, outputs, size, grey is not None)


def part_for(definition: Any, tensors: Sequence[str]) -> Any:
    """The part of a graph that computes some tensors, given by name."""
    by_name = {node.name: node for node in definition.node}
    pending, needed = [_node(name) for name in tensors], set()
    while pending:
        if (name := pending.pop()) not in needed:
            needed.add(name)
            pending += [_node(source) for source in by_name[name].input]
    part = type(definition)(versions=definition.versions)
    part.node.extend(node for node in definition.node if node.name in needed)
    return part


def imported(network: NetworkGraph, size: int | None = None) -> tuple[tf.Graph, tf.Tensor]:
    """Import a network into a graph of its own; also returns the tensor of its pixels."""
    with tf.Graph().as_default() as graph:
        side = size or network.size
        pixels = tf.compat.v1.placeholder(tf.float32, [None, side, side, 3], name="pixels_in")
        tf.graph_util.import_graph_def(network.definition, network.feed(pixels), name="")
    return graph, pixels


def with_one_view(network: NetworkGraph) -> NetworkGraph:
    """Remove the mirror images that a bundle adds to a batch, so that an image has one row, not two."""
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
    """Name of the input of the last softmax, the logits; None without a softmax."""
    return _input_of_last(network, "Softmax")


def before_scores(network: NetworkGraph) -> str | None:
    """Name of the logits of a classifier: the input of its softmax, or of the sigmoid that scores each class by itself.

    Sigmoids of feature maps do not count, such as those of gates.
    """
    return before_softmax(network) or _input_of_last(network, "Sigmoid", rank=2)


def _input_of_last(network: NetworkGraph, kind: str, rank: int | None = None) -> str | None:
    """Name of the input of the last operation of a kind, and of a rank if it is given; None without one."""
    graph, _ = imported(network)
    inputs = [op.inputs[0] for op in graph.get_operations() if op.type == kind]
    inputs = [tensor for tensor in inputs if rank is None or tensor.shape.rank == rank]
    return inputs[-1].name if inputs else None


def layers_of(network: NetworkGraph, size: int | None = None) -> list[Layer]:
    """List the nonlinearities after convolutions in the order of the network; of a linear network, the convolutions.

    Layers after an upsampling are left out, and so are gates.
    """
    graph, pixels = imported(network, size)
    known, operations = places(graph, pixels), graph.get_operations()
    pairs = [pair for op in operations if (pair := _nonlinearity(op)) is not None]
    pairs = _join_branches([pair for pair in pairs if _is_map(pair[1], known)], known)
    return _layers(pairs or [(end, end) for end in _linear_ends(operations, known)], known)


def first_convolution(network: NetworkGraph, size: int | None = None) -> Layer | None:
    """The first convolution with its bias and scaling, before any nonlinearity."""
    graph, pixels = imported(network, size)
    known = places(graph, pixels)
    return next(iter(_layers([(end, end) for end in _linear_ends(graph.get_operations(), known)], known)), None)


def _layers(pairs: list[tuple[tf.Tensor, tf.Tensor]], known: dict[str, Place | None]) -> list[Layer]:
    names = [_name(after) for _, after in pairs]
    if all(name.endswith("_1") for name in names):  # the second tracing of a model adds this suffix
        names = [name.removesuffix("_1") for name in names]
    return [
        Layer(name, after.name, before.name, after.shape[-1], known[after.name])
        for name, (before, after) in zip(names, pairs, strict=True)
    ]


def _join_branches(
    pairs: list[tuple[tf.Tensor, tf.Tensor]], known: dict[str, Place | None]
) -> list[tuple[tf.Tensor, tf.Tensor]]:
    """Replace branches that are concatenated, as Inception's, by the concatenation."""
    layers = {}
    for before, after in pairs:
        joints = [op.outputs[0] for op in after.consumers() if op.type == "ConcatV2" and _is_map(op.outputs[0], known)]
        for pair in [(joint, joint) for joint in joints] or [(before, after)]:
            layers.pop(pair[1].name, None)  # a concatenation takes the position of its last branch
            layers[pair[1].name] = pair
    return list(layers.values())


def _linear_ends(operations: Sequence[tf.Operation], known: dict[str, Place | None]) -> list[tf.Tensor]:
    """Outputs of the convolutions, each after its bias and scaling."""
    ends = [_linear_end(operation.outputs[0]) for operation in operations if operation.type in CONVOLUTIONS]
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


def _grey_pixels(graph: tf.Graph) -> tf.Tensor | None:
    """The grey images that a bundle computes from colored ones; the graph begins there, since TensorFlow loses their sides."""
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
    """Input and output of a nonlinearity; None for other operations."""
    if operation.type == "Mul":  # x * sigmoid(x): SiLU, or swish
        for source, gate in (tuple(operation.inputs), tuple(operation.inputs)[::-1]):
            if gate.op.type == "Sigmoid" and _is_scaled(gate.op.inputs[0], source):
                return source, operation.outputs[0]
        return None
    is_gate = operation.type == "Sigmoid" and any(op.type == "Mul" for op in operation.outputs[0].consumers())
    return (operation.inputs[0], operation.outputs[0]) if operation.type in NONLINEARITIES and not is_gate else None


def _is_scaled(tensor: tf.Tensor, source: tf.Tensor) -> bool:
    """Whether a tensor equals ``source``, or ``source`` times a constant."""
    while tensor is not source and tensor.op.type in ("Identity", "Mul"):
        variable = [value for value in tensor.op.inputs if value.op.type != "Const"]
        if len(variable) != 1:
            return False
        tensor = variable[0]
    return tensor is source


def _is_map(tensor: tf.Tensor, known: dict[str, Place | None]) -> bool:
    place = known.get(tensor.name)
    return place is not None and place.is_convolved and tensor.shape.rank == 4 and tensor.shape[-1] is not None


def _linear_end(tensor: tf.Tensor) -> tf.Tensor:
    """Follow a convolution through the linear operations after it: bias, BatchNorm."""
    while (
        len(consumers := tensor.consumers()) == 1
        and (consumers[0].type in LINEAR or consumers[0].type == "FusedBatchNormV3")
        and consumers[0].outputs[0].shape.rank == 4
    ):
        others = [value for value in consumers[0].inputs if value is not tensor]
        if any(value.shape.rank == 4 and value.shape[1] != 1 for value in others):
            break  # another map joins
        tensor = consumers[0].outputs[0]
    return tensor


def _name(tensor: tf.Tensor) -> str:
    """Name of the layer that outputs a tensor; the operations of BatchNorm have an additional scope."""
    scopes = [part for part in tensor.op.name.split("/")[:-1] if part != "batchnorm"]
    return scopes[-1] if scopes else tensor.op.name
