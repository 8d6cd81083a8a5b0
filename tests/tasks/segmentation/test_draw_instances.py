"""Things drawn on images have colors, outlines and numbers of their own."""

import numpy as np
import pytest

from visionkit.tasks.segmentation.draw_instances import draw_instances
from visionkit.tasks.segmentation.instances import find_instances
from visionkit.viz.annotate import PALETTE

NAMES = ("background", "tile")
GREY = 90


def make_image(shape) -> np.ndarray:
    return np.full((*shape, 3), GREY, np.uint8)


@pytest.mark.parametrize("shape", [(1, 1), (40, 50)])
def test_without_things_an_image_stays_as_it_is(shape):
    image = make_image(shape)
    drawn = draw_instances(image, find_instances(np.zeros(shape, np.uint8), NAMES))
    np.testing.assert_array_equal(drawn, image)
    assert drawn is not image


def test_things_are_colored_outlined_and_numbered_where_there_is_room():
    mask = np.zeros((120, 160), np.uint8)
    mask[10:60, 10:70] = mask[100:106, 100:106] = 1
    image = make_image(mask.shape)
    drawn = draw_instances(image, find_instances(mask, NAMES))
    assert (image == GREY).all() and (drawn[mask == 0] == GREY).all()
    assert tuple(drawn[10, 10]) == PALETTE[0] and tuple(drawn[100, 100]) == PALETTE[1]
    assert (drawn[15, 15] != GREY).any() and tuple(drawn[15, 15]) != PALETTE[0]  # translucent
    white = (drawn == 255).all(axis=2)
    assert white[20:50, 20:60].any() and not white[100:106].any()


def test_neighbors_have_different_colors_even_where_there_are_many():
    mask = np.ones((144, 144), np.uint8)
    mask[::12] = mask[:, ::12] = 0
    instances = find_instances(mask, NAMES)
    corners = draw_instances(make_image(mask.shape), instances)[1::12, 1::12]
    assert len(instances.things) == 144 > len(PALETTE)
    for y, x in ((0, 1), (1, 0), (1, 1)):
        assert (corners[y:, x:] != corners[: 12 - y, : 12 - x]).any(axis=2).all()
