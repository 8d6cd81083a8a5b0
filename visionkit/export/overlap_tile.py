"""Images and volumes of any size, tile by tile, inside the graph: U-Net's overlap-tile strategy.

U-Net: Convolutional Networks for Biomedical Image Segmentation, Ronneberger et al. 2015, https://arxiv.org/abs/1505.04597,
figure 2.

Pixels beyond the border are mirrored. An image that fits into one tile is predicted as a whole. Otherwise tiles overlap by
twice the margin and are blended in the middle of that overlap, so that no tile decides on pixels with little context. Memory
holds the probabilities of one tile, and of the strips in which finished tiles overlap later ones: besides the image and its
mask, it grows slowly, with the width of an image and not with its area.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import tensorflow as tf

Predict = Callable[[tf.Tensor], tf.Tensor]  # tiles (N, sides..., channels) to probabilities (N, sides..., K)


class Tiling(NamedTuple):
    """How an axis is covered by tiles.

    Attributes:
        margin: least number of pixels of context around those that a tile predicts.
        largest: side of the largest tile in pixels, a multiple of ``multiple``, at least four margins.
        multiple: the sides of the network's input are multiples of it.
    """

    margin: int
    largest: int
    multiple: int


class _Axis(NamedTuple):
    """Tiles along one axis of a padded image.

    Attributes:
        count: number of tiles.
        blocks: number of blocks of the prediction; of several, the last one is what the last tile carries over.
        side: side of a tile.
        step: distance between tiles, and side of a block.
        weights: weight of each pixel of each tile in the prediction, ``(count, side)``.
        sources: positions on the axis from which the padded axis takes its pixels.
    """

    count: tf.Tensor
    blocks: tf.Tensor
    side: tf.Tensor
    step: tf.Tensor
    weights: tf.Tensor
    sources: tf.Tensor


def overlap_tile(
    image: tf.Tensor, predict: Predict, tiling: Tiling, finish: Callable[[tf.Tensor], tf.Tensor], *, num_classes: int
) -> tf.Tensor:
    """Predict every pixel of one image or volume.

    Args:
        image: ``(spatial..., channels)`` of any size, at least one pixel.
        predict: maps a tile, as a batch of one, to probabilities of its pixels.
        tiling: how the image is cut.
        finish: maps blended probabilities ``(pixels..., K)`` to what is kept of them, such as the best class of each pixel.
        num_classes: ``K``.

    Returns:
        ``(spatial..., rest...)``, where ``finish`` returns ``(pixels..., rest...)``.
    """
    rank = image.shape.rank - 1
    shape = tf.shape(image)[:rank]
    axes = [_axis(shape[number], tiling) for number in range(rank)]
    example = finish(tf.zeros([*[1] * rank, num_classes]))  # for its dtype and shape
    num_blocks = math.prod(axis.blocks for axis in axes)
    sides = tf.stack([*(axis.side for axis in axes), num_classes])

    def step(number, blocks, carried):
        position = _position_of(number, axes)

        def tile():
            return _weighted(predict(_cut(image, position, axes)[None])[0], position, axes)

        is_tile = tf.reduce_all(tf.stack([at < axis.count for at, axis in zip(position, axes, strict=True)]))
        prediction, carried = _blended(tf.cond(is_tile, tile, lambda: tf.zeros(sides)), position, axes, carried)
        return number + 1, blocks.write(number, finish(prediction)), carried

    def array(dtype: tf.DType, size: tf.Tensor, behind: tf.TensorShape) -> tf.TensorArray:
        shape = tf.TensorShape([None] * rank).concatenate(behind)
        return tf.TensorArray(dtype, size, element_shape=shape, infer_shape=False)

    blocks = array(example.dtype, num_blocks, example.shape[rank:])
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
    # The weight rises from 0 to 1 in the middle half of the overlap.
    offsets = (tf.range(2 * margin, dtype=tf.float32) + 0.5 - margin / 2) / tf.cast(max(margin, 1), tf.float32)
    rising = tf.clip_by_value(offsets, 0.0, 1.0)
    begins = tf.concat([tf.ones([1, 2 * margin]), tf.repeat(rising[None], count - 1, 0)], 0)
    ends = tf.concat([tf.repeat(1 - rising[None], count - 1, 0), tf.ones([1, 2 * margin])], 0)
    middle = tf.ones([count, side - 2 * margin])
    weights = tf.concat([begins, middle], 1) * tf.concat([middle, ends], 1)
    return _Axis(count, blocks, side, step, weights, mirrored(length, (count - 1) * step + side, margin))


def mirrored(length: tf.Tensor, padded: tf.Tensor, margin: int | tf.Tensor) -> tf.Tensor:
    """Where the pixels of a padded axis come from: the axis is mirrored as often as needed; a single pixel is repeated.

    Args:
        length: length of the axis, at least 1.
        padded: length of the padded axis.
        margin: number of padded pixels before the first one.

    Returns:
        int32 ``(padded,)``: positions on the axis.
    """
    positions = tf.range(padded) - margin
    period = tf.maximum(2 * (length - 1), 1)
    return tf.minimum(length - 1 - tf.abs(tf.math.floormod(positions, period) - (length - 1)), length - 1)


def _position_of(number: tf.Tensor, axes: list[_Axis]) -> list[tf.Tensor]:
    """The position of a block along each axis; blocks are numbered along the last axis first."""
    position = []
    for axis in reversed(axes):
        position.insert(0, number % axis.blocks)
        number = number // axis.blocks
    return position


def _cut(image: tf.Tensor, position: list[tf.Tensor], axes: list[_Axis]) -> tf.Tensor:
    """A tile ``(sides..., channels)``."""
    for number, (at, axis) in enumerate(zip(position, axes, strict=True)):
        image = tf.gather(image, axis.sources[at * axis.step : at * axis.step + axis.side], axis=number)
    return image


def _weighted(prediction: tf.Tensor, position: list[tf.Tensor], axes: list[_Axis]) -> tf.Tensor:
    """The prediction of a tile ``(sides..., K)``, each pixel times its weight."""
    for number, (at, axis) in enumerate(zip(position, axes, strict=True)):
        prediction *= tf.reshape(axis.weights[at], [-1, *[1] * (len(axes) - number)])
    return prediction


def _blended(
    prediction: tf.Tensor, position: list[tf.Tensor], axes: list[_Axis], carried: tuple[tf.TensorArray, ...]
) -> tuple[tf.Tensor, tuple[tf.TensorArray, ...]]:
    """Add what earlier tiles carried over to a tile's prediction, ``(steps..., K)``; and return what it carries over itself.

    This goes axis by axis from the last: what is carried over along an axis is already blended along the axes after it, each
    of whose blocks has an element of ``carried``.
    """
    left, here = list(carried), tf.constant(0)
    blocks_after = 1
    for number, axis in reversed(list(enumerate(axes))):
        overlap = axis.side - axis.step
        first, middle, last = tf.split(prediction, tf.stack([overlap, axis.step - overlap, overlap]), axis=number)
        first = tf.cond(position[number] > 0, partial(_add, first, left[number], here), partial(tf.identity, first))
        left[number] = left[number].write(here, last)
        prediction = tf.concat([first, middle], number)
        here += position[number] * blocks_after
        blocks_after *= axis.blocks
    return prediction, tuple(left)


def _add(values: tf.Tensor, carried: tf.TensorArray, here: tf.Tensor) -> tf.Tensor:
    return values + carried.read(here)


def _joined(blocks: tf.Tensor, axes: list[_Axis]) -> tf.Tensor:
    """``(N, steps..., K...)`` to ``(padded..., K...)``."""
    rank = len(axes)
    parts = tf.reshape(blocks, tf.concat([tf.stack([axis.blocks for axis in axes]), tf.shape(blocks)[1:]], 0))
    behind = range(2 * rank, parts.shape.rank)
    beside = [axis for number in range(rank) for axis in (number, number + rank)]
    padded = tf.stack([axis.blocks * axis.step for axis in axes])
    return tf.reshape(tf.transpose(parts, [*beside, *behind]), tf.concat([padded, tf.shape(blocks)[rank + 1 :]], 0))
