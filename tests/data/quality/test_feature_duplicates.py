"""Copies of a photograph with a caption, a border, mirrored or cut are found; photographs that resemble each other are not."""

import cv2
import numpy as np
import pytest
from PIL import Image

from visionkit.data.index import Index
from visionkit.data.quality import feature_duplicates
from visionkit.data.quality.check import check
from visionkit.data.quality.feature_duplicates import SAMPLE, find_pairs, keypoints_of, same_photograph, seconds_needed
from visionkit.data.quality.fix import without_problems
from visionkit.data.splits import DataSet


def captioned(pixels):
    copy = pixels.copy()
    copy[-len(copy) // 9 :] = 255
    cv2.putText(copy, "a caption", (9, len(copy) - 9), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (0, 0, 0), 2)
    return copy


def framed(pixels):
    return cv2.copyMakeBorder(pixels, 20, 20, 20, 20, cv2.BORDER_CONSTANT, value=(0, 0, 0))


def cut(pixels):
    height, width = pixels.shape[:2]
    return np.ascontiguousarray(pixels[height // 10 :, : width * 9 // 10])


def mirrored(pixels):
    return np.ascontiguousarray(pixels[:, ::-1])


def means(batch) -> np.ndarray:
    """Features that tell the test's photographs apart, and change little with a caption or a border: colors in rough."""
    small = np.stack([cv2.resize(one[20:-20, 20:-20], (1, 1), interpolation=cv2.INTER_AREA) for one in batch])
    return small.reshape(len(batch), -1).astype(np.float32)


@pytest.fixture(scope="module")
def photographs():
    import skimage.data

    return [skimage.data.chelsea(), skimage.data.astronaut(), skimage.data.coffee(), skimage.data.rocket()]


def write(folder, **images) -> list[str]:
    for name, pixels in images.items():
        Image.fromarray(pixels).save(folder / f"{name}.png")
    return [str(folder / f"{name}.png") for name in images]


def test_nothing_and_one_image_have_no_pairs(tmp_path, photographs):
    assert find_pairs([], [], means) == [] and seconds_needed([], [], means) == 0
    assert find_pairs(write(tmp_path, a=photographs[0]), [0], means) == []


@pytest.mark.parametrize("change", [captioned, framed, cut])
def test_a_changed_copy_is_the_same_photograph(photographs, change):
    for pixels in photographs[:3]:
        assert same_photograph(keypoints_of(change(pixels)), keypoints_of(pixels))


def test_different_images_are_not(photographs, rng):
    others = [*photographs, np.full((60, 80, 3), 200, np.uint8), rng.integers(0, 256, (200, 300, 3), dtype=np.uint8)]
    marks = [keypoints_of(pixels) for pixels in others]
    assert not any(same_photograph(marks[i], marks[j]) for i in range(len(marks)) for j in range(i))


def test_another_photograph_of_the_same_scene_is_not(photographs):
    """The two cameras of a stereo pair: most keypoints have partners, but the near things lie elsewhere."""
    import skimage.data

    left, right, _ = skimage.data.stereo_motorcycle()
    assert not same_photograph(keypoints_of(left), keypoints_of(right))


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 900, 3), (3, 4, 3)])
def test_extreme_shapes_have_no_keypoints(shape):
    mark = keypoints_of(np.zeros(shape, np.uint8))
    assert len(mark.points) == len(mark.descriptors) == 0 and not same_photograph(mark, mark)


def test_pairs_name_the_later_file_first_and_say_whether_it_is_mirrored(tmp_path, photographs):
    cat, person = photographs[:2]
    paths = write(tmp_path, a=cat, b=person, c=mirrored(person), d=captioned(cat))
    pairs = find_pairs(paths, [0, 0, 0, 1], means)
    assert [(pair.path, pair.other, pair.mirrored) for pair in pairs] == [
        (paths[2], paths[1], True),
        (paths[3], paths[0], False),
    ]
    assert all(0.9 < pair.agreement <= 1.001 for pair in pairs)


def test_a_copy_in_another_split_is_found_beside_one_in_the_same(tmp_path, photographs):
    cat = photographs[0]
    paths = write(tmp_path, a=cat, b=cut(cat), c=captioned(cat))
    pairs = {(pair.path, pair.other) for pair in find_pairs(paths, [0, 1, 1], means)}
    assert {(paths[1], paths[0]), (paths[2], paths[0])} <= pairs


def test_a_file_that_has_vanished_is_in_no_pair(tmp_path, photographs):
    paths = write(tmp_path, a=photographs[0], b=captioned(photographs[0]))
    assert find_pairs([*paths, str(tmp_path / "gone.png")], [0, 0, 0], means) == find_pairs(paths, [0, 0], means)


def data_of(train, val) -> DataSet:
    return DataSet(
        {
            name: Index(("a", "b"), tuple(paths), np.zeros(len(paths), np.int32))
            for name, paths in (("train", train), ("val", val))
        }
    )


def test_check_reports_leakage_and_fix_keeps_the_image_of_validation(tmp_path, photographs):
    cat, person, coffee, _ = photographs
    paths = write(tmp_path, a=captioned(cat), b=person, c=coffee, d=framed(coffee), e=cat)
    data = data_of(paths[:4], paths[4:])
    assert check(data).findings == ()
    checked = check(data, extract=means)
    assert [(one.kind, one.path, one.other, one.split) for one in checked.findings] == [
        ("near duplicate", paths[3], paths[2], "train"),
        ("leakage", paths[0], paths[4], "train"),
    ]
    assert checked.findings[1].detail.startswith("shows the same photograph (features agree to ")
    assert checked.findings[1].detail.endswith("as an image of val")
    fixed = without_problems(checked.data, checked.opened).data
    assert fixed.splits["train"].paths == (paths[1], paths[2]) and fixed.splits["val"].paths == (paths[4],)


def test_a_pair_adds_leakage_to_an_image_that_is_a_duplicate_of_its_own_split(tmp_path, photographs):
    cat = photographs[0]
    small = cv2.resize(cat, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    paths = write(tmp_path, a=cat, b=small, c=captioned(cat))
    checked = check(data_of(paths[:2], paths[2:]), extract=means)
    assert {(one.kind, one.path, one.other) for one in checked.findings} >= {("leakage", paths[0], paths[2])}


def test_a_search_that_takes_too_long_is_left_out_with_a_note(tmp_path, photographs, monkeypatch):
    paths = write(tmp_path, a=photographs[0], b=captioned(photographs[0]))
    monkeypatch.setattr("visionkit.data.quality.check.seconds_needed", lambda paths, splits, extract: 130.0)
    checked = check(data_of(paths, []), extract=means, seconds=60)
    assert {one.kind for one in checked.findings} == {"unmeasurable split"} and checked.opened.pairs == ()
    assert "would take about 3 minutes: --duplicates features searches them" in checked.notes[-1]
    found = [one.kind for one in check(data_of(paths, []), extract=means).findings]
    assert found == ["unmeasurable split", "near duplicate"]


def test_the_time_is_estimated_from_a_sample_if_there_are_many(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(feature_duplicates, "find_pairs", lambda paths, splits, extract: seen.append(len(paths)))
    paths = [str(tmp_path / f"{number}.png") for number in range(1000)]
    assert seconds_needed(paths[:SAMPLE], [0] * SAMPLE, means) == 0 and seen == []
    assert seconds_needed(paths, [0] * 1000, means) > 0 and seen == [SAMPLE]
