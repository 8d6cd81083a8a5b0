"""CVAT's XML: every kind of shape, subsets, tags, and files that are damaged."""

import numpy as np
import pytest

from tests.data.layouts.layout import boxes_in_pixels, image, text
from visionkit.data.formats.annotation_tools.tool_files import looks_like_tool_files, read_tool_files
from visionkit.data.formats.coco_objects import mask_of
from visionkit.data.index import DataError
from visionkit.data.sources import read

BOX = '<box label="cat" xtl="10" ytl="20" xbr="50" ybr="60"/>'
HEADER = '<?xml version="1.0" encoding="utf-8"?>\n'


def write(folder, shapes="", *, more="", attributes='name="a.jpg" width="120" height="80"', before=""):
    image(folder / "a.jpg")
    return text(
        folder / "annotations.xml", f"{HEADER}{before}<annotations><image {attributes}>{shapes}</image>{more}</annotations>"
    )


def kinds(found):
    return [problem.kind for problem in found.problems]


def test_an_empty_file_is_an_error(tmp_path):
    text(tmp_path / "annotations.xml", "<annotations/>")
    with pytest.raises(DataError, match="no annotated image can be used"):
        read_tool_files(tmp_path / "annotations.xml")


def test_an_image_without_shapes_and_tags_annotates_nothing(tmp_path):
    write(tmp_path)
    with pytest.raises(DataError, match="no object and no label"):
        read(tmp_path)


def test_every_kind_of_shape_with_an_area_becomes_an_object(tmp_path):
    write(
        tmp_path,
        BOX
        + '<polygon label="polygon" points="10.0,10.0;40.0,10.0;30.0,50.0"/>'
        + '<ellipse label="ellipse" cx="60" cy="40" rx="20" ry="10"/>'
        + '<box label="turned" xtl="10" ytl="20" xbr="50" ybr="30" rotation="90.0"/>'
        + '<mask label="mask" left="4" top="6" width="3" height="2" rle="1, 2, 1, 2"/>',
    )
    found = read(tmp_path)
    expected = [
        ("cat", 10, 20, 50, 60),
        ("polygon", 10, 10, 40, 50),
        ("ellipse", 40, 30, 80, 50),
        ("turned", 25, 5, 35, 45),
        ("mask", 5, 6, 7, 8),
    ]
    assert boxes_in_pixels(found, "all", "a.jpg") == expected and found.problems == ()
    pixels = mask_of(found.splits["all"].annotations[0].objects.outlines[4])
    assert pixels.shape == (80, 120) and pixels[6:8, 4:7].tolist() == [[0, 1, 1], [0, 1, 1]] and pixels.sum() == 4


def test_points_lines_and_skeletons_are_counted_and_left_out(tmp_path):
    skeleton = '<skeleton label="person"><points label="nose" points="1,2"/></skeleton>'
    write(tmp_path, BOX + '<points label="nose" points="1,2"/><polyline label="road" points="1,2;3,4"/>' + skeleton)
    found = read(tmp_path)
    assert [problem.detail.partition(" are left")[0] for problem in found.problems] == [
        f"1 annotations of the kind {kind}" for kind in ("'points' ('nose')", "'polyline' ('road')", "'skeleton' ('person')")
    ]


def test_tracks_of_a_video_are_named(tmp_path):
    write(tmp_path, BOX, more='<track id="0" label="cat"><box frame="0" xtl="1" ytl="1" xbr="2" ybr="2"/></track>')
    found = read(tmp_path)
    assert len(found) == 1 and kinds(found) == ["bad annotation"] and "tracks" in found.problems[0].detail


def test_attributes_are_kept_and_an_image_with_tags_is_mentioned(tmp_path):
    box = BOX.replace("/>", ' occluded="1"><attribute name="pose">left</attribute></box>')
    write(tmp_path, box + '<tag label="night"/>')
    found = read(tmp_path)
    assert found.splits["all"].annotations[0].objects.attributes == ({"occluded": 1, "pose": "left"},)
    assert found.class_names == ("cat",) and "labels of the whole image" in found.notes[0]


def test_several_tags_of_an_image_are_its_label_set(tmp_path):
    image(tmp_path / "b.jpg")
    write(tmp_path, '<tag label="cat"/><tag label="dog"/>', more='<image name="b.jpg"><tag label="dog"/></image>')
    index = read(tmp_path).splits["all"]
    assert index.class_names == ("cat", "dog") and index.label_sets.tolist() == [[True, True], [False, True]]


def test_subsets_are_splits_and_their_images_lie_in_folders_of_their_names(tmp_path):
    image(tmp_path / "images" / "Validation" / "a.jpg")
    second = f'<image name="a.jpg" subset="Validation" width="120" height="80">{BOX.replace("cat", "dog")}</image>'
    image(tmp_path / "images" / "Train" / "a.jpg")
    write(tmp_path, BOX, attributes='name="a.jpg" subset="Train" width="120" height="80"', more=second)
    (tmp_path / "a.jpg").unlink()
    found = read(tmp_path)
    assert boxes_in_pixels(found, "train", "a.jpg") == [("cat", 10, 20, 50, 60)]
    assert boxes_in_pixels(found, "val", "a.jpg") == [("dog", 10, 20, 50, 60)]


def test_the_default_subset_is_no_split(tmp_path):
    write(tmp_path, BOX, attributes='name="a.jpg" subset="default" width="120" height="80"')
    assert list(read(tmp_path).splits) == ["all"]


def test_class_names_keep_the_order_of_the_labels(tmp_path):
    labels = "".join(f"<label><name>{name}</name></label>" for name in ("zebra", "cat", "ape"))
    labels += "<label><name>nose</name><parent>cat</parent></label>"
    write(tmp_path, BOX, more=f"<meta><project><labels>{labels}</labels></project></meta>")
    found = read(tmp_path)
    assert found.class_names == ("zebra", "cat", "ape")
    assert found.splits["all"].annotations[0].objects.classes.tolist() == [1]


def test_images_that_are_missing_and_images_that_are_not_in_the_file(tmp_path):
    image(tmp_path / "new.jpg")
    write(tmp_path, BOX, more=f'<image name="folder/gone.jpg" width="120" height="80">{BOX}</image><image/>')
    found = read(tmp_path)
    assert len(found) == 1 and kinds(found) == ["missing partner"] * 2 and "'folder/gone.jpg'" in found.problems[0].detail
    assert found.notes == ("1 images are in no file of CVAT and are not used",)


@pytest.mark.parametrize(
    "bad",
    [
        "<box/>",
        '<box label="cat" xtl="10" ytl="20" xbr="50"/>',
        '<box label="cat" xtl="nan" ytl="20" xbr="50" ybr="60"/>',
        '<box label="cat" xtl="1_0" ytl="20" xbr="50" ybr="60"/>',
        '<box label="cat" xtl="1e11" ytl="20" xbr="50" ybr="60"/>',
        '<box label="cat" xtl="10" ytl="20" xbr="50" ybr="60" rotation="x"/>',
        '<polygon label="cat" points="1,2;3,4"/>',
        '<polygon label="cat" points="1,2,3;4"/>',
        '<polygon label="cat"/>',
        '<mask label="cat" left="4" top="6" width="3" height="2" rle="1, 2"/>',
        '<mask label="cat" left="4" top="6" width="3" height="2" rle="9, -3"/>',
        '<mask label="cat" left="4" top="6" width="3e9" height="2e9" rle="6"/>',
        '<mask label="cat" left="4" top="6" width="3" height="2" rle="x"/>',
        '<blob label="cat"/>',
    ],
)
def test_a_bad_shape_is_reported_and_the_others_stay(tmp_path, bad):
    write(tmp_path, BOX + bad)
    found = read(tmp_path)
    assert boxes_in_pixels(found, "all", "a.jpg") == [("cat", 10, 20, 50, 60)] and kinds(found) == ["bad annotation"]


def test_a_shape_without_a_label_has_an_unknown_class(tmp_path):
    write(tmp_path, BOX + BOX.replace(' label="cat"', ""))
    found = read(tmp_path)
    assert found.splits["all"].annotations[0].objects.classes.tolist() == [0, -1] and kinds(found) == ["unknown label"]


def test_a_document_type_is_refused(tmp_path):
    write(tmp_path, BOX, before='<!DOCTYPE annotations [<!ENTITY x "y">]>')
    with pytest.raises(DataError, match="DOCTYPE"):
        read(tmp_path)


def test_a_damaged_file_is_an_error(tmp_path):
    file = write(tmp_path, BOX)
    text(file, file.read_text()[:-20])
    with pytest.raises(DataError, match="cannot be read as XML"):
        read(tmp_path)


def test_files_of_pascal_voc_are_not_of_cvat(tmp_path):
    image(tmp_path / "a.jpg")
    text(tmp_path / "a.xml", "<annotation><filename>a.jpg</filename></annotation>")
    assert not looks_like_tool_files(tmp_path)
    with pytest.raises(DataError, match="no annotations of a tool"):
        read_tool_files(tmp_path / "a.xml")


def test_the_file_may_lie_in_annotations(tmp_path):
    write(tmp_path, BOX)
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations.xml").rename(tmp_path / "annotations" / "annotations.xml")
    np.testing.assert_allclose(
        read(tmp_path).splits["all"].annotations[0].objects.boxes * (120, 80, 120, 80), [[10, 20, 50, 60]]
    )
