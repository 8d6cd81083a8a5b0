"""Columns that look like annotations, and several labels or boxes in one field."""

import pytest

from tests.data.formats.tables.conftest import pixels, sets
from visionkit.data.formats.tables.columns import Columns
from visionkit.data.formats.tables.doubts import doubts
from visionkit.data.formats.tables.table import read_tables
from visionkit.data.index import DataError

NAMES = "a.jpg b.jpg c.jpg"


def test_a_table_without_rows_raises_no_doubt():
    assert doubts(["image", "label", "polygon"], Columns(0, 1), []) == []


@pytest.mark.parametrize(
    ("column", "value", "is_doubt"),
    [
        ("polygon", '"[[10,5],[30,5],[30,15]]"', True),
        ("bbox_xmin", "5", True),
        ("region", "Europe", False),
        ("points", "12", False),
        ("coordinates", '"47.1, 8.2"', False),
        ("p,q,r,s", "1,2,3,4", True),
        ("age,weight,width,height", "1,2,3,4", False),
        ("p,q,r,s", "4,3,2,1", False),
    ],
)
def test_columns_of_objects_in_a_table_of_labels_are_named(write, column, value, is_doubt):
    rows = "".join(f"{name},{'cat' if name < 'c' else 'dog'},{value}\n" for name in "abc")
    found = read_tables(write(NAMES, {"x.csv": f"image,label,{column}\n{rows}"}))
    assert [problem.kind for problem in found.problems] == ["unclear layout"] * is_doubt
    assert found.class_names == ("cat", "dog")
    assert all(column.split(",")[0] in problem.detail for problem in found.problems)


def test_a_target_after_columns_of_0_and_1_is_named(write):
    found = read_tables(write(NAMES, {"x.csv": "image,dark,blurry,quality\na,1,0,86\nb,0,1,9\nc,1,1,64\n"}))
    assert [problem.kind for problem in found.problems] == ["unclear layout"] and "quality" not in found.class_names


@pytest.mark.parametrize(
    ("header", "row", "reason"),
    [
        ("label", '"{""objects"": [{""title"": ""cat""}]}"', "its column label holds JSON"),
        (
            "label1,xmin1,ymin1,label2,xmin2,ymin2",
            "cat,10,5,dog,1,1",
            "xmin1, ymin1, xmin2, ymin2 seem",
        ),
        ("x,y", "10,5", "none of them is a label"),
    ],
)
def test_columns_that_are_no_labels_are_an_error(write, header, row, reason):
    with pytest.raises(DataError, match=reason):
        read_tables(write(NAMES, {"x.csv": f"image,{header}\n" + "".join(f"{name},{row}\n" for name in "abc")}))


@pytest.mark.parametrize(
    ("boxes", "labels"),
    [
        ('"[[12,8,60,40],[80,40,110,70]]"', "\"['cat','dog']\""),
        ("12 8 60 40;80 40 110 70", "cat;dog"),
        ('"[[12,8,60,40],[80,40,110,70]]"', '"[""cat"", ""dog""]"'),
    ],
)
def test_a_row_may_hold_several_boxes_and_their_labels(write, boxes, labels):
    found = read_tables(write("a.jpg", {"x.csv": f"image,x1 y1 x2 y2,labels\na,{boxes},{labels}\n"}))
    assert pixels(found) == [[[12, 8, 60, 40], [80, 40, 110, 70]]] and found.problems == ()
    assert found.class_names == ("cat", "dog") and found.splits["all"].annotations[0].objects.classes.tolist() == [0, 1]


def test_labels_that_are_not_as_many_as_the_boxes_are_reported(write):
    rows = "a,12 8 60 40;80 40 110 70,cat;dog;cow\nb,1 2 3 4,cat\nc,1 2 3 4;5 6 7 8,cat\n"
    found = read_tables(write(NAMES, {"x.csv": f"image,boxes,labels\n{rows}"}))
    assert [len(boxes) for boxes in pixels(found)] == [1, 2] and found.class_names == ("cat",)
    assert found.problems[0].detail == "line 2: 3 labels for 2 boxes: 'cat;dog;cow'"


def test_a_list_holds_the_labels_of_an_image(write):
    found = read_tables(write(NAMES, {"x.csv": "image,label\na,\"['cat', 'dog']\"\nb,['cat']\nc,[]\n"}))
    assert sets(found) == [{"cat", "dog"}, {"cat"}, set()] and found.class_names == ("cat", "dog")
