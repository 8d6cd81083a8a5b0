"""Tables without a header."""

import pytest

from tests.data.formats.tables.conftest import labels, pixels
from visionkit.data.formats.tables.table import read_table, read_tables
from visionkit.data.index import DataError

NAMES = "a.jpg b.jpg"


def test_a_table_of_empty_rows_is_an_error(write):
    with pytest.raises(DataError, match="what its 6 columns hold is not clear"):
        read_table(write(NAMES, {"x.csv": "a.jpg,,,,,\nb.jpg,,,,,\n"}) / "x.csv")


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        ("a.jpg,12,8,60,40,object,120,80\nb.jpg,10,5,30,15,object,120,80\n", "image, x1, y1, x2, y2, label, width, height"),
        ("a.jpg,120,80,object,12,8,60,40\nb.jpg,120,80,object,10,5,30,15\n", "image, width, height, label, x1, y1, x2, y2"),
        ("a.jpg,object,12,8,60,40\nb.jpg,object,10,5,30,15\n", "image, label, x1, y1, x2, y2"),
        ("0,a.jpg,object,12,8,60,40\n1,b.jpg,object,10,5,30,15\n", None),
        ("a.jpg,12,8,60,40,object\nb.jpg,10,5,30,15,object\n", "image, x1, y1, x2, y2, label"),
        ("missing.jpg,1,2,3,4,object\na.jpg,12,8,60,40,object\nb.jpg,10,5,30,15,object\n", "image, x1, y1, x2, y2, label"),
        ("a.jpg,30,20,20,10\nb.jpg,31,20,20,10\n", None),
        ("a.jpg,1,2,3,4,5,6,7,8,9,10\nb.jpg,1,2,3,4,5,6,7,8,9,10\n", None),
        ("a.jpg,cat,web,x\nb.jpg,dog,book,y\n", None),
    ],
)
def test_boxes_are_found_by_what_columns_hold_or_a_header_is_asked_for(write, rows, columns):
    folder = write(NAMES, {"x.csv": rows})
    if columns is None:
        with pytest.raises(DataError, match=r"has no header.*Write a first row with names"):
            read_tables(folder)
        return
    found = read_tables(folder)
    assert pixels(found) == [[[12, 8, 60, 40]], [[10, 5, 30, 15]]] and found.class_names == ("object",)
    assert found.notes[0] == f"x.csv has no header: its columns are taken as {columns}"


def test_two_of_four_corners_and_a_split(write):
    rows = "TRAIN,gs://bucket/a.jpg,cat,.1,.1,,,.5,.5,,\nVALIDATION,gs://bucket/b.jpg,dog,.1,.1,.5,.1,.5,.5,.1,.5\n"
    found = read_tables(write(NAMES, {"x.csv": rows}))
    assert pixels(found, "train") == [[[12, 8, 60, 40]]] and pixels(found, "val") == [[[12, 8, 60, 40]]]
    assert found.class_names == ("cat", "dog")


def test_labels_and_splits(write):
    found = read_tables(write(NAMES, {"x.csv": "a.jpg,cat,train\nb.jpg,dog,test\n"}))
    assert labels(found, "train") == {"a.jpg": "cat"} and labels(found, "test") == {"b.jpg": "dog"}


def test_a_header_with_an_image_of_that_name_is_a_header(write):
    assert labels(read_tables(write("image.jpg a.jpg", {"x.csv": "image,label\na,cat\nimage,dog\n"}))) == {
        "a.jpg": "cat",
        "image.jpg": "dog",
    }


def test_a_split_that_is_not_assigned_is_named(write):
    found = read_tables(write(NAMES, {"x.csv": "TRAIN,a.jpg,cat,.1,.1,,,.5,.5,,\nUNASSIGNED,b.jpg,dog,.1,.1,,,.5,.5,,\n"}))
    assert pixels(found, "train") == [[[12, 8, 60, 40]]] and "UNASSIGNED" in found.splits
    assert [one.kind for one in found.problems] == ["unclear layout"] and "'UNASSIGNED'" in found.problems[0].detail


@pytest.mark.parametrize(
    ("rows", "box", "is_unclear"),
    [
        (["70,50,90,70"] * 6, [70, 50, 90, 70], False),
        (["70,50,20,10"] * 6, [70, 50, 90, 60], False),  # no corners
        (["30,20,50,50", "40,20,50,50", "65,20,50,50"], [30, 20, 80, 70], False),  # some are no corners, and those of sides fit
        (["20,10,60,50"] * 2, [20, 10, 60, 50], False),  # sides fit by chance
        (["20,10,60,50"] * 6, [20, 10, 60, 50], True),
        (["0.9,0.5,0.2,0.4"] * 2, [96, 24, 120, 56], False),  # centers alone fit
    ],
)
def test_boxes_are_corners_unless_these_do_not_fit(write, rows, box, is_unclear):
    names = [f"{number}.jpg" for number in range(len(rows))]
    table = "".join(f"{name},{row},cat\n" for name, row in zip(names, rows, strict=True))
    found = read_tables(write(" ".join(names), {"x.csv": table}))
    assert pixels(found)[0] == [box]
    assert [problem.kind for problem in found.problems] == ["unclear layout"] * is_unclear
