"""What is drawn lies where it should, in its color, and nothing else changes."""

import numpy as np
import pytest

from visionkit.viz import annotate

GREY = np.full((100, 120, 3), 128, np.uint8)


def test_nothing_annotated_changes_nothing():
    np.testing.assert_array_equal(annotate.draw_boxes(GREY, np.zeros((0, 4)), np.zeros(0, int)), GREY)
    np.testing.assert_array_equal(annotate.draw_keypoints(GREY, np.zeros((0, 3, 3))), GREY)
    np.testing.assert_array_equal(annotate.draw_mask(GREY, np.zeros((100, 120), np.uint8), background=[0]), GREY)
    assert annotate.legend([], [], 200, 12).shape == (0, 200, 3)


def test_a_box_is_drawn_on_its_edges_in_its_color():
    drawn = annotate.draw_boxes(GREY, np.array([[0.25, 0.5, 0.75, 0.9], [0, 0, 1, 1]]), np.array([1, -1]))
    assert (drawn[70, round(0.25 * 119)] == annotate.color_of(1)).all()
    assert (drawn[70, 60] == 128).all() and (drawn[5, 5] == 128).all()  # inside; and the padded row


def test_a_name_stands_at_its_box_and_is_legible():
    drawn = annotate.draw_boxes(GREY, np.array([[0.1, 0.5, 0.9, 0.9]]), np.array([0]), ["cat"])
    tag = drawn[30:50, 12:60]
    assert (tag == annotate.color_of(0)).all(axis=-1).any() and (tag == annotate.INK).all(axis=-1).any()


def test_in_a_crowd_each_class_is_named_and_the_image_stays_visible():
    image = np.full((224, 224, 3), 128, np.uint8)
    corners = np.stack(np.meshgrid(np.linspace(0, 0.9, 10), np.linspace(0, 0.9, 10)), axis=-1).reshape(-1, 2)
    boxes = np.concatenate([corners, corners + 0.08], axis=1)
    classes = np.zeros(100, int)
    classes[99] = 1
    unnamed = annotate.draw_boxes(image, boxes, classes)
    named = annotate.draw_boxes(image, boxes, classes, ["red", "white"])
    changed = (named != unnamed).any(axis=-1)
    assert 0.02 < changed.mean() < annotate.NAMES_SHARE + 0.02
    assert (changed & (named == annotate.color_of(1)).all(axis=-1)).sum() > 50


@pytest.mark.parametrize(
    "box", [[np.nan, 0, 1, 1], [-5, -5, 9, 9], [0.9, 0.9, 0.1, 0.1], [1e30, 0, 1, 1], [0.5, 0.5, 0.5, 0.5]]
)
def test_no_box_is_refused(box):
    assert annotate.draw_boxes(GREY, np.array([box]), np.array([3]), ["a", "b", "c", "d" * 900]).shape == GREY.shape


def test_a_mask_covers_its_class_and_hatches_what_is_ignored():
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


def test_names_on_colors_can_be_read():
    for color in annotate.PALETTE:
        light, dark = (annotate._luminance(one) + 0.05 for one in (annotate.text_color(color), color))
        assert max(light, dark) / min(light, dark) >= 3  # large text, by WCAG


def test_long_and_odd_texts_become_one_line():
    image = annotate.text_image("a\nb \udcff " * 400, 12, max_width=90)
    assert image.shape[1] <= 90 and image.shape[0] == annotate.text_image("x", 12).shape[0]
