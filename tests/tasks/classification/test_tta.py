"""How many views there are, where they lie, and that they hold nothing but the image."""

import numpy as np
import pytest
import tensorflow as tf

from visionkit.data.images.resize import center_crop, letterbox
from visionkit.tasks.classification.tta import NUM_VIEWS, views_of, windows_of


@pytest.mark.parametrize("views", NUM_VIEWS)
def test_an_image_of_one_pixel_has_all_views(views):
    crops = views_of(np.full((1, 1, 3), 77, np.uint8), 8, views)
    assert crops.shape == (NUM_VIEWS[views], 8, 8, 3)
    np.testing.assert_allclose(crops, 77)


def test_one_view_is_what_the_model_sees(rng):
    image = rng.integers(0, 256, (30, 50, 3), np.uint8)
    np.testing.assert_array_equal(views_of(image, 16, "one")[0], center_crop(image, 16))
    np.testing.assert_array_equal(views_of(image, 16, "one", whole=True)[0], letterbox(image, 16))


@pytest.mark.parametrize("views", ["flips", "ten_crop", "multi_crop"])
def test_the_second_half_mirrors_the_first(views, rng):
    crops = views_of(rng.integers(0, 256, (33, 48, 3), np.uint8), 16, views).numpy()
    first, second = np.split(crops, 2)
    np.testing.assert_array_equal(second, first[:, :, ::-1])


def test_ten_crop_takes_the_corners_and_the_middle_of_the_central_square():
    windows = windows_of(tf.constant([256, 356, 3]), "ten_crop").numpy()
    assert windows.tolist() == [
        [0, 50, 224, 224],
        [0, 82, 224, 224],
        [32, 50, 224, 224],
        [32, 82, 224, 224],
        [16, 66, 224, 224],
    ]


def test_multi_crop_takes_six_views_of_three_squares_in_four_sizes():
    windows = windows_of(tf.constant([512, 1024, 3]), "multi_crop").numpy()
    assert len(windows) == 72 and sorted(set(windows[:, 2])) == [326, 358, 398, 448, 512]
    assert windows[:, :2].min() == 0 and (windows[:, :2] + windows[:, 2:]).max(axis=0).tolist() == [512, 1024]
    assert {tuple(w) for w in windows if w[2] == 512} == {(0, 0, 512, 512), (0, 256, 512, 512), (0, 512, 512, 512)}


@pytest.mark.parametrize("shape", [(1, 9), (7, 5), (301, 33)])
@pytest.mark.parametrize("views", ["ten_crop", "multi_crop"])
def test_windows_lie_in_their_image(views, shape):
    windows = windows_of(tf.constant([*shape, 3]), views).numpy()
    assert windows[:, :2].min() >= 0 and windows[:, 2:].min() >= 1
    assert ((windows[:, :2] + windows[:, 2:]) <= shape).all()


def test_crops_show_the_pixels_of_their_place():
    """An image that is darker at the left and brighter at the right, and the other way round in its mirror image."""
    image = np.repeat(np.linspace(0, 255, 64)[None, :, None], 64, axis=0).repeat(3, axis=2).astype(np.uint8)
    left_top, right_top, *_ = views_of(image, 16, "ten_crop").numpy()
    assert left_top.mean() < right_top.mean()
    assert views_of(image, 16, "ten_crop").numpy()[5][0, 0, 0] > views_of(image, 16, "ten_crop").numpy()[5][0, -1, 0]
