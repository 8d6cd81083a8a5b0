"""Color transfer: means, covariances and luminances against NumPy."""

import numpy as np
import pytest
import scipy.linalg

from visionkit.ops.color_transfer import match_colors, match_luminance, with_colors_of

SHARES = np.array([0.299, 0.587, 0.114])
FUNCTIONS = (match_colors, match_luminance, with_colors_of)


def muted(rng, mean, deviations, size=(60, 80)):
    """An image of correlated colors, far enough from black and white that nothing is cut off."""
    mixed = rng.normal(size=(*size, 3)) * deviations @ np.linalg.qr(rng.normal(size=(3, 3)))[0]
    return np.rint(mixed.clip(-40, 40) + mean).astype(np.uint8)


def statistics(pixels):
    return pixels.mean(axis=(0, 1)), np.cov(pixels.reshape(-1, 3).T, bias=True)


def to_yiq(pixels):
    """By the matrix of the standard: luminance, and what is left of blue and red."""
    grey = pixels @ SHARES
    return np.stack([grey, (pixels[..., 2] - grey) / 1.772, (pixels[..., 0] - grey) / 1.402], axis=-1)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("shape", [(0, 5, 3), (5, 0, 3)])
def test_an_image_without_pixels_is_an_error(function, shape, photograph):
    for pair in ((np.zeros(shape, np.uint8), photograph), (photograph, np.zeros(shape, np.uint8))):
        with pytest.raises(ValueError, match="at least one"):
            function(*pair)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("other", [np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8)])
def test_other_shapes_and_dtypes_are_an_error(function, other):
    with pytest.raises(ValueError, match="uint8 pixels"):
        function(other, np.zeros((4, 4, 3), np.uint8))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_one_pixel_takes_the_mean(function):
    image, like = np.uint8([[[10, 200, 30]]]), np.uint8([[[90, 80, 120]]])
    output = function(image, like)
    assert output.shape == (1, 1, 3) and output.dtype == np.uint8
    expected = {
        match_colors: like[0, 0],
        match_luminance: np.full(3, np.rint(like[0, 0] @ SHARES)),
        with_colors_of: np.rint(like[0, 0] + (image[0, 0] - like[0, 0].astype(float)) @ SHARES),
    }
    np.testing.assert_array_equal(output[0, 0], expected[function])


def test_mean_and_covariance_become_those_of_the_other(rng):
    image, like = muted(rng, (130, 90, 150), (3, 9, 4)), muted(rng, (100, 140, 120), (12, 5, 2), (33, 20))
    output = match_colors(image, like)
    assert output.shape == image.shape and output.dtype == np.uint8
    for mine, theirs in zip(statistics(output), statistics(like), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=0.35)  # rounding to whole levels adds a variance of 1/12


def test_the_map_is_that_of_the_symmetric_roots(rng):
    image, like = muted(rng, (130, 90, 150), (3, 9, 4)), muted(rng, (100, 140, 120), (12, 5, 2))
    (mean, covariance), (other_mean, other_covariance) = statistics(image), statistics(like)
    matrix = scipy.linalg.sqrtm(other_covariance) @ np.linalg.inv(scipy.linalg.sqrtm(covariance))
    expected = np.rint((image - mean) @ matrix.T + other_mean)
    assert np.abs(match_colors(image, like) - expected).max() <= 1


def test_colors_come_back(rng):
    image, like = muted(rng, (130, 90, 150), (8, 9, 7)), muted(rng, (100, 140, 120), (9, 7, 12))
    back = match_colors(match_colors(image, like), image)
    assert np.abs(back.astype(int) - image).max() <= 2
    np.testing.assert_array_equal(match_colors(image, image), image)


def test_values_out_of_range_are_clipped():
    image = np.repeat(np.uint8([[0] * 9 + [255]])[..., None], 3, axis=2)
    like = np.repeat(np.uint8([[0, 255]])[..., None], 3, axis=2)
    output = match_colors(image, like)
    assert output[0, 0, 0] == round(127.5 - 127.5 / 3) and output[0, 9, 0] == 255


def test_a_grey_image_varies_along_one_line_and_has_the_mean(rng):
    grey = np.repeat(rng.integers(60, 180, (40, 40, 1), np.uint8), 3, axis=2)
    like = muted(rng, (140, 100, 120), (9, 5, 7))
    mean, covariance = statistics(match_colors(grey, like))
    np.testing.assert_allclose(mean, like.mean(axis=(0, 1)), atol=0.2)
    variances = np.linalg.eigvalsh(covariance)
    assert variances[2] > 5 and variances[1] < 0.2


def test_noise_of_rounding_does_not_become_color(rng):
    """A grey photograph of which one pixel in thirty is one level off in red: stretched, red would be all over."""
    grey = np.repeat(rng.integers(60, 180, (40, 40, 1), np.uint8), 3, axis=2)
    noisy = grey.copy()
    noisy[..., 0] += (rng.random((40, 40)) < 1 / 30).astype(np.uint8)
    like = muted(rng, (140, 100, 120), (9, 5, 7))
    assert np.abs(match_colors(noisy, like).astype(int) - match_colors(grey, like)).max() <= 2


def test_colors_like_grey_ones_are_grey(rng):
    grey = np.repeat(rng.integers(60, 180, (40, 40, 1), np.uint8), 3, axis=2)
    output = match_colors(muted(rng, (130, 90, 150), (3, 9, 4)), grey).astype(int)
    assert np.ptp(output, axis=2).max() <= 1 and output[..., 0].std() == pytest.approx(grey[..., 0].std(), rel=0.1)


def test_a_uniform_image_becomes_the_mean_and_a_uniform_reference_is_it(photograph):
    one = np.full((5, 7, 3), (200, 10, 90), np.uint8)
    np.testing.assert_array_equal(match_colors(photograph, one), np.broadcast_to(one[0, 0], photograph.shape))
    np.testing.assert_array_equal(
        match_colors(one, photograph), np.broadcast_to(np.rint(photograph.mean(axis=(0, 1))), one.shape)
    )


def test_luminance_gets_mean_and_deviation_of_the_other(rng):
    image, like = muted(rng, (130, 90, 150), (3, 9, 4)), muted(rng, (100, 140, 120), (12, 5, 2), (33, 20))
    output = match_luminance(image, like)
    assert output.shape == image.shape and output.dtype == np.uint8 and not np.ptp(output, axis=2).any()
    assert output[..., 0].mean() == pytest.approx((like @ SHARES).mean(), abs=0.1)
    assert output[..., 0].std() == pytest.approx((like @ SHARES).std(), rel=0.02)
    assert np.corrcoef(output[..., 0].ravel(), (image @ SHARES).ravel())[0, 1] > 0.99


def test_a_deviation_of_zero_scales_nothing(rng):
    image, one = muted(rng, (130, 90, 150), (3, 9, 4)), np.full((4, 4, 3), (119, 121, 113), np.uint8)
    shifted = (image @ SHARES) + one[0, 0] @ SHARES - (image @ SHARES).mean()
    assert np.abs(match_luminance(image, one)[..., 0] - shifted).max() < 0.51
    np.testing.assert_array_equal(match_luminance(one, image), np.full(one.shape, np.rint((image @ SHARES).mean())))


def test_luminance_of_one_and_chroma_of_the_other(rng):
    image, colored = muted(rng, (130, 90, 150), (8, 9, 7)), muted(rng, (100, 140, 120), (9, 7, 12))
    output = to_yiq(with_colors_of(image, colored))
    np.testing.assert_allclose(output[..., 0], to_yiq(image)[..., 0], atol=0.6)
    np.testing.assert_allclose(output[..., 1:], to_yiq(colored)[..., 1:], atol=0.9)


def test_its_own_colors_change_nothing_and_grey_ones_make_grey(photograph):
    np.testing.assert_array_equal(with_colors_of(photograph, photograph), photograph)
    grey = with_colors_of(photograph, np.full_like(photograph, 77))
    np.testing.assert_array_equal(grey, np.repeat(np.rint(photograph @ SHARES)[..., None], 3, axis=2))


def test_luminance_stays_where_the_color_is_too_strong(rng):
    """Pure colors on any luminance: hue stays, too, as far as whole levels can hold it."""
    image, colored = (rng.integers(0, 256, (50, 50, 3), np.uint8) for _ in range(2))
    colored[:25] = (0, 0, 255)
    image[0, :2] = [[0], [255]]
    output = with_colors_of(image, colored)
    np.testing.assert_allclose(output @ SHARES, image @ SHARES, atol=0.6)
    np.testing.assert_array_equal(output[0, :2], image[0, :2])
    chroma, wanted = to_yiq(output)[..., 1:].reshape(-1, 2), to_yiq(colored)[..., 1:].reshape(-1, 2)
    turned = chroma[:, 0] * wanted[:, 1] - chroma[:, 1] * wanted[:, 0]
    assert np.abs(turned / np.hypot(*wanted.T).clip(1)).max() < 1


def test_different_sizes_are_an_error(photograph):
    with pytest.raises(ValueError, match="451 x 300 pixels, the colored one 450 x 300"):
        with_colors_of(photograph, photograph[:, 1:])
