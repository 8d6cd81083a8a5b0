"""Edge filters against SciPy, scikit-image, and sums by hand."""

import numpy as np
import pytest
import scipy.ndimage
import skimage.filters
from keras import ops

from visionkit.ops import filters


def correlate(*arguments) -> np.ndarray:
    return ops.convert_to_numpy(filters.correlate(*arguments))


def test_an_empty_batch_stays_empty():
    assert correlate(np.zeros((0, 5, 4, 3), "float32"), filters.edge_kernel("sobel")).shape == (0, 5, 4, 3)
    assert correlate(np.zeros((0, 5, 4, 3), "float32"), filters.edge_kernel("sobel"), "valid").shape == (0, 3, 2, 3)


def test_the_textbooks_step_gives_30():
    step = np.repeat([[10, 10, 10, 0, 0, 0]], 6, axis=0)
    expected = np.repeat([[0, 30, 30, 0]], 4, axis=0)
    np.testing.assert_array_equal(correlate(step, filters.edge_kernel("vertical"), "valid"), expected)
    np.testing.assert_array_equal(correlate(step.T, filters.edge_kernel("horizontal"), "valid"), expected.T)
    assert not correlate(step, filters.edge_kernel("horizontal")).any()


@pytest.mark.parametrize("name", filters.SMOOTHING)
def test_gradients_are_in_levels_per_pixel(name):
    """Brighter to the right is positive at 0 degrees, brighter downwards at 90."""
    y, x = np.mgrid[:6, :8].astype("float32")
    ramp = 3 * x - 2 * y
    for angle in (0, 90, 45, -120):
        steered = correlate(ramp, filters.edge_kernel(name, angle), "valid")
        np.testing.assert_allclose(steered, 3 * np.cos(np.deg2rad(angle)) - 2 * np.sin(np.deg2rad(angle)), atol=1e-5)
    step = 10.0 * (x > 3)
    np.testing.assert_allclose(correlate(step, filters.edge_kernel(name))[2], [0, 0, 0, 5, 5, 0, 0, 0], atol=1e-6)


@pytest.mark.parametrize("name", filters.SMOOTHING)
def test_scikit_image_has_twice_the_values(name, photograph):
    grey = photograph[..., 1].astype("float64")
    for angle, axis in ((0, "v"), (90, "h")):
        theirs = getattr(skimage.filters, f"{name}_{axis}")(grey)
        np.testing.assert_allclose(2 * correlate(grey, filters.edge_kernel(name, angle)), theirs, atol=1e-4)
    length, direction = map(ops.convert_to_numpy, filters.edge_magnitude(grey, name))
    np.testing.assert_allclose(2 * length, getattr(skimage.filters, name)(grey) * np.sqrt(2), atol=1e-4)
    down, right = (getattr(skimage.filters, f"{name}_{axis}")(grey) for axis in "hv")
    turned = direction - np.degrees(np.arctan2(down, right))
    np.testing.assert_allclose((turned[length > 1] + 180) % 360, 180, atol=1e-2)


@pytest.mark.parametrize("shape", [(3, 3), (1, 5), (5, 3)])
def test_any_kernel_is_correlated_as_scipy_does_it(shape, rng):
    image, kernel = rng.normal(size=(9, 11)), rng.normal(size=shape)
    whole = scipy.ndimage.correlate(image, kernel, mode="reflect")
    np.testing.assert_allclose(correlate(image, kernel), whole, rtol=1e-6, atol=1e-9)
    rows, columns = (side // 2 for side in shape)
    inside = whole[rows : 9 - rows, columns : 11 - columns]
    np.testing.assert_allclose(correlate(image, kernel, "valid"), inside, rtol=1e-6, atol=1e-9)


def test_ranks_channels_and_dtypes(photograph):
    kernel = filters.edge_kernel("scharr", 30)
    batch = correlate(np.stack([photograph, photograph[:, ::-1]]), kernel)
    assert batch.dtype == np.float32 and batch.shape == (2, *photograph.shape)
    np.testing.assert_array_equal(correlate(photograph, kernel), batch[0])
    np.testing.assert_allclose(correlate(photograph[..., 2], kernel), batch[0, ..., 2], atol=1e-4)
    assert correlate(photograph.astype("float16"), kernel).dtype == np.float16


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: filters.edge_kernel("soebel"), "expected one of vertical"),
        (lambda: filters.edge_kernel("vertical", 45), "no angle"),
        (lambda: filters.correlate(np.zeros((4, 4)), np.ones((2, 3))), "odd sides"),
        (lambda: filters.correlate(np.zeros((4, 4)), np.ones(3)), r"expected \(h, w\)"),
        (lambda: filters.correlate(np.zeros((4, 4)), np.ones((3, 3)), "full"), "'same' or 'valid'"),
        (lambda: filters.correlate(np.zeros(4), np.ones((3, 3))), r"\(N, H, W, C\)"),
    ],
)
def test_impossible_arguments_are_an_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()
