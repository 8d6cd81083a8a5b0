"""Turning and warping give the pixels of albumentations, and boxes around the moved points."""

import random

import cv2
import numpy as np
import pytest

from visionkit.data.augmentation.presets import A
from visionkit.data.augmentation.warps import BentGrid, Elastic, Turn, in_four_channels

TURNED = {"rotate": (-20, 20), "shear": (-10, 10), "p": 1.0, "border_mode": cv2.BORDER_CONSTANT, "fill": 114, "fill_mask": 255}


def seeded(transform, seed: int):
    transform.set_random_state(np.random.default_rng(seed), random.Random(seed))
    return transform


def image(channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (60, 80, channels), np.uint8)


def test_no_boxes_stay_none():
    for transform in (Turn(**TURNED), BentGrid(p=1.0), Elastic(p=1.0)):
        assert seeded(transform, 0)(image=image(), bboxes=np.zeros((0, 5)))["bboxes"].shape == (0, 5)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_four_channels_change_no_pixel(channels):
    matrix = cv2.getRotationMatrix2D((40, 30), 7, 1.1)
    given = []

    def warp(pixels):
        given.append(pixels.shape)
        return cv2.warpAffine(pixels, matrix, (80, 60))

    np.testing.assert_array_equal(in_four_channels(warp, image(channels)), cv2.warpAffine(image(channels), matrix, (80, 60)))
    assert given == [(60, 80, 4 if channels == 3 else channels)]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("border", [cv2.BORDER_CONSTANT, cv2.BORDER_REFLECT_101])
def test_a_turn_is_that_of_albumentations(seed, border):
    options = TURNED | {"border_mode": border}
    data = {"image": image(), "mask": image(1)[..., 0]}
    ours, theirs = seeded(Turn(**options), seed)(**data), seeded(A.Affine(**options), seed)(**data)
    np.testing.assert_array_equal(ours["image"], theirs["image"])
    np.testing.assert_array_equal(ours["mask"], theirs["mask"])


@pytest.mark.parametrize("seed", range(5))
def test_the_boxes_of_a_turn_enclose_the_moved_corners(seed):
    boxes = np.array([[0.1, 0.2, 0.5, 0.6, 7], [0.4, 0.3, 0.9, 0.8, 8]])
    data = {"image": image(), "bboxes": boxes}
    ours, theirs = seeded(Turn(**TURNED), seed)(**data), seeded(A.Affine(**TURNED), seed)(**data)
    np.testing.assert_allclose(ours["bboxes"], theirs["bboxes"], atol=1e-6)


def test_boxes_that_leave_the_image_are_not_bent_to_its_rim():
    """``in_view`` decides later how much of a box is visible, and needs the whole box."""
    turn = seeded(Turn(translate_px=(40, 40), **TURNED | {"rotate": 0, "shear": 0}), 0)
    moved = turn(image=image(), bboxes=np.array([[0.5, 0.5, 1.0, 1.0, 0]]))["bboxes"]
    np.testing.assert_allclose(moved, [[1.0, 0.5 + 40 / 60, 1.5, 1.0 + 40 / 60, 0]])
