"""Tables of images: labels, boxes, landmarks, masks."""

import contextlib
import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from visionkit.data.formats.tables.columns import find_columns
from visionkit.data.formats.tables.table import looks_like_table, read_table, read_tables
from visionkit.data.index import DataError, Problem
from visionkit.data.split_names import WHOLE

BOXES = "image,xmin,ymin,xmax,ymax,label\n"
LANDMARKS = "image_name,part_0_x,part_0_y,part_1_x,part_1_y,part_2_x,part_2_y\n"


@pytest.fixture
def folder(tmp_path):
    """Images a.jpg to d.jpg, 10 wide and 20 high, in images/."""
    (tmp_path / "images").mkdir()
    for name in "abcd":
        Image.new("RGB", (10, 20)).save(tmp_path / "images" / f"{name}.jpg")
    return tmp_path


def table(folder, text, name="table.csv"):
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder / name


def details(found):
    return [(problem.kind, problem.detail) for problem in found.problems]


@pytest.mark.parametrize("text", ["", "\n\n", "image,label\n", "image,label\n,\n"])
def test_an_empty_table_is_an_error(tmp_path, text):
    with pytest.raises(DataError):
        read_table(table(tmp_path, text))


def test_an_empty_folder_has_no_table(tmp_path):
    assert not looks_like_table(tmp_path)
    with pytest.raises(DataError, match="no table of images"):
        read_tables(tmp_path)


def test_a_missing_table_is_an_error(tmp_path):
    with pytest.raises(DataError, match="No such file"):
        read_table(tmp_path / "nowhere.csv")


@pytest.mark.parametrize("header", ["id,label", "image,width,height", "label,xmin,ymin,xmax,ymax"])
def test_missing_columns_are_an_error_that_lists_the_expected_ones(tmp_path, header):
    with pytest.raises(DataError, match=f"its columns are {header.replace(',', ', ')}; .*Expected a header"):
        read_table(table(tmp_path, f"{header}\n1,2,3,4,5\n"))
    assert not looks_like_table(tmp_path)


def test_labels(folder):
    found = read_table(table(folder, "image,label\na.jpg,10\nb.jpg,9\nc.jpg,10\n"))
    index = found.splits[WHOLE]
    assert index.class_names == ("9", "10") and index.labels.tolist() == [1, 0, 1]
    assert index.paths[0] == str(folder / "images" / "a.jpg")
    assert index.task == "classification" and index.annotations == () and found.problems == ()


@pytest.mark.parametrize(
    "header", ["path,class", "FileName,Category", "image_id,species", " img , target ", "file name,class-name", "image,label"]
)
def test_columns_have_many_names(folder, header):
    assert read_table(table(folder, f"{header}\na.jpg,cat\n")).class_names == ("cat",)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_delimiters_and_line_ends(folder, delimiter, line_end):
    text = line_end.join(["image,label", 'a.jpg,"cat"', "", "b.jpg,dog"]).replace(",", delimiter)
    assert read_table(table(folder, text)).class_names == ("cat", "dog")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
def test_encodings(folder, encoding):
    assert read_table(table(folder, "image,label\na.jpg,Löwe\n".encode(encoding))).class_names == ("Löwe",)


@pytest.mark.parametrize("name", ["a", "a.jpg", "images/a.jpg", "images\\a.jpg", "ABSOLUTE"])
def test_images_are_found_by_any_path(folder, name):
    path = folder / "images" / "a.jpg"
    found = read_table(table(folder, f"image,label\n{path if name == 'ABSOLUTE' else name},cat\n"))
    assert path.samefile(found.splits[WHOLE].paths[0])


@pytest.mark.parametrize("name", ["x #1.jpg", "50%.jpg", "fünf.jpg", "a@2x.jpg", "x,y.jpg"])
def test_odd_names(folder, name):
    (folder / "images" / "a.jpg").rename(folder / "images" / name)
    assert read_table(table(folder, f'image,label\n"{name}",cat\n')).splits[WHOLE].paths == (str(folder / "images" / name),)


def test_a_name_that_is_not_utf_8(folder):
    name = os.fsdecode(b"f\xfcnf.jpg")
    try:
        (folder / "images" / "a.jpg").rename(folder / "images" / name)
    except OSError:
        pytest.skip("a file system of UTF-8 names only")
    assert read_table(table(folder, b"image,label\nf\xfcnf.jpg,cat\n")).splits[WHOLE].paths == (str(folder / "images" / name),)


def test_an_image_that_does_not_exist_is_reported(folder):
    found = read_table(table(folder, "image,label\na.jpg,cat\nx.jpg,cat\n"))
    assert len(found) == 1
    assert found.problems == (Problem("missing partner", str(folder / "table.csv"), "line 3: there is no image 'x.jpg'"),)


def test_rows_without_a_label_or_an_image_are_reported(folder):
    found = read_table(table(folder, "image,label\na.jpg,\n,cat\nb.jpg\nc.jpg,dog\n"))
    assert len(found) == 1
    assert details(found) == [
        ("bad annotation", "line 3: the image is missing"),
        ("bad annotation", "line 2: the label is missing; and so in 1 further rows, which are left out, too"),
    ]


def test_an_image_that_is_listed_again_is_reported(folder):
    found = read_table(table(folder, "image,label\na.jpg,cat\na.jpg,dog\n"))
    assert len(found) == 1 and details(found) == [
        ("bad annotation", "line 3: the image is listed again, as 'dog'; this line is left out")
    ]


def test_a_column_splits_the_data_set(folder):
    found = read_table(
        table(folder, "image,label,split\na.jpg,cat,Validation\nb.jpg,dog,train\nc.jpg,cat,fold 7\nd.jpg,cat,\n")
    )
    assert {name: len(index) for name, index in found.splits.items()} == {"train": 1, "val": 1, "fold 7": 1}
    assert next(iter(found.splits)) == "train" and found.splits["val"].class_names == ("cat", "dog")
    assert details(found)[0] == ("bad annotation", "line 5: the split is missing")
    assert [(one.kind, "holds 'fold 7', which is no name of a split" in one.detail) for one in found.problems[1:]] == [
        ("unclear layout", True)
    ]


def test_boxes_in_pixels(folder):
    found = read_table(table(folder, BOXES + "a.jpg,1,2,5,10,dog\nb.jpg,0,0,10,20,cat\na.jpg,-5,0,10,20,cat\n"))
    index = found.splits[WHOLE]
    assert index.class_names == ("cat", "dog") and index.task == "detection" and index.labels.tolist() == [-1, -1]
    objects = index.annotations[0].objects
    assert objects.boxes.tolist() == [[0.1, 0.1, 0.5, 0.5], [-0.5, 0, 1, 1]] and objects.classes.tolist() == [1, 0]
    assert index.annotations[0].size == (20, 10) and objects.keypoints is None


def test_a_row_without_a_box_is_an_image_without_objects(folder):
    found = read_table(table(folder, BOXES + "a.jpg,,,,,\nb.jpg,0,0,10,20,cat\n"))
    assert [len(annotation.objects) for annotation in found.splits[WHOLE].annotations] == [0, 1]
    assert found.class_names == ("cat",) and found.problems == ()


def test_a_table_without_any_box(folder):
    found = read_table(table(folder, BOXES + "a.jpg,,,,,\n"))
    assert len(found) == 1 and found.class_names == () and len(found.splits[WHOLE].annotations[0].objects) == 0


def test_relative_boxes_may_reach_outside_a_little(folder):
    found = read_table(table(folder, BOXES + "a.jpg,0.1,0.2,1.01,0.5,cat\n"))
    assert found.splits[WHOLE].annotations[0].objects.boxes.tolist() == [[0.1, 0.2, 1.01, 0.5]]
    assert found.splits[WHOLE].annotations[0].size is None


def test_with_a_declared_size_the_image_is_not_opened(folder):
    (folder / "images" / "a.jpg").write_bytes(b"broken")
    text = "filename,width,height,class,xmin,ymin,xmax,ymax\na.jpg,100,50,cat,10,10,50,50\nb.jpg,?,-1,cat,1,2,5,10\n"
    annotations = read_table(table(folder, text)).splits[WHOLE].annotations
    assert [annotation.size for annotation in annotations] == [(50, 100), (20, 10)]
    assert [annotation.objects.boxes[0].tolist() for annotation in annotations] == [[0.1, 0.2, 0.5, 1], [0.1, 0.1, 0.5, 0.5]]


def test_an_image_of_unknown_size_is_reported(folder):
    (folder / "images" / "a.jpg").write_bytes(b"broken")
    found = read_table(table(folder, BOXES + "a.jpg,1,2,5,10,dog\nb.jpg,1,2,5,10,dog\n"))
    assert len(found) == 1 and [problem.kind for problem in found.problems] == ["broken image"]


@pytest.mark.parametrize(
    ("header", "numbers"),
    [
        ("x1,y1,x2,y2", "1,2,5,10"),
        ("x_min,y_min,x_max,y_max", "1,2,5,10"),
        ("ymin,xmin,ymax,xmax", "2,1,10,5"),
        ("left,top,right,bottom", "1,2,5,10"),
        ("x,y,w,h", "1,2,4,8"),
        ("x,y,width,height", "1,2,4,8"),
        ("bbox_x,bbox_y,bbox_width,bbox_height", "1,2,4,8"),
        ("x,y,width,height,image_width,image_height", "1,2,4,8,10,20"),
    ],
)
def test_names_of_box_columns(folder, header, numbers):
    found = read_table(table(folder, f"image,{header},label\na.jpg,{numbers},cat\n"))
    annotation = found.splits[WHOLE].annotations[0]
    assert annotation.objects.boxes.tolist() == [[0.1, 0.1, 0.5, 0.5]] and annotation.size == (20, 10)


def test_boxes_without_a_column_of_labels_are_objects(folder):
    assert read_table(table(folder, "image,x1,y1,x2,y2\na.jpg,1,2,5,10\n")).class_names == ("object",)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("a.jpg,1,2,x,10,cat", "'x' is not a number"),
        ("a.jpg,1,2,,10,cat", "'' is not a number"),
        ("a.jpg,1,2,nan,10,cat", "'nan' is not a finite number"),
        ("a.jpg,1,2,1e999,10,cat", "'1e999' is not a finite number"),
        ("a.jpg,1,2,5,10,", "the label is missing"),
        ("a.jpg,1,2", "'' is not a number"),
        ("a.jpg,1,2,1e30,10,cat", "numbers far outside of the image"),
    ],
)
def test_an_invalid_row_is_reported(folder, row, reason):
    found = read_table(table(folder, BOXES + row + "\nb.jpg,1,2,5,10,cat\n"))
    assert details(found) == [("bad annotation", f"line 2: {reason}")]
    assert sum(len(annotation.objects) for annotation in found.splits[WHOLE].annotations) == 1


def test_landmarks_are_an_object_with_the_box_around_them(folder):
    found = read_table(table(folder, LANDMARKS + "a.jpg,1,2,5,10,-1,4\nb.jpg,1,2,,,5,10\n"))
    index = found.splits[WHOLE]
    assert index.class_names == ("object",) and index.class_attributes == ({"keypoints": ["part_0", "part_1", "part_2"]},)
    first, second = (annotation.objects for annotation in index.annotations)
    assert first.boxes.tolist() == [[-0.1, 0.1, 0.5, 0.5]]
    assert first.keypoints.tolist() == [[[0.1, 0.1, 2], [0.5, 0.5, 2], [-0.1, 0.2, 2]]]
    assert second.keypoints.tolist() == [[[0.1, 0.1, 2], [0, 0, 0], [0.5, 0.5, 2]]]
    assert second.boxes.tolist() == [[0.1, 0.1, 0.5, 0.5]]


def test_a_row_without_landmarks_is_an_image_without_objects(folder):
    found = read_table(table(folder, LANDMARKS + "a.jpg,,,,,,\nb.jpg,1,2,5,10,3,4\n"))
    assert [len(annotation.objects) for annotation in found.splits[WHOLE].annotations] == [0, 1]


@pytest.mark.parametrize(
    "header", ["x0,y0,x1,y1,x2,y2", "x1,y1,x2,y2,x3,y3", "x_1,y_1,x_2,y_2,x_3,y_3", "eye_x,eye_y,ear_x,ear_y,lip_x,lip_y"]
)
def test_names_of_landmarks(folder, header):
    found = read_table(table(folder, f"image,{header}\na.jpg,1,2,5,10,3,4\n"))
    assert found.splits[WHOLE].annotations[0].objects.keypoints.shape == (1, 3, 3)


def test_landmarks_may_have_a_box_and_a_label_of_their_own(folder):
    header = "image,label,left,top,right,bottom,eye_x,eye_y,ear_x,ear_y,lip_x,lip_y"
    objects = read_table(table(folder, f"{header}\na.jpg,cat,0,0,10,20,1,2,5,10,3,4\n")).splits[WHOLE].annotations[0].objects
    assert objects.boxes.tolist() == [[0, 0, 1, 1]] and objects.keypoints.shape == (1, 3, 3)


def test_masks(folder):
    (folder / "Masks").mkdir()
    for name in "ab":
        Image.fromarray(np.array([[0, 1, 2]], np.uint8)).save(folder / "Masks" / f"{name}.png")
    (folder / "classes.txt").write_text("sky\nroad\ncar\n")
    found = read_table(table(folder, "image,mask,split\na,a.png,train\nb.jpg,Masks/b.png,val\nc.jpg,c.png,val\nd.jpg,,val\n"))
    assert found.class_names == ("sky", "road", "car") and found.splits["val"].task == "segmentation"
    assert found.splits["train"].annotations[0].mask == str(folder / "Masks" / "a.png")
    assert sorted(problem.kind for problem in found.problems) == ["bad annotation", "missing partner"]


def test_a_split_without_masks_is_noted_and_not_a_mistake(folder):
    (folder / "Masks").mkdir()
    Image.fromarray(np.array([[0, 1, 2]], np.uint8)).save(folder / "Masks" / "a.png")
    found = read_table(table(folder, "image,mask,split\na,a.png,train\nb,,valid\nc,,test\nd,,test\n"))
    assert {name: len(index) for name, index in found.splits.items()} == {"train": 1} and found.problems == ()
    assert any("3 images of splits without masks are not used" in note for note in found.notes)


def test_a_table_whose_masks_are_all_missing_is_an_error(folder):
    with pytest.raises(DataError, match="no annotated image"):
        read_table(table(folder, "image,mask\na.jpg,a.png\n"))


def test_a_table_for_each_split(folder):
    table(folder, BOXES + "a.jpg,1,2,5,10,dog\n", "train.csv")
    table(folder, BOXES + "b.jpg,1,2,5,10,cat\n", "valid.csv")
    table(folder, "image_id,prediction\n", "sample_submission.csv")
    assert looks_like_table(folder)
    found = read_tables(folder)
    assert {name: index.paths for name, index in found.splits.items()} == {
        "train": (str(folder / "images" / "a.jpg"),),
        "val": (str(folder / "images" / "b.jpg"),),
    }
    assert found.class_names == ("cat", "dog")


def test_a_table_in_each_split_folder(tmp_path):
    for split in ("train", "valid"):
        (tmp_path / split).mkdir()
        Image.new("RGB", (10, 20)).save(tmp_path / split / "a.jpg")
        table(tmp_path / split, BOXES + "a.jpg,1,2,5,10,dog\n", "_annotations.csv")
    assert looks_like_table(tmp_path)
    found = read_tables(tmp_path)
    assert found.splits["val"].paths == (str(tmp_path / "valid" / "a.jpg"),) and len(found) == 2


def test_tables_with_different_columns_are_an_error(folder):
    table(folder, BOXES + "a.jpg,1,2,5,10,dog\n", "train.csv")
    table(folder, LANDMARKS + "a.jpg,1,2,5,10,-1,4\n", "val.csv")
    with pytest.raises(DataError, match="tables have different columns"):
        read_tables(folder)


def test_several_tables_that_are_not_splits_are_an_error_that_names_them(folder):
    for name in ("one.csv", "two.csv"):
        table(folder, BOXES + "a.jpg,1,2,5,10,dog\n", name)
    assert looks_like_table(folder)
    with pytest.raises(DataError, match=r"one\.csv, two\.csv .*Give the file of one instead"):
        read_tables(folder)


def test_a_list_of_paths_and_labels_is_a_table_if_it_has_a_header(folder):
    table(folder, "a.jpg,cat\n", "train.csv")
    assert not looks_like_table(folder)
    table(folder, "image,label\na.jpg,cat\n", "train.csv")
    assert looks_like_table(folder)


def test_null_characters_are_an_error(folder):
    with pytest.raises(DataError, match="null characters"):
        read_table(table(folder, b"image,label\na.jpg,\0\n"))


def test_an_overlong_field_is_reported(folder):
    found = read_table(table(folder, f"image,label\na.jpg,cat\nb.jpg,{'x' * 200_000}\nc.jpg,cat\n"))
    assert len(found) == 2 and "line 3: field larger" in found.problems[0].detail


def test_no_header_names_no_columns():
    named = find_columns([])
    assert named.images == named.labels == named.others == [] and named.columns.kind == ""


FIELDS = st.one_of(
    st.sampled_from(["a.jpg", "b", "", "1", "-3.5", "nan", "1e308", "cat", '"', "\n", "\\", "../a"]), st.text(max_size=4)
)


@given(
    st.sampled_from([BOXES, LANDMARKS, "image,label\n", "image,mask,split\n", "image,x,y,w,h,width,height\n"]),
    st.lists(st.lists(FIELDS, max_size=8).map(",".join), max_size=5).map("\n".join),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_garbage_ends_as_problems_or_as_an_error_of_the_data(folder, header, rows):
    path = table(folder, (header + rows).encode("utf-8", "surrogatepass"))
    with contextlib.suppress(DataError):
        for index in read_table(path).splits.values():
            assert all(np.isfinite(annotation.objects.boxes).all() for annotation in index.annotations if annotation.objects)


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_binary_garbage_ends_as_an_error_of_the_data(folder, contents):
    with contextlib.suppress(DataError):
        read_table(table(folder, contents))
    looks_like_table(folder)
