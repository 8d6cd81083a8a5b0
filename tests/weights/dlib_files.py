"""Writes files like those of dlib without dlib, and damaged files."""

import math

import numpy as np

from visionkit.weights.dlib_file import DlibLayer

MEAN = (122.782, 117.001, 104.298)
RATES = (1.0, 1.0, 1.0, 0.0)


def integer(number: int) -> bytes:
    magnitude = abs(number).to_bytes(max(1, (abs(number).bit_length() + 7) // 8), "little")
    return bytes([len(magnitude) | (0x80 if number < 0 else 0)]) + magnitude


def integers(*numbers: int) -> bytes:
    return b"".join(integer(number) for number in numbers)


def reals(*numbers: float) -> bytes:
    """Of float32, which 24 bits of mantissa hold."""
    written = b""
    for number in numbers:
        share, exponent = math.frexp(np.float32(number))
        written += integers(int(share * 2**24), exponent - 24)
    return written


def text(string: str) -> bytes:
    return integer(len(string)) + string.encode()


def tensor(array: np.ndarray, *sides: int) -> bytes:
    return integers(2, *sides) + array.astype("<f4").tobytes()


def row(*arrays: np.ndarray) -> bytes:
    """Parameters in one row."""
    joined = np.concatenate([array.ravel() for array in arrays])
    return tensor(joined, joined.size, 1, 1, 1)


def alias(*sides: int) -> bytes:
    return integers(1, *sides)


def details(layer: DlibLayer) -> bytes:
    kind, settings, arrays = layer
    if kind == "con_4":
        filters, biases = arrays
        return row(*arrays) + integers(*settings) + alias(*filters.shape) + alias(1, biases.size, 1, 1) + reals(*RATES)
    if kind == "affine_":
        return row(*arrays) + 2 * alias(1, arrays[0].size, 1, 1) + integer(0)
    if kind == "fc_2":
        weights = arrays[0]
        return (
            integers(*settings) + tensor(weights, *weights.shape, 1, 1) + alias(*weights.shape, 1, 1) + alias(0, 0, 0, 0)
            + integer(1) + reals(*RATES)
        )  # fmt: skip
    return integers(*settings)


def ending(*, outputs: int = 0) -> bytes:
    """The end of every layer's record."""
    return b"110" + integers(2, outputs, 0, 0, 0) + 2 * integers(2, 0, 0, 0, 0)


def network(layers: list[DlibLayer], *, mean=MEAN, sides=(150, 150), tags: int = 1, innermost: int = 3) -> bytes:
    """A file of layers, the innermost first, with so many tags behind each of them that adds or pools."""
    versions, contents = [], b""
    for layer in layers:
        versions += [2 if versions else innermost, *[1] * (tags if layer.kind in ("add_prev_", "avg_pool_2") else 0)]
        contents += text(layer.kind) + details(layer) + ending() + (integer(1) if contents == b"" else b"")
    head = integer(1) + text("loss_metric_2") + reals(0.04, 0.6) + integers(*reversed(versions))
    return head + text("input_rgb_image_sized") + reals(*mean) + integers(*sides) + contents
