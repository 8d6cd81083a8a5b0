"""Label Studio's JSON and JSON-MIN: shapes in percent, choices, addresses of images, and files that are damaged."""

import pytest

from tests.data.layouts.layout import boxes_in_pixels, image, tree
from visionkit.data.formats.annotation_tools.tool_files import read_tool_files
from visionkit.data.index import DataError
from visionkit.data.sources import read

VALUE = {"x": 25, "y": 25, "width": 50, "height": 50, "rotation": 0, "rectanglelabels": ["cat"]}  # 30, 20, 90, 60 in pixels


def result(value=VALUE, kind="rectanglelabels", **more):
    return {"type": kind, "original_width": 120, "original_height": 80, "value": value} | more


def task(*results, address="/data/upload/4/0123abcd-a.jpg", **more):
    return {"id": 1, "data": {"image": address}, "annotations": [{"id": 1, "result": list(results)}]} | more


def write(folder, *tasks):
    image(folder / "a.jpg")
    return tree(folder / "project.json", list(tasks))


def kinds(found):
    return [problem.kind for problem in found.problems]


def test_tasks_without_an_annotation_are_not_used(tmp_path):
    write(tmp_path, task(annotations=[]))
    with pytest.raises(DataError, match="no annotated image can be used"):
        read_tool_files(tmp_path)


def test_every_kind_of_shape_with_an_area_becomes_an_object(tmp_path):
    polygon = {"points": [[25, 25], [50, 25], [50, 75]], "polygonlabels": ["polygon"]}
    ellipse = {"x": 50, "y": 50, "radiusX": 25, "radiusY": 10, "ellipselabels": ["ellipse"]}
    turned = VALUE | {"rotation": 90, "width": 10, "rectanglelabels": ["turned"]}
    shapes = [result(), result(polygon, "polygonlabels"), result(ellipse, "ellipselabels"), result(turned)]
    write(tmp_path, task(*shapes))
    found = read(tmp_path)
    expected = [("cat", 30, 20, 90, 60), ("polygon", 30, 20, 60, 60), ("ellipse", 30, 32, 90, 48), ("turned", -10, 20, 30, 32)]
    assert boxes_in_pixels(found, "all", "a.jpg") == expected and found.problems == ()


def test_labels_that_stand_apart_from_their_shape(tmp_path):
    place = {key: VALUE[key] for key in ("x", "y", "width", "height", "rotation")}
    write(tmp_path, task(result(place, "rectangle", id="r"), result(place | {"labels": ["dog"]}, "labels", id="r")))
    assert boxes_in_pixels(read(tmp_path), "all", "a.jpg") == [("dog", 30, 20, 90, 60)]


def test_strokes_and_keypoints_are_counted_and_left_out(tmp_path):
    brush = result({"format": "rle", "rle": [1, 2], "brushlabels": ["fur"]}, "brushlabels")
    point = result({"x": 1, "y": 2, "keypointlabels": ["nose"]}, "keypointlabels")
    write(tmp_path, task(result(), brush, point, result({"text": ["x"]}, "textarea")))
    found = read(tmp_path)
    assert [problem.detail.partition(" are left")[0] for problem in found.problems] == [
        f"1 annotations of the kind {kind}"
        for kind in ("'brushlabels' ('fur')", "'keypointlabels' ('nose')", "'textarea' ('')")
    ]


@pytest.mark.parametrize(
    "address",
    [
        "a.jpg",
        "/data/upload/4/0123abcd-a.jpg",
        "/data/local-files/?d=photos/a.jpg",
        "/data/local-files/?d=C%3A%5Cphotos%5Ca.jpg",
        "http://localhost:8080/data/upload/a.jpg",
        "s3://bucket/photos/a.jpg",
        "https://host/a.jpg?token=b.png",
    ],
)
def test_an_image_is_found_by_its_address(tmp_path, address):
    write(tmp_path, task(result(), address=address))
    found = read(tmp_path)
    assert boxes_in_pixels(found, "all", "a.jpg") == [("cat", 30, 20, 90, 60)] and found.problems == ()


def test_an_image_with_the_prefix_of_its_upload_comes_first(tmp_path):
    image(tmp_path / "0123abcd-a.jpg")
    write(tmp_path, task(result()))
    assert read(tmp_path).splits["all"].paths == (str(tmp_path / "0123abcd-a.jpg"),)


@pytest.mark.parametrize("address", ["gone.jpg", "http://[", "", None, 5, {"a": 1}])
def test_an_image_that_is_missing_is_named(tmp_path, address):
    write(tmp_path, task(result()), task(result(), address=address))
    found = read(tmp_path)
    assert len(found) == 1 and len(found.problems) == 1


def test_choices_of_images_are_labels_and_cancelled_annotations_are_not_used(tmp_path):
    for name in "abcd":
        image(tmp_path / f"{name}.jpg")
    chosen = {"a": [["dog"]], "b": [["cat"]], "c": [["dog"], ["cat"]]}
    tasks = []
    for name, choices in chosen.items():
        annotations = [{"result": [{"type": "choices", "value": {"choices": one}}]} for one in choices]
        tasks.append(task(address=f"{name}.jpg", annotations=annotations))
    cancelled = [{"was_cancelled": True, "result": [{"type": "choices", "value": {"choices": ["cat"]}}]}]
    tree(tmp_path / "p.json", [*tasks, task(address="d.jpg", annotations=cancelled)])
    found = read(tmp_path)
    assert found.class_names == ("cat", "dog") and found.splits["all"].labels.tolist() == [1, 0, 1]
    assert found.notes[0] == "p.json: 1 tasks without an annotation are not used"
    assert found.notes[1] == "p.json: 1 tasks have several annotations, of which the first is used"


def test_an_image_whose_annotation_is_empty_is_background(tmp_path):
    image(tmp_path / "b.jpg")
    write(tmp_path, task(result()), task(address="b.jpg"))
    found = read(tmp_path)
    assert boxes_in_pixels(found, "all", "b.jpg") == [] and len(found) == 2


def test_json_min(tmp_path):
    region = VALUE | {"original_width": 120, "original_height": 80}
    entry = {"image": "/data/upload/a.jpg", "id": 1, "label": [region], "annotator": 1, "annotation_id": 1, "lead_time": 2.0}
    image(tmp_path / "b.jpg")
    write(tmp_path, entry, entry | {"image": "b.jpg", "label": [region | {"rectanglelabels": ["dog"]}]})
    found = read(tmp_path)
    assert boxes_in_pixels(found, "all", "a.jpg") == [("cat", 30, 20, 90, 60)]
    assert boxes_in_pixels(found, "all", "b.jpg") == [("dog", 30, 20, 90, 60)]


@pytest.mark.parametrize(
    "bad",
    [
        None,
        5,
        [],
        {},
        result(None),
        result([]),
        result(VALUE | {"x": "nan"}),
        result(VALUE | {"x": None}),
        result(VALUE | {"rectanglelabels": [5]}),
        result(VALUE | {"rectanglelabels": 5}),
        result(VALUE | {"x": 1e13}),
        result(VALUE, "videorectangle"),
        result(VALUE, ["x"]),
        result({"points": [[1, 2]], "polygonlabels": ["cat"]}, "polygonlabels"),
        result({"choices": 5}, "choices"),
    ],
)
def test_a_bad_result_is_reported_and_the_others_stay(tmp_path, bad):
    write(tmp_path, task(result(), bad))
    found = read(tmp_path)
    assert boxes_in_pixels(found, "all", "a.jpg") == [("cat", 30, 20, 90, 60)] and kinds(found) == ["bad annotation"]


@pytest.mark.parametrize("bad", [None, 5, [], {}, "x", {"data": {"image": "a.jpg"}, "annotations": 5}])
def test_a_bad_task_is_reported_or_counted(tmp_path, bad):
    write(tmp_path, task(result()), bad)
    found = read(tmp_path)
    assert len(found) == 1 and (found.problems or found.notes)


@pytest.mark.parametrize("data", [{"left": "a.jpg", "right": "b.jpg"}, {"caption": "a dog"}])
def test_a_task_of_several_images_or_none_is_named(tmp_path, data):
    for name in "ab":
        image(tmp_path / f"{name}.jpg")
    box = {"x": 10, "y": 10, "width": 20, "height": 20, "rectanglelabels": ["cat"]}
    result = {"type": "rectanglelabels", "to_name": "right", "original_width": 120, "original_height": 80, "value": box}
    tasks = [
        {"id": n, "data": values, "annotations": [{"result": [result]}]} for n, values in enumerate(({"image": "a.jpg"}, data))
    ]
    tree(tmp_path / "x.json", tasks)
    found = read(tmp_path)
    assert len(found) == 1 and [problem.kind for problem in found.problems] == ["bad annotation"]
