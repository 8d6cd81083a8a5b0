"""The shape that five points have, and the choice between the rotations of an image."""

import numpy as np
import pytest

from visionkit.faces.face import (
    Face,
    choose_rotation,
    is_certain,
    principal_face,
    shape_of,
    threshold_of,
)
from visionkit.ops.alignment import MTCNN_POINTS

SIZE = (250, 250)
CENTER = MTCNN_POINTS.mean(axis=0)


def face(x=125.0, y=125.0, *, side=120, score=1.0, turned=0, tilt=0.0, eyes=0.4, points=None) -> Face:
    """A face whose eyes have this distance by the side of its box, around ``(x, y)``."""
    angle = np.radians(tilt + 90 * turned)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = (MTCNN_POINTS if points is None else points) - CENTER
    points = points @ rotation.T * (eyes * side / (MTCNN_POINTS[1, 0] - MTCNN_POINTS[0, 0])) + (x, y)
    return Face((x - side / 2, y - side / 2, x + side / 2, y + side / 2), score, points, turned)


def test_without_faces_there_is_nothing_to_choose():
    assert principal_face([], SIZE) is None
    assert choose_rotation([], [[], [], []], SIZE) == []


@pytest.mark.parametrize("turned", [0, 1, 2, 3])
@pytest.mark.parametrize("tilt", [0, 30, -30])
def test_the_shape_of_a_face_is_that_after_its_quarter_turns(turned, tilt):
    shape = shape_of(face(turned=turned, tilt=tilt))
    assert shape.tilt == pytest.approx(tilt, abs=1e-6) and shape.eyes == pytest.approx(0.4)
    assert shape.residual == pytest.approx(0, abs=1e-6) and shape.in_order


def changed(**places) -> np.ndarray:
    points = MTCNN_POINTS.copy()
    for name, point in places.items():
        points[["left_eye", "right_eye", "nose", "left_mouth", "right_mouth"].index(name)] = point
    return points


@pytest.mark.parametrize(
    "points",
    [
        changed(nose=(73, 30)),  # above the eyes
        changed(nose=(73, 120)),  # below the mouth
        changed(left_eye=MTCNN_POINTS[1], right_eye=MTCNN_POINTS[0]),
        changed(left_eye=(20, -30)),
        MTCNN_POINTS * (-1, 1),  # mirrored
        np.ones((5, 2)),
    ],
)
def test_points_that_form_no_face(points):
    assert shape_of(face()).is_upright and not shape_of(face(points=points)).is_upright


def test_a_face_that_lies_on_its_side_is_not_upright_and_narrow_eyes_are_not_certain():
    assert [shape_of(face(tilt=tilt)).is_upright for tilt in (60, -100, 40)] == [False, False, True]
    assert is_certain(face(), 0.99) and not is_certain(face(eyes=0.33, score=0.999), 0.99)
    assert not is_certain(face(score=0.98), 0.99) and not is_certain(face(), 1.01)


def choice(upright: list[Face], *turned: Face) -> list[Face]:
    return choose_rotation(upright, [[other for other in turned if other.turned == k] for k in (1, 2, 3)], SIZE)


@pytest.mark.parametrize("score", [0.85, 0.92, 0.985])
@pytest.mark.parametrize("side", [40, 70, 100])
def test_an_upright_face_beats_a_piece_of_background_on_a_rotated_image(score, side):
    portrait, wall = face(score=score), face(30, 200, side=side, score=0.999, turned=1)
    assert choice([portrait], wall) == [portrait]


@pytest.mark.parametrize("turned", [1, 2, 3])
def test_a_face_on_a_rotated_image_counts_where_there_is_no_upright_one(turned):
    lying = face(score=0.995, turned=turned)
    assert choice([], lying) == [lying]
    small, other = face(60, 60, side=50, score=0.99, turned=turned), face(30, 200, side=24, score=0.999, turned=turned)
    assert choice([], lying, small, other) == [lying, small, other]
    assert choice([], other) == []  # it is tiny
    assert choice([], face(score=0.9, turned=turned)) == []
    assert choice([], face(tilt=60, turned=turned)) == [] and choice([], face(eyes=0.2, turned=turned)) == []
    assert choice([], face(points=MTCNN_POINTS * (-1, 1), turned=turned)) == []


def test_a_background_of_a_low_score_is_not_the_principal_face():
    portrait, curtain = face(80, 80, score=0.95), face(score=0.85)
    assert principal_face([curtain, portrait], SIZE) is portrait and principal_face([curtain], SIZE) is curtain
    assert principal_face([face(points=MTCNN_POINTS * (-1, 1)), portrait], SIZE) is portrait


def test_of_several_readings_of_one_head_the_likeliest_counts():
    upside_down, passing = face(score=0.999, turned=2), face(120, 130, score=0.999, eyes=0.33)
    assert choice([passing], upside_down) == [upside_down]
    assert choice([face(score=0.97)], face(score=0.99, eyes=0.34, turned=2))[0].turned == 0
    assert choice([face(score=0.985)], face(score=0.99, turned=2))[0].turned == 0  # no clear difference
    assert choice([], face(score=0.985, turned=1), upside_down) == [upside_down]
    sideways = face(score=0.96, turned=1)
    assert choice([face(tilt=80, score=0.92)], sideways) == [sideways]  # a lower score suffices, as there is a head


@pytest.mark.parametrize("tilt", [46, -50])
def test_a_face_halfway_between_two_rotations_counts_in_the_one_that_shows_it(tilt):
    lying = face(score=0.994, eyes=0.38, tilt=tilt, turned=2)
    assert choice([], lying) == [lying]
    assert choice([face(score=0.953, eyes=0.29, tilt=-10)], lying) == [lying]


def test_a_much_larger_face_on_a_rotated_image_beats_a_small_upright_one():
    lying, small = face(score=0.999, turned=3), face(30, 40, side=36, score=0.95)
    assert choice([small], lying) == [lying]
    assert choice([small._replace(score=0.9995)], lying)[0].turned == 0
    near = face(60, 60, side=100, score=0.85)
    assert choice([near], face(180, 180, side=110, score=0.999, turned=3))[0].turned == 3  # no fair score, and not larger


def test_a_face_that_a_border_cuts_off_must_be_more_similar():
    assert threshold_of(face(60, 60), SIZE, 0.6) == threshold_of(face(40, 125), SIZE, 0.6) == 0.6  # all, and 5/6 visible
    cut_off = [(30, 125), (220, 125), (125, 30), (125, 220), (44, 44), (-300, 0)]
    assert [threshold_of(face(x, y), SIZE, 0.6) for x, y in cut_off] == pytest.approx([0.552] * 6)
    assert threshold_of(face(side=0), SIZE, 0.6) < 0.6
