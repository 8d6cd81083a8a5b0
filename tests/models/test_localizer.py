"""Networks that localize."""

import keras
import numpy as np
import pytest

from visionkit import models
from visionkit.errors import UserError
from visionkit.models.localizer import CenterOfMass, landmark_finder, localizer


@pytest.fixture(scope="module")
def backbone() -> keras.Model:
    return models.mobilenet_v2((64, 64, 3), None)


def test_no_maps_have_no_center():
    assert CenterOfMass()(np.zeros((0, 4, 8, 3), "float32")).shape == (0, 3, 2)


def test_the_center_of_mass():
    maps = np.full((1, 4, 8, 3), -100.0, "float32")
    maps[0, 0, 1, 0] = maps[0, 3, 6, 1] = maps[0, 3, 7, 1] = 100
    maps[..., 2] = 0
    np.testing.assert_allclose(CenterOfMass()(maps)[0], [[1.5 / 8, 0.5 / 4], [7 / 8, 3.5 / 4], [0.5, 0.5]], rtol=1e-5)


def test_boxes_and_points_lie_in_the_image_and_batch_norm_stays_in_inference_mode(backbone, rng):
    pixels = rng.uniform(0, 255, (3, 64, 64, 3)).astype("float32")
    network = localizer(backbone, 3, dropout=0.0)
    predictions = np.asarray(network(pixels, training=True))
    assert ((predictions[:, 1:5] > 0) & (predictions[:, 1:5] < 1)).all()
    np.testing.assert_allclose(predictions, network(pixels, training=False), atol=1e-5)
    points = np.asarray(landmark_finder(backbone, 5)(pixels))
    assert points.shape == (3, 5, 2) and ((points > 0) & (points < 1)).all()


def test_a_backbone_without_coarse_maps_or_without_padding_is_an_error():
    with pytest.raises(UserError, match="resnet8 has no feature map of stride 16 or more"):
        localizer(models.build("resnet8", (64, 64, 3), None), 2)
    with pytest.raises(UserError, match="'squeezenet' does not pad its maps: a side of 64 pixels has"):
        landmark_finder(models.build("squeezenet", (64, 64, 3), None), 2)
