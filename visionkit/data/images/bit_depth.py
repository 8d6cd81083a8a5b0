"""Pixels of more than 8 bits: how many of its bits an image uses, and its pixels as 8 bits.

Cameras and microscopes store 10, 12 or 14 bits in files of 16. Their upper 8 bits alone would be nearly black, so pixels are
shifted by the bits in use. These follow from the largest value of the image, in files, arrays and exported graphs alike.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from visionkit.data.images.contents import ImageError

LARGEST_VALUES = (255, 1023, 4095, 16383)  # of 8, 10, 12 and 14 bits; an image with larger values uses 16
ALL_BITS = 16
VALUES_OF_BAND = 2**20  # that are scaled at once


class Depth(NamedTuple):
    """How the pixels of an image are stored, if not in 8 bits.

    Attributes:
        stored: bits of a stored value, 16 or more.
        used: the bits in use: 8, 10, 12, 14 or 16; 0 for floating-point numbers.
        largest: the largest value that the scale allows; 1 or 255 for floating-point numbers.
    """

    stored: int
    used: int
    largest: int


def bits_in_use(largest: int) -> int:
    """The bits that an image uses whose largest value is ``largest``: 8, 10, 12, 14 or 16."""
    return 8 + 2 * sum(largest > limit for limit in LARGEST_VALUES)


def in_eight_bits(values: np.ndarray) -> tuple[np.ndarray, Depth]:
    """Pixels of more than 8 bits as 8 bits, scaled by the bits in use.

    Args:
        values: integers of any width, or floating-point numbers, of any shape. Such numbers are multiplied by 255 if all are
            within 0..1, and kept if all are within 0..255.

    Returns:
        uint8 of the same shape, and how they were stored.

    Raises:
        ImageError: values are negative, not finite or too large, so that nothing says which of them is white.
    """
    smallest, largest = (values.min(), values.max()) if values.size else (0, 0)
    stored = 8 * values.dtype.itemsize
    if values.dtype.kind == "f":
        if not 0 <= smallest <= largest <= 255:  # false for NaN, too
            raise ImageError(_refused("floating-point pixels", smallest, largest, "0 to 1 or 0 to 255"))
        limit = 1 if largest <= 1 else 255
        return _in_bands(values, lambda band: np.rint(band * (255 / limit))), Depth(stored, 0, limit)
    if smallest < 0 or largest >= 2**ALL_BITS:
        raise ImageError(_refused(f"pixels of {stored} bits", smallest, largest, f"0 to {2**ALL_BITS - 1}"))
    used = bits_in_use(int(largest))
    return _in_bands(values, lambda band: band.astype(np.uint16) >> (used - 8)), Depth(stored, used, 2**used - 1)


def _in_bands(values: np.ndarray, scaled: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Scale a few rows at a time, so that copies of large images in more bytes are never whole: uint8 of the same shape."""
    result = np.empty(values.shape, np.uint8)
    rows = max(1, VALUES_OF_BAND // max(1, values[:1].size))
    for start in range(0, len(values), rows):
        result[start : start + rows] = scaled(values[start : start + rows])
    return result


def in_eight_bits_in_graph(values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The same for uint16 pixels inside a graph: uint8 of the same shape, and the bits in use, an int32."""
    largest = tf.reduce_max(tf.cast(values, tf.int32))
    unused = 2 * tf.reduce_sum(tf.cast(largest > tf.constant(LARGEST_VALUES), tf.int32))
    return tf.cast(tf.bitwise.right_shift(values, tf.cast(unused, tf.uint16)), tf.uint8), 8 + unused


def blended_in_eight_bits(values: np.ndarray) -> tuple[np.ndarray, Depth]:
    """Like ``in_eight_bits``; the alpha channel of ``(H, W, 2)`` or ``(H, W, 4)`` has bits in use of its own."""
    if values.ndim != 3 or values.shape[2] not in (2, 4):
        return in_eight_bits(values)
    pixels, depth = in_eight_bits(values[..., :-1])
    return np.concatenate([pixels, in_eight_bits(values[..., -1:])[0]], axis=2), depth


def unused_bits(depths: Iterable[Depth | None]) -> str | None:
    """A sentence on the images of a data set that use fewer bits than they hold; None if there are none.

    Args:
        depths: that of each image; None for one of 8 bits.
    """
    depths = list(depths)
    deep = [depth for depth in depths if depth is not None and depth.used]
    counts = Counter(depth.used for depth in deep if depth.used < ALL_BITS)
    if sum(counts.values()) == 0 or all(depth.used == ALL_BITS for depth in deep):
        return None
    widths = sorted({depth.stored for depth in deep})
    stored = " or ".join(map(str, widths))
    total = f"{sum(counts.values())} of {len(depths)} images hold {stored} bits and use"
    if len(counts) == 1:
        (used,) = counts
        limits = f"no value above {2**used - 1} of {2 ** widths[0] - 1}"
        sentence = f"{total} {used} of them ({limits}): they are scaled by the bits in use"
    else:
        each = ", ".join(f"{count} use {used}" for used, count in sorted(counts.items()))
        sentence = f"{total} fewer of them ({each}): each image is scaled by the bits that it uses"
    if len({depth.used for depth in deep}) > 1:
        full = sum(depth.used == ALL_BITS for depth in deep)
        others = f", and {full} use all {ALL_BITS}" if full else ""
        sentence += (
            f"{others}. The same value is therefore not equally bright in all images; if it should be, convert all of them to "
            "8 bits in the same way"
        )
    return sentence


def how_floats_are_scaled(depths: Iterable[Depth | None]) -> str | None:
    """A sentence on images of floating-point numbers; None if there are none."""
    counts = Counter(depth.largest for depth in depths if depth is not None and not depth.used)
    if not counts:
        return None
    ways = {1: "{} within 0..1 and are multiplied by 255", 255: "{} within 0..255 and are kept"}
    parts = " and ".join(ways[limit].format(f"{count} have values") for limit, count in sorted(counts.items()))
    mixed = ": they may differ in brightness" if len(counts) > 1 else ""
    return f"{sum(counts.values())} images hold floating-point numbers, of which {parts}{mixed}"


def _refused(what: str, smallest: float, largest: float, expected: str) -> str:
    values = f"{what} from {smallest:.6g} to {largest:.6g}"
    return f"{values}; expected {expected}: convert the image to 8 bits with a scale of your choice"
