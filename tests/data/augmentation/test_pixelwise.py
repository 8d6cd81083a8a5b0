"""Mirroring, color and erasing, against albumentations' own functions and by hand."""

import albumentations.augmentations.pixel.functional as pixel_functional
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visionkit.data.augmentation import pixelwise, presets
from visionkit.data.augmentation.pixelwise import NUM_DRAWN, apply, pixel_params
from visionkit.data.augmentation.presets import Augmentation
from visionkit.ops.colors import PADDING

NOTHING = Augmentation("nothing")


def drawn_for(augmentation: Augmentation, number: int = 1, seed: int = 0) -> pixelwise.PixelParams:
    return pixel_params(np.random.default_rng(seed).random((number, NUM_DRAWN)), augmentation)


def recolor(image: np.ndarray, brightness=1.0, contrast=1.0, saturation=1.0, turn=0.0) -> np.ndarray:
    matrices, grey = pixelwise.color_matrices(*(np.array([value]) for value in (brightness, contrast, saturation, turn)))
    return apply(image, drawn_for(NOTHING)._replace(color=matrices.astype(np.float32), grey=grey), 0)


def test_no_samples_draw_nothing():
    drawn = drawn_for(presets.preset("strong"), number=0)
    assert [part.shape for part in drawn] == [(0,), (0, 3, 3), (0,), (0, 3), (0, 4)]


def test_an_augmentation_of_nothing_changes_nothing(photograph):
    drawn = drawn_for(NOTHING, 50)
    assert all(apply(photograph, drawn, row) is photograph for row in range(50))


@pytest.mark.parametrize("name", presets.PRESETS)
def test_parameters_have_the_promised_types(name, photograph):
    drawn = drawn_for(presets.preset(name), 30)
    assert [part.dtype for part in drawn] == [bool, np.float32, np.float32, np.float32, np.float32]
    before = photograph.copy()
    for row in range(30):
        image = apply(photograph, drawn, row)
        assert image.shape == photograph.shape and image.dtype == np.uint8
    np.testing.assert_array_equal(photograph, before)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_the_requested_shares_are_mirrored_erased_and_recolored(share):
    augmentation = Augmentation("a", flip=share, erase=share, color=0.3)
    drawn = drawn_for(augmentation, 4000)
    assert drawn.flip.mean() == pytest.approx(share, abs=0.03)
    assert (drawn.erase[:, 2] > drawn.erase[:, 0]).mean() == pytest.approx(share, abs=0.03)
    recolored = (drawn.color != np.eye(3, dtype=np.float32)).any(axis=(1, 2))
    assert recolored.mean() == pytest.approx(pixelwise.COLOR_SHARE, abs=0.03)


def test_the_parameters_of_a_sample_are_independent():
    drawn = drawn_for(Augmentation("a", flip=0.5, erase=0.5, color=0.3, pca=0.3), 4000)
    recolored = (drawn.color != np.eye(3, dtype=np.float32)).any(axis=(1, 2))
    is_erased = drawn.erase[:, 2] > drawn.erase[:, 0]
    parts = [drawn.flip, is_erased, recolored, drawn.offset[:, 0] > 0]
    assert np.abs(np.corrcoef(np.array(parts, float)) - np.eye(len(parts))).max() < 0.06


def test_a_flip_mirrors(photograph):
    drawn = drawn_for(Augmentation("a", flip=1.0))
    np.testing.assert_array_equal(apply(photograph, drawn, 0), photograph[:, ::-1])


# Color


def test_a_color_shift_of_nothing_changes_nothing(photograph):
    assert np.abs(recolor(photograph).astype(int) - photograph).max() <= 1


@pytest.mark.parametrize("factor", [0.6, 0.7, 1.0, 1.4])
@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation"])
def test_each_part_of_a_color_shift_agrees_with_torchvisions(photograph, name, factor):
    theirs = getattr(pixel_functional, f"adjust_{name}_torchvision")(photograph, factor)
    assert np.abs(recolor(photograph, **{name: factor}).astype(int) - theirs).max() <= 2


def test_brightness_contrast_and_saturation_together_agree_with_one_after_the_other(photograph):
    """Without values that are clipped at black and white, in torchvision's order."""
    image = (photograph // 3 + 70).astype(np.uint8)
    theirs = image
    for name, factor in (("brightness", 1.2), ("contrast", 0.7), ("saturation", 1.3)):
        theirs = getattr(pixel_functional, f"adjust_{name}_torchvision")(theirs, factor)
    assert np.abs(recolor(image, 1.2, 0.7, 1.3).astype(int) - theirs).max() <= 3


@settings(max_examples=40, deadline=None)
@given(st.floats(-1, 1), st.integers(0, 255))
def test_a_turn_of_the_colors_keeps_greys(turn, level):
    grey = np.full((2, 2, 3), level, np.uint8)
    assert np.abs(recolor(grey, turn=turn).astype(int) - level).max() <= 1


def test_a_turn_of_the_colors_comes_round():
    red = np.array([[[160, 60, 60]]], np.uint8)
    assert {recolor(red, turn=1 / 3).argmax(), recolor(red, turn=-1 / 3).argmax()} == {1, 2}
    assert np.abs(recolor(red, turn=1.0).astype(int) - red).max() <= 1


def test_the_factors_stay_within_the_requested_strength():
    """For an image of uniform grey, only brightness changes the result."""
    drawn = drawn_for(Augmentation("a", color=0.3), 500)
    factors = np.einsum("nij->n", drawn.color) / 3 + drawn.grey
    assert 0.7 - 1e-6 <= factors.min() < 0.72 and 1.28 < factors.max() <= 1.3 + 1e-6


def test_the_offset_lies_along_the_published_directions_as_far_as_published():
    offsets = drawn_for(Augmentation("a", pca=0.2), 20000).offset / 255
    directions = pixelwise.PCA_DIRECTIONS
    np.testing.assert_allclose(directions.T @ directions, np.eye(3), atol=2e-3)  # as published: four digits
    along = offsets @ directions
    np.testing.assert_allclose(along.std(axis=0), 0.2 * pixelwise.PCA_DEVIATIONS, rtol=0.03)
    np.testing.assert_allclose(along.mean(axis=0), 0, atol=1e-3)
    assert np.abs(np.corrcoef(along.T) - np.eye(3)).max() < 0.03


def test_an_offset_is_added_to_every_pixel():
    image = np.full((3, 4, 3), 100, np.uint8)
    drawn = drawn_for(NOTHING)._replace(offset=np.array([[5, -7, 200]], np.float32))
    assert (apply(image, drawn, 0) == (105, 93, 255)).all()


# Erasing


def test_a_rectangle_is_erased_where_it_was_drawn_and_nowhere_else():
    image = np.full((20, 40, 3), 7, np.uint8)
    drawn = drawn_for(NOTHING)._replace(erase=np.array([[0.25, 0.5, 0.5, 0.75]], np.float32))
    expected = image.copy()
    expected[10:15, 10:20] = PADDING
    np.testing.assert_array_equal(apply(image, drawn, 0), expected)


def test_the_rectangle_is_erased_after_mirroring_and_color():
    image = np.zeros((10, 10, 3), np.uint8)
    drawn = drawn_for(NOTHING)._replace(
        flip=np.array([True]), offset=np.full((1, 3), 50, np.float32), erase=np.array([[0, 0, 0.3, 0.2]], np.float32)
    )
    erased = apply(image, drawn, 0)
    assert (erased[:2, :3] == PADDING).all() and (erased[2:] == 50).all() and (erased[:, 3:] == 50).all()


def test_rectangles_lie_in_the_image_and_have_the_requested_sides():
    erase = drawn_for(Augmentation("a", erase=1.0), 2000).erase
    sides = erase[:, 2:] - erase[:, :2]
    assert erase.min() >= 0 and erase.max() <= 1
    assert pixelwise.ERASED_SIDE[0] - 1e-6 <= sides.min() < 0.11 and 0.34 < sides.max() <= pixelwise.ERASED_SIDE[1] + 1e-6
    assert np.abs(((erase[:, :2] + erase[:, 2:]) / 2).mean(axis=0) - 0.5).max() < 0.02
