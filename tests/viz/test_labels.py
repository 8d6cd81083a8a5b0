"""Predictions below images."""

import numpy as np
import pytest

from visionkit.viz.labels import draw_label

PIXELS = np.zeros((20, 30, 3), np.uint8)


def test_without_lines_the_image_stands_above_an_empty_band():
    drawn = np.asarray(draw_label(PIXELS, []))
    assert drawn.shape[0] > 20 and drawn.shape[2] == 3


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31m", "caf\udce9", "\ud83d", "\u202eevil", ""])
def test_any_name_is_drawn_in_one_line(name):
    assert draw_label(PIXELS, [name]).size == draw_label(PIXELS, ["plain"]).size
