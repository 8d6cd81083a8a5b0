"""Boxes and names are drawn in the right place and color, and are legible."""

import numpy as np
import pytest

from visionkit.metrics.detection import GroundTruth
from visionkit.ops.detections import Detections
from visionkit.tasks.detection.draw import OUTCOMES, draw_comparison
from visionkit.viz import annotate
from visionkit.viz.boxes import LABELS_SHARE, SMALLEST, draw_boxes

GRAY = np.full((500, 600, 3), 127, np.uint8)
NAMES = ("cell", "platelet")
LEFT, RIGHT, LOW = [0.1, 0.2, 0.4, 0.6], [0.55, 0.2, 0.85, 0.6], [0.2, 0.7, 0.6, 0.95]
NONE = np.zeros((0, 4)), np.zeros(0, int)


def has(drawn, color) -> bool:
    return bool((drawn == color).all(axis=-1).any())


def test_without_boxes_the_image_is_unchanged():
    drawn = draw_boxes(GRAY, *NONE, ())
    assert (drawn == GRAY).all() and drawn is not GRAY
    nothing = GroundTruth(*NONE, (500, 600)), Detections(NONE[0], np.zeros(0), NONE[1])
    assert (draw_comparison(GRAY, *nothing, 0.5, NAMES) == GRAY).all()


def test_each_class_has_its_color_and_the_input_image_is_unchanged():
    drawn = draw_boxes(GRAY, np.array([LEFT, RIGHT]), np.array([0, 1]), NAMES, np.array([0.9, 0.8]))
    assert drawn.shape == GRAY.shape and drawn.dtype == np.uint8 and (GRAY == 127).all()
    for box, number in ((LEFT, 0), (RIGHT, 1)):
        x, y = round(box[0] * 599), round((box[1] + box[3]) / 2 * 499)
        assert tuple(drawn[y, x]) == annotate.color_of(number)
        assert (drawn[y, x + 10] == 127).all()


def test_names_stand_above_their_boxes_and_are_legible():
    named = draw_boxes(GRAY, np.array([LEFT]), np.array([0]), NAMES)
    nameless = draw_boxes(GRAY, np.array([LEFT]), np.array([0]), ("",))
    assert has(named, annotate.INK) and not has(nameless, annotate.INK)
    rows, columns = np.nonzero((named != nameless).any(axis=-1))
    assert rows.min() > 0 and rows.max() <= 0.2 * 500 and columns.min() >= 0.1 * 599 - 1


def test_a_class_beyond_the_names_has_a_box_without_a_name():
    drawn = draw_boxes(GRAY, np.array([LEFT]), np.array([25]), NAMES)
    np.testing.assert_array_equal(drawn, draw_boxes(GRAY, np.array([LEFT]), np.array([25]), ("",) * 26))
    assert has(drawn, annotate.color_of(25)) and not has(drawn, annotate.INK)


def test_padding_is_not_drawn():
    assert (draw_boxes(GRAY, np.array([LEFT]), np.array([-1]), NAMES, np.array([0.0])) == GRAY).all()


@pytest.mark.parametrize("shape", [(1, 1), (32, 48), (2, 479)])
def test_small_images_are_enlarged_by_a_whole_number(shape):
    drawn = draw_boxes(np.zeros((*shape, 3), np.uint8), np.array([LEFT]), np.array([0]), NAMES)
    times = drawn.shape[0] // shape[0]
    assert drawn.shape == (times * shape[0], times * shape[1], 3) and max(drawn.shape) >= SMALLEST


def test_small_images_may_keep_their_size():
    small = np.full((100, 120, 3), 128, np.uint8)
    drawn = draw_boxes(small, np.array([[0.25, 0.5, 0.75, 0.9]]), np.array([1]), ("", ""), smallest=1)
    assert drawn.shape == small.shape and (drawn[70, round(0.25 * 119)] == annotate.color_of(1)).all()
    assert (drawn[70, 60] == 128).all() and (drawn[5, 5] == 128).all()


def test_in_a_crowd_each_class_is_named_and_the_image_stays_visible():
    image = np.full((224, 224, 3), 128, np.uint8)
    corners = np.stack(np.meshgrid(np.linspace(0, 0.9, 10), np.linspace(0, 0.9, 10)), axis=-1).reshape(-1, 2)
    boxes = np.concatenate([corners, corners + 0.08], axis=1)
    classes = np.zeros(100, int)
    classes[99] = 1
    unnamed = draw_boxes(image, boxes, classes, ("", ""), smallest=1)
    named = draw_boxes(image, boxes, classes, ["red", "white"], smallest=1)
    changed = (named != unnamed).any(axis=-1)
    assert 0.02 < changed.mean() < LABELS_SHARE + 0.02
    assert (changed & (named == annotate.color_of(1)).all(axis=-1)).sum() > 50


def test_in_a_crowd_not_every_name_is_drawn_and_none_on_another(rng):
    low = rng.uniform(0, 0.9, (300, 2))
    boxes = np.concatenate([low, low + 0.05], axis=1)
    few = draw_boxes(GRAY, boxes, np.zeros(300, int), ("",))
    named = draw_boxes(GRAY, boxes, np.zeros(300, int), ("cell",), rng.random(300))
    assert 0.02 < (named != few).any(axis=-1).mean() < 0.2


@pytest.mark.parametrize("box", [[-9e9, 0, 9e9, 1], [np.nan] * 4, [0.5, 0.5, 0.5, 0.5], [0.9, 0.9, 0.1, 0.1], [2, 2, 3, 3]])
def test_no_box_is_refused(box):
    assert draw_boxes(GRAY, np.array([box]), np.array([0]), NAMES, np.array([0.5])).shape == GRAY.shape


@pytest.mark.parametrize("name", ["", "$^$", "猫", "a" * 1000, "two\nlines"])
def test_no_name_is_refused(name):
    assert has(draw_boxes(GRAY, np.array([LEFT]), np.array([0]), (name,)), annotate.color_of(0))


def test_a_comparison_shows_each_outcome_in_its_color():
    truth = GroundTruth(np.array([LEFT, RIGHT]), np.array([0, 1]), (500, 600))
    answers = Detections(np.array([LEFT, RIGHT, LOW]), np.array([0.9, 0.8, 0.7]), np.array([0, 0, 1]))
    seen = {
        threshold: {
            name for name, color in OUTCOMES.items() if has(draw_comparison(GRAY, truth, answers, threshold, NAMES), color)
        }
        for threshold in (0.5, 0.75, 0.85, 1.0)
    }
    assert seen == {
        0.5: {"found", "wrong class", "false"},
        0.75: {"found", "wrong class"},
        0.85: {"found", "missed"},
        1.0: {"missed"},
    }
