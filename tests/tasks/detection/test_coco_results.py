"""COCO's format of results."""

import json

import pytest

from visionkit.inference.results import Box, DetectionResult
from visionkit.tasks.detection.coco_results import coco_results, numbers_of, running_numbers

RESULTS = [
    DetectionResult(
        "x/val/a.jpg", (50, 60), (Box("cat", 0.9, (1.0, 2.0, 11.0, 22.5)), Box("dog", 0.5, (0, 0, 60, 50))), (0, 1)
    ),
    DetectionResult("x/val/b.jpg", (50, 60), (), ()),
    DetectionResult("c.jpg", (50, 60), (Box("cat", 0.4, (3, 4, 5, 6)),), (0,)),
]
PATHS = [result.path for result in RESULTS]


@pytest.fixture
def annotations(tmp_path):
    def write(names, classes):
        tree = {
            "images": [{"id": number, "file_name": name} for name, number in names.items()],
            "categories": [{"id": number, "name": name} for name, number in classes.items()],
            "annotations": [],
        }
        (tmp_path / "val.json").write_text(json.dumps(tree))
        return tmp_path / "val.json"

    return write


def test_nothing_gives_nothing():
    assert coco_results([], running_numbers([], ["cat"])) == []


def test_running_numbers_are_noted():
    numbers = running_numbers(PATHS, ["cat", "dog"])
    assert coco_results(RESULTS, numbers) == [
        {"image_id": 1, "category_id": 1, "bbox": [1.0, 2.0, 10.0, 20.5], "score": 0.9},
        {"image_id": 1, "category_id": 2, "bbox": [0, 0, 60, 50], "score": 0.5},
        {"image_id": 3, "category_id": 1, "bbox": [3, 4, 2, 2], "score": 0.4},
    ]
    assert "3 images from 1" in numbers.notes[0]


def test_numbers_of_a_file_go_by_the_end_of_the_path(annotations):
    numbers = numbers_of(
        annotations({"val/a.jpg": 139, "b.jpg": 285, "y/c.jpg": 7}, {"dog": 18, "cat": 17}), PATHS, ["cat", "dog"]
    )
    assert [(each["image_id"], each["category_id"]) for each in coco_results(RESULTS, numbers)] == [(139, 17), (139, 18)]
    assert numbers.images == {"x/val/a.jpg": 139, "x/val/b.jpg": 285}
    assert len(numbers.notes) == 1 and "1 images" in numbers.notes[0] and "c.jpg" in numbers.notes[0]


def test_classes_that_the_file_lacks_are_left_out_and_noted(annotations):
    numbers = numbers_of(annotations({"a.jpg": 1, "b.jpg": 2, "c.jpg": 3}, {"dog": 18}), PATHS, ["cat", "dog"])
    assert [each["category_id"] for each in coco_results(RESULTS, numbers)] == [18]
    assert numbers.notes == (numbers.notes[0],) and "cat" in numbers.notes[0]


def test_files_that_cannot_be_used(annotations, tmp_path):
    with pytest.raises(ValueError, match=r"none of the 3 images; it has z\.jpg"):
        numbers_of(annotations({"z.jpg": 1}, {"cat": 1}), PATHS, ["cat"])
    with pytest.raises(ValueError, match=r"none of the model's classes; it has bird"):
        numbers_of(annotations({"a.jpg": 1}, {"bird": 1}), PATHS, ["cat"])
    for contents in ("text", "[]", '{"images": []}', '{"images": [{}], "categories": []}'):
        (tmp_path / "bad.json").write_text(contents)
        with pytest.raises(ValueError, match=r"bad\.json cannot be used .* expected a COCO \.json"):
            numbers_of(tmp_path / "bad.json", PATHS, ["cat"])
    with pytest.raises(ValueError, match=r"nowhere\.json cannot be used"):
        numbers_of(tmp_path / "nowhere.json", PATHS, ["cat"])
