"""The built-in contents and styles have the promised sizes and are always the same."""

import numpy as np
import pytest

from tests.conftest import sweep
from visionkit.data.demo.style_images import CONTENTS, STYLES, painting


def test_no_name_is_that_of_a_content_and_of_a_style():
    assert CONTENTS and STYLES and not set(CONTENTS) & set(STYLES)


@pytest.mark.parametrize("name", CONTENTS)
def test_contents_are_photographs_of_at_most_640_pixels(name):
    image = CONTENTS[name]()
    assert image.dtype == np.uint8 and image.shape[2:] == (3,)
    assert 300 <= min(image.shape[:2]) <= max(image.shape[:2]) <= 640 and image.std() > 20


@pytest.mark.parametrize("name", sweep(STYLES, list(STYLES)[:1]))
def test_styles_are_drawn_once_and_the_same_every_time(name):
    drawn = painting(name)
    assert drawn.dtype == np.uint8 and drawn.shape == (512, 512, 3) and painting(name) is drawn
    with pytest.raises(ValueError, match="read-only"):
        drawn[0] = 0
    np.testing.assert_array_equal(STYLES[name](np.random.default_rng(0)), drawn)
