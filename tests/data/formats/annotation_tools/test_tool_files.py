"""The files of annotation tools in a folder: which tool wrote them, and which split they are of."""

import pytest

from tests.data.layouts.annotation_tools import CAT, DOG, build_create_ml, build_via_json, labelme, via_entry
from tests.data.layouts.layout import boxes_in_pixels, image, text, tree
from visionkit.data.formats.annotation_tools import json_trees
from visionkit.data.formats.annotation_tools.tool_files import looks_like_tool_files, read_tool_files, tool_of
from visionkit.data.index import DataError
from visionkit.data.sources import read


def test_an_empty_folder_has_no_files_of_tools(tmp_path):
    assert not looks_like_tool_files(tmp_path)
    with pytest.raises(DataError, match="no annotations of a tool that is known"):
        read_tool_files(tmp_path)


@pytest.mark.parametrize(
    ("content", "tool"),
    [
        ({"shapes": [], "imagePath": "a.jpg"}, "labelme"),
        ({"_via_img_metadata": {}}, "VIA"),
        ({"a.jpg1": {"filename": "a.jpg", "regions": []}}, "VIA"),
        ({"project": {}, "metadata": {}, "file": {}, "view": {}}, "VIA 3"),
        ([{"id": 1, "data": {"image": "a.jpg"}, "annotations": []}], "Label Studio"),
        ([{"image": "a.jpg", "annotations": [{"label": "cat", "coordinates": {}}]}], "CreateML"),
        ({"images": [], "annotations": [], "categories": []}, None),
        ({}, None),
        ([], None),
        (5, None),
        ([[[]]], None),
        ({"name": "package", "version": "1"}, None),
        ({"categories": [{"id": 0, "name": "cat"}], "info": {}}, None),
    ],
)
def test_the_tool_that_wrote_a_json_file(tmp_path, content, tool):
    assert tool_of(tree(tmp_path / "x.json", content)) == tool


@pytest.mark.parametrize("content", ["", "{", "[" * 100_000, "nul", "\0"])
def test_no_tool_wrote_a_damaged_file(tmp_path, content):
    for name in ("x.json", "x.xml", "x.csv", "x.txt"):
        assert tool_of(text(tmp_path / name, content)) is None


def test_large_files_are_told_apart_by_their_keys(tmp_path, monkeypatch):
    monkeypatch.setattr(json_trees, "PARSED", 10)
    build_via_json(tmp_path)
    assert tool_of(tmp_path / "via_project.json") == "VIA"
    labelme(tmp_path, "x", CAT)
    assert tool_of(tmp_path / "x.json") == "labelme"
    assert tool_of(tree(tmp_path / "coco.json", {"images": [], "annotations": [{"shape_attributes": 1}]})) is None
    build_create_ml(tmp_path)
    assert tool_of(tmp_path / "train" / "_annotations.createml.json") == "CreateML"


def test_a_word_of_the_name_of_a_file_is_its_split(tmp_path):
    for split, name, box in (("train", "a", CAT), ("val", "b", DOG)):
        image(tmp_path / "images" / f"{name}.jpg")
        tree(tmp_path / f"via_{split}.json", {f"{name}.jpg1": via_entry(name, box)})
    found = read(tmp_path)
    assert boxes_in_pixels(found, "train", "a.jpg") == [CAT] and boxes_in_pixels(found, "val", "b.jpg") == [DOG]


def test_the_folder_of_an_image_is_its_split(tmp_path):
    for split, name in (("train", "a"), ("valid", "b")):
        image(tmp_path / split / f"{name}.jpg")
    entries = [via_entry("a", CAT), via_entry("b", DOG) | {"filename": "valid/b.jpg"}]
    tree(tmp_path / "via.json", {str(number): entry for number, entry in enumerate(entries)})
    found = read(tmp_path)
    assert {name: len(index) for name, index in found.splits.items()} == {"train": 1, "val": 1} and found.problems == ()
    image(tmp_path / "other" / "A.jpg")
    found = read(tmp_path)
    assert list(found.splits) == ["val"] and [problem.kind for problem in found.problems] == ["missing partner"]
    entries[0]["filename"] = "C:\\photos\\train\\a.jpg"
    tree(tmp_path / "via.json", {str(number): entry for number, entry in enumerate(entries)})
    assert {name: len(index) for name, index in read(tmp_path).splits.items()} == {"train": 1, "val": 1}


def test_a_file_for_each_image_as_labelimg_writes_them(tmp_path):
    for number in range(25):
        image(tmp_path / f"{number}.jpg")
        boxes = [{"label": "cat", "coordinates": {"x": 30, "y": 40, "width": 40, "height": 40}}]
        tree(tmp_path / f"{number}.json", [{"image": f"{number}.jpg", "annotations": boxes}])
    found = read(tmp_path)
    assert len(found) == 25 and boxes_in_pixels(found, "all", "24.jpg") == [CAT]
    assert found.format == "CreateML (0.json, 1.json, 2.json, ...)"


def test_files_of_other_tools_are_not_read(tmp_path):
    build_via_json(tmp_path)
    boxes = [{"label": "horse", "coordinates": {"x": 30, "y": 40, "width": 40, "height": 40}}]
    other = tree(tmp_path / "createml.json", [{"image": "a.jpg", "annotations": boxes}])
    found = read(tmp_path)
    assert found.class_names == ("cat", "dog") and str(other) not in found.annotation_files


def test_an_image_that_cannot_be_opened_is_reported_where_its_size_is_needed(tmp_path):
    build_via_json(tmp_path)
    text(tmp_path / "b.jpg", "no image")
    found = read(tmp_path)
    assert len(found) == 1 and [problem.kind for problem in found.problems] == ["broken image"]
