"""Images and volumes of any size, tile by tile, inside the graph: U-Net's overlap-tile strategy.

U-Net: Convolutional Networks for Biomedical Image Segmentation, Ronneberger et al. 2015, https://arxiv.org/abs/1505.04597,
figure 2.

What lies beyond the border is mirrored. What fits into one tile is seen as a whole. Else tiles overlap by twice the margin, and
fade into each other in the middle of that overlap, so that no tile answers where it sees little around. Of probabilities one
tile is held, and the strips in which finished tiles overlap those that are to come: beside the image and its mask, memory
grows with the width of an image, not with its area, and slowly.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import tensorflow as tf

Predict = Callable[[tf.Tensor], tf.Tensor]  # tiles (N, sides..., channels) to probabilities (N, sides..., K)


class Tiling(NamedTuple):
    """How an axis is covered.

    Attributes:
        margin: pixels that a tile sees beyond what it answers for, at least.
        largest: side of the largest tile in pixels, a multiple of ``multiple``, at least four margins.
        multiple: what the network's sides are multiples of.
    """

    margin: int
    largest: int
    multiple: int


class _Axis(NamedTuple):
    """Tiles along one axis of a padded image.

    Attributes:
        count: of the tiles.
        blocks: into which the answer is parted; the last one of several is what the last tile leaves to the next.
        side: of a tile.
        step: from a tile to the next, and the side of a block.
        shares: of each pixel of each tile in the answer, ``(count, side)``.
        places: where the pixels of the padded axis come from.
    """

    count: tf.Tensor
    blocks: tf.Tensor
    side: tf.Tensor
    step: tf.Tensor
    shares: tf.Tensor
    places: tf.Tensor


def overlap_tile(
    image: tf.Tensor, predict: Predict, tiling: Tiling, finish: Callable[[tf.Tensor], tf.Tensor], *, num_classes: int
) -> tf.Tensor:
    """Answers for every pixel of one image or volume.

    Args:
        image: ``(spatial..., channels)`` of any size, at least one pixel.
        predict: from a tile, as a batch of one, to probabilities of as many pixels.
        tiling: how it is cut.
        finish: what is kept of blended probabilities ``(pixels..., K)``, such as the best class of each.
        num_classes: ``K``.

    Returns:
        ``(spatial...)`` with what ``finish`` leaves behind it.
    """
    rank = image.shape.rank - 1
    shape = tf.shape(image)[:rank]
    axes = [_axis(shape[number], tiling) for number in range(rank)]
    kept = finish(tf.zeros([*[1] * rank, num_classes]))  # for its type
    num_blocks = math.prod(axis.blocks for axis in axes)
    sides = tf.stack([*(axis.side for axis in axes), num_classes])

    def step(number, blocks, carried):
        place = _place(number, axes)

        def tile():
            return _shared(predict(_cut(image, place, axes)[None])[0], place, axes)

        is_tile = tf.reduce_all(tf.stack([at < axis.count for at, axis in zip(place, axes, strict=True)]))
        answer, carried = _blended(tf.cond(is_tile, tile, lambda: tf.zeros(sides)), place, axes, carried)
        return number + 1, blocks.write(number, finish(answer)), carried

    def array(dtype: tf.DType, size: tf.Tensor, behind: tf.TensorShape) -> tf.TensorArray:
        shape = tf.TensorShape([None] * rank).concatenate(behind)
        return tf.TensorArray(dtype, size, element_shape=shape, infer_shape=False)

    blocks = array(kept.dtype, num_blocks, kept.shape[rank:])
    carried = tuple(array(tf.float32, math.prod(each.blocks for each in axes[n + 1 :]), num_classes) for n in range(rank))
    _, blocks, _ = tf.while_loop(
        lambda number, *_: number < num_blocks,
        step,
        (tf.constant(0), blocks, carried),
        parallel_iterations=1,  # a tile blends into those before it
    )
    whole = _joined(blocks.stack(), axes)
    start = tiling.margin
    return whole[(*(slice(start, start + shape[number]) for number in range(rank)),)]


def _axis(length: tf.Tensor, tiling: Tiling) -> _Axis:
    margin, largest, multiple = tiling.margin, tiling.largest, tiling.multiple
    padded = length + 2 * margin
    is_one = padded <= largest
    side = tf.where(is_one, -(-padded // multiple) * multiple, largest)
    step = tf.where(is_one, side, side - 2 * margin)
    count = tf.where(is_one, 1, -(-(padded - side) // (largest - 2 * margin)) + 1)
    blocks = tf.where(is_one, 1, count + 1)
    # It rises from 0 to 1 in the middle half of the overlap.
    places = (tf.range(2 * margin, dtype=tf.float32) + 0.5 - margin / 2) / tf.cast(max(margin, 1), tf.float32)
    rising = tf.clip_by_value(places, 0.0, 1.0)
    begins = tf.concat([tf.ones([1, 2 * margin]), tf.repeat(rising[None], count - 1, 0)], 0)
    ends = tf.concat([tf.repeat(1 - rising[None], count - 1, 0), tf.ones([1, 2 * margin])], 0)
    middle = tf.ones([count, side - 2 * margin])
    shares = tf.concat([begins, middle], 1) * tf.concat([middle, ends], 1)
    return _Axis(count, blocks, side, step, shares, mirrored(length, (count - 1) * step + side, margin))


def mirrored(length: tf.Tensor, padded: tf.Tensor, margin: int | tf.Tensor) -> tf.Tensor:
    """Where the pixels of a padded axis come from: the border is mirrored as often as it takes, and one pixel is repeated.

    Args:
        length: of the axis, at least 1.
        padded: pixels that it is to have.
        margin: how many of them lie before its first one.

    Returns:
        int32 ``(padded,)``: places on the axis.
    """
    places = tf.range(padded) - margin
    period = tf.maximum(2 * (length - 1), 1)
    return tf.minimum(length - 1 - tf.abs(tf.math.floormod(places, period) - (length - 1)), length - 1)


def _place(number: tf.Tensor, axes: list[_Axis]) -> list[tf.Tensor]:
    """The place of a block along each axis; they are numbered along the last axis first."""
    place = []
    for axis in reversed(axes):
        place.insert(0, number % axis.blocks)
        number = number // axis.blocks
    return place


def _cut(image: tf.Tensor, place: list[tf.Tensor], axes: list[_Axis]) -> tf.Tensor:
    """A tile ``(sides..., channels)``."""
    for number, (at, axis) in enumerate(zip(place, axes, strict=True)):
        image = tf.gather(image, axis.places[at * axis.step : at * axis.step + axis.side], axis=number)
    return image


def _shared(answer: tf.Tensor, place: list[tf.Tensor], axes: list[_Axis]) -> tf.Tensor:
    """A tile's answer ``(sides..., K)``, each pixel times its share."""
    for number, (at, axis) in enumerate(zip(place, axes, strict=True)):
        answer *= tf.reshape(axis.shares[at], [-1, *[1] * (len(axes) - number)])
    return answer


def _blended(
    answer: tf.Tensor, place: list[tf.Tensor], axes: list[_Axis], carried: tuple[tf.TensorArray, ...]
) -> tuple[tf.Tensor, tuple[tf.TensorArray, ...]]:
    """A tile's answer with what the tiles before it left to it, ``(steps..., K)``; and what it leaves to those behind it.

    Axis by axis from the last: what is left along an axis is already blended along those after it, of whose blocks each has a
    place in ``carried``.
    """
    left, here = list(carried), tf.constant(0)
    blocks_after = 1
    for number, axis in reversed(list(enumerate(axes))):
        overlap = axis.side - axis.step
        first, middle, last = tf.split(answer, tf.stack([overlap, axis.step - overlap, overlap]), axis=number)
        first = tf.cond(place[number] > 0, partial(_plus, first, left[number], here), partial(tf.identity, first))
        left[number] = left[number].write(here, last)
        answer = tf.concat([first, middle], number)
        here += place[number] * blocks_after
        blocks_after *= axis.blocks
    return answer, tuple(left)


def _plus(values: tf.Tensor, carried: tf.TensorArray, here: tf.Tensor) -> tf.Tensor:
    return values + carried.read(here)


def _joined(blocks: tf.Tensor, axes: list[_Axis]) -> tf.Tensor:
    """``(N, steps..., K...)`` to ``(padded..., K...)``."""
    rank = len(axes)
    parts = tf.reshape(blocks, tf.concat([tf.stack([axis.blocks for axis in axes]), tf.shape(blocks)[1:]], 0))
    behind = range(2 * rank, parts.shape.rank)
    beside = [axis for number in range(rank) for axis in (number, number + rank)]
    padded = tf.stack([axis.blocks * axis.step for axis in axes])
    return tf.reshape(tf.transpose(parts, [*beside, *behind]), tf.concat([padded, tf.shape(blocks)[rank + 1 :]], 0))
