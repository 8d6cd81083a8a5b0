"""Changed copies of an image are found; images that merely look much alike are not."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from visionkit.data.quality.duplicates import Duplicate, find_duplicates, fingerprint


def as_jpeg(pixels, quality):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def half(pixels):
    return cv2.resize(pixels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)


def brighter(pixels, factor=1.1):
    return np.clip(pixels * factor, 0, 255).astype(np.uint8)


def found_among(images, splits=None, digests=None) -> list[Duplicate]:
    marks = [fingerprint(image) for image in images]
    return find_duplicates(
        digests or [str(number) for number in range(len(marks))],
        np.array([number for number, _ in marks], np.uint64),
        np.array([thumbnail for _, thumbnail in marks], np.uint8).reshape(-1, 16, 16, 3),
        splits or [0] * len(marks),
    )


@pytest.fixture(scope="module")
def photographs():
    import skimage.data

    return [skimage.data.chelsea(), skimage.data.astronaut(), skimage.data.coffee(), skimage.data.rocket()]


def test_nothing_has_no_duplicates():
    assert found_among([]) == []


def test_one_image_has_no_duplicate(photograph):
    assert found_among([photograph]) == []


@pytest.mark.parametrize(
    "change",
    [
        half,
        lambda pixels: as_jpeg(pixels, 50),
        brighter,
        lambda pixels: brighter(pixels, 0.9),
        lambda pixels: as_jpeg(brighter(half(pixels)), 50),
    ],
    ids=["half", "quality 50", "brighter", "darker", "all of that"],
)
def test_a_changed_copy_is_found(photographs, change):
    copies = [change(pixels) for pixels in photographs]
    found = found_among(photographs + copies)
    assert found == [Duplicate(4 + i, i, exact=False, redundant=True) for i in range(4)]


def test_images_that_differ_are_not_duplicates(photographs):
    assert found_among(photographs + [pixels[:, ::-1] for pixels in photographs]) == []


def test_a_shifted_view_is_another_image(photograph):
    """Like two frames of a moving camera, or two photographs of a face."""
    assert found_among([photograph[:, :-40], photograph[:, 40:]]) == []


def test_blank_images_are_duplicates_only_byte_for_byte(rng):
    blank = [np.full((60, 80, 3), 200, np.uint8) + rng.integers(0, 3, (60, 80, 3), dtype=np.uint8) for _ in range(3)]
    assert found_among(blank) == []
    assert found_among(blank, digests=["a", "b", "a"]) == [Duplicate(2, 0, exact=True, redundant=True)]


def test_every_copy_names_one_that_is_kept(photograph):
    found = found_among([photograph, half(photograph), brighter(photograph)], digests=["a", "b", "c"])
    assert [(one.row, one.other) for one in found] == [(1, 0), (2, 0)]


def test_a_copy_in_another_split_is_named_before_one_in_the_same(photograph):
    copies = [photograph, half(photograph), brighter(photograph)]
    found = found_among(copies, splits=[0, 1, 1])
    assert [(one.row, one.other) for one in found] == [(1, 0), (2, 0)]
    found = found_among(copies, splits=[0, 0, 1])
    assert [(one.row, one.other) for one in found] == [(1, 0), (2, 0)]


def test_the_ends_of_a_chain_are_kept(photograph):
    """Frames of a video: each resembles the last, the first and the last do not resemble each other."""
    frames = [photograph[:, step : step + 380] for step in range(0, 60, 2)]
    found = found_among(frames)
    kept = [row for row in range(len(frames)) if row not in {one.row for one in found if one.redundant}]
    assert len(found) == len(frames) - 1 and 1 < len(kept) < len(frames)
    assert found_among([frames[row] for row in kept]) == []


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (7, 9)])
def test_an_image_of_any_shape_has_a_fingerprint(shape, rng):
    number, thumbnail = fingerprint(rng.integers(0, 256, (*shape, 3), dtype=np.uint8))
    assert 0 <= number < 2**64 and thumbnail.shape == (16, 16, 3) and thumbnail.dtype == np.uint8


def test_many_random_images_are_compared_without_false_alarm(rng):
    count = 5000
    hashes = rng.integers(0, 2**63, count).astype(np.uint64)
    thumbnails = rng.integers(0, 256, (count, 16, 16, 3), dtype=np.uint8)
    assert find_duplicates([str(i) for i in range(count)], hashes, thumbnails, [0] * count) == []
    hashes[-1], thumbnails[-1] = hashes[17] ^ np.uint64(0b10101), thumbnails[17]
    found = find_duplicates([str(i) for i in range(count)], hashes, thumbnails, [0] * count)
    assert found == [Duplicate(count - 1, 17, exact=False, redundant=True)]
