"""MixUp, CutMix and Mosaic against hand-worked cases and NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.scenes import check_boxes, check_mask, scene
from visionkit.data.index import NO_OBJECTS, Objects
from visionkit.data.pipeline import mixing
from visionkit.data.pipeline.mixing import Mixture, Tiles, joined, mosaic, sample_tiles
from visionkit.data.pipeline.samples import Sample

SEEDS = st.integers(0, 2**32 - 1)


def mixture(partners, shares=None, patches=None) -> Mixture:
    number = len(partners)
    shares = np.ones(number, np.float32) if shares is None else np.array(shares, np.float32)
    patches = np.zeros((number, 4), np.float32) if patches is None else np.array(patches, np.float32)
    return Mixture(np.array(partners, np.int32), shares, patches)


# MixUp and CutMix


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_an_empty_batch_stays_empty(kind):
    parameters = mixing.sample_mixture(kind, 0, np.random.default_rng(0))
    assert mixing.mix(np.zeros((0, 4, 4, 3), np.uint8), parameters).shape == (0, 4, 4, 3)
    assert mixing.mix_labels(np.zeros(0, np.int32), parameters, 3).shape == (0, 3)


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_a_batch_of_one_is_mixed_with_itself(kind, photograph):
    parameters = mixing.sample_mixture(kind, 1, np.random.default_rng(0))
    mixed = mixing.mix(photograph[None], parameters)
    assert np.abs(mixed[0].astype(int) - photograph).max() <= 1
    np.testing.assert_allclose(mixing.mix_labels(np.array([2]), parameters, 3), [[0, 0, 1]], atol=1e-6)


def test_mixup_by_hand():
    images = np.array([100, 200], np.uint8).reshape(2, 1, 1, 1).repeat(3, axis=3)
    parameters = mixture([1, 0], [0.75, 1.0])
    assert mixing.mix(images, parameters)[:, 0, 0, 0].tolist() == [125, 200]
    np.testing.assert_allclose(mixing.mix_labels(np.array([0, 2]), parameters, 3), [[0.75, 0, 0.25], [0, 0, 1]])


def test_cutmix_by_hand():
    images = np.array([100, 200], np.uint8).reshape(2, 1, 1, 1) * np.ones((2, 4, 4, 3), np.uint8)
    parameters = mixture([1, 0], patches=[[0.25, 0.5, 1.0, 1.0], [0, 0, 0, 0]])
    first, second = mixing.mix(images, parameters)[..., 0]
    assert first.tolist() == [[100] * 4, [100] * 4, [100, 200, 200, 200], [100, 200, 200, 200]]
    assert (second == 200).all()
    np.testing.assert_allclose(mixing.mix_labels(np.array([0, 1]), parameters, 2), [[10 / 16, 6 / 16], [0, 1]])


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(1, 9), st.sampled_from(["mixup", "cutmix"]))
def test_mixing_agrees_with_numpy_and_labels_with_pixels(seed, number, kind):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (number, 20, 30, 3), dtype=np.uint8)
    before = images.copy()
    parameters = mixing.sample_mixture(kind, number, rng)
    mixed = mixing.mix(images, parameters)
    np.testing.assert_array_equal(images, before)
    assert mixed.dtype == np.uint8 and mixed.shape == images.shape
    assert sorted(parameters.partners) == list(range(number))
    shares = parameters.shares[:, None, None, None].astype(np.float64)
    expected = shares * images + (1 - shares) * images[parameters.partners]
    left, top, right, bottom = np.round(parameters.patches * (30, 20, 30, 20)).T[..., None, None].astype(int)
    y, x = np.arange(20)[:, None], np.arange(30)
    inside = (left <= x) & (x < right) & (top <= y) & (y < bottom)
    expected = np.where(inside[..., None], images[parameters.partners], expected)
    assert np.abs(mixed - expected).max() <= 0.51
    if kind == "cutmix":  # rounding moves each edge by half a pixel at most
        assert np.abs(1 - inside.mean(axis=(1, 2)) - parameters.own_shares()).max() <= 1 / 20 + 1 / 30
    else:
        assert (parameters.shares >= 0.5).all() and not parameters.patches.any()
    labels = rng.integers(0, 5, number)
    mixed_labels = mixing.mix_labels(labels, parameters, 5)
    np.testing.assert_allclose(mixed_labels.sum(axis=1), 1, atol=1e-6)
    one_hot, own = np.eye(5)[labels], parameters.own_shares()[:, None]
    np.testing.assert_allclose(mixed_labels, own * one_hot + (1 - own) * one_hot[parameters.partners], atol=1e-6)
    assert mixed_labels.dtype == np.float32


def test_the_shares_are_spread_as_in_the_papers():
    mixup, cutmix = (mixing.sample_mixture(kind, 20000, np.random.default_rng(0)) for kind in ("mixup", "cutmix"))
    assert mixup.own_shares().mean() == pytest.approx(0.9, abs=0.03)  # of beta(0.2, 0.2), the larger part
    assert (mixup.own_shares() > 0.99).mean() > 0.4
    own = cutmix.own_shares()
    assert own.mean() == pytest.approx(0.5, abs=0.02) and own.std() == pytest.approx(12**-0.5, abs=0.02)


# Mosaic

SIZE = 40
COLORS = np.arange(10, 250, 30, dtype=np.uint8)


def constant(number: int, label: int = 0) -> Sample:
    """An image of one color, with one object that fills it."""
    image = np.full((SIZE, SIZE, 3), COLORS[number], np.uint8)
    keypoints = np.array([[[0.5, 0.5, 2.0], [0, 0, 0]]])
    objects = Objects(np.array([[0.0, 0.0, 1.0, 1.0]]), np.array([number], np.int32), keypoints=keypoints)
    return Sample(image, objects, np.full((SIZE, SIZE), number, np.uint8))


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(1, 8))
def test_every_pixel_of_a_mosaic_comes_from_its_source(seed, number):
    rng = np.random.default_rng(seed)
    samples = [constant(i) for i in range(number)]
    row = int(rng.integers(number))
    tiles = sample_tiles(row, number, SIZE, rng)
    image, objects, mask = mosaic(samples, tiles)
    assert row in tiles.sources and tiles.frames[:, 2:].prod(axis=1).sum() == SIZE**2
    assert image.shape == (SIZE, SIZE, 3) and mask.shape == (SIZE, SIZE)
    for source, (top, left, height, width) in zip(tiles.sources, tiles.frames, strict=True):
        part = slice(top, top + height), slice(left, left + width)
        assert (image[part] == COLORS[source]).all() and (mask[part] == source).all()
    covered = np.zeros((SIZE, SIZE), int)
    for box, label, points in zip(objects.boxes * SIZE, objects.classes, objects.keypoints, strict=True):
        left, top, right, bottom = np.round(box).astype(int)
        np.testing.assert_allclose(box, [left, top, right, bottom], atol=1e-9)
        covered[top:bottom, left:right] += 1
        assert (mask[top:bottom, left:right] == label).all()
        assert not points[1].any()
        if points[0, 2]:
            x, y = points[0, :2] * SIZE
            assert left <= x <= right and top <= y <= bottom
    # A tile shows at least (0.3 / 1)² of its image, and of an object at least a quarter must be seen.
    areas = tiles.cuts[:, 2:].prod(axis=1) / SIZE**2
    assert len(objects) == (areas >= 0.25).sum() and covered.max(initial=0) <= 1


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_the_windows_of_a_mosaic_lie_in_their_images_and_keep_proportions(seed):
    rng = np.random.default_rng(seed)
    tiles = sample_tiles(2, 5, 64, rng)
    assert (tiles.cuts[:, :2] >= 0).all() and (tiles.cuts[:, :2] + tiles.cuts[:, 2:] <= 64).all()
    shrunk = tiles.frames[:, 2:] / tiles.cuts[:, 2:]
    assert shrunk.min() >= 0.5 - 0.03 and shrunk.max() <= 1.03
    assert np.abs(shrunk[:, 0] / shrunk[:, 1] - 1).max() < 0.06
    center = tiles.frames[3, :2] / 64
    assert (center >= 0.29).all() and (center <= 0.71).all()


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_all_that_is_annotated_moves_with_the_pixels_of_a_mosaic(seed):
    rng = np.random.default_rng(seed)
    samples = [Sample(*scene(rng)) for _ in range(4)]
    tiles = sample_tiles(1, 4, 64, rng)
    image, objects, mask = mosaic(samples, tiles)
    check_mask(image, mask)
    centers = (objects.boxes[:, :2] + objects.boxes[:, 2:]) / 2 * 64
    tile_of = (centers >= tiles.frames[3, 1::-1]) @ (1, 2)
    for number, (top, left, height, width) in enumerate(tiles.frames):
        of_tile = objects.take(np.flatnonzero(tile_of == number))
        alone = np.full((64, 64), 255, np.uint8)
        alone[top : top + height, left : left + width] = mask[top : top + height, left : left + width]
        check_boxes(of_tile, alone, slack=1, spare=1.5)
        assert len(set(of_tile.classes)) == len(of_tile) <= len(samples[tiles.sources[number]].objects)


def test_keypoints_of_a_mosaic_by_hand():
    """The top left tile shows the middle of its image at half the size."""
    tiles = Tiles(
        np.array([0, 1, 1, 1]),
        np.array([[0, 0, 10, 10], [0, 10, 10, 30], [10, 0, 30, 10], [10, 10, 30, 30]]),
        np.array([[10, 10, 20, 20], [0, 0, 10, 30], [0, 0, 30, 10], [0, 0, 30, 30]]),
    )
    _, objects, _ = mosaic([constant(0), constant(1)], tiles)
    assert objects.classes.tolist() == [0, 1]  # of the other, 3/16 twice, and 9/16
    np.testing.assert_allclose(objects.boxes, [[0, 0, 0.25, 0.25], [0.25, 0.25, 1, 1]])
    np.testing.assert_allclose(objects.keypoints[:, 0], [[5 / 40, 5 / 40, 2], [30 / 40, 30 / 40, 2]])


def test_a_mosaic_of_one_image_is_made_of_it_alone():
    image, objects, _ = mosaic([constant(3)], sample_tiles(0, 1, SIZE, np.random.default_rng(0)))
    assert (image == COLORS[3]).all() and set(objects.classes) <= {3}


def test_a_mosaic_of_empty_images_has_no_objects():
    sample = constant(0)._replace(objects=NO_OBJECTS)
    assert len(mosaic([sample, sample], sample_tiles(0, 2, SIZE, np.random.default_rng(0))).objects) == 0


def test_a_mosaic_keeps_to_what_samples_have():
    tiles = sample_tiles(0, 2, SIZE, np.random.default_rng(0))
    without = mosaic([constant(0)._replace(mask=None, objects=None)] * 2, tiles)
    assert without.objects is None and without.mask is None


def test_the_own_image_may_be_in_any_corner():
    rng = np.random.default_rng(0)
    corners = [int(np.flatnonzero(sample_tiles(7, 1000, 32, rng).sources == 7)[0]) for _ in range(200)]
    assert np.bincount(corners, minlength=4).min() > 25


def test_no_parts_join_to_no_objects():
    assert joined([]) is NO_OBJECTS and joined([NO_OBJECTS]) is NO_OBJECTS


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_images_without_keypoints_join_those_with(order):
    """A reader leaves keypoints out where no object of an image has any."""
    with_points, without = constant(1).objects, Objects(np.array([[0, 0, 0.5, 1]]), np.array([4], np.int32))
    both = joined([(with_points, without)[i] for i in order])
    expected = [with_points.keypoints[0], np.zeros((2, 3))]
    np.testing.assert_array_equal(both.keypoints, [expected[i] for i in order])
    assert both.classes.tolist() == [(1, 4)[i] for i in order]
    assert joined([without, without]).keypoints is None
