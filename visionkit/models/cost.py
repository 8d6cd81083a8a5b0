"""What a network costs: parameters, multiply-adds and memory, layer by layer.

A multiply-add is one multiplication and the addition that follows it, for one image. Only convolutions and dense layers are
counted, which do nearly all of them: each value of a kernel is used once at each position, so the count is positions times
values of the kernel. Biases, normalisation, activations, pooling and additions count as 0. Papers that count operations (FLOPs)
report twice the number, or mean multiply-adds nevertheless.

Channels are last. A layer that is called several times is counted once, at its first call.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import keras

from visionkit.errors import UserError
from visionkit.layers import nd
from visionkit.layers.inference_mode import InferenceMode
from visionkit.models.catalog import CATALOG, find

BYTES = 4  # of a float32
Shape = tuple[int, ...]


def _classes(name: str) -> tuple[type[keras.layers.Layer], ...]:
    names = (name.format(rank) for rank in nd.SPATIAL_NAMES)
    return tuple(getattr(keras.layers, each) for each in names if hasattr(keras.layers, each))


CONV, TRANSPOSED = _classes("Conv{}D"), _classes("Conv{}DTranspose")
DEPTHWISE, SEPARABLE = _classes("DepthwiseConv{}D"), _classes("SeparableConv{}D")
ONE_KERNEL = (*CONV, *DEPTHWISE, *TRANSPOSED, keras.layers.Dense)


class LayerCost(NamedTuple):
    """What one layer costs, for one image.

    Attributes:
        name: the layer's name.
        kind: the layer's class.
        input_shapes: shapes of all inputs, without the batch; an input layer has none.
        shape: shape of the output, without the batch; of several outputs, the first.
        size: number of values in all outputs.
        parameters: number of values in the weights, trained or not.
        multiply_adds: multiply-adds of the kernels; 0 if there are none.
    """

    name: str
    kind: str
    input_shapes: tuple[Shape, ...]
    shape: Shape
    size: int
    parameters: int
    multiply_adds: int

    @property
    def changes_shape(self) -> bool:
        """Whether no input has the shape of the output."""
        return self.shape not in self.input_shapes

    @property
    def held(self) -> int:
        """Number of values in inputs and outputs, which must be in memory while the layer runs."""
        return self.size + sum(map(math.prod, self.input_shapes))

    def to_plain(self) -> dict[str, Any]:
        """All fields but the input shapes, for JSON."""
        return {name: value for name, value in self._asdict().items() if name != "input_shapes"}


class SeparableBlock(NamedTuple):
    """A convolution that was split into a depthwise one and a 1x1 one after it.

    Attributes:
        name: name of the depthwise layer, and of the 1x1 layer if that is separate.
        full: multiply-adds of one full convolution of the same shape.
        separable: multiply-adds of both parts.
    """

    name: str
    full: int
    separable: int


def layer_costs(model: keras.Model) -> list[LayerCost]:
    """The cost of every layer of a functional model, in the order in which they run; models inside it are taken apart.

    Args:
        model: a built model; every side of its input is known. The parameters add up to ``model.count_params()``.

    Raises:
        UserError: a side is None.
    """
    return [_cost(operation) for operation in _operations(model)]


def separable_blocks(model: keras.Model) -> list[SeparableBlock]:
    """Every depthwise convolution that leads to a 1x1 convolution through layers that keep the shape; and SeparableConv layers.

    Args:
        model: see ``layer_costs``.
    """
    operations = list(_operations(model))
    makers = {id(tensor): operation for operation in operations for tensor in _list(operation.output)}
    blocks = []
    for operation in operations:
        if isinstance(operation, SEPARABLE):
            filters, cost = operation.filters, _cost(operation)
            blocks.append(SeparableBlock(cost.name, _full(operation, operation.depthwise_kernel, filters), cost.multiply_adds))
        elif isinstance(operation, CONV) and set(operation.kernel_size) == {1}:
            depthwise = _depthwise_before(operation, makers)
            if depthwise is not None:
                both = _cost(depthwise).multiply_adds + _cost(operation).multiply_adds
                full = _full(depthwise, depthwise.kernel, operation.filters)
                blocks.append(SeparableBlock(f"{depthwise.name} + {operation.name}", full, both))
    return blocks


def separable_cost(output_sides: Sequence[int], kernel_size: Sequence[int], channels: int, filters: int) -> tuple[int, int]:
    """Multiply-adds of a full convolution, and of a depthwise one followed by a 1x1 convolution.

    The second number is ``1 / filters + 1 / prod(kernel_size)`` of the first. For 3x3 over 6x6x3, without padding, to 4x4x5:

        >>> separable_cost((4, 4), (3, 3), channels=3, filters=5)
        (2160, 672)

    Args:
        output_sides: sides of the output, in pixels.
        kernel_size: sides of the kernel, in pixels.
        channels: of the input.
        filters: channels of the output.
    """
    positions, pixels = math.prod(output_sides), math.prod(kernel_size)
    return positions * pixels * channels * filters, positions * channels * (pixels + filters)


def _operations(model: keras.Model) -> Iterator[keras.Operation]:
    """All layers and other operations; a model inside is replaced by its own."""
    for operation in model.operations:
        inner = operation.network if isinstance(operation, InferenceMode) else operation
        if isinstance(inner, keras.Model):
            yield from (each for each in _operations(inner) if not isinstance(each, keras.layers.InputLayer))
        else:
            yield operation


def _cost(operation: keras.Operation) -> LayerCost:
    reads = [] if isinstance(operation, keras.layers.InputLayer) else _list(operation.input)
    inputs, outputs = (tuple(_shape(tensor, operation) for tensor in tensors) for tensors in (reads, _list(operation.output)))
    return LayerCost(
        name=operation.name,
        kind=type(operation).__name__,
        input_shapes=inputs,
        shape=outputs[0],
        size=sum(map(math.prod, outputs)),
        parameters=operation.count_params() if isinstance(operation, keras.layers.Layer) else 0,
        multiply_adds=_multiply_adds(operation, inputs, outputs),
    )


def _multiply_adds(operation: keras.Operation, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> int:
    if isinstance(operation, SEPARABLE):
        kernels = [operation.depthwise_kernel, operation.pointwise_kernel]
    elif isinstance(operation, ONE_KERNEL):
        kernels = [operation.kernel]
    else:
        return 0
    # A transposed convolution writes each pixel that it reads to many positions.
    positions = math.prod((inputs if isinstance(operation, TRANSPOSED) else outputs)[0][:-1])
    return positions * sum(math.prod(kernel.shape) for kernel in kernels)


def _depthwise_before(operation: keras.Operation, makers: dict[int, keras.Operation]) -> keras.layers.Layer | None:
    """The last depthwise convolution before this layer, if nothing between them changes the shape."""
    for tensor in _list(operation.input):
        maker = makers.get(id(tensor))
        if maker is None or isinstance(maker, keras.layers.InputLayer):
            continue
        if isinstance(maker, DEPTHWISE) or (isinstance(maker, CONV) and 1 < maker.groups == tensor.shape[-1]):
            return maker
        if isinstance(maker, (*ONE_KERNEL, *SEPARABLE)) or _cost(maker).changes_shape:
            continue
        depthwise = _depthwise_before(maker, makers)
        if depthwise is not None:
            return depthwise
    return None


def _full(depthwise: keras.layers.Layer, kernel: keras.Variable, filters: int) -> int:
    """Multiply-adds of a full convolution instead of a depthwise one."""
    channels = depthwise.input.shape[-1]
    return separable_cost(depthwise.output.shape[1:-1], kernel.shape[:-2], channels, filters)[0]


def _shape(tensor: keras.KerasTensor, operation: keras.Operation) -> Shape:
    if None in tensor.shape[1:]:
        raise UserError(f"The shape of {operation.name} is unknown, and its cost depends on it: give every side of the image.")
    return tuple(tensor.shape[1:])


def _list(tensors: keras.KerasTensor | list | tuple | dict) -> list[keras.KerasTensor]:
    return keras.tree.flatten(tensors)


def build_to_count(name: str, input_shape: tuple[int, ...] | None = None, num_classes: int | None = None) -> keras.Model:
    """Build a network of the catalogue whose weights have no values; see ``without_weights``.

    Args:
        name: a name of the catalogue.
        input_shape: sides and channels; None takes the published shape.
        num_classes: outputs of the classifier; None takes the published number.

    Raises:
        UserError: there is no such network, or it cannot be built for that shape or number of classes.
    """
    name = find(name)
    if num_classes is not None and num_classes < 1:
        raise UserError(f"{name} for {num_classes} classes: expected 1 or more.")
    options = {} if num_classes is None else {"num_classes": num_classes}
    try:
        if input_shape is not None and any(side < 1 for side in input_shape):
            raise ValueError("expected sides, then channels, each 1 or more.")
        return without_weights(lambda: CATALOG[name].builder(input_shape, **options))
    except ValueError as error:
        if input_shape is None:
            raise
        published = without_weights(CATALOG[name].builder).input_shape[1:]
        shape, expected = (" x ".join(map(str, sides)) for sides in (input_shape, published))
        too_small = "would be zero or negative" in str(error)
        reason = "a layer would have nothing left to return; give more pixels." if too_small else str(error).splitlines()[0]
        raise UserError(
            f"{name} cannot take an input of {shape}: {reason} It was published with {expected}, channels last."
        ) from error


def summary(model: keras.Model, costs: Sequence[LayerCost]) -> dict[str, Any]:
    """The record of one network that ``visionkit models --json`` prints.

    Args:
        model: a network of the catalogue.
        costs: the costs of its layers.
    """
    return {
        "name": model.name,
        "parameters": sum(cost.parameters for cost in costs),
        "multiply_adds": sum(cost.multiply_adds for cost in costs),
        "input_shape": list(model.input_shape[1:]),
        "weights": list(CATALOG[model.name].weights),
    }


def without_weights(build: Callable[[], keras.Model]) -> keras.Model:
    """Build a network whose weights have shapes but no values, to be counted; this takes little time and almost no memory.

    Args:
        build: returns the network, and loads no weights.

    Returns:
        a network that must not be called.
    """

    def in_scope() -> keras.Model:
        with keras.StatelessScope(initialize_variables=False):
            return build()

    # Each thread has its own list, in Keras, of weights to initialise later: this list is discarded with its thread.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(in_scope).result()
