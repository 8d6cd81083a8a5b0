"""VIA: regions of every kind, the attribute that holds the class, and files that are damaged."""

import json

import pytest

from tests.data.layouts.layout import boxes_in_pixels, image, text, tree
from visionkit.data.formats.annotation_tools.tool_files import looks_like_tool_files, read_tool_files
from visionkit.data.index import DataError

HEADER = "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes\n"
RECT = {"name": "rect", "x": 10, "y": 20, "width": 40, "height": 40}


def write(folder, *regions, name="a", file="via.json", file_attributes=None):
    """A file of one image; a region is its shape and its attributes."""
    image(folder / f"{name}.jpg")
    pairs = [{"shape_attributes": shape, "region_attributes": attributes} for shape, attributes in regions]
    entry = {"filename": f"{name}.jpg", "size": 1, "regions": pairs, "file_attributes": file_attributes or {}}
    return tree(folder / file, {f"{name}.jpg1": entry})


def write_csv(folder, *rows):
    image(folder / "a.jpg")
    cells = ['"' + '","'.join(cell.replace('"', '""') for cell in row) + '"' for row in rows]
    return text(folder / "via.csv", HEADER + "\n".join(cells))


def kinds(found):
    return [problem.kind for problem in found.problems]


def test_a_project_without_images_is_an_error(tmp_path):
    tree(tmp_path / "via.json", {"_via_img_metadata": {}})
    with pytest.raises(DataError, match="no annotated image can be used"):
        read_tool_files(tmp_path)


def test_images_without_regions_and_labels_annotate_nothing(tmp_path):
    write(tmp_path)
    with pytest.raises(DataError, match=r"read as VIA .* no object and no label"):
        read_tool_files(tmp_path)


def test_every_kind_of_region_with_an_area_becomes_an_object(tmp_path):
    polygon = {"name": "polygon", "all_points_x": [10, 40, 30], "all_points_y": [10, 10, 50]}
    ellipse = {"name": "ellipse", "cx": 60, "cy": 40, "rx": 20, "ry": 10, "theta": 0}
    shapes = (RECT, polygon, {"name": "circle", "cx": 60, "cy": 40, "r": 10}, ellipse)
    write(tmp_path, *((shape, {"label": shape["name"]}) for shape in shapes))
    found = read_tool_files(tmp_path)
    expected = [("rect", 10, 20, 50, 60), ("polygon", 10, 10, 40, 50), ("circle", 50, 30, 70, 50), ("ellipse", 40, 30, 80, 50)]
    assert boxes_in_pixels(found, "all", "a.jpg") == expected and found.problems == ()


def test_points_and_lines_are_counted_and_left_out(tmp_path):
    point, line = {"name": "point", "cx": 1, "cy": 2}, {"name": "polyline", "all_points_x": [1], "all_points_y": [2]}
    write(tmp_path, (RECT, {"label": "cat"}), (point, {"label": "nose"}), (point, {"label": "nose"}), (line, {"label": "tail"}))
    found = read_tool_files(tmp_path)
    assert found.class_names == ("cat",)
    details = [problem.detail for problem in found.problems]
    assert details[0].startswith("2 annotations of the kind 'point' ('nose')")
    assert details[1].startswith("1 annotations of the kind 'polyline' ('tail')")


@pytest.mark.parametrize(
    ("attributes", "expected", "problems"),
    [
        ({"species": "cat"}, "cat", []),
        ({"Label": " cat "}, "cat", []),
        ({"occluded": "yes", "class": "cat"}, "cat", []),
        ({"what is it": "cat"}, "cat", []),
        ({"number": 7}, "7", []),
        ({"pet": {"cat": True, "dog": False}}, "cat", []),
        ({"colour": "red", "pet": "cat"}, "red", ["unclear layout"]),
        ({"name": "car 17", "type": "car"}, "car 17", ["unclear layout"]),
        ({}, "object", []),
        ({"pet": ""}, "object", []),
    ],
)
def test_the_attribute_that_holds_the_class(tmp_path, attributes, expected, problems):
    write(tmp_path, (RECT, attributes))
    found = read_tool_files(tmp_path)
    assert boxes_in_pixels(found, "all", "a.jpg") == [(expected, 10, 20, 50, 60)] and kinds(found) == problems


def test_a_region_without_the_class_has_an_unknown_class(tmp_path):
    write(tmp_path, (RECT, {"class": "cat"}), (RECT, {}))
    found = read_tool_files(tmp_path)
    assert found.splits["all"].annotations[0].objects.classes.tolist() == [0, -1] and kinds(found) == ["unknown label"]


def test_the_regions_of_via_1_are_an_object(tmp_path):
    region = {"shape_attributes": RECT, "region_attributes": {"name": "cat"}}
    image(tmp_path / "a.jpg")
    tree(tmp_path / "via.json", {"a.jpg1": {"filename": "a.jpg", "regions": {"0": region}}})
    assert boxes_in_pixels(read_tool_files(tmp_path), "all", "a.jpg") == [("cat", 10, 20, 50, 60)]


def test_where_nothing_is_drawn_an_attribute_of_the_file_is_the_label(tmp_path):
    for name, label in {"a": "dog", "b": "cat", "c": "dog", "d": ""}.items():
        write(tmp_path, name=name, file=f"{name}_via.json", file_attributes={"caption": "x", "class": label})
    found = read_tool_files(tmp_path)
    assert found.class_names == ("cat", "dog") and found.splits["all"].labels.tolist() == [1, 0, 1]
    assert found.notes == ("1 images without a label are not used",)


@pytest.mark.parametrize(
    "shape",
    [
        None,
        {},
        [],
        "rect",
        RECT | {"x": None},
        RECT | {"x": "nan"},
        RECT | {"width": 1e300},
        RECT | {"name": "star"},
        RECT | {"name": ["rect"]},
        {"name": "polygon", "all_points_x": [1, 2], "all_points_y": [1, 2, 3]},
        {"name": "polygon", "all_points_x": 5, "all_points_y": 5},
        {"name": "circle", "cx": 1, "cy": 1},
    ],
)
def test_a_bad_region_is_reported_and_the_others_stay(tmp_path, shape):
    write(tmp_path, (RECT, {"class": "cat"}), (shape, {"class": "cat"}))
    found = read_tool_files(tmp_path)
    assert boxes_in_pixels(found, "all", "a.jpg") == [("cat", 10, 20, 50, 60)] and kinds(found) == ["bad annotation"]


@pytest.mark.parametrize("value", [None, 5, "x", [], {"filename": 5, "regions": []}, {"filename": "a.jpg", "regions": 5}])
def test_a_bad_image_is_reported_and_the_others_stay(tmp_path, value):
    file = write(tmp_path, (RECT, {"class": "cat"}))
    text(file, file.read_text()[:-1] + ', "x": ' + json.dumps(value) + "}")
    found = read_tool_files(tmp_path)
    assert len(found) == 1 and len(found.problems) == 1


def test_cells_that_are_not_json_are_reported_by_their_line(tmp_path):
    good = ("a.jpg", "1", "{}", "2", "0", '{"name":"rect","x":10,"y":20,"width":40,"height":40}', '{"class":"cat"}')
    write_csv(tmp_path, good, (*good[:5], "{rect", good[6]), (*good[:5], "5", good[6]))
    found = read_tool_files(tmp_path)
    assert boxes_in_pixels(found, "all", "a.jpg") == [("cat", 10, 20, 50, 60)]
    assert kinds(found) == ["bad annotation"] * 2 and found.problems[0].detail.startswith("line 3: a cell is not JSON")


def test_a_table_with_a_number_sign_before_the_header_as_via_1_wrote(tmp_path):
    write_csv(tmp_path, ("a.jpg", "1", "{}", "1", "0", '{"name":"rect","x":10,"y":20,"width":40,"height":40}', "{}"))
    text(tmp_path / "via.csv", "#" + (tmp_path / "via.csv").read_text())
    found = read_tool_files(tmp_path / "via.csv")
    assert boxes_in_pixels(found, "all", "a.jpg") == [("object", 10, 20, 50, 60)]
    assert "no region has an attribute" in found.notes[0]


def test_the_same_images_as_json_and_csv_are_read_once(tmp_path):
    write(tmp_path, (RECT, {"class": "cat"}))
    row = ("a.jpg", "1", "{}", "1", "0", '{"name":"rect","x":10,"y":20,"width":40,"height":40}', '{"class":"cat"}')
    write_csv(tmp_path, row)
    found = read_tool_files(tmp_path)
    assert len(found) == 1 and found.problems == () and "repeats what" in found.notes[0]
    assert found.annotation_files == {str(tmp_path / "via.json"), str(tmp_path / "via.csv")}


def test_two_files_that_contradict_each_other_are_reported(tmp_path):
    write(tmp_path, (RECT, {"class": "cat"}))
    write(tmp_path, (RECT, {"class": "dog"}), file="via_2.json")
    found = read_tool_files(tmp_path)
    assert found.class_names == ("cat",) and kinds(found) == ["bad annotation"]


def test_other_tables_are_not_of_via(tmp_path):
    image(tmp_path / "a.jpg")
    text(tmp_path / "x.csv", "filename,label\na.jpg,cat\n")
    assert not looks_like_tool_files(tmp_path)


@pytest.mark.parametrize(("options", "name"), [({"7": "cat"}, "cat"), ({"7": ""}, "7"), ({"8": "dog"}, "7"), ([], "7")])
def test_numbers_of_options_are_named_by_the_project(tmp_path, options, name):
    entry = {"filename": "a.jpg", "regions": [{"shape_attributes": RECT, "region_attributes": {"kind": "7"}}]}
    image(tmp_path / "a.jpg")
    attributes = {"region": {"kind": {"type": "radio", "options": options}}}
    tree(tmp_path / "via.json", {"_via_img_metadata": {"a": entry}, "_via_attributes": attributes})
    assert read_tool_files(tmp_path).class_names == (name,)
