"""Weights between touching objects and signed distances, against brute force on small masks."""

import numpy as np
import pytest
from scipy import ndimage

from visionkit.data.mask_targets import border_distances, border_weights

SHAPES = [(19, 24), (6, 11, 9)]


def distances_to(pixels: np.ndarray) -> np.ndarray:
    """The distance of every place to the nearest true pixel, one by one."""
    places = np.stack(np.indices(pixels.shape), axis=-1).reshape(-1, 1, pixels.ndim)
    return np.sqrt(((places - np.argwhere(pixels)) ** 2).sum(axis=2).min(axis=1)).reshape(pixels.shape)


def random_mask(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Blobs of two classes, some of which touch, and some ignored pixels."""
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(size=(2, *shape)), (0, *[1.2] * len(shape)))
    mask = np.where(smooth[0] > 0.15, 1 + (smooth[1] > 0), 0).astype(np.uint8)
    mask[rng.random(shape) < 0.02] = 255
    return mask


@pytest.mark.parametrize("shape", [(5, 7), (3, 4, 5), (1, 1)])
@pytest.mark.parametrize("label", [0, 1, 255])
def test_without_two_components_all_weights_are_one(shape, label):
    weights = border_weights(np.full(shape, label, np.uint8))
    assert weights.dtype == np.float32 and weights.shape == shape and (weights == 1).all()


def test_one_component_alone_weighs_nothing():
    mask = np.zeros((20, 20), np.uint8)
    mask[5:9, 5:9] = 1
    assert (border_weights(mask) == 1).all()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("sigma", [1.0, 5.0])
def test_weights_are_those_of_the_paper(shape, sigma):
    for seed in range(5):
        mask = random_mask(shape, seed)
        components = []
        for label in (1, 2):
            numbers, count = ndimage.label(mask == label, np.ones(mask.ndim * (3,)))
            components += [distances_to(numbers == number) for number in range(1, count + 1)]
        assert len(components) > 2
        d1, d2 = np.sort(components, axis=0)[:2]
        expected = np.where(mask == 0, 1 + 10 * np.exp(-((d1 + d2) ** 2) / (2 * sigma**2)), 1)
        np.testing.assert_allclose(border_weights(mask, sigma=sigma), expected, atol=10 * np.exp(-8))
        assert expected.max() > 2


def test_components_far_from_each_other_do_not_see_each_other():
    mask = np.zeros((9, 200), np.uint8)
    mask[:, 2], mask[:, 197] = 1, 1
    assert border_weights(mask).max() < 1.001
    mask[:, 5] = 2  # with two pixels between, at distances 1 and 2
    np.testing.assert_allclose(border_weights(mask)[:, 3:5], 1 + 10 * np.exp(-9 / 50), rtol=1e-5)


def test_objects_that_touch_at_a_corner_are_one_and_those_of_two_classes_are_two():
    mask = np.zeros((4, 4), np.uint8)
    mask[1, 1] = mask[2, 2] = 1
    assert (border_weights(mask) == 1).all()
    mask[2, 2] = 2
    np.testing.assert_allclose(border_weights(mask)[1, 2], 1 + 10 * np.exp(-4 / 50), rtol=1e-5)


@pytest.mark.parametrize("shape", [(5, 7), (3, 4, 5)])
@pytest.mark.parametrize("label", [0, 1, 7, 255])
def test_a_class_that_is_nowhere_or_everywhere_has_no_distances(shape, label):
    distances = border_distances(np.full(shape, label, np.uint8), 2)
    assert distances.dtype == np.float32 and distances.shape == (*shape, 2) and not distances.any()


@pytest.mark.parametrize("shape", SHAPES)
def test_distances_are_negative_inside(shape):
    mask = random_mask(shape, 3)
    found = border_distances(mask, 3)
    for label in range(3):
        inside = mask == label
        expected = np.where(inside, 0.5 - distances_to(~inside), distances_to(inside) - 0.5)
        np.testing.assert_allclose(found[..., label], expected, rtol=1e-5)
        assert (found[inside][:, label] < 0).all() and (found[mask == 255][:, label] > 0).all()
