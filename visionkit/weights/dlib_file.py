"""Reads the file in which dlib stores a trained residual network, without executing anything.

An integer is a byte with sign (0x80) and length, then that many bytes, least significant first; a real number is two integers,
mantissa and exponent of 2. Every length is checked against the rest of the file before memory is allocated, and only the kinds
of layers of dlib's face network are supported.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from visionkit.files import open_file
from visionkit.weights.pickles import UnsafeCheckpointError

HEAD = b"\x01\x01\x01\x0dloss_metric_2"  # version 1, and the name of the loss
LARGEST = 2**29  # bytes
INPUT = "input_rgb_image_sized"
TAG, LAYER, INNERMOST = 1, 2, 3  # versions of layers; a tag or a skip has no contents
TENSOR, ALIAS = 2, 1  # versions of records that begin with four sides; an alias is only a shape
Shape = tuple[int, ...]


class DlibLayer(NamedTuple):
    """One layer.

    Attributes:
        kind: dlib's name of the layer, a key of ``READERS``.
        settings: "con_4": filters, rows, columns, then strides and padding, each for y and x; pools: rows, columns, strides
            and padding; "fc_2": outputs and inputs.
        arrays: read-only float32; "con_4": filters ``(out, in, rows, columns)`` and biases; "affine_": scales and shifts;
            "fc_2": weights ``(in, out)`` and biases, if it has any.
    """

    kind: str
    settings: tuple[int, ...] = ()
    arrays: tuple[np.ndarray, ...] = ()


class DlibFile(NamedTuple):
    """The contents of a file.

    Attributes:
        mean: mean of red, green and blue, 0..255, which is subtracted from the pixels; the rest is divided by 256.
        sides: rows and columns of the images.
        layers: the layers from the input on, without tags and skips.
    """

    mean: tuple[float, ...]
    sides: tuple[int, int]
    layers: tuple[DlibLayer, ...]


def read_dlib(path: str | Path) -> DlibFile:
    """Read a network that dlib trained with its metric loss on RGB images of one size, like its face recognition network.

    Args:
        path: the ``.dat`` file.

    Raises:
        UnsafeCheckpointError: the file is damaged, or holds anything else; the message says at which byte.
        OSError: the file cannot be read.
    """
    with open_file(path) as file:
        head = file.read(len(HEAD))
        if head != HEAD:
            raise UnsafeCheckpointError(
                f"{path} begins with {head!r}: expected a network of dlib with a metric loss, {HEAD!r}."
            )
        rest = file.read(LARGEST + 1)
        if len(rest) > LARGEST:
            raise UnsafeCheckpointError(f"{path} has more than {LARGEST:,} bytes: expected a network of dlib, of about 22 MB.")
        cursor = _Cursor(head + rest, place=len(HEAD))
    try:
        return _read(cursor)
    except UnsafeCheckpointError as error:
        raise UnsafeCheckpointError(f"{path} cannot be read as a network of dlib: {error}.") from None


class _Cursor:
    """A position in the file, with readers for the simple values."""

    def __init__(self, data: bytes, place: int):
        self.data, self.place = data, place

    def error(self, complaint: str, place: int) -> UnsafeCheckpointError:
        return UnsafeCheckpointError(f"byte {place}: {complaint}")

    def take(self, count: int) -> bytes:
        left = len(self.data) - self.place
        if count > left:
            raise self.error(f"{count} bytes are announced where {left} are left", self.place)
        self.place += count
        return self.data[self.place - count : self.place]

    def integer(self) -> int:
        start = self.place
        control = self.take(1)[0]
        count = control & 0x0F
        if control & 0x70 or not 1 <= count <= 8:
            raise self.error(f"{control:#04x} is no integer's first byte", start)
        magnitude = int.from_bytes(self.take(count), "little")
        return -magnitude if control & 0x80 else magnitude

    def count(self) -> int:
        start = self.place
        number = self.integer()
        if number < 0:
            raise self.error(f"a count of {number}", start)
        return number

    def real(self) -> float:
        start = self.place
        mantissa, exponent = self.integer(), self.integer()
        if abs(exponent) > 900:  # 32000 and more stand for infinity and NaN
            raise self.error(f"{mantissa} times 2 to the {exponent} is no finite number", start)
        return math.ldexp(mantissa, exponent)

    def text(self) -> str:
        return self.take(self.count()).decode("ascii", "backslashreplace")

    def flag(self) -> None:
        start = self.place
        value = self.take(1)
        if value not in (b"0", b"1"):
            raise self.error(f"{value!r} is no truth value", start)

    def shape(self, version: int) -> Shape:
        start = self.place
        received, *sides = self.integer(), self.count(), self.count(), self.count(), self.count()
        if received != version:
            raise self.error(
                f"version {received} where {version} is expected of {'an alias' if version == ALIAS else 'a tensor'}", start
            )
        return tuple(sides)

    def tensor(self) -> np.ndarray:
        return np.frombuffer(self.take(4 * math.prod(self.shape(TENSOR))), "<f4")


def _read(cursor: _Cursor) -> DlibFile:
    for _ in ("margin", "threshold"):  # of the loss
        cursor.real()
    versions = []  # of the layers, from the loss on; a larger number is the length of the input's name
    start, number = cursor.place, cursor.integer()
    while number <= INNERMOST:
        versions.append(number)
        start, number = cursor.place, cursor.integer()
    name = cursor.take(number).decode("ascii", "backslashreplace")
    if name != INPUT:
        raise cursor.error(f"the input is {name[:40]!r}; expected {INPUT!r}", start)
    if versions[-1:] != [INNERMOST] or not {TAG, LAYER}.issuperset(versions[:-1]):
        raise cursor.error(
            f"layers of versions {sorted(set(versions))}; expected {TAG} and {LAYER}, and finally {INNERMOST}", start
        )
    mean = tuple(cursor.real() for _ in range(3))
    sides = (cursor.count(), cursor.count())
    layers = tuple(_layer(cursor, version) for version in reversed(versions) if version != TAG)
    if beyond := len(cursor.data) - cursor.place:
        raise cursor.error(f"{beyond} bytes follow the last layer", cursor.place)
    return DlibFile(mean, sides, layers)


def _layer(cursor: _Cursor, version: int) -> DlibLayer:
    start = cursor.place
    kind = cursor.text()
    if kind not in READERS:
        raise cursor.error(f"a layer of kind {kind[:40]!r}; expected one of {', '.join(READERS)}", start)
    layer = DlibLayer(kind, *READERS[kind](cursor))
    for _ in range(3):
        cursor.flag()
    for _ in range(3):
        start = cursor.place
        if cursor.tensor().size:
            raise cursor.error("the output of a layer was stored with it; dlib's clean() drops that", start)
    if version == INNERMOST:
        cursor.integer()
    return layer


def _convolution(cursor: _Cursor) -> tuple:
    start = cursor.place
    parameters = cursor.tensor()
    settings = tuple(cursor.count() for _ in range(7))
    filters, biases = cursor.shape(ALIAS), cursor.shape(ALIAS)
    if (filters[0], *filters[2:]) != settings[:3] or biases != (1, settings[0], 1, 1):
        raise cursor.error(f"filters of {filters} and biases of {biases} where {settings[:3]} are announced", start)
    _rates(cursor)
    return settings, _parts(cursor, start, parameters, filters, (settings[0],))


def _affine(cursor: _Cursor) -> tuple:
    start = cursor.place
    parameters = cursor.tensor()
    shapes = cursor.shape(ALIAS), cursor.shape(ALIAS)
    cursor.integer()
    return (), _parts(cursor, start, parameters, *((math.prod(shape),) for shape in shapes))


def _dense(cursor: _Cursor) -> tuple:
    start = cursor.place
    outputs, inputs = settings = cursor.count(), cursor.count()
    parameters = cursor.tensor()
    weights, biases = cursor.shape(ALIAS), cursor.shape(ALIAS)
    if weights != (inputs, outputs, 1, 1) or biases not in ((1, outputs, 1, 1), (0, 0, 0, 0)):
        raise cursor.error(f"weights of {weights} and biases of {biases} where {inputs} to {outputs} are announced", start)
    cursor.integer()
    _rates(cursor)
    return settings, _parts(cursor, start, parameters, weights[:2], *[(outputs,)] * any(biases))


def _pool(cursor: _Cursor) -> tuple:
    return (tuple(cursor.count() for _ in range(6)),)


def _nothing(cursor: _Cursor) -> tuple:
    return ()


def _rates(cursor: _Cursor) -> None:
    """Skips the multipliers of learning rates and weight decay, which no prediction depends on."""
    for _ in range(4):
        cursor.real()


def _parts(cursor: _Cursor, start: int, parameters: np.ndarray, *shapes: Shape) -> tuple[np.ndarray, ...]:
    """Splits the flat parameters of a layer into its arrays."""
    sizes = [math.prod(shape) for shape in shapes]
    if sum(sizes) != parameters.size:
        raise cursor.error(
            f"{parameters.size} parameters where arrays of {', '.join(map(str, shapes))} take {sum(sizes)}", start
        )
    pieces = np.split(parameters, np.cumsum(sizes)[:-1])
    return tuple(piece.reshape(shape) for piece, shape in zip(pieces, shapes, strict=True))


READERS: dict[str, Callable[[_Cursor], tuple]] = {
    "con_4": _convolution,
    "affine_": _affine,
    "relu_": _nothing,
    "add_prev_": _nothing,
    "max_pool_2": _pool,
    "avg_pool_2": _pool,
    "fc_2": _dense,
}
