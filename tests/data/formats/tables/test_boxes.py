"""Boxes in every form, in pixels and relative."""

import pytest

from tests.data.formats.tables.conftest import pixels
from visionkit.data.formats.tables.table import read_tables
from visionkit.data.index import DataError


def test_a_table_of_images_without_a_box_has_no_objects(write):
    found = read_tables(write("a.jpg", {"x.csv": "image,bbox\na,[]\n"}))
    assert pixels(found) == [[]] and found.class_names == ()
    assert not any("taken as x" in note for note in found.notes)


def test_a_table_whose_only_image_is_broken_names_it(write):
    folder = write("", {"x.csv": 'image,bbox\na,"[1, 2, 3, 4]"\n', "a.jpg": "no image"})
    with pytest.raises(DataError, match=r"a\.jpg: not an image, .* so its size and its boxes are unknown"):
        read_tables(folder)


def test_digits_with_an_underscore_are_no_number(write):
    found = read_tables(write("a.jpg b.jpg", {"x.csv": "image,x1,y1,x2,y2\na,1,2,30,40\nb,1_0,2,30,40\n"}))
    assert [problem.detail for problem in found.problems] == ["line 3: '1_0' is not a number"]


@pytest.mark.parametrize("box", ['"[12.0, 8, 60, 40]"', '"(12, 8, 60, 40)"', "12 8 60 40", '"[[12, 8, 60, 40]]"', "12;8;60;40"])
def test_a_column_of_boxes_holds_the_corner_and_the_sides(write, box):
    found = read_tables(write("a.jpg", {"x.csv": f"image_id,width,height,bbox,source\na,120,80,{box},usask_1\n"}))
    assert pixels(found) == [[[12, 8, 72, 48]]] and found.class_names == ("object",)
    assert "the coordinates are taken as pixels" in found.notes
    assert "the boxes of one column are taken as x, y, width, height, as in COCO" in found.notes


def test_boxes_that_leave_their_images_as_sides_are_corners(write):
    found = read_tables(write("a.jpg b.jpg", {"x.csv": 'image,bbox\na,"[80, 40, 110, 70]"\nb,"[70, 30, 115, 78]"\n'}))
    assert pixels(found) == [[[80, 40, 110, 70]], [[70, 30, 115, 78]]]
    assert any("2 of 2 boxes would leave their image as x, y, width, height" in note for note in found.notes)


def test_one_bad_box_does_not_change_the_form_of_the_others(write):
    rows = "".join(f'a,"[{x}, 10, 20, 30]"\n' for x in range(40, 60)) + 'a,"[110, 10, 115, 30]"\n'
    boxes = pixels(read_tables(write("a.jpg", {"x.csv": f"image,bbox\n{rows}"})))[0]
    assert boxes[0] == [40, 10, 60, 40] and boxes[-1] == [110, 10, 225, 40]


def test_a_field_may_hold_several_boxes(write):
    found = read_tables(write("a.jpg b.jpg", {"x.csv": "image,BoxesString\na,99 12 110 40;41 27 69 60\nb,no_box\n"}))
    assert pixels(found) == [[[99, 12, 110, 40], [41, 27, 69, 60]], []]


@pytest.mark.parametrize("box", ['"[1, 2, 3]"', '"[1, 2, x, 4]"', '"[1, 2, nan, 4]"', '"{}"'])
def test_a_bad_box_of_a_column_is_reported(write, box):
    found = read_tables(write("a.jpg b.jpg", {"x.csv": f'image,bbox\na,{box}\nb,"[12, 48, 60, 30]"\n'}))
    assert len(found) == 1 and [problem.kind for problem in found.problems] == ["bad annotation"]
    assert "line 2" in found.problems[0].detail


@pytest.mark.parametrize(
    ("header", "numbers"),
    [
        ("XMin,XMax,YMin,YMax", "0.1,0.5,0.1,0.5"),
        ("x_min,y_min,x_max,y_max", "0.1,0.1,0.5,0.5"),
        ("x-min,y-min,x-max,y-max", "12,8,60,40"),
        ("x_center,y_center,width,height", "0.3,0.3,0.4,0.4"),
        ("cx,cy,w,h", "36,24,48,32"),
        ("x_1,y_1,width,height", "12,8,48,32"),
        ('"Bbox [x",y,w,h]', "12,8,48,32"),
        ("bbox_xyxy", "12 8 60 40"),
        ("bbox_xxyy", "12 60 8 40"),
        ("center_x,center_y,w,h", "36,24,48,32"),
        ("bbox_center_x,bbox_center_y,bbox_width,bbox_height", "36,24,48,32"),
        ("xmid,ymid,width,height", "0.3,0.3,0.4,0.4"),
        ("width,height,x_center,y_center,box_w,box_h", "120,80,36,24,48,32"),
        ("xmin,ymin,xmax,ymax,x_center,y_center,width,height", "12,8,60,40,36,24,48,32"),
    ],
)
def test_forms_of_columns(write, header, numbers):
    assert pixels(read_tables(write("a.jpg", {"x.csv": f"image,{header},label\na,{numbers},cat\n"}))) == [[[12, 8, 60, 40]]]


def test_decimals_may_follow_a_comma_where_it_is_not_the_delimiter(write):
    found = read_tables(write("a.jpg", {"x.csv": "image;xmin;ymin;xmax;ymax;label\na;0,1;0,1;0,5;0,5;cat\n"}))
    assert pixels(found) == [[[12, 8, 60, 40]]]
    assert "the coordinates are taken as relative to the image, since none is above 0.5" in found.notes


def test_a_thousand_is_not_a_decimal(write):
    found = read_tables(write("a.jpg b.jpg", {"x.csv": 'image,x1,y1,x2,y2\na,1,2,"1,200",40\nb,12,8,60,40\n'}))
    assert len(found) == 1 and "'1,200' is not a number" in found.problems[0].detail


def test_relative_boxes_among_boxes_in_pixels_are_reported(write):
    found = read_tables(write("a.jpg b.jpg", {"x.csv": "image,x1,y1,x2,y2\na,0.1,0.1,0.5,0.5\nb,12,8,60,40\n"}))
    assert [problem.kind for problem in found.problems] == ["unclear layout"]
    assert found.problems[0].detail.startswith("1 of 2 boxes have no coordinate above 1")


def test_boxes_around_groups_are_crowds(write):
    table = "ImageID,LabelName,XMin,XMax,YMin,YMax,IsGroupOf\na,cat,0.1,0.5,0.1,0.5,1\na,cat,0,1,0,1,0\n"
    found = read_tables(write("a.jpg", {"x.csv": table}))
    assert found.splits["all"].annotations[0].objects.attributes == ({"iscrowd": 1}, {"iscrowd": 0})


def test_a_label_of_rows_without_a_box_is_no_class(write):
    found = read_tables(write("a.jpg b.jpg", {"x.csv": "patientId,x,y,width,height,Target\na,,,,,0\nb,12,8,48,32,1\n"}))
    assert found.class_names == ("1",) and pixels(found) == [[], [[12, 8, 60, 40]]]


@pytest.mark.parametrize(
    ("table", "measured"),
    [
        ("image,xmin,ymin,xmax,ymax,label\na.jpg,5,5,40,40,cat\n", True),
        ("image,xmin,ymin,xmax,ymax,label\na.jpg,.1,.1,.5,.5,cat\n", False),
        ("image,width,height,xmin,ymin,xmax,ymax,label\na.jpg,120,80,5,5,40,40,cat\n", False),
        ("image,a_x,a_y,b_x,b_y,c_x,c_y\na.jpg,5,5,40,40,20,20\n", True),
    ],
)
def test_a_size_that_is_read_from_the_image_is_marked(write, table, measured):
    annotation = read_tables(write("a.jpg", {"x.csv": table})).splits["all"].annotations[0]
    assert annotation.measured == measured and annotation.size in ((80, 120), None)


@pytest.mark.parametrize(
    ("header", "box", "expected", "is_doubt"),
    [
        ("bbox", "10 5 30 15", [10, 5, 40, 20], True),
        ("bbox", "10 5 30 4", [10, 5, 40, 9], False),
        ("bbox", "70 50 90 70", [70, 50, 90, 70], False),
        ("BoxesString", "10 5 30 15", [10, 5, 30, 15], False),
        ("bbox_xyxy", "10 5 30 15", [10, 5, 30, 15], False),
        ("bbox_xywh", "10 5 30 15", [10, 5, 40, 20], False),
        ("category_id,bbox", "1,10 5 30 15", [10, 5, 40, 20], False),
        ("width,height,source,bbox", "120,80,usask_1,10 5 30 15", [10, 5, 40, 20], False),
    ],
)
def test_boxes_that_may_be_corners_or_sides_are_named(write, header, box, expected, is_doubt):
    found = read_tables(write("a.jpg", {"x.csv": f"image_id,{header}\na,{box}\n"}))
    assert pixels(found) == [[expected]] and [one.kind for one in found.problems] == ["unclear layout"] * is_doubt


def test_width_and_height_of_a_second_form_are_not_the_size_of_the_image(write):
    table = "image,xmin,ymin,xmax,ymax,cx,cy,width,height,label\na,12,8,60,40,36,24,48,32,cat\n"
    assert read_tables(write("a.jpg", {"x.csv": table})).splits["all"].annotations[0].size == (80, 120)


@pytest.mark.parametrize("columns", ["x,y,w,h", "bbox"])
@pytest.mark.parametrize(
    ("numbers", "box", "is_unclear"),
    [
        ("0.5,0.5,0.2,0.4", [60, 40, 84, 72], True),  # the corner, or as in YOLO the center
        ("0.05,0.5,0.2,0.4", [6, 40, 30, 72], False),  # no center
        ("0.9,0.5,0.2,0.4", [96, 24, 120, 56], False),  # no corner
        ("60,40,24,32", [60, 40, 84, 72], False),  # pixels
    ],
)
def test_relative_sides_may_begin_at_the_center(write, columns, numbers, box, is_unclear):
    numbers = f'"[{numbers}]"' if columns == "bbox" else numbers
    found = read_tables(write("a.jpg", {"x.csv": f"image,{columns},label\na,{numbers},cat\n"}))
    assert pixels(found) == [[box]]
    assert [problem.kind for problem in found.problems] == ["unclear layout"] * is_unclear


def test_only_the_coordinates_that_names_leave_open_are_doubted(write):
    table = "image,xmin,ymin,width,height,label\na,0.5,0.5,0.2,0.4,cat\n"
    found = read_tables(write("a.jpg", {"x.csv": table}))
    assert pixels(found) == [[[60, 40, 84, 72]]] and found.problems == ()
