"""COCO as other tools write it: ids, classes, paths, boxes and sizes of other forms."""

import json

import numpy as np
import pytest

from tests.data.formats.test_coco import tree, write
from tests.data.formats.test_voc import only
from visionkit.data.formats.coco import read_coco
from visionkit.data.formats.coco_objects import Ids


def test_a_file_without_ids():
    assert Ids({}).get(1) is None


def with_ids(image_ids, category_ids, *annotations):
    contents = tree(*annotations, images=("1.jpg", "2.jpg"))
    for entry, number in zip(contents["images"], image_ids, strict=True):
        entry["id"] = number
    for entry, number in zip(contents["categories"], category_ids, strict=True):
        entry["id"] = number
    return contents


@pytest.mark.parametrize(
    ("image_ids", "category_ids", "image_id", "category_id", "num_notes"),
    [
        ((1, 2), (7, 3), "1", "7", 2),
        ((1, 2), (7, 3), 1.0, 7.0, 0),
        (("1", "2"), ("7", "3"), 1, 7, 2),
        ((1.0, 2.0), (7, 3), "1.0", 7, 1),
        (("a", "1"), ("x", "7"), "a", "x", 0),
    ],
)
def test_ids_of_another_type_are_matched_by_value(tmp_path, image_ids, category_ids, image_id, category_id, num_notes):
    contents = with_ids(image_ids, category_ids, {"image_id": image_id, "category_id": category_id})
    found = read_coco(write(tmp_path / "x.json", contents))
    objects = only(found).annotations[0].objects
    assert objects.classes.tolist() == [0] and found.problems == ()
    np.testing.assert_allclose(objects.boxes, [[0.1, 0.1, 0.5, 0.5]])
    assert len([note for note in found.notes if "matched by value" in note]) == num_notes


def test_ids_that_are_equal_by_value_are_matched_exactly(tmp_path):
    contents = with_ids((1, "1"), (7, 3), {"image_id": "1"}, {"image_id": "1.0"}, {"image_id": True})
    found = read_coco(write(tmp_path / "x.json", contents))
    assert [len(one.objects) for one in only(found).annotations] == [0, 1]
    assert [problem.kind for problem in found.problems] == ["unclear layout", "bad annotation", "bad annotation"]


def test_many_annotations_without_an_image_are_one_problem(tmp_path):
    found = read_coco(write(tmp_path / "x.json", tree({}, *[{"image_id": 99}] * 30)))
    assert [problem.kind for problem in found.problems] == ["bad annotation"]
    assert "annotation 101: it belongs to no image" in found.problems[0].detail and "29 more" in found.problems[0].detail


@pytest.mark.parametrize(
    "name",
    [r"..\..\label-studio\media\upload\4\{}", r"C:\data\{}", "/home/me/set/{}", r"images\{}", "../upload/{}"],
)
def test_images_are_found_by_paths_of_other_computers(tmp_path, name):
    contents = tree({}, {"image_id": 11}, images=("1.jpg", "2.jpg"))
    file = write(tmp_path / "result.json", contents, tmp_path / "images")
    for entry in contents["images"]:
        entry["file_name"] = name.format(entry["file_name"])
    file.write_text(json.dumps(contents))
    found = read_coco(tmp_path)
    assert only(found).paths == (str(tmp_path / "images" / "1.jpg"), str(tmp_path / "images" / "2.jpg"))
    assert found.problems == () and found.format == "COCO (result.json)" and found.annotation_files == {str(file)}


def test_one_image_is_not_taken_for_two_paths_that_end_alike(tmp_path):
    contents = tree({}, images=("1.jpg",))
    file = write(tmp_path / "x.json", contents)
    contents["images"] = [contents["images"][0] | {"file_name": f"/home/me/{part}/1.jpg", "id": part} for part in "ab"]
    file.write_text(json.dumps(contents))
    read = read_coco(file)
    assert len(read) == 1 and [problem.kind for problem in read.problems][-1] == "missing partner"


@pytest.mark.parametrize("key", ["category_id", "category_name", "label"])
def test_classes_without_categories_are_named_by_the_annotations(tmp_path, key):
    contents = tree({key: "dog"}, {key: "cat"}, categories=())
    for one in contents["annotations"] if key != "category_id" else ():
        del one["category_id"]
    found = read_coco(write(tmp_path / "x.json", contents))
    assert found.class_names == ("cat", "dog") and only(found).annotations[0].objects.classes.tolist() == [1, 0]
    assert [problem.kind for problem in found.problems] == ["class names"]


def test_forms_of_one_class_name_become_one_class(tmp_path):
    names = ["caf\u00e9", " cafe\u0301", "Dog", "dog"]
    categories = [{"id": number, "name": name} for number, name in enumerate(names)]
    found = read_coco(write(tmp_path / "x.json", tree({"category_id": 0}, {"category_id": 1}, categories=categories)))
    assert found.class_names == ("caf\u00e9", "Dog", "dog") and only(found).annotations[0].objects.classes.tolist() == [0, 0]
    assert [problem.kind for problem in found.problems] == ["class names"]


CORNERS, RELATIVE = [[20, 10, 36, 18], [24, 12, 38, 19]] * 3, [[0.1, 0.2, 0.3, 0.4]] * 3


@pytest.mark.parametrize(("boxes", "word"), [(CORNERS, "corners"), (RELATIVE, "relative")])
def test_boxes_of_another_form_are_reported(tmp_path, boxes, word):
    found = read_coco(write(tmp_path / "x.json", tree(*({"bbox": box} for box in boxes))))
    assert [problem.kind for problem in found.problems] == ["unclear layout"] and word in found.problems[0].detail


def test_sizes_may_be_strings(tmp_path):
    contents = tree({})
    contents["images"][0] |= {"width": "80", "height": "40.0"}
    found = read_coco(write(tmp_path / "x.json", contents))
    assert only(found).annotations[0].size == (40, 80) and found.problems == ()
