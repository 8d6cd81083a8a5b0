"""A look into a SavedModel before it is loaded: it is a program, and may hold operations that open files or connections."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from google.protobuf.message import DecodeError, Message
from tensorflow.core.protobuf import saved_model_pb2

from visionkit.bundle_files import AGAIN, GRAPH
from visionkit.errors import UserError
from visionkit.files import read_file
from visionkit.inference.graph_operations import CALLING, COMPUTING, EFFECTS, SAVER

OTHER_GRAPHS = ("saved_model.pbtxt", "saved_model.cpb")  # other forms of the same file, which are not looked at
LARGEST_GRAPH = 2**31 - 1  # bytes; protobuf allows no more


def check_graph(folder: str | Path) -> None:
    """Refuse a SavedModel that may do more than compute. Nothing of it is run.

    Every operation must be one of ``graph_operations.COMPUTING``. Each SavedModel also holds functions that read and write
    its checkpoint; they are accepted where nothing but the saver of the file can call them, whatever they are named.

    Args:
        folder: the SavedModel.

    Raises:
        UserError: the file is missing or damaged, or holds an operation that does more, or names a file outside of its folder.
    """
    folder = Path(folder)
    graph = _parsed(folder)
    try:
        _check_assets(graph)
        _check_operations(graph)
    except UserError as error:
        raise UserError(
            f"{folder / GRAPH} {error}. Expected a graph that only computes; pass --trust (in Python: trust=True) for a model "
            "whose maker you trust, and for no other."
        ) from None


def _parsed(folder: Path) -> Message:
    others = [name for name in OTHER_GRAPHS if (folder / name).exists()]
    if others:
        raise UserError(f"{folder / others[0]} is a second graph beside {GRAPH}; expected one, as visionkit exports it.")
    try:
        graphs = saved_model_pb2.SavedModel.FromString(read_file(folder / GRAPH, LARGEST_GRAPH)).meta_graphs
    except OSError as error:
        raise UserError(f"{folder / GRAPH} cannot be read: {error.strerror or error}. {AGAIN}") from error
    except DecodeError as error:
        raise UserError(f"{folder / GRAPH} is damaged: it is no SavedModel. {AGAIN}") from error
    if len(graphs) != 1 or not graphs[0].HasField("object_graph_def"):
        raise UserError(
            f"{folder / GRAPH} is damaged, or was written by TensorFlow 1: expected one graph with its objects. {AGAIN}"
        )
    return graphs[0]


def _check_assets(graph: Message) -> None:
    for asset in graph.asset_file_def:
        path = PurePosixPath(asset.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in asset.filename:
            raise UserError(f"names the file {asset.filename!r}, which lies outside of the model")


def _check_operations(graph: Message) -> None:
    functions = graph.graph_def.library.function
    savers, found = set(), {}
    for function in functions:
        operations = {node.op for node in function.node_def} - COMPUTING
        if operations & SAVER:
            savers.add(function.signature.name)
        found |= dict.fromkeys(operations - SAVER, f"in the function {function.signature.name}")
    nodes = {node.op for node in graph.graph_def.node} - COMPUTING - SAVER
    _refuse(found | dict.fromkeys(nodes, "outside of its functions"))
    called = set(_called(graph, savers))
    for function in functions:
        if function.signature.name in called:
            operations = {node.op for node in function.node_def} & SAVER
            where = f"in the function {function.signature.name}, which the saver alone may call and others do"
            _refuse(dict.fromkeys(operations, where))


def _called(graph: Message, savers: set[str]) -> Iterator[str]:
    """The functions among ``savers`` that something else than the saver of the graph can call."""
    mentions = [graph.object_graph_def.concrete_functions, COMPUTING]  # a node may call a function by the name of an operation
    for node in graph.object_graph_def.nodes:
        mentions.append(node.function.concrete_functions)
        mentions.append([node.bare_concrete_function.concrete_function_name])
    for gradient in graph.graph_def.library.gradient:
        mentions.append([gradient.function_name, gradient.gradient_func])
    mentions.append([gradient.gradient_func for gradient in graph.graph_def.library.registered_gradients])
    for function in graph.graph_def.library.function:
        if function.signature.name in savers and "api_implements" in function.attr:
            yield function.signature.name  # TensorFlow's optimizer may call it in place of another
        mentions.append(_mentioned(function.attr.values()))
        mentions.extend(_mentioned(node.attr.values()) for node in function.node_def if node.op in CALLING)
    served = _served(graph)
    for node in graph.graph_def.node:
        if node.name in served:
            mentions.append(_mentioned(node.attr.values()))
            _refuse(dict.fromkeys({node.op} & SAVER, "in a signature"))
    for names in mentions:
        yield from (name for name in names if name in savers)


def _mentioned(values: Iterable[Message]) -> Iterator[str]:
    """All that may be names of functions in the attributes of an operation or a function."""
    for value in values:
        kind = value.WhichOneof("value")
        if kind == "func":
            yield value.func.name
            yield from _mentioned(value.func.attr.values())
        elif kind == "s":
            yield value.s.decode("utf-8", "replace")
        elif kind == "list":
            for function in value.list.func:
                yield function.name
                yield from _mentioned(function.attr.values())
            yield from (text.decode("utf-8", "replace") for text in value.list.s)


def _served(graph: Message) -> set[str]:
    """The nodes outside of functions that signatures and initializers need."""
    tensors = [each for signature in graph.signature_def.values() for each in _tensors(signature)]
    tensors += [name for collection in graph.collection_def.values() for name in collection.node_list.value]
    inputs = {node.name: node.input for node in graph.graph_def.node}
    served, waiting = set(), [_node_of(tensor) for tensor in tensors]
    while waiting:
        name = waiting.pop()
        if name not in served:
            served.add(name)
            waiting.extend(map(_node_of, inputs.get(name, ())))
    return served


def _tensors(signature: Message) -> Iterator[str]:
    for tensor in (*signature.inputs.values(), *signature.outputs.values()):
        sparse = tensor.coo_sparse
        yield from (tensor.name, sparse.values_tensor_name, sparse.indices_tensor_name, sparse.dense_shape_tensor_name)
        yield from (component.name for component in tensor.composite_tensor.components)


def _node_of(tensor: str) -> str:
    """The node of a tensor: "a" of "^a" and "a:0"."""
    return tensor.removeprefix("^").split(":")[0]


def _refuse(operations: dict[str, str]) -> None:
    """Refuse operations, by name -> where they are; the message names one whose effect is known, if there is one."""
    for pattern, effect in (*EFFECTS, ("", "is not known to do no more than compute")):
        for operation in sorted(operations):
            if re.search(pattern, operation):
                raise UserError(f"holds the operation {operation}, which {effect}, {operations[operation]}")
