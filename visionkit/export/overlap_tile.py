"""Pictures and volumes of any size, tile by tile, inside the graph: U-Net's overlap-tile strategy.

U-Net: Convolutional Networks for Biomedical Image Segmentation, Ronneberger et al. 2015, https://arxiv.org/abs/1505.04597,
figure 2.

What lies beyond the border is mirrored. What fits into one tile is seen as a whole. Else tiles overlap by twice the margin, and
fade into each other in the middle of that overlap, so that no tile answers where it sees little around. Tiles are computed
in rows along the first axis, of which two are held at a time: memory grows with the width of a picture, not with its area.
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

Predict = Callable[[tf.Tensor], tf.Tensor]  # tiles (N, sides..., channels) to probabilities (N, sides..., K)


class Tiling(NamedTuple):
    """How an axis is covered.

    Attributes:
        margin: pixels that a tile sees beyond what it answers for, at least.
        largest: side of the largest tile in pixels, a multiple of ``multiple``.
        multiple: what the network's sides are multiples of.
        at_once: pixels that are computed together, at least those of one tile.
    """

    margin: int
    largest: int
    multiple: int
    at_once: int


class _Axis(NamedTuple):
    """Tiles along one axis of a padded picture: their number, length and distance, and the share of each in the answer."""

    count: tf.Tensor
    side: tf.Tensor
    step: tf.Tensor
    shares: tf.Tensor


def overlap_tile(image: tf.Tensor, predict: Predict, tiling: Tiling, finish: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
    """Answers for every pixel of one picture or volume.

    Args:
        image: ``(spatial..., channels)`` of any size, at least one pixel.
        predict: from tiles to probabilities of as many pixels.
        tiling: how it is cut.
        finish: what is kept of blended probabilities ``(pixels..., K)``, such as the best class of each.

    Returns:
        ``(spatial...)`` with what ``finish`` leaves behind it.
    """
    shape = tf.shape(image)
    rank = image.shape.rank - 1
    rows, *others = (_axis(shape[number], tiling) for number in range(rank))
    for number, axis in enumerate(others, start=1):
        image = tf.gather(image, _mirrored(shape[number], axis, tiling.margin), axis=number)
    sides = [rows.side, *(axis.side for axis in others)]
    group = tf.maximum(tiling.at_once // tf.reduce_prod(tf.stack(sides)), 1)
    mirrored_rows = _mirrored(shape[0], rows, tiling.margin)

    def blended_row(number: tf.Tensor) -> tf.Tensor:
        strip = tf.gather(image, mirrored_rows[number * rows.step : number * rows.step + rows.side])
        tiles = _cut(strip, others)
        answers = _in_groups(predict, tiles, group)
        shares = tf.reshape(rows.shares[number], [1, -1, *[1] * rank])
        return _joined(answers * shares, others)

    first = blended_row(tf.constant(0))
    kept = finish(first[:1])  # for its type
    parts = tf.TensorArray(kept.dtype, size=rows.count + 1, element_shape=[None, *kept.shape[1:]], infer_shape=False)

    def step(number, row, parts):
        parts = parts.write(number, finish(row[: rows.step]))
        carried = row[rows.step :]
        following = tf.cond(number + 1 < rows.count, lambda: blended_row(number + 1), lambda: tf.zeros_like(row))
        overlap = rows.side - rows.step
        return number + 1, tf.concat([following[:overlap] + carried, following[overlap:]], 0), parts

    row_shape = tf.TensorShape([None] * (rank + 1))
    _, last, parts = tf.while_loop(
        lambda number, row, parts: number < rows.count,
        step,
        (tf.constant(0), first, parts),
        shape_invariants=(tf.TensorShape([]), row_shape, tf.TensorShape(None)),
        parallel_iterations=1,  # more would hold more rows
    )
    parts = parts.write(rows.count, finish(last[: rows.side - rows.step]))
    whole = parts.concat()
    start = tiling.margin
    return whole[(*(slice(start, start + shape[number]) for number in range(rank)),)]


def _axis(length: tf.Tensor, tiling: Tiling) -> _Axis:
    margin, largest, multiple = tiling.margin, tiling.largest, tiling.multiple
    padded = length + 2 * margin
    is_one = padded <= largest
    side = tf.where(is_one, -(-padded // multiple) * multiple, largest)
    step = side - 2 * margin
    count = tf.where(is_one, 1, -(-(padded - side) // step) + 1)
    # It rises from 0 to 1 in the middle half of the overlap.
    places = (tf.range(2 * margin, dtype=tf.float32) + 0.5 - margin / 2) / tf.cast(max(margin, 1), tf.float32)
    rising = tf.clip_by_value(places, 0.0, 1.0)
    begins = tf.concat([tf.ones([1, 2 * margin]), tf.repeat(rising[None], count - 1, 0)], 0)
    ends = tf.concat([tf.repeat(1 - rising[None], count - 1, 0), tf.ones([1, 2 * margin])], 0)
    middle = tf.ones([count, side - 2 * margin])
    shares = tf.concat([begins, middle], 1) * tf.concat([middle, ends], 1)
    return _Axis(count, side, step, shares)


def _mirrored(length: tf.Tensor, axis: _Axis, margin: int) -> tf.Tensor:
    """Where the pixels of a padded axis come from."""
    places = tf.range((axis.count - 1) * axis.step + axis.side) - margin
    period = tf.maximum(2 * (length - 1), 1)
    return tf.minimum(length - 1 - tf.abs(tf.math.floormod(places, period) - (length - 1)), length - 1)


def _cut(strip: tf.Tensor, axes: list[_Axis]) -> tf.Tensor:
    """``(side, padded..., channels)`` to tiles ``(N, sides..., channels)``, those along the last axis next to each other."""
    tiles = strip[None]
    for number, axis in enumerate(axes, start=2):
        places = tf.range(axis.count)[:, None] * axis.step + tf.range(axis.side)
        parts = tf.gather(tiles, places, axis=number)  # (N, ..., count, side, ...)
        parts = tf.transpose(parts, [0, number, *range(1, number), *range(number + 1, parts.shape.rank)])
        tiles = tf.reshape(parts, tf.concat([[-1], tf.shape(parts)[2:]], 0))
    return tiles


def _in_groups(predict: Predict, tiles: tf.Tensor, group: tf.Tensor) -> tf.Tensor:
    """The answers of all tiles, of which ``group`` are computed at a time."""
    count = tf.shape(tiles)[0]
    parts = tf.TensorArray(tf.float32, size=-(-count // group), infer_shape=False)
    _, parts = tf.while_loop(
        lambda number, parts: number * group < count,
        lambda number, parts: (number + 1, parts.write(number, predict(tiles[number * group : (number + 1) * group]))),
        (tf.constant(0), parts),
        parallel_iterations=1,
    )
    answers = parts.concat()
    answers.set_shape([None] * tiles.shape.rank)
    return answers


def _joined(answers: tf.Tensor, axes: list[_Axis]) -> tf.Tensor:
    """The inverse of ``_cut``, the overlaps blended: ``(N, sides..., K)`` to ``(side, padded..., K)``."""
    for number, axis in reversed(list(enumerate(axes, start=2))):
        parts = tf.reshape(answers, tf.concat([[-1, axis.count], tf.shape(answers)[1:]], 0))
        others = [each for each in range(parts.shape.rank) if each not in (1, number + 1)]
        frames = tf.transpose(parts, [*others, 1, number + 1]) * axis.shares  # (N, ..., count, side)
        summed = tf.signal.overlap_and_add(frames, axis.step)
        order = list(range(len(others)))
        order.insert(number, len(others))
        answers = tf.transpose(summed, order)
    return answers[0]
