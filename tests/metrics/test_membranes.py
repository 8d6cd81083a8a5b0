"""Errors of membranes by hand, against scikit-image, pair by pair, and the topology that warping must keep."""

from itertools import combinations

import numpy as np
import pytest
from scipy import ndimage
from skimage.metrics import adapted_rand_error

from visionkit.errors import UserError
from visionkit.metrics.membranes import pixel_error, rand_error, warped, warping_error
from visionkit.ops.colors import IGNORE

ERRORS = [pixel_error, rand_error, warping_error]
EIGHT = np.ones((3, 3))


def two_cells(column=6, thickness=2, shape=(9, 15)) -> np.ndarray:
    mask = np.ones(shape, np.uint8)
    mask[:, column : column + thickness] = 0
    return mask


def blobs(seed, shape=(40, 50), smooth=1.5) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=shape)
    return (ndimage.gaussian_filter(noise, smooth) > -0.05).astype(np.uint8)


def topology(cells) -> tuple[int, int]:
    """How many cells there are, and how many membranes, that of the surroundings among them."""
    padded = np.pad(cells, 1)
    return ndimage.label(padded)[1], ndimage.label(padded == 0, EIGHT)[1]


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("truth", [np.zeros((0, 0)), np.zeros((0, 5)), np.full((3, 4), IGNORE)])
def test_without_counted_pixels_errors_are_nan(error, truth):
    assert np.isnan(error(truth, np.zeros(truth.shape)))


@pytest.mark.parametrize("error", ERRORS)
def test_a_perfect_prediction_has_no_error(error):
    for truth in (two_cells(), blobs(0), np.ones((4, 5))):
        assert error(truth, truth) == 0


@pytest.mark.parametrize("error", ERRORS)
def test_other_masks_are_an_error(error):
    with pytest.raises(UserError, match="prediction holds 255; expected 0"):
        error(two_cells(), 255 * two_cells())
    with pytest.raises(UserError, match="truth holds 2"):
        error(2 * two_cells(), two_cells())
    with pytest.raises(UserError, match=r"shape \(2, 3, 4\)"):
        error(np.zeros((2, 3, 4)), np.zeros((2, 3, 4)))
    with pytest.raises(UserError, match=r"shape \(9, 15\)"):
        error(two_cells(), np.zeros((9, 14)))


def test_pixels_by_hand():
    truth, prediction = np.array([[1, 1, 0, 0, IGNORE]]), np.array([[1, 0, 0, 0, 1]])
    assert pixel_error(truth, prediction) == 1 / 4


def test_pairs_by_hand():
    """Two cells of two pixels: 2 pairs. Joined, the prediction has 6 pairs of these pixels, both true ones among them."""
    truth, joined, split = np.array([[1, 1, 0, 1, 1]]), np.ones((1, 5)), np.array([[1, 0, 0, 1, 1]])
    assert rand_error(truth, joined) == pytest.approx(1 - 2 * 2 / (2 + 6))
    assert rand_error(truth, split) == pytest.approx(1 - 2 * 1 / (2 + 1))
    assert np.isnan(rand_error(np.eye(3), np.eye(3)))  # cells of one pixel have no pairs
    assert rand_error(truth, np.zeros((1, 5))) == 1
    ignored = np.array([[1, 1, 0, IGNORE, IGNORE]])
    assert rand_error(ignored, joined) == 0


def alone(labels) -> np.ndarray:
    """Each pixel of the membrane a segment of its own."""
    membrane = labels == 0
    return np.where(membrane, labels.max() + np.cumsum(membrane).reshape(labels.shape), labels)


@pytest.mark.parametrize("seed", range(4))
def test_rand_error_is_that_of_scikit_image(seed):
    truth, prediction = blobs(seed), blobs(seed + 100)
    expected = adapted_rand_error(ndimage.label(truth)[0], alone(ndimage.label(prediction)[0]))[0]
    assert 0 < expected < 1
    assert rand_error(truth, prediction) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(4))
def test_rand_error_is_that_of_all_pairs(seed):
    rng = np.random.default_rng(seed)
    truth, prediction = (rng.random((6, 7)) < 0.7 for _ in range(2))
    true, labels = (ndimage.label(mask)[0] for mask in (truth, prediction))
    pairs = list(combinations(np.argwhere(truth).tolist(), 2))
    together = np.array([(true[*a] == true[*b], labels[*a] == labels[*b] != 0) for a, b in pairs])
    precision, recall = together.all(axis=1).sum() / together.sum(axis=0)[::-1]
    assert rand_error(truth, prediction) == pytest.approx(1 - 2 * precision * recall / (precision + recall))


def test_a_pixel_that_merges_cells_costs_little_pixel_error_and_much_rand_error():
    truth = two_cells(7, 1)
    joined = truth.copy()
    joined[4, 7] = 1
    assert pixel_error(truth, joined) == pytest.approx(1 / truth.size)
    assert rand_error(truth, joined) > 0.3
    assert warping_error(truth, joined) == pytest.approx(1 / truth.size)


def test_a_shifted_or_swollen_membrane_costs_nothing():
    truth = two_cells(6, 2)
    for prediction in (two_cells(7, 2), two_cells(8, 2), two_cells(4, 2), two_cells(4, 6), two_cells(6, 1)):
        assert pixel_error(truth, prediction) > 0
        assert warping_error(truth, prediction) == 0
        np.testing.assert_array_equal(warped(truth, prediction), prediction)


def test_merges_splits_and_appearing_or_vanishing_cells_cost_what_cannot_be_warped():
    truth, pixel = two_cells(6, 2), 1 / two_cells().size
    merged = truth.copy()
    merged[3:6, 6:8] = 1  # a gap three pixels high: a membrane one pixel thick must stay
    assert warping_error(truth, merged) == pytest.approx(3 * pixel)
    np.testing.assert_allclose(warping_error(truth, np.ones_like(truth)), len(truth) * pixel)  # no membrane at all

    hole = truth.copy()
    hole[3:6, 11:14] = 0  # an island of membrane; the way to it through the surroundings must not open
    assert warping_error(truth, hole) >= pixel
    assert warping_error(truth, truth & ~np.pad([[True]], ((4, 4), (2, 12)))) == pytest.approx(pixel)

    small = np.zeros((7, 7), np.uint8)
    small[2:5, 2:5] = 1
    assert warping_error(small, np.zeros((7, 7))) == pytest.approx(1 / 49)  # a vanished cell shrinks to a pixel


def test_a_thin_oblique_membrane_separates_cells():
    truth = 1 - np.eye(6, dtype=np.uint8)
    prediction = truth.copy()
    prediction[2, 2] = 1
    assert topology(truth) == (2, 1)
    assert warping_error(truth, prediction) == pytest.approx(1 / 36)


def test_ignored_pixels_neither_count_nor_change():
    truth, prediction = two_cells(6, 2), two_cells(6, 2)
    truth[0:3], prediction[0:3, :6] = IGNORE, 0
    assert [error(truth, prediction) for error in ERRORS] == [0, 0, 0]
    assert not warped(truth, prediction)[0:3].any()


@pytest.mark.parametrize("seed", range(6))
def test_warping_keeps_the_topology_and_ends_where_no_simple_point_is_left(seed):
    truth, prediction = blobs(seed), blobs(seed + 50)
    truth[:10], prediction[:10] = two_cells(20, 2, (10, 50)), two_cells(21, 2, (10, 50))
    cells = warped(truth, prediction)
    assert topology(cells) == topology(truth)
    assert (cells == prediction)[truth == prediction].all()
    assert 0 < warping_error(truth, prediction) < pixel_error(truth, prediction)
    for row, column in np.argwhere(cells != prediction):
        assert not keeps_topology(cells, row, column)


def keeps_topology(cells, row, column) -> bool:
    """By the definition: around the pixel one piece of cell touches it, and one piece of membrane."""
    around = np.pad(cells, 1)[row : row + 3, column : column + 3].copy()
    around[1, 1] = False
    touching = set(ndimage.label(around)[0][[0, 1, 1, 2], [1, 0, 2, 1]]) - {0}
    membrane = ~around
    membrane[1, 1] = False
    return len(touching) == 1 and ndimage.label(membrane, EIGHT)[1] == 1


@pytest.mark.parametrize("center", [False, True])
def test_every_neighborhood_is_judged_as_by_the_definition(center):
    """Of all 256: only the middle may change, and does where that keeps the topology."""
    for number in range(256):
        bits = np.array([number >> place & 1 for place in range(8)], bool)
        truth = np.insert(bits, 4, center).reshape(3, 3)
        prediction = truth.copy()
        prediction[1, 1] = not center
        assert warped(truth, prediction)[1, 1] == (center != keeps_topology(truth, 1, 1))


@pytest.mark.parametrize("seed", range(8))
def test_warping_comes_close_to_the_best_of_all_orders(seed):
    """All images that can be reached, one simple point after the other, are searched."""
    rng = np.random.default_rng(seed)
    truth = rng.random((5, 5)) < 0.6
    prediction = truth ^ (rng.random((5, 5)) < 0.35)
    reached, front = {truth.tobytes()}, [truth]
    while front:
        cells = front.pop()
        for row, column in np.argwhere(cells != prediction):
            if keeps_topology(cells, row, column):
                after = cells.copy()
                after[row, column] ^= True
                if after.tobytes() not in reached:
                    reached.add(after.tobytes())
                    front.append(after)
    best = min(np.count_nonzero(np.frombuffer(cells, bool) != prediction.ravel()) for cells in reached)
    cells = warped(truth, prediction)
    assert cells.tobytes() in reached
    assert best <= np.count_nonzero(cells != prediction) <= best + 2
