"""Presets, and per-sample seeds across threads."""

from concurrent.futures import ThreadPoolExecutor

import albumentations as A
import numpy as np
import pytest

from visionkit.data import augment
from visionkit.errors import UserError


def test_no_transforms_change_nothing(photograph):
    np.testing.assert_array_equal(augment.seeded(A.Compose([]))(photograph, 1), photograph)


def test_an_unknown_preset_lists_the_valid_ones():
    with pytest.raises(UserError, match="light, medium, strong"):
        augment.preset("wild")


@pytest.mark.parametrize("name", augment.PRESETS)
def test_presets_keep_shape_and_type_and_change_the_picture(photograph, name):
    transform = augment.seeded(A.Compose(list(augment.preset(name).transforms)))
    images = [transform(photograph[:64, :64], seed) for seed in range(8)]
    assert all(image.shape == (64, 64, 3) and image.dtype == np.uint8 for image in images)
    assert len({image.tobytes() for image in images}) > 4


def shift(photograph, **strengths) -> np.ndarray:
    nothing = dict.fromkeys(["brightness", "contrast", "saturation", "hue"], 0.0)
    return augment.seeded(A.Compose([augment.ColorShift(**(nothing | strengths), p=1.0)]))(photograph, 3)


def test_a_color_shift_of_nothing_changes_nothing(photograph):
    assert np.abs(shift(photograph).astype(int) - photograph).max() <= 1


@pytest.mark.parametrize(
    ("name", "functional"),
    [("brightness", "adjust_brightness_torchvision"), ("contrast", "adjust_contrast_torchvision"),
     ("saturation", "adjust_saturation_torchvision")],
)  # fmt: skip
def test_each_part_of_a_color_shift_agrees_with_color_jitter(photograph, name, functional):
    transform = augment.ColorShift(**{name: 0.4})
    params = {"brightness": 1.0, "contrast": 1.0, "saturation": 1.0, "turn": 0.0, name: 0.7}
    theirs = getattr(A.augmentations.pixel.functional, functional)(photograph, 0.7)
    assert np.abs(transform.apply(photograph, **params).astype(int) - theirs).max() <= 2


def test_a_turn_of_the_colors_keeps_greys_and_goes_round(photograph):
    transform, still = augment.ColorShift(hue=0.5), {"brightness": 1.0, "contrast": 1.0, "saturation": 1.0}
    grey = np.full((4, 4, 3), 130, np.uint8)
    assert np.abs(transform.apply(grey, **still, turn=0.3).astype(int) - 130).max() <= 1
    red = np.array([[[160, 60, 60]]], np.uint8)
    assert transform.apply(red, **still, turn=1 / 3).argmax() == 1 or transform.apply(red, **still, turn=-1 / 3).argmax() == 1
    assert np.abs(transform.apply(red, **still, turn=1.0).astype(int) - red).max() <= 1


def test_each_sample_is_augmented_from_its_own_seed_in_any_thread(photograph):
    transform = augment.seeded(A.Compose(list(augment.preset("strong").transforms)))
    picture = photograph[:64, :64].copy()
    alone = [transform(picture, seed) for seed in range(32)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda seed: transform(picture, seed), range(32)))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)


def test_without_flip_nothing_is_mirrored(photograph):
    picture = photograph[:64, :64].copy()
    for flip, expected in ((True, True), (False, False)):
        transform = augment.seeded(A.Compose(list(augment.preset("light", flip=flip).transforms)))
        results = [transform(picture, s).astype(float) for s in range(12)]  # colors vary a little in both cases
        nearer_to_mirror = [np.abs(r - picture[:, ::-1]).mean() < np.abs(r - picture).mean() for r in results]
        assert any(nearer_to_mirror) is expected


def test_the_description_tells_presets_apart():
    descriptions = {augment.preset(name, flip=flip).describe() for name in augment.PRESETS for flip in (True, False)}
    assert len(descriptions) == 2 * len(augment.PRESETS)
