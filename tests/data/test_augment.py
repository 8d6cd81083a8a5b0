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
