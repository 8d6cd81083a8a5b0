"""labelme: every kind of shape, images that are hard to find, and files that are not labelme's."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from tests.data.layouts.layout import boxes_in_pixels, image, text, tree
from visionkit.data.formats.annotation_tools.labelme import looks_like_labelme, read_labelme
from visionkit.data.formats.coco_objects import mask_of
from visionkit.data.index import DataError
from visionkit.data.sources import read


def shape(label="cat", points=((10, 20), (50, 60)), kind="rectangle", **more):
    return {
        "label": label,
        "points": [list(point) for point in points],
        "shape_type": kind,
        "flags": {},
        "group_id": None,
    } | more


def annotate(folder, name, *shapes, with_image=True, **more):
    if with_image:
        image(folder / f"{name}.jpg")
    entry = {"version": "5.5.0", "flags": {}, "shapes": list(shapes), "imagePath": f"{name}.jpg", "imageData": None}
    return tree(folder / f"{name}.json", entry | {"imageHeight": 80, "imageWidth": 120} | more)


def kinds(found):
    return [problem.kind for problem in found.problems]


def test_an_empty_folder_is_not_labelme(tmp_path):
    assert not looks_like_labelme(tmp_path)
    with pytest.raises(DataError, match=r"none of its 0 \.json files is labelme's"):
        read_labelme(tmp_path)


def test_files_without_a_shape_or_a_flag_annotate_nothing(tmp_path):
    annotate(tmp_path, "a")
    with pytest.raises(DataError, match="no object and no label in it"):
        read_labelme(tmp_path)


def test_every_kind_of_shape_with_an_area_becomes_an_object(tmp_path):
    annotate(
        tmp_path,
        "a",
        shape("box", [(50, 60), (10, 20)]),
        shape("polygon", [(10, 10), (40, 10), (30, 50)], "polygon"),
        shape("circle", [(60, 40), (60, 50)], "circle"),
        shape("turned", [(60, 10), (70, 20), (60, 30), (50, 20)], "rotation"),
    )
    found = read_labelme(tmp_path)
    expected = [("box", 10, 20, 50, 60), ("polygon", 10, 10, 40, 50), ("circle", 50, 30, 70, 50), ("turned", 50, 10, 70, 30)]
    assert boxes_in_pixels(found, "all", "a.jpg") == expected and found.problems == ()
    outlines = found.splits["all"].annotations[0].objects.outlines
    assert outlines[0] is None
    np.testing.assert_allclose(outlines[1][0] * (120, 80), [[10, 10], [40, 10], [30, 50]])


def test_a_mask_is_decoded(tmp_path):
    pixels = np.zeros((11, 21), np.uint8)
    pixels[2:5, 3:9] = 255
    contents = io.BytesIO()
    Image.fromarray(pixels).save(contents, "PNG")
    encoded = base64.b64encode(contents.getvalue()).decode()
    annotate(tmp_path, "a", shape(points=[(30, 40), (50, 50)], kind="mask", mask=encoded))
    found = read_labelme(tmp_path)
    assert boxes_in_pixels(found, "all", "a.jpg") == [("cat", 33, 42, 39, 45)]
    decoded = mask_of(found.splits["all"].annotations[0].objects.outlines[0])
    assert decoded.sum() == 18 and decoded[42:45, 33:39].all()


@pytest.mark.parametrize("mask", [None, "!", base64.b64encode(b"no image").decode(), 5, "é"])
def test_a_mask_that_is_no_image_is_reported(tmp_path, mask):
    annotate(tmp_path, "a", shape(), shape("dog", kind="mask", mask=mask))
    found = read_labelme(tmp_path)
    assert kinds(found) == ["bad annotation"] and "shape 2: its mask is not an encoded image" in found.problems[0].detail


def test_points_and_lines_are_counted_and_left_out(tmp_path):
    annotate(tmp_path, "a", shape(), shape("nose", [(1, 2)], "point"), shape("tail", [(1, 2), (3, 4)], "linestrip"))
    annotate(tmp_path, "b", shape("dog"), shape("nose", [(1, 2)], "point"))
    found = read_labelme(tmp_path)
    assert found.class_names == ("cat", "dog")
    assert [problem.detail.partition(" are left out")[0] for problem in found.problems] == [
        "2 annotations of the kind 'point' ('nose')",
        "1 annotations of the kind 'linestrip' ('tail')",
    ]


def test_an_image_with_points_alone_is_no_background(tmp_path):
    annotate(tmp_path, "a", shape())
    annotate(tmp_path, "b", shape("nose", [(1, 2)], "point"))
    annotate(tmp_path, "c")
    found = read_labelme(tmp_path)
    assert [path.rpartition("/")[2] for path in found.splits["all"].paths] == ["a.jpg", "c.jpg"]
    assert kinds(found) == ["bad annotation"] * 2 and boxes_in_pixels(found, "all", "c.jpg") == []


def test_polygons_of_one_group_are_one_object(tmp_path):
    left, right = [(0, 0), (10, 0), (10, 10)], [(20, 0), (30, 0), (30, 20)]
    annotate(
        tmp_path,
        "a",
        shape("cat", left, "polygon", group_id=1),
        shape("dog", left, "polygon", group_id=1),
        shape("cat", right, "polygon", group_id=1),
        shape("cat", left, "polygon"),
        shape("cat", right, "polygon"),
    )
    found = read_labelme(tmp_path)
    boxes = [("cat", 0, 0, 30, 20), ("dog", 0, 0, 10, 10), ("cat", 0, 0, 10, 10), ("cat", 20, 0, 30, 20)]
    assert boxes_in_pixels(found, "all", "a.jpg") == boxes
    assert [len(outline) for outline in found.splits["all"].annotations[0].objects.outlines] == [2, 1, 1, 1]


@pytest.mark.parametrize(
    "path",
    ["a.jpg", "..\\images\\a.jpg", "C:\\Users\\x\\a.jpg", "/home/x/a.jpg", "other.png", "", None, 5, ["a"], "x\0y", "é" * 5000],
)
def test_the_image_of_the_same_name_beside_a_file_is_found_whatever_its_image_path(tmp_path, path):
    annotate(tmp_path, "a", shape(), imagePath=path)
    found = read_labelme(tmp_path)
    assert len(found) == 1 and found.problems == ()


def test_an_image_of_another_name_is_found_by_its_image_path(tmp_path):
    annotate(tmp_path, "a", shape(), with_image=False, imagePath="..\\photos\\b.jpg")
    image(tmp_path / "images" / "b.jpg")
    assert [path.rpartition("/")[2] for path in read_labelme(tmp_path).splits["all"].paths] == ["b.jpg"]


def test_files_in_folders_like_those_of_the_images(tmp_path):
    for split, path in (("train", "../../images/train/a.jpg"), ("val", "a.jpg")):
        image(tmp_path / "images" / split / "a.jpg")
        annotate(tmp_path / "annotations" / split, "a", shape(split), with_image=False, imagePath=path)
    found = read_labelme(tmp_path)
    assert boxes_in_pixels(found, "train", "a.jpg") == [("train", 10, 20, 50, 60)]
    assert boxes_in_pixels(found, "val", "a.jpg") == [("val", 10, 20, 50, 60)]
    assert found.notes == () and found.problems == ()


def test_a_copied_file_belongs_to_the_image_of_its_own_name_which_is_reported(tmp_path):
    annotate(tmp_path, "a", shape())
    annotate(tmp_path, "b", shape("dog"), imagePath="a.jpg")
    found = read_labelme(tmp_path)
    assert boxes_in_pixels(found, "all", "b.jpg") == [("dog", 10, 20, 50, 60)] and kinds(found) == ["unclear layout"]


def test_images_that_are_missing_and_images_without_a_file_are_named_or_counted(tmp_path):
    annotate(tmp_path, "a", shape())
    annotate(tmp_path, "gone", shape(), with_image=False)
    image(tmp_path / "new.jpg")
    found = read_labelme(tmp_path)
    assert len(found) == 1 and kinds(found) == ["missing partner"] and "'gone.jpg'" in found.problems[0].detail
    assert found.notes == ("1 images have no .json file and are not used",)


def test_other_json_files_are_named(tmp_path):
    tree(tmp_path / "package.json", {"name": "x"})
    text(tmp_path / "broken.json", "{")
    annotate(tmp_path, "cat_7", shape())
    found = read(tmp_path)
    assert found.format.startswith("labelme") and len(found) == 1
    named = {problem.path.rpartition("/")[2]: problem.kind for problem in found.problems}
    assert named == {"broken.json": "bad annotation", "package.json": "unread annotations"}
    assert found.annotation_files == {str(tmp_path / "cat_7.json")}


def test_the_size_is_read_from_the_image_where_the_file_lacks_it(tmp_path):
    annotate(tmp_path, "a", shape(), imageHeight=None)
    found = read_labelme(tmp_path)
    assert found.splits["all"].annotations[0].size == (80, 120)
    assert boxes_in_pixels(found, "all", "a.jpg") == [("cat", 10, 20, 50, 60)]


def test_several_flags_of_an_image_are_its_label_set(tmp_path):
    for name, flags in {"a": (True, True), "b": (False, True), "c": (False, False)}.items():
        annotate(tmp_path, name, flags=dict(zip(("dark", "sharp"), flags, strict=True)))
    index = read_labelme(tmp_path).splits["all"]
    assert index.class_names == ("dark", "sharp") and index.labels.tolist() == [-1] * 3
    assert index.label_sets.tolist() == [[True, True], [False, True], [False, False]]


def test_flags_beside_shapes_are_mentioned(tmp_path):
    annotate(tmp_path, "a", shape(), flags={"dark": True})
    found = read_labelme(tmp_path)
    assert found.class_names == ("cat",) and "labels of the whole image" in found.notes[0]


def test_a_list_of_labels_gives_the_order_of_classes(tmp_path):
    text(tmp_path / "labels.txt", "__ignore__\n_background_\nzebra\ncat\n")
    annotate(tmp_path, "a", shape(), shape("zebra"), shape("ape"))
    assert read_labelme(tmp_path).class_names == ("zebra", "cat", "ape")


@pytest.mark.parametrize(
    "bad",
    [
        None,
        5,
        "x",
        [],
        {},
        shape(points=[(1, 2)]),
        shape(points=[("x", 2), (3, 4)]),
        shape(points=[(1e300, 2), (3, 4)]),
        shape(points=[(1e11, 2), (3, 4)]),
        shape(points=[(1, 2, 3), (3, 4, 5)]),
        shape(points=[(True, 2), (3, 4)]),
        shape() | {"points": "12"},
        shape() | {"points": {"x": 1}},
        shape() | {"label": None},
        shape() | {"label": ["cat"]},
        shape(kind="polygon"),
        shape(kind="blob"),
        shape() | {"shape_type": ["rectangle"]},
        shape(kind="circle", points=[(1, 2), (3, 4), (5, 6)]),
    ],
)
def test_a_bad_shape_is_reported_and_the_others_stay(tmp_path, bad):
    annotate(tmp_path, "a", shape("dog"), bad)
    found = read_labelme(tmp_path)
    assert boxes_in_pixels(found, "all", "a.jpg") == [("dog", 10, 20, 50, 60)]
    assert kinds(found) == ["bad annotation"] and len(found.problems[0].detail) < 300


def test_not_a_number_is_reported(tmp_path):
    file = annotate(tmp_path, "a", shape("dog"), shape(points=[(12345, 2), (3, 4)]))
    file.write_text(file.read_text().replace("12345", "NaN"))
    assert kinds(read_labelme(tmp_path)) == ["bad annotation"]


def test_numbers_in_quotes_are_numbers(tmp_path):
    annotate(tmp_path, "a", shape(points=[("10", "20"), ("50", "60")]))
    assert boxes_in_pixels(read_labelme(tmp_path), "all", "a.jpg") == [("cat", 10, 20, 50, 60)]


def test_one_file_is_a_data_set(tmp_path):
    annotate(tmp_path, "a", shape())
    annotate(tmp_path, "b", shape())
    found = read(tmp_path / "a.json")
    assert len(found) == 1 and found.format.startswith("labelme")


def test_a_deep_tree_is_reported(tmp_path):
    annotate(tmp_path, "a", shape())
    text(tmp_path / "b.json", "[" * 100_000)
    text(tmp_path / "c.json", json.dumps({"shapes": {"a": 1}, "imagePath": "c.jpg"}))
    assert kinds(read_labelme(tmp_path)) == ["bad annotation"] * 2
