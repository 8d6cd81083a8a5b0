"""Problems of boxes, and the cleaned boxes for training."""

import io

import numpy as np
import pytest
from faster_coco_eval.core import mask
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from visionkit.data.boxes import SMALLEST, box_problems, cleaned, rotation_of, turned, upright
from visionkit.data.index import NO_OBJECTS, Annotation, Objects, Rle


def objects_of(boxes, classes=None) -> Objects:
    boxes = np.array(boxes, np.float64).reshape(-1, 4)
    return Objects(boxes, np.zeros(len(boxes), np.int32) if classes is None else np.array(classes, np.int32))


def test_no_boxes_have_no_problems():
    assert box_problems(np.zeros((0, 4))) == []
    assert cleaned(NO_OBJECTS) is NO_OBJECTS


def test_each_kind_of_problem_is_reported():
    boxes = [[0, 0, 1, 1], [0.5, 0, 0.4, 1], [0.2, 0.2, 0.2, 0.9], [0.5, 0.5, 1.2, 0.9], [-0.3, 0, 0.1, 1], [0, 1.5, 1, 1.2]]
    found = box_problems(np.array(boxes, np.float64))
    assert found == [(1, "inverted box"), (2, "empty box"), (3, "box outside"), (4, "box outside"), (5, "inverted box")]


def test_rounding_errors_are_no_problem():
    assert box_problems(np.array([[-0.0005, 0, 1.0005, 1]])) == []


def test_a_box_of_negligible_width_is_empty():
    """The logarithm of its sides in float32 would be useless for training."""
    boxes = [[0.5, 0, 0.5 + SMALLEST / 2, 1], [0.5, 0, 0.5 + 2 * SMALLEST, 1]]
    assert box_problems(np.array(boxes)) == [(0, "empty box")]
    kept = cleaned(objects_of(boxes))
    assert len(kept) == 1 and (np.diff(kept.boxes.astype(np.float32)[:, ::2]) > 0).all()


def test_sound_objects_are_returned_unchanged():
    objects = objects_of([[0, 0, 1, 1], [0.2, 0.2, 0.3, 0.9]])
    assert cleaned(objects) is objects


def test_objects_are_clipped_and_those_outside_are_removed():
    kept = cleaned(objects_of([[-1, 0.5, 0.5, 2], [1.1, 0, 1.5, 1], [0, 0, 1, 1], [0.4, 0.4, 0.3, 0.5]], [3, 4, 5, 6]))
    assert kept.boxes.tolist() == [[0, 0.5, 0.5, 1], [0, 0, 1, 1]]
    assert kept.classes.tolist() == [3, 5]


def test_objects_of_an_unknown_class_are_removed():
    assert cleaned(objects_of([[0, 0, 1, 1], [0, 0, 0.5, 1]], [-1, 2])).classes.tolist() == [2]


def test_attributes_of_an_object_stay_with_it():
    objects = Objects(
        np.array([[0.5, 0, 0.4, 1], [0, 0, 2, 1]]),
        np.array([0, 1], np.int32),
        outlines=(None, (np.zeros((3, 2)),)),
        keypoints=np.arange(12.0).reshape(2, 2, 3),
        attributes=({"a": 1}, {"b": 2}),
    )
    kept = cleaned(objects)
    assert kept.attributes == ({"b": 2},) and kept.outlines == (objects.outlines[1],)
    np.testing.assert_array_equal(kept.keypoints, objects.keypoints[1:])


NUMBERS = st.floats(-3, 3) | st.sampled_from([0.0, 1.0, 1e300, -1e300, np.inf, -np.inf, np.nan, 5e-324])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS), max_size=5))
def test_objects_cleaned_from_any_numbers_are_sound(boxes):
    with np.errstate(invalid="ignore", over="ignore"):
        kept = cleaned(objects_of(boxes))
    assert np.isfinite(kept.boxes).all() and (kept.boxes >= 0).all() and (kept.boxes <= 1).all()
    assert (np.float32(kept.boxes[:, 2:]) > np.float32(kept.boxes[:, :2])).all()
    assert box_problems(kept.boxes) == []


def drawn(boxes, size):
    """An image that is white in the boxes; they are in relative coordinates."""
    pixels = np.zeros(size, np.uint8)
    for x1, y1, x2, y2 in np.round(boxes * np.tile(size[::-1], 2)).astype(int):
        pixels[y1:y2, x1:x2] = 255
    return pixels


@pytest.mark.parametrize("orientation", range(1, 9))
def test_objects_are_turned_as_pillow_turns_the_image(orientation):
    size, (x1, y1, x2, y2) = (8, 12), (0.25, 0.125, 0.75, 0.375)
    stored = drawn(np.array([[x1, y1, x2, y2]]), size)
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    Image.fromarray(stored).save(file, "PNG", exif=exif)
    displayed = np.asarray(ImageOps.exif_transpose(Image.open(file)))
    polygon = np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]])
    rle = Rle(size, mask.encode(np.asfortranarray(stored // 255))["counts"])
    keypoints = np.array([[[x1, y1, 2], [0, 0, 0]]] * 2)
    objects = Objects(np.array([[x1, y1, x2, y2]] * 2), np.zeros(2, np.int32), ((polygon,), rle), keypoints, ({"a": 1}, {}))
    moved = turned(objects, orientation)
    np.testing.assert_array_equal(drawn(moved.boxes[:1], displayed.shape), displayed)
    corners = moved.outlines[0][0]
    np.testing.assert_allclose([*corners.min(axis=0), *corners.max(axis=0)], moved.boxes[0])
    pixels = mask.decode({"size": moved.outlines[1].size, "counts": moved.outlines[1].counts})
    np.testing.assert_array_equal(pixels, displayed // 255)
    np.testing.assert_allclose(moved.keypoints[0], [[*corners[0], 2], [0, 0, 0]])
    assert moved.attributes == objects.attributes and moved.outlines[1].size == displayed.shape
    inverted = turned(Objects(np.array([[x2, y1, x1, y2]]), np.zeros(1, np.int32)), orientation)
    assert len(box_problems(inverted.boxes)) == 1


def test_nothing_is_turned_without_objects():
    assert len(turned(NO_OBJECTS, 6)) == 0
    assert rotation_of(Annotation(), (20, 10), 6) == "" and rotation_of(Annotation(NO_OBJECTS), (20, 10), 6) == ""


@pytest.mark.parametrize(
    ("size", "measured", "shown", "orientation", "expected"),
    [
        ((10, 20), False, (20, 10), 6, "turned"),
        ((20, 10), False, (20, 10), 6, ""),
        ((20, 10), True, (20, 10), 6, "unclear"),
        ((30, 10), False, (20, 10), 6, ""),
        (None, False, (20, 10), 8, "unclear"),
        ((20, 20), False, (20, 20), 5, "unclear"),
        ((20, 10), False, (20, 10), 3, "unclear"),
        ((20, 10), False, (20, 10), 1, ""),
        (None, False, (20, 10), 1, ""),
    ],
)
def test_when_objects_are_turned(size, measured, shown, orientation, expected):
    objects = Objects(np.array([[0, 0, 0.5, 0.25]]), np.zeros(1, np.int32))
    annotation = Annotation(objects, size=size, measured=measured)
    assert rotation_of(annotation, shown, orientation) == expected
    moved = upright(annotation, shown, orientation)
    assert (moved is annotation) == (expected != "turned") and (expected != "turned" or moved.size == shown)
