"""CreateML: boxes by their center."""

import pytest

from tests.data.layouts.layout import boxes_in_pixels, image, tree
from visionkit.data.formats.annotation_tools.tool_files import looks_like_tool_files, read_tool_files
from visionkit.data.sources import read

PLACE = {"x": 30, "y": 40, "width": 40, "height": 40}


def test_an_empty_list_is_not_create_ml(tmp_path):
    tree(tmp_path / "x.json", [])
    assert not looks_like_tool_files(tmp_path)


def test_boxes_are_read_by_their_center(tmp_path):
    for name in "ab":
        image(tmp_path / f"{name}.jpg")
    boxes = [{"label": "cat", "coordinates": PLACE}]
    tree(tmp_path / "x.json", [{"image": "b.jpg", "annotations": []}, {"image": "a.jpg", "annotations": boxes}])
    found = read(tmp_path / "x.json")
    assert boxes_in_pixels(found, "all", "a.jpg") == [("cat", 10, 20, 50, 60)] and found.problems == ()
    assert boxes_in_pixels(found, "all", "b.jpg") == [] and found.format == "CreateML (x.json)"


@pytest.mark.parametrize(
    "bad",
    [
        None,
        5,
        {},
        {"label": "dog", "coordinates": None},
        {"label": "dog", "coordinates": PLACE | {"x": "left"}},
        {"label": None, "coordinates": PLACE},
        {"label": "dog", "coordinates": PLACE | {"x": 1e12}},
    ],
)
def test_a_bad_box_is_reported_and_the_others_stay(tmp_path, bad):
    image(tmp_path / "a.jpg")
    good = {"label": "cat", "coordinates": PLACE}
    tree(tmp_path / "x.json", [{"image": "a.jpg", "annotations": [good, bad]}, "x", {"image": 5, "annotations": []}])
    found = read_tool_files(tmp_path)
    assert boxes_in_pixels(found, "all", "a.jpg") == [("cat", 10, 20, 50, 60)]
    assert [problem.kind for problem in found.problems] == ["bad annotation"] * 3


def test_a_size_that_is_read_from_the_image_is_marked(tmp_path):
    image(tmp_path / "a.jpg")
    tree(tmp_path / "x.json", [{"image": "a.jpg", "annotations": [{"label": "cat", "coordinates": PLACE}]}])
    annotation = read(tmp_path / "x.json").splits["all"].annotations[0]
    assert annotation.measured and annotation.size == (80, 120)
