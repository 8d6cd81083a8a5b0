"""Similarities against Umeyama's own solution, chips against a loop over their pixels."""

import math

import cv2
import numpy as np
import pytest

from visionkit.ops.alignment import CHIP, DLIB_POINTS, MTCNN_POINTS, aligned_chip, fit_similarity


def umeyama(reference, points):
    """Scale, rotation and shift by the singular value decomposition, as in the paper."""
    source, target = reference - reference.mean(axis=0), points - points.mean(axis=0)
    left, values, right = np.linalg.svd(target.T @ source)
    signs = np.array([1, np.sign(np.linalg.det(left @ right))])
    rotation, scale = left @ np.diag(signs) @ right, (values * signs).sum() / (source**2).sum()
    return scale, rotation, points.mean(axis=0) - scale * rotation @ reference.mean(axis=0)


def turned(points, degrees, scale=1.0, shift=(0.0, 0.0)):
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return scale * points @ np.array([[cosine, -sine], [sine, cosine]]).T + shift


def chip_by_loop(pixels, points, reference, size):
    """The rule, pixel by pixel."""
    scale, rotation, shift = umeyama(reference * size / CHIP, points)
    center = scale * rotation @ [size / 2, size / 2] + shift
    chip = np.zeros((size, size, 3), np.uint8)
    for j in range(size):
        for i in range(size):
            offset = np.array([i - (size - 1) / 2, j - (size - 1) / 2])
            x, y = center + rotation @ offset * (size * scale - 1) / (size - 1)
            left, top = math.floor(x), math.floor(y)
            if left < 0 or top < 0 or left + 1 >= pixels.shape[1] or top + 1 >= pixels.shape[0]:
                continue
            right, down = x - left, y - top
            for channel in range(3):
                (a, b), (c, d) = pixels[top : top + 2, left : left + 2, channel].tolist()
                value = (1 - down) * ((1 - right) * a + right * b) + down * ((1 - right) * c + right * d)
                chip[j, i, channel] = int(value)
    return chip


def test_no_points_are_an_error():
    with pytest.raises(ValueError, match="at least 2"):
        fit_similarity(np.zeros((0, 2)), np.zeros((0, 2)))


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (np.zeros((4, 2)), r"\(K, 2\)"),
        (np.full((5, 2), 7.0), "No rotation fits"),
        (np.full((5, 2), np.nan), "finite"),
        (np.where(np.arange(10).reshape(5, 2) == 3, np.inf, 1.0), "finite"),
    ],
)
def test_points_that_determine_no_similarity_are_an_error(points, message):
    with pytest.raises(ValueError, match=message):
        fit_similarity(DLIB_POINTS, points)
    with pytest.raises(ValueError, match=message):
        aligned_chip(np.zeros((9, 9, 3), np.uint8), points, DLIB_POINTS)


def test_a_mirror_image_is_an_error():
    square = np.array([(-1.0, -1), (1, -1), (1, 1), (-1, 1)])
    with pytest.raises(ValueError, match="not mirrored"):
        fit_similarity(square, square * (-1, 1))


@pytest.mark.parametrize("degrees", [0, 30, -90, 180])
def test_a_known_similarity_is_recovered(degrees):
    points = turned(MTCNN_POINTS, degrees, 2.5, (40, -7))
    fitted = fit_similarity(MTCNN_POINTS, points)
    assert fitted.scale == pytest.approx(2.5)
    np.testing.assert_allclose(
        fitted.rotation @ (1, 0), (math.cos(math.radians(degrees)), math.sin(math.radians(degrees))), atol=1e-12
    )
    np.testing.assert_allclose(fitted.shift, (40, -7), atol=1e-9)
    np.testing.assert_allclose(fitted.apply(MTCNN_POINTS), points)


def test_the_result_is_that_of_umeyama(rng):
    for _ in range(50):
        reference, points = rng.normal(size=(5, 2)), rng.normal(size=(5, 2))
        for mine, his in zip(fit_similarity(reference, points), umeyama(reference, points), strict=True):
            np.testing.assert_allclose(mine, his, atol=1e-9)


def test_the_references_are_faces_and_cannot_be_changed():
    """Eyes above the nose above the mouth; dlib's begin on the right, mtcnn's on the left."""
    assert DLIB_POINTS[0] == pytest.approx((110.96, 46.35), abs=0.01)
    assert DLIB_POINTS[2, 0] < DLIB_POINTS[4, 0] < DLIB_POINTS[0, 0] and MTCNN_POINTS[0, 0] < MTCNN_POINTS[1, 0]
    assert DLIB_POINTS[4, 1] > DLIB_POINTS[:4, 1].max() and MTCNN_POINTS[3:, 1].min() > MTCNN_POINTS[2, 1]
    with pytest.raises(ValueError, match="read-only"):
        MTCNN_POINTS[0] = 0


def test_points_in_place_leave_the_image_as_it_is(rng):
    """All but the last row and column, whose next neighbors are outside."""
    pixels = rng.integers(0, 256, (CHIP, CHIP, 3), dtype=np.uint8)
    middle = MTCNN_POINTS - 0.5  # of the chip is between its pixels 74 and 75; of the square, at 75
    chip = aligned_chip(pixels, middle, MTCNN_POINTS).astype(int)
    assert np.abs(chip[:-1, :-1] - pixels[:-1, :-1]).max() <= 1  # cut off, where rounding errs to below


def test_a_rotated_face_becomes_upright(rng):
    pixels = cv2.GaussianBlur(rng.integers(0, 256, (CHIP, CHIP, 3), dtype=np.uint8), (0, 0), 3)
    upright = aligned_chip(pixels, MTCNN_POINTS - 0.5, MTCNN_POINTS).astype(int)
    x, y = (MTCNN_POINTS - 0.5).T
    on_its_side = aligned_chip(np.rot90(pixels), np.stack([y, CHIP - 1 - x], axis=1), MTCNN_POINTS)
    assert np.abs(upright - on_its_side)[1:-1, 1:-1].max() <= 1


@pytest.mark.parametrize(
    ("degrees", "scale", "shift", "size"),
    [
        (10, 0.9, (-20, 15), 150),
        (-75, 1.49, (60, 150), 40),
        (180, 0.2, (90, 90), 33),
        (3, 1.2, (-300, 10), 20),
        (0, 1, (5, 5), 2),
    ],
)
def test_chips_equal_those_of_a_loop(rng, degrees, scale, shift, size):
    """Where the loop's own rounding decides about cutting off, they may differ: noise has no such values."""
    pixels = rng.integers(0, 256, (120, 161, 3), dtype=np.uint8)
    points = turned(DLIB_POINTS, degrees, scale * size / CHIP, shift) + rng.normal(0, 0.2, (5, 2))
    np.testing.assert_array_equal(
        aligned_chip(pixels, points, DLIB_POINTS, size), chip_by_loop(pixels, points, DLIB_POINTS, size)
    )


def test_outside_the_image_is_black():
    white = np.full((60, 60, 3), 255, np.uint8)
    assert not aligned_chip(white, MTCNN_POINTS + 1000, MTCNN_POINTS).any()
    assert not aligned_chip(white, MTCNN_POINTS * 9 - 10_000, MTCNN_POINTS).any()
    assert not aligned_chip(white, MTCNN_POINTS * 1e100, MTCNN_POINTS).any()
    half = aligned_chip(white, MTCNN_POINTS - 0.5 + (-CHIP / 2, 0), MTCNN_POINTS, CHIP)
    assert half[:58, :].any() and not half[60:].any()
    assert not aligned_chip(white[:1], MTCNN_POINTS, MTCNN_POINTS).any()  # no pixel of it has four neighbors


@pytest.mark.parametrize("times", [2, 3, 8])
def test_a_larger_image_gives_the_same_chip(photograph, times):
    photograph = cv2.GaussianBlur(photograph, (0, 0), 1)  # without it, bilinear sampling itself takes details away
    points = turned(MTCNN_POINTS, 12, 1.0, (180, 30))
    chip = aligned_chip(photograph, points, MTCNN_POINTS).astype(int)
    large = cv2.resize(photograph, None, fx=times, fy=times, interpolation=cv2.INTER_CUBIC)
    from_large = aligned_chip(large, (points + 0.5) * times - 0.5, MTCNN_POINTS).astype(int)
    assert np.abs(chip - from_large).mean() < 1.5
    for shift in (-1, 1):  # at no other place is it as near
        assert np.abs(chip - np.roll(from_large, shift, axis=1)).mean() > 2 * np.abs(chip - from_large).mean()


def test_details_that_a_chip_cannot_show_become_their_mean():
    """Sampled without shrinking, stripes of single pixels would be black and white."""
    stripes = np.zeros((700, 700, 3), np.uint8)
    stripes[:, ::2] = 255
    chip = aligned_chip(stripes, MTCNN_POINTS * 4 + 40.3, MTCNN_POINTS)
    assert chip.min() >= 120 and chip.max() <= 135


@pytest.mark.parametrize(
    ("pixels", "size"), [(np.zeros((9, 9), np.uint8), 9), (np.zeros((9, 9, 3)), 9), (np.zeros((0, 9, 3), np.uint8), 9)]
)
def test_other_shapes_and_dtypes_are_an_error(pixels, size):
    with pytest.raises(ValueError, match="uint8 pixels"):
        aligned_chip(pixels, MTCNN_POINTS, MTCNN_POINTS, size)


def test_a_chip_of_one_pixel_is_an_error():
    with pytest.raises(ValueError, match="at least 2"):
        aligned_chip(np.zeros((9, 9, 3), np.uint8), MTCNN_POINTS, MTCNN_POINTS, 1)
