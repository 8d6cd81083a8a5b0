"""Tiles give the prediction of a whole image, for every size and rank, while memory holds few of them."""

import numpy as np
import pytest
import tensorflow as tf

from visionkit.export.overlap_tile import Tiling, overlap_tile
from visionkit.tasks.segmentation.export import LARGEST, MARGIN, best_class, tiling_of

SMALL = {2: Tiling(3, 16, 4), 3: Tiling(4, 16, 4)}


def means_of(width: int, rank: int):
    """A network with a receptive field of ``width``, within the margin: the mean around a pixel, and 1 minus it."""

    def predict(tiles):
        kernel = tf.ones([width] * rank + [1, 1]) / width**rank
        mean = (tf.nn.conv2d if rank == 2 else tf.nn.conv3d)(tiles, kernel, [1] * (rank + 2), "SAME")
        return tf.concat([mean, 1 - mean], -1)

    return predict


def by_hand(values: np.ndarray, width: int) -> np.ndarray:
    """The same for a whole image ``(spatial..., 1)``, mirrored at its borders by NumPy."""
    reach = width // 2
    padded = np.pad(values[..., 0], reach, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (width,) * padded.ndim)
    mean = windows.mean(axis=tuple(range(padded.ndim, 2 * padded.ndim)))
    return np.stack([mean, 1 - mean], -1)


SHAPES = [(1, 1), (1, 40), (2, 3), (10, 10), (11, 10), (16, 17), (37, 23), (64, 5), (50, 81)]
VOLUMES = [(1, 1, 1), (3, 4, 5), (8, 9, 20), (27, 12, 7)]


@pytest.mark.parametrize("shape", SHAPES + VOLUMES, ids=str)
def test_small_networks_predict_as_for_the_whole_image(rng, shape):
    values = rng.random((*shape, 1)).astype(np.float32)
    width = 5
    prediction = overlap_tile(tf.constant(values), means_of(width, len(shape)), SMALL[len(shape)], tf.identity, num_classes=2)
    np.testing.assert_allclose(prediction, by_hand(values, width), atol=1e-5)


@pytest.mark.parametrize("shape", [(5, 3), (37, 23), (9, 20, 8)], ids=str)
def test_in_a_graph_of_unknown_sides_it_is_the_same(rng, shape):
    rank = len(shape)
    values = rng.random((*shape, 1)).astype(np.float32)
    prediction = tf.function(
        lambda x: overlap_tile(x, means_of(3, rank), SMALL[rank], tf.identity, num_classes=2),
        input_signature=[tf.TensorSpec([None] * rank + [1])],
    )
    np.testing.assert_allclose(prediction(values), by_hand(values, 3), atol=1e-5)
    best = overlap_tile(tf.constant(values), means_of(3, rank), SMALL[rank], best_class, num_classes=2)
    assert best.dtype == tf.uint8 and best.shape == shape
    assert (best.numpy() == by_hand(values, 3).argmax(-1)).mean() > 0.99  # but for ties


def test_predictions_near_the_border_of_a_tile_have_no_weight(rng):
    """The network marks only the pixels near the border of its tile."""
    tiling = Tiling(8, 48, 4)

    def near(tiles):
        shape = tf.shape(tiles)
        rows = tf.minimum(tf.range(shape[1]), shape[1] - 1 - tf.range(shape[1]))
        columns = tf.minimum(tf.range(shape[2]), shape[2] - 1 - tf.range(shape[2]))
        least = tf.minimum(rows[:, None], columns[None])
        return tf.ones([shape[0], 1, 1, 1]) * tf.cast(least < tiling.margin // 2, tf.float32)[None, ..., None]

    for sides in ((200, 131), (33, 90), (1, 1)):
        prediction = overlap_tile(tf.zeros([*sides, 1]), near, tiling, tf.identity, num_classes=1)
        assert prediction.shape == (*sides, 1) and not prediction.numpy().any()


def test_weights_of_all_tiles_sum_to_one_and_change_gradually():
    def numbered(tiles):  # tiles differ, wherever they lie: their predictions must blend
        return tiles[:, :1, :1] * tf.ones_like(tiles)

    tiling = Tiling(4, 24, 4)
    values = np.repeat(np.repeat(np.arange(90, dtype=np.float32)[:, None, None], 70, 1), 1, 2)
    prediction = overlap_tile(tf.constant(values), numbered, tiling, tf.identity, num_classes=1).numpy()[:, 0, 0]
    steps = np.abs(np.diff(prediction))  # from one tile's number to the next, in margin pixels
    assert steps.max() <= 16 / tiling.margin + 1e-4
    ones = overlap_tile(tf.constant(values), tf.ones_like, tiling, tf.identity, num_classes=1)
    np.testing.assert_allclose(ones, np.ones_like(values), atol=1e-6)


def test_large_images_are_predicted_one_tile_at_a_time():
    """Neither the network nor ``finish`` ever gets more than one tile."""
    tiling, tile_shapes, finished = Tiling(4, 32, 4), [], []

    def predict(tiles):
        tile_shapes.append(tuple(tiles.shape))
        return tf.repeat(tiles, 7, -1)

    def finish(probabilities):
        finished.append(tuple(probabilities.shape))
        return best_class(probabilities)

    prediction = overlap_tile(tf.zeros([900, 120, 1]), predict, tiling, finish, num_classes=7)
    assert prediction.shape == (900, 120)
    assert set(tile_shapes) == {(1, 32, 32, 1)} and len(tile_shapes) == 38 * 5  # each tile once
    assert set(finished) == {(1, 1, 7), (24, 24, 7)}


@pytest.mark.parametrize("rank", [2, 3])
@pytest.mark.parametrize("multiple", [1, 2, 12, 32, 256, 1024])
def test_every_multiple_gets_tiles_that_do_not_overlap_threefold(rank, multiple):
    tiling = tiling_of(rank, multiple)
    assert tiling.largest % multiple == 0 and tiling.largest >= 4 * tiling.margin
    assert tiling.largest <= max(LARGEST[rank], multiple) and tiling.margin == MARGIN[rank]
