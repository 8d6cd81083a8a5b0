"""Tiles find what the whole image loses, and an object gives one box wherever the tiles' borders lie."""

import cv2
import numpy as np
import pytest

from visionkit.ops.detections import Detections
from visionkit.tasks.detection.tiles import find_in_tiles, tile_windows

SIDE = 100  # pixels at which the finder looks
TILE = 200


def find(images: np.ndarray) -> list[Detections]:
    """Bright blobs, a class a channel, as a network sees them that shrinks each image to ``SIDE`` pixels."""
    found = []
    for image in images:
        scale = min(1.0, SIDE / max(image.shape[:2]))
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        height, width = small.shape[:2]
        rows = []
        for number in range(3):
            blobs, _, stats, _ = cv2.connectedComponentsWithStats((small[..., number] > 100).astype(np.uint8))
            for x, y, w, h, _ in stats[1:blobs]:
                bright = small[y : y + h, x : x + w, number]
                rows.append([x / width, y / height, (x + w) / width, (y + h) / height, bright.mean() / 255, number])
        table = np.array(sorted(rows, key=lambda row: -row[4]), np.float32).reshape(-1, 6)
        found.append(Detections(table[:, :4], table[:, 4], table[:, 5].astype(np.int32)))
    return found


def search(
    shape: tuple[int, int], *boxes: tuple[int, int, int, int], channel: int = 0, **options
) -> tuple[np.ndarray, Detections]:
    """What is found, in pixels, of filled boxes."""
    pixels = np.zeros((*shape, 3), np.uint8)
    for x1, y1, x2, y2 in boxes:
        pixels[y1:y2, x1:x2, channel] = 255
    found = find_in_tiles(pixels, TILE, find, iou_threshold=0.6, **options)
    return found.boxes * np.tile(shape[::-1], 2), found


def check(shape, *boxes, slack: float = 2.0) -> None:
    seen, _ = search(shape, *boxes)
    assert len(seen) == len(boxes), seen
    np.testing.assert_allclose(sorted(seen.tolist()), sorted(map(list, boxes)), atol=slack)


def test_nothing_gives_nothing():
    for shape in ((1, 1), (50, 3000), (500, 700)):
        _, found = search(shape)
        assert found.boxes.shape == (0, 4) and found.scores.shape == found.classes.shape == (0,)


@pytest.mark.parametrize("overlap", [0.0, 0.2, 0.5])
@pytest.mark.parametrize("shape", [(1, 1), (200, 200), (201, 199), (640, 480), (999, 50), (1234, 777)])
def test_tiles_cover_the_image_and_overlap(shape, overlap):
    windows = tile_windows(*shape, TILE, overlap)
    seen = np.zeros(shape, int)
    for top, left, height, width in windows:
        assert top >= 0 and left >= 0 and top + height <= shape[0] and left + width <= shape[1]
        assert (height, width) == (min(TILE, shape[0]), min(TILE, shape[1]))
        seen[top : top + height, left : left + width] += 1
    assert seen.min() == 1
    for axis in (0, 1):
        starts = np.unique(windows[:, axis])
        assert (np.diff(starts) <= TILE * (1 - overlap) + 1).all()


def test_an_image_no_larger_than_a_tile_is_seen_once():
    calls = []
    found = find_in_tiles(np.full((150, TILE, 3), 255, np.uint8), TILE, lambda x: calls.append(x) or find(x), iou_threshold=0.6)
    assert len(calls) == 1 and len(found.scores) == 3


def test_a_small_object_that_the_whole_image_loses():
    shape, box = (1000, 1400), (702, 333, 709, 340)
    pixels = np.zeros((*shape, 3), np.uint8)
    pixels[333:340, 702:709, 1] = 255
    assert len(find(pixels[None])[0].scores) == 0
    seen, found = search(shape, box, channel=1)
    assert found.classes.tolist() == [1] and found.scores[0] > 0.3
    np.testing.assert_allclose(seen[0], box, atol=2)


# Tiles of 500 x 500 start at 0, 150 and 300: they share 150..200, and 300..350.
@pytest.mark.parametrize(
    "box",
    [
        (120, 20, 260, 60),  # across the overlap of two tiles
        (20, 120, 60, 260),
        (100, 110, 270, 250),  # over four
        (50, 300, 450, 306),  # through three, too thin for the whole image
        (300, 10, 306, 490),
        (160, 160, 190, 190),  # in the overlap: seen by four
        (196, 30, 230, 60),  # only just across a border
        (130, 30, 152, 60),
        (150, 150, 350, 350),  # as large as a tile
        (5, 5, 495, 495),  # larger
        (0, 0, 200, 30),  # at the image's border, to the tile's end
        (0, 0, 500, 500),
    ],
)
def test_an_object_gives_one_box_wherever_borders_lie(box):
    check((500, 500), box, slack=5.0 if min(box[2] - box[0], box[3] - box[1]) > 100 else 2.0)


def test_neighbors_stay_apart():
    check((500, 500), (100, 100, 172, 140), (180, 100, 260, 140), (100, 150, 172, 190), (180, 150, 260, 190))
    check((500, 500), (120, 20, 260, 60), (120, 70, 260, 110))


def test_objects_of_two_classes_at_one_place_are_two():
    pixels = np.zeros((500, 500, 3), np.uint8)
    pixels[20:60, 120:260, :2] = 255
    found = find_in_tiles(pixels, TILE, find, iou_threshold=0.6)
    assert sorted(found.classes.tolist()) == [0, 1]


def test_many_objects_of_all_sizes(rng):
    """Nothing is lost, nothing doubled."""
    for _ in range(20):
        taken, boxes = np.zeros((600, 900), bool), []
        for side in (300, 150, 80, 40, 40, 20, 12, 12):
            height, width = rng.integers(side // 2, side + 1, 2)
            top, left = rng.integers(0, 600 - height + 1), rng.integers(0, 900 - width + 1)
            around = np.s_[max(0, top - 24) : top + height + 24, max(0, left - 24) : left + width + 24]
            if not taken[around].any():
                taken[top : top + height, left : left + width] = True
                boxes.append((left, top, left + width, top + height))
        seen, _ = search((600, 900), *boxes)
        assert len(seen) == len(boxes), (boxes, seen)
        for box in boxes:
            assert np.abs(seen - box).max(axis=1).min() <= 6, (box, seen)


def test_what_is_unsure_neither_hides_nor_stretches_what_is_sure():
    def with_noise(images):
        answers = []
        for each in find(images):
            noise = np.array([[0, 0, 1, 1], [0, 0.4, 1, 1]], np.float32)  # all of the view, and most of it
            scores = np.array([0.02, 0.01], np.float32)
            answers.append(Detections(*map(np.concatenate, zip(each, (noise, scores, np.zeros(2, np.int32)), strict=True))))
        return answers

    pixels, box = np.zeros((500, 500, 3), np.uint8), (120, 20, 260, 60)
    pixels[20:60, 120:260, 0] = 255
    found = find_in_tiles(pixels, TILE, with_noise, iou_threshold=0.6)
    sure = found.boxes[found.scores > 0.1]
    assert len(sure) == 1 and len(found.scores) > 1
    np.testing.assert_allclose(sure[0] * 500, box, atol=2)
    assert (np.diff(found.scores) <= 0).all()
