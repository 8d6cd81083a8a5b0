"""Faces on photographs of scikit-image are found at any rotation and size, and cut out upright."""

import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.conftest import sweep
from visionkit.errors import UserError
from visionkit.faces import detector
from visionkit.faces.detector import Face, FaceFinder, principal_face
from visionkit.ops.alignment import MTCNN_POINTS

EYES_AND_MOUTH = np.array([(203, 100), (246, 102), (224, 126), (202, 138), (245, 140)])  # on the astronaut, by eye


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder()


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    """A portrait, uint8 (512, 512, 3)."""
    import skimage.data

    return skimage.data.astronaut()


def face(left, top, side, score=0.9) -> Face:
    return Face((left, top, left + side, top + side), score, MTCNN_POINTS)


def test_without_faces_there_is_no_principal_one():
    assert principal_face([], (10, 10)) is None


def test_the_principal_face_is_the_most_central_of_the_large_ones():
    at_the_side, central, small = face(0, 0, 40), face(45, 40, 30), face(49, 49, 2, score=1.0)
    assert principal_face([small, at_the_side, central], (100, 100)) is central
    assert principal_face([small, at_the_side], (100, 100)) is at_the_side
    wide = [face(10, 40, 20), face(150, 40, 20)]
    assert principal_face(wide, (100, 300)) is wide[1] and principal_face(wide, (100, 100)) is wide[0]


@pytest.mark.parametrize("name", detector.NEEDED)
def test_a_missing_package_is_reported(monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UserError, match=rf"{name}.*cannot be imported.*pip install 'visionkit\[faces\]'"):
        FaceFinder()


def test_without_images_nothing_is_found(finder):
    assert list(finder.find_many([])) == []


def test_no_face_is_found_on_an_image_without_faces(finder, photograph):
    assert finder.find(photograph) == []
    assert finder.find(np.zeros((100, 80, 3), np.uint8)) == []


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (12, 12), (19, 40), (20, 20), (25, 21), (3000, 30)])
def test_no_face_is_found_on_tiny_and_narrow_images(finder, rng, shape):
    assert finder.find(rng.integers(0, 256, (*shape, 3), dtype=np.uint8)) == []


def test_a_face_is_found_and_its_chip_is_upright_and_in_place(finder, astronaut):
    (found,) = finder.find(astronaut)
    assert found.score > 0.99 and found.turned == 0
    np.testing.assert_allclose(found.points, EYES_AND_MOUTH, atol=4)
    left, top, right, bottom = found.xyxy
    assert 170 < left < 195 and 50 < top < 75 and 255 < right < 280 and 160 < bottom < 180
    for size in (150, 160):
        chip = finder.chip(astronaut, found, size)
        assert chip.shape == (size, size, 3)
        (again,) = finder.find(chip)
        np.testing.assert_allclose(again.points, MTCNN_POINTS * size / 150, atol=12)


def test_grey_images_are_searched(finder, astronaut):
    grey = cv2.cvtColor(astronaut, cv2.COLOR_RGB2GRAY)
    for pixels in (grey, grey[..., None]):
        (found,) = finder.find(pixels)
        np.testing.assert_allclose(found.points, EYES_AND_MOUTH, atol=4)
        assert finder.chip(pixels, found).shape == (150, 150, 3)


@pytest.mark.parametrize("pixels", [np.zeros((30, 30, 3)), np.zeros((30, 30, 4), np.uint8), np.zeros((0, 30, 3), np.uint8)])
def test_pixels_of_another_shape_or_dtype_are_an_error(finder, pixels):
    with pytest.raises(ValueError, match="uint8 pixels"):
        finder.find(pixels)


def test_several_faces_come_with_the_principal_first(finder, astronaut):
    small = np.zeros_like(astronaut)
    small[:256, 256:] = cv2.resize(astronaut, (256, 256), interpolation=cv2.INTER_AREA)
    for pixels in (np.hstack([astronaut, small]), np.hstack([small, astronaut])):
        faces = finder.find(pixels)
        assert len(faces) == 2
        sides = [face.xyxy[2] - face.xyxy[0] for face in faces]
        assert sides[0] > 1.7 * sides[1]


def test_a_face_at_the_border_keeps_its_points_and_reaches_out(finder, astronaut):
    (found,) = finder.find(astronaut[95:])
    assert found.xyxy[1] < 0
    np.testing.assert_allclose(found.points, EYES_AND_MOUTH - (0, 95), atol=6)
    chip = finder.chip(astronaut[95:], found)
    assert not chip[:20].any() and chip[60:].any(axis=2).mean() > 0.95


@pytest.fixture(scope="module", params=[(512, 512), (300, 420)], ids=str)
def upright(request, finder, astronaut) -> tuple[np.ndarray, Face]:
    """An image, and the face on it."""
    pixels = astronaut[: request.param[0], : request.param[1]]
    (found,) = finder.find(pixels)
    return pixels, found


@pytest.mark.parametrize("turns", sweep([1, 2, 3], [1]))
def test_faces_are_found_on_rotated_images(finder, upright, turns):
    upright, expected = upright
    pixels = np.rot90(upright, turns)
    (found,) = finder.find(pixels)
    assert found.turned == 4 - turns
    left, top, right, bottom = found.xyxy
    assert left < right and top < bottom
    assert ((found.points > (left, top)) & (found.points < (right, bottom))).all()
    from_turned, from_upright = finder.chip(pixels, found).astype(int), finder.chip(upright, expected).astype(int)
    assert np.abs(from_turned - from_upright).mean() < 4


def test_a_piece_of_background_on_a_rotated_image_does_not_replace_an_upright_portrait(finder, monkeypatch):
    """mtcnn found a wall on the image turned by 90 degrees, with a higher score than the portrait had."""
    points = (MTCNN_POINTS - 75) * 0.75
    portrait, wall = Face((75, 65, 175, 185), 0.985, points + 125), Face((10, 20, 70, 90), 0.991, points / 2 + (40, 55))
    monkeypatch.setattr(finder, "_search", lambda images: [[portrait]] if len(images) == 1 else [[wall], [], []])
    assert finder.find(np.zeros((250, 250, 3), np.uint8)) == [portrait]


def test_no_other_rotation_is_searched_after_a_high_score(finder, astronaut):
    trusting = FaceFinder(sure=0)
    assert finder.find(np.rot90(astronaut))[0].turned and trusting.find(np.rot90(astronaut, 2))[0].turned == 0


def test_on_large_images_faces_are_in_the_images_own_pixels(finder, astronaut):
    large = cv2.resize(astronaut, (1790, 1536), interpolation=cv2.INTER_LINEAR)
    (found,) = finder.find(large)
    np.testing.assert_allclose(found.points, EYES_AND_MOUTH * (1790 / 512, 3), atol=14)
    assert finder.chip(large, found).any()
    assert FaceFinder(longest=30).find(astronaut) == []  # there, the face has 5 pixels


def test_faces_of_many_images_come_in_order(finder, astronaut, photograph, monkeypatch):
    monkeypatch.setattr(detector, "BATCH", 4)
    head, empty = astronaut[:256, 80:336], photograph[:200, 40:260]
    images = [head, empty, np.roll(head, 40, axis=1), head[:200], np.zeros((2, 2, 3), np.uint8), np.rot90(head)]
    answers = list(finder.find_many(iter(images)))
    assert [len(faces) for faces in answers] == [1, 0, 1, 1, 0, 1]
    for faces, pixels in zip(answers, images, strict=True):
        for found, alone in zip(faces, finder.find(pixels), strict=True):
            np.testing.assert_allclose(found.points, alone.points, atol=4)
            assert found.turned == alone.turned


def test_threads_share_a_finder(finder, astronaut):
    images = [astronaut[:256, start:] for start in range(0, 80, 10)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(finder.find, images))
    assert all(together)
    for faces, pixels in zip(together, images, strict=True):
        np.testing.assert_array_equal([face.points for face in faces], [face.points for face in finder.find(pixels)])


def test_only_the_proposals_with_the_highest_scores_are_used_in_a_crowd(finder, astronaut, monkeypatch):
    """Otherwise memory would grow with the square of their number."""
    crowd = np.tile(cv2.resize(astronaut[:256, 100:356], (64, 64), interpolation=cv2.INTER_AREA), (4, 4, 1))
    assert len(finder.find(crowd)) == 16
    monkeypatch.setattr(detector, "PROPOSALS", 4)
    assert 1 <= len(finder.find(crowd)) < 16


def test_weights_come_from_the_package_alone(finder, tmp_path, monkeypatch):
    """mtcnn itself would unpickle files of these names in the current folder."""

    class Trap:
        def __reduce__(self):
            return Path.touch, (tmp_path / "executed",)

    for name in ("pnet", "rnet", "onet"):
        (tmp_path / f"{name}.lz4").write_bytes(pickle.dumps(Trap()))
    monkeypatch.chdir(tmp_path)
    FaceFinder()
    assert not (tmp_path / "executed").exists()
