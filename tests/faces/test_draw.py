"""Faces are drawn with boxes, points and names; chips are drawn in a grid."""

import numpy as np
import pytest

from visionkit.faces import draw
from visionkit.faces.detector import Face
from visionkit.faces.draw import GAP, draw_chips, draw_faces
from visionkit.ops.alignment import MTCNN_POINTS
from visionkit.viz.annotate import PALETTE

GREY = 90


def make_image(height=500, width=600) -> np.ndarray:
    return np.full((height, width, 3), GREY, np.uint8)


def face(left=100, top=120) -> Face:
    return Face((left, top, left + 150, top + 150), 0.9, MTCNN_POINTS + np.array([left, top]))


def test_without_faces_the_image_is_unchanged():
    image = make_image()
    drawn = draw_faces(image, [])
    np.testing.assert_array_equal(drawn, image)
    assert drawn is not image


def test_faces_have_boxes_of_their_own_color_and_five_points():
    image, faces = make_image(), [face(), face(340, 200)]
    drawn = draw_faces(image, faces)
    assert (image == GREY).all()
    for number, each in enumerate(faces):
        left, top, right, bottom = map(int, each.xyxy)
        assert tuple(drawn[(top + bottom) // 2, left]) == PALETTE[number] == tuple(drawn[bottom, (left + right) // 2])
        for point, (x, y) in enumerate(np.round(each.points).astype(int)):
            assert tuple(drawn[y, x]) == PALETTE[point]
    assert (drawn[300:, :300] == GREY).all()


def test_a_name_takes_the_place_of_the_number():
    faces = [face(), face(340, 200)]
    numbered = draw_faces(make_image(), faces)
    np.testing.assert_array_equal(draw_faces(make_image(), faces, ["1"]), numbered)
    np.testing.assert_array_equal(draw_faces(make_image(), faces, ["", "2"]), numbered)
    changed = np.argwhere((draw_faces(make_image(), faces, ["1", "Eileen"]) != numbered).any(axis=2))
    assert len(changed) and (changed[:, 1] > 300).all()


@pytest.mark.parametrize(("left", "top"), [(-80, -60), (-1000, 20), (560, 480), (5e7, -5e7)])
def test_faces_that_reach_out_of_the_image_are_drawn(left, top):
    assert draw_faces(make_image(), [face(left, top)], ["a"]).shape == (500, 600, 3)


def test_small_images_are_enlarged_with_their_points():
    small = Face((10, 10, 50, 60), 0.9, np.array([(20, 30), (40, 30), (30, 40), (22, 50), (38, 50)], float))
    drawn = draw_faces(make_image(100, 80), [small])
    assert drawn.shape == (500, 400, 3)
    assert tuple(drawn[152, 102]) == PALETTE[0]


def test_a_person_has_one_color_and_unknown_people_are_grey():
    faces = [face(20, 20), face(340, 20), face(20, 300), face(340, 300)]
    drawn = draw_faces(make_image(), faces, ["Ann", "Bob", "not recognised", "Ann"], people=[0, 1, None, 0])
    lines = [tuple(drawn[int(each.xyxy[1]) + 75, int(each.xyxy[0])]) for each in faces]
    assert lines == [PALETTE[0], PALETTE[1], draw.GREY, PALETTE[0]]


def test_a_caption_stands_below_the_image_in_as_many_lines_as_it_needs():
    text = "Distance: lower means more similar; the same person up to 0.6."
    plain, drawn = (
        draw_faces(make_image(), [face()], ["a"], ["0.123"]),
        draw_faces(make_image(), [face()], ["a"], ["0.123"], caption=text),
    )
    np.testing.assert_array_equal(drawn[:500], plain)
    assert drawn.shape[1] == 600 and 510 < len(drawn) < 560 and (drawn[500:] < 100).any()
    assert (plain != draw_faces(make_image(), [face()], ["a"])).any()
    narrow = draw_faces(make_image(500, 200), [], caption=text)
    assert narrow.shape[1] == 200 and len(narrow) > 560


@pytest.mark.parametrize("same", [True, False])
def test_a_pair_stands_above_the_verdict(same):
    chips = [np.full((150, 150, 3), value, np.uint8) for value in (10, 20)]
    drawn, grid = draw.draw_pair(chips, ["a", "b"], "the same person", same), draw_chips(chips, ["a", "b"])
    np.testing.assert_array_equal(drawn[: len(grid)], grid)
    below = drawn[len(grid) :]
    assert (below == (draw.SAME if same else draw.DIFFERENT)).all(axis=2).mean() > 0.6 and (below < 100).any()


def test_without_chips_nothing_is_drawn():
    assert draw_chips([]).shape == (0, 0, 3)


def test_chips_stand_in_rows_above_their_captions():
    chips = [np.full((150, 150, 3), value, np.uint8) for value in (10, 20, 30)]
    plain = draw_chips(chips, columns=2)
    assert plain.shape == (2 * 150 + GAP, 2 * 150 + GAP, 3)
    assert [plain[y, x, 0] for y, x in ((0, 0), (0, 156), (156, 0), (156, 156))] == [10, 20, 30, 255]
    captioned = draw_chips(chips, ["Ann", "Bob", "a name that is far too long for a chip of this size"], columns=2)
    height = (len(captioned) - len(plain)) // 2
    assert height > 10 and captioned.shape[1] == plain.shape[1]
    assert (captioned[150 : 150 + height, :150] < 100).any() and (captioned[156 + height, 0] == 30).all()
    np.testing.assert_array_equal(captioned[-height:, 156:], 255)


def test_small_chips_are_enlarged():
    assert draw_chips([np.zeros((40, 40, 3), np.uint8)]).shape == (120, 120, 3)


def test_another_number_of_captions_than_chips_is_an_error():
    with pytest.raises(ValueError, match="1 captions for 2 chips"):
        draw_chips([np.zeros((40, 40, 3), np.uint8)] * 2, ["a"])
