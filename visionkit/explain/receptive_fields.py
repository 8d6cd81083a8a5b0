"""Receptive fields of the units of a network, computed from its graph.

Along an axis, unit ``i`` of a map sees ``field`` pixels from ``start + i * stride`` on; some may lie beyond the image's border.
Kernels, strides, padding and dilation change these three numbers (https://distill.pub/2019/computing-receptive-fields).
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

Pair = tuple[int, int]
LINEAR = frozenset(
    ["Add", "AddV2", "BiasAdd", "Cast", "EnsureShape", "Identity", "Mul", "Neg", "RealDiv", "StopGradient", "Sub"]
)
NONLINEARITIES = frozenset(["Elu", "LeakyRelu", "Relu", "Relu6", "Selu", "Sigmoid", "Softplus", "Softsign", "Tanh"])
OTHERS = frozenset(
    [
        "Abs",
        "Erf",
        "Exp",
        "FusedBatchNormV3",
        "Log",
        "Log1p",
        "Maximum",
        "Minimum",
        "Pow",
        "Reciprocal",
        "Rsqrt",
        "Sqrt",
        "Square",
    ]
)
POINTWISE = LINEAR | NONLINEARITIES | OTHERS
WINDOWED = frozenset(["AvgPool", "Conv2D", "DepthwiseConv2dNative", "MaxPool"])
CONVOLUTIONS = frozenset(["Conv2D", "DepthwiseConv2dNative"])


class Place(NamedTuple):
    """Receptive fields of the units of a map; pairs are (vertical, horizontal).

    Attributes:
        start: first pixel that the first unit sees; negative in the padding.
        stride: distance of neighboring units in pixels.
        field: number of pixels that a unit sees.
        sides: height and width of the map in units.
        is_convolved: whether a convolution comes before the map.
    """

    start: Pair
    stride: Pair
    field: Pair
    sides: Pair
    is_convolved: bool


def places(graph: tf.Graph, pixels: tf.Tensor) -> dict[str, Place | None]:
    """Compute the receptive fields for every tensor that depends on the pixels.

    Args:
        graph: a graph without control flow.
        pixels: ``(N, H, W, C)``, with known sides.

    Returns:
        tensor name -> its place. It is None after global pooling, a dense layer, an upsampling or an unknown operation. Gates
        (maps of one unit that scale a larger map) are ignored.
    """
    sides = tuple(pixels.shape[1:3])
    known: dict[str, Place | None] = {pixels.name: Place((0, 0), (1, 1), (1, 1), sides, False)}
    for operation in graph.get_operations():
        if operation.outputs and any(tensor.name in known for tensor in operation.inputs):
            for number, output in enumerate(operation.outputs):
                if output.name not in known:
                    known[output.name] = _checked(_place(operation, number, known), output)
    return known


def _checked(place: Place | None, output: tf.Tensor) -> Place | None:
    """The place with the sides of the map; None if they are not known."""
    if place is None or output.shape.rank != 4:
        return place
    sides = tuple(output.shape[1:3])
    return None if None in sides else place._replace(sides=sides)


def _place(operation: tf.Operation, number: int, known: dict[str, Place | None]) -> Place | None:
    first = known.get(operation.inputs[0].name)
    if operation.type in WINDOWED:
        return None if first is None else _after_window(operation, first)
    if operation.type == "IdentityN":
        return known.get(operation.inputs[number].name)
    if operation.type in POINTWISE:
        return _union(operation, list(operation.inputs), known)
    if operation.type == "ConcatV2":
        joins_channels = tf.get_static_value(operation.inputs[-1]) in (3, -1)
        return _union(operation, list(operation.inputs)[:-1], known) if joins_channels else None
    if operation.type in ("Pad", "PadV2", "SpaceToBatchND", "BatchToSpaceND"):
        return None if first is None else _padded(operation, first)
    if operation.type == "Sum":  # the sum of the colors is grey
        sums_channels = np.ravel(tf.get_static_value(operation.inputs[1])).tolist() in ([3], [-1]) and operation.get_attr(
            "keep_dims"
        )
        return first if sums_channels else None
    if operation.type in ("StridedSlice", "Split"):
        place = known.get(operation.inputs[1 if operation.type == "Split" else 0].name)
        output = operation.outputs[0].shape
        return place if place is not None and output.rank == 4 and tuple(output[1:3]) == place.sides else None
    return None


def _after_window(operation: tf.Operation, place: Place) -> Place | None:
    if operation.get_attr("data_format") != b"NHWC":
        return None
    is_convolution = operation.type in CONVOLUTIONS
    kernel = operation.inputs[1].shape[:2] if is_convolution else operation.get_attr("ksize")[1:3]
    dilations = operation.get_attr("dilations")[1:3] if is_convolution else (1, 1)
    steps = operation.get_attr("strides")[1:3]
    padding = operation.get_attr("padding").decode()
    reach = [(side - 1) * dilation + 1 for side, dilation in zip(kernel, dilations, strict=True)]
    if padding == "SAME":
        before = [_same_padding(*sizes) for sizes in zip(place.sides, reach, steps, strict=True)]
    else:
        before = operation.get_attr("explicit_paddings")[2:6:2] if padding == "EXPLICIT" else (0, 0)
    return place._replace(
        start=_each(lambda start, pad, stride: start - pad * stride, place.start, before, place.stride),
        field=_each(lambda field, length, stride: field + (length - 1) * stride, place.field, reach, place.stride),
        stride=_each(lambda stride, step: stride * step, place.stride, steps),
        is_convolved=place.is_convolved or is_convolution,
    )


def _same_padding(length: int, reach: int, step: int) -> int:
    """Padding before the first unit. TensorFlow adds an odd one at the end, and pads less if strides end before the border."""
    return max((-(-length // step) - 1) * step + reach - length, 0) // 2


def _padded(operation: tf.Operation, place: Place) -> Place | None:
    """Padding; or one end of a dilated convolution, which TensorFlow computes as a plain one on every ``block``-th pixel."""
    amounts = tf.get_static_value(operation.inputs[1 if operation.type.startswith("Pad") else 2])
    if amounts is None:
        return None
    if operation.type.startswith("Pad"):
        if amounts.shape != (4, 2) or amounts[0].any():
            return None
        return place._replace(
            start=_each(lambda start, pad, stride: start - pad * stride, place.start, amounts[1:3, 0], place.stride)
        )
    block = tf.get_static_value(operation.inputs[1])
    if block is None or block.shape != (2,):
        return None
    if operation.type == "SpaceToBatchND":
        start = _each(lambda start, pad, stride: start - pad * stride, place.start, amounts[:, 0], place.stride)
        return place._replace(start=start, stride=_each(lambda stride, step: stride * step, place.stride, block))
    stride = _each(lambda stride, step: stride // step, place.stride, block)
    start = _each(lambda start, crop, stride: start + crop * stride, place.start, amounts[:, 0], stride)
    return place._replace(start=start, stride=stride)


def _union(operation: tf.Operation, tensors: list[tf.Tensor], known: dict[str, Place | None]) -> Place | None:
    """The place of maps that are combined unit by unit."""
    joined = []
    for tensor in tensors:
        if tensor.name not in known:  # a constant
            continue
        place, shape = known[tensor.name], tensor.shape
        spatial = tuple(shape[1:3]) if shape.rank == 4 else (1, 1)
        is_gate = (
            spatial == (1, 1) and operation.outputs[0].shape.rank == 4 and tuple(operation.outputs[0].shape[1:3]) != (1, 1)
        )
        if place is None and is_gate:
            continue
        joined.append(place)
    if not joined or None in joined or len({place.stride for place in joined}) > 1:
        return None
    start = np.min([place.start for place in joined], axis=0)
    end = np.max([np.add(place.start, place.field) for place in joined], axis=0)
    return joined[0]._replace(
        start=tuple(start.tolist()),
        field=tuple((end - start).tolist()),
        is_convolved=any(place.is_convolved for place in joined),
    )


def _each(rule, *pairs) -> Pair:
    return tuple(int(rule(*values)) for values in zip(*pairs, strict=True))
