"""Models are opened once, and timed on the images that can be read."""

import numpy as np
import pytest

from visionkit.errors import UserError
from visionkit.inference.measuring import opened_model, seconds_an_image
from visionkit.tasks.detection.predict import Detector


def test_without_an_image_there_is_no_time(square_bundle, tmp_path):
    model = opened_model(Detector, square_bundle)
    assert np.isnan(seconds_an_image(model, [])) and np.isnan(seconds_an_image(model, [tmp_path / "gone.png"]))


def test_a_model_in_memory_is_not_opened_again(square_bundle, tmp_path):
    model = opened_model(Detector, square_bundle)
    assert opened_model(Detector, model) is model and model.folder == square_bundle / "model"
    with pytest.raises(UserError, match="not a model that visionkit exported"):
        opened_model(Detector, tmp_path)


def test_the_first_images_are_timed(square_bundle):
    model, seen = opened_model(Detector, square_bundle), []

    def images():
        for number in range(9):
            seen.append(number)
            yield np.zeros((8, 8, 3), np.uint8)

    assert seconds_an_image(model, images(), most=3) > 0 and len(seen) <= 4
