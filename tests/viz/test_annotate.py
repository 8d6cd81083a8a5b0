"""Masks, keypoints and names are drawn in the right place and color, and nothing else changes."""

import numpy as np

from visionkit.viz import annotate

GREY = np.full((100, 120, 3), 128, np.uint8)


def test_without_annotations_nothing_changes():
    np.testing.assert_array_equal(annotate.draw_keypoints(GREY, np.zeros((0, 3, 3))), GREY)
    np.testing.assert_array_equal(annotate.draw_mask(GREY, np.zeros((100, 120), np.uint8), background=[0]), GREY)
    assert annotate.legend([], [], 200, 12).shape == (0, 200, 3)


def test_a_mask_colors_its_class_and_hatches_ignored_pixels():
    mask = np.zeros((100, 120), np.uint8)
    mask[20:60, 20:60], mask[:, 100:] = 2, annotate.IGNORE
    drawn = annotate.draw_mask(GREY, mask, background=[0])
    assert (drawn[5, 5] == 128).all() and (drawn[20, 30] == annotate.color_of(2)).all()
    np.testing.assert_allclose(drawn[40, 40], 0.6 * 128 + 0.4 * np.array(annotate.color_of(2)), atol=1)
    assert (drawn[:, 100:] == annotate.INK).all(axis=-1).any()


def test_only_visible_keypoints_are_drawn():
    keypoints = np.array([[[0.25, 0.5, 2], [0.75, 0.5, 0]]])
    drawn = annotate.draw_keypoints(GREY, keypoints)
    assert (drawn[50, 30] == annotate.color_of(0)).all() and (drawn[50, 89] == 128).all()


def test_names_are_legible_on_all_colors():
    for color in annotate.PALETTE:
        light, dark = (annotate._luminance(each) + 0.05 for each in (annotate.text_color(color), color))
        assert max(light, dark) / min(light, dark) >= 3  # large text, by WCAG


def test_long_and_odd_texts_become_one_line():
    image = annotate.text_image("a\nb \udcff " * 400, 12, max_width=90)
    assert image.shape[1] <= 90 and image.shape[0] == annotate.text_image("x", 12).shape[0]
