"""Variations of signals and volumes."""

import numpy as np
import pytest

from visionkit.data.arrays.augment import Variation, varied

ALL = Variation(shift=0.2, stretch=0.2, contrast=0.3, noise=0.1, flip=True)


def test_no_variation_changes_nothing(rng):
    for shape in ((20, 2), (5, 6, 7, 1)):
        array = rng.normal(size=shape).astype("float32")
        np.testing.assert_allclose(varied(array, Variation(), rng), array, atol=1e-5)


@pytest.mark.parametrize("shape", [(20, 2), (1, 1), (5, 6, 7, 1)])
def test_shape_is_unchanged_and_the_seed_decides(rng, shape):
    array = rng.normal(size=shape).astype("float32")
    one, other = (varied(array, ALL, np.random.default_rng(3)) for _ in range(2))
    assert one.shape == shape and one.dtype == np.float32
    np.testing.assert_array_equal(one, other)
    assert array.size == 1 or (varied(array, ALL, np.random.default_rng(4)) != one).any()


def test_a_constant_stays_finite(rng):
    np.testing.assert_allclose(varied(np.ones((9, 1), np.float32), ALL, rng), 1)


def test_shifts_are_bounded_and_flips_are_optional():
    step = (np.arange(100) >= 50).astype("float32")[:, None]
    edges = [int(np.argmax(varied(step, Variation(shift=0.1), np.random.default_rng(i))[:, 0] >= 0.5)) for i in range(50)]
    assert 40 <= min(edges) < 45 and 55 < max(edges) <= 61
    cube = np.arange(27, dtype=np.float32).reshape(3, 3, 3, 1)
    mirrored = {varied(cube, Variation(flip=True), np.random.default_rng(i)).round().tobytes() for i in range(60)}
    assert len(mirrored) == 8
