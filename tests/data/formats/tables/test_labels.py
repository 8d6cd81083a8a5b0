"""One label an image, or several, from a column of labels or from columns of classes."""

import pytest

from tests.data.formats.tables.conftest import labels, sets
from visionkit.data.formats.tables.table import read_tables
from visionkit.data.index import DataError


def details(found):
    return [(problem.kind, problem.detail) for problem in found.problems]


def test_a_table_of_classes_without_a_row_is_an_error(write):
    with pytest.raises(DataError):
        read_tables(write("a.jpg", {"x.csv": "image,cat,dog\n"}))


@pytest.mark.parametrize("yes, no", [("1", "0"), ("1.0", "0.0"), ("True", "False"), ("1", "-1"), (" 1", " 0"), ("1", "")])
def test_one_class_in_each_row_is_a_label(write, yes, no):
    table = f"image,cat,dog,source\na,{yes},{no},web\nb,{no},{yes},web\nc,{yes},{no},web\n"
    found = read_tables(write("a.jpg b.jpg c.jpg", {"x.csv": table}))
    assert labels(found) == {"a.jpg": "cat", "b.jpg": "dog", "c.jpg": "cat"} and found.format == "a table of labels (x.csv)"


def test_several_classes_in_a_row_are_a_set_of_labels(write):
    found = read_tables(write("a.jpg b.jpg c.jpg", {"x.csv": "image,cat,dog\na,1,1\nb,0,1\nc,0,0\n"}))
    assert sets(found) == [{"cat", "dog"}, {"dog"}, set()] and found.class_names == ("cat", "dog")
    assert "an image may have several labels: 1 of 3 have several, 1 have none" in found.notes


def test_images_with_an_uncertain_class_are_left_out_and_counted(write):
    found = read_tables(write("a.jpg b.jpg c.jpg", {"x.csv": "Path,Edema,Mass\na,1.0,\nb,-1.0,1.0\nc,0.0,1.0\n"}))
    assert labels(found) == {"a.jpg": "Edema", "c.jpg": "Mass"}
    assert details(found) == [
        ("bad annotation", "-1 beside 0 and 1 means that a class is uncertain; 1 images with such values are left out")
    ]


def test_tables_of_splits_may_order_their_classes_differently(write):
    tables = {"train/_classes.csv": "filename, cat, dog\na.jpg, 1, 1\n"}
    tables["valid/_classes.csv"] = "filename, dog, cat\nb.jpg, 1, \n"
    found = read_tables(write("train/a.jpg valid/b.jpg", tables))
    assert sets(found, "train") == [{"cat", "dog"}] and sets(found, "val") == [{"dog"}] and found.problems == ()


@pytest.mark.parametrize("name", ["train/_classes.csv", "train.csv"])
def test_a_class_may_have_the_name_of_another_column(write, name):
    found = read_tables(write("train/a.jpg train/b.jpg", {name: "filename, mask, no-mask\na.jpg, 1, 0\nb.jpg, 0, 1\n"}))
    assert labels(found, "train") == {"a.jpg": "mask", "b.jpg": "no-mask"}


def test_a_class_that_the_table_of_a_split_lacks_is_reported(write):
    tables = {"train/_classes.csv": "filename, cat, dog\na.jpg, 1, 1\n", "valid/_classes.csv": "filename, dog\nb.jpg, 1\n"}
    found = read_tables(write("train/a.jpg valid/b.jpg", tables))
    assert sets(found, "train") == [{"cat", "dog"}] and sets(found, "val") == [{"dog"}]
    assert [problem.kind for problem in found.problems] == ["unclear layout"]


def test_a_value_that_is_no_flag_is_reported(write):
    rows = "".join(f"{name},1,0\n" for name in "ab" * 600) + "c,1,x\n"
    found = read_tables(write("a.jpg b.jpg c.jpg", {"x.csv": f"image,cat,dog\n{rows}"}))
    assert details(found) == [("bad annotation", "line 1202: 'x' is neither 0 nor 1")]


def test_a_column_label_wins_over_columns_of_0_and_1(write):
    found = read_tables(write("a.jpg b.jpg", {"x.csv": "image,label,is_dark,is_blurry\na,1,0,1\nb,0,1,1\n"}))
    assert labels(found) == {"a.jpg": "1", "b.jpg": "0"}


def test_many_images_that_are_listed_again_have_several_labels(write):
    found = read_tables(write("a.jpg b.jpg c.jpg", {"x.csv": "image,label\na,cat\na,dog\nb,dog\nc,cat\nc,bird\n"}))
    assert sets(found) == [{"cat", "dog"}, {"dog"}, {"cat", "bird"}] and found.problems == ()


def test_one_image_that_is_listed_again_is_a_mistake(write):
    found = read_tables(write("a.jpg b.jpg c.jpg", {"x.csv": "image,label\na,cat\nb,dog\nc,dog\na,dog\n"}))
    assert labels(found) == {"a.jpg": "cat", "b.jpg": "dog", "c.jpg": "dog"} and len(found.problems) == 1


def test_labels_with_a_confidence_of_0_are_absent(write):
    table = "ImageID,Source,LabelName,Confidence\na,v,/m/01,1\na,v,/m/02,0\nb,v,/m/02,1\nc,v,/m/01,0\n"
    folder = write("train/a.jpg train/b.jpg train/c.jpg", {"train-annotations-human-imagelabels.csv": table})
    (folder / "class-descriptions.csv").write_text("/m/01,Cat\n/m/02,Dog\n")
    assert sets(read_tables(folder), "train") == [{"Cat"}, {"Dog"}, set()]


@pytest.mark.parametrize("rows", ["a,cat,0.9\nb,dog,0\nc,cat,1\n", "a,cat,1\nb,dog,0\nc,cat,1\n"])
def test_a_confidence_of_0_leaves_a_label_where_images_have_one(write, rows):
    found = read_tables(write("a.jpg b.jpg c.jpg", {"x.csv": f"image,label,confidence\n{rows}"}))
    assert labels(found) == {"a.jpg": "cat", "b.jpg": "dog", "c.jpg": "cat"}
    assert [problem.kind for problem in found.problems] == ["unclear layout"]
    assert "1 row has a confidence of 0" in found.problems[0].detail


@pytest.mark.parametrize(("others", "kinds"), [("0 1", ["class names"]), ("1 1", []), ("1 2", ["class names"])])
def test_minus_one_beside_other_numbers_may_be_no_label(write, others, kinds):
    first, second = others.split()
    found = read_tables(write("a.jpg b.jpg c.jpg", {"x.csv": f"image,label\na,-1\nb,{first}\nc,{second}\n"}))
    assert labels(found) == {"a.jpg": "-1", "b.jpg": first, "c.jpg": second}
    assert [problem.kind for problem in found.problems] == kinds


def test_rows_without_a_label_are_one_problem(write):
    found = read_tables(write("a.jpg b.jpg c.jpg", {"x.csv": "image,label\na,cat\nb,\nc,nan\n"}))
    assert labels(found) == {"a.jpg": "cat"}
    assert [problem.detail for problem in found.problems] == [
        "line 3: the label is missing; and so in 1 further rows, which are left out, too"
    ]


@pytest.mark.parametrize(
    ("header", "others", "expected"),
    [
        ("class,species", "xyxy", "xyxy"),
        ("class,species", "wxyz", ["Aves"] * 4),  # a name of each image
        ("class,species", "xxxx", ["Aves"] * 4),
    ],
)
def test_a_column_with_one_value_is_no_label_beside_one_that_varies(write, header, others, expected):
    rows = "".join(f"{name},Aves,{other}\n" for name, other in zip("abcd", others, strict=True))
    found = read_tables(write("a.jpg b.jpg c.jpg d.jpg", {"x.csv": f"image,{header}\n{rows}"}))
    assert list(labels(found).values()) == list(expected)


def test_whole_numbers_lose_the_point_that_pandas_writes(write):
    assert labels(read_tables(write("a.jpg b.jpg", {"x.csv": "image,label\na,1.0\nb,0.0\n"}))) == {"a.jpg": "1", "b.jpg": "0"}


def test_measures_are_no_labels(write):
    with pytest.raises(DataError, match=r"the labels are measures, as 0\.53, 1\.25"):
        read_tables(write("a.jpg b.jpg", {"x.csv": "image,target\na,0.53\nb,1.25\n"}))


def test_a_row_with_too_many_fields_is_reported(write):
    found = read_tables(write("a.jpg b.jpg c.jpg", {"x.csv": "image,label\na,cat,dog\nb,dog\nc,cat,\n"}))
    assert labels(found) == {"b.jpg": "dog", "c.jpg": "cat"}
    assert details(found) == [("bad annotation", "line 2: 3 fields, expected 2; a field with a delimiter in it needs quotes")]


@pytest.mark.parametrize(
    ("values", "is_doubt"),
    [
        ([str(7 * i % 61) for i in range(60)], True),
        ([str(18 + i) for i in range(10)], True),
        (["1", "2", "2.5"], True),
        ([str(i % 25) for i in range(75)], False),
        ([str(i) for i in range(5)], False),
        ([f"name {i}" for i in range(60)], False),
        ([str(i % 10) for i in range(20)], False),
    ],
)
def test_numbers_that_look_like_measurements_are_named(write, values, is_doubt):
    names = [f"a{number}.png" for number in range(len(values))]
    rows = "".join(f"{name},{value}\n" for name, value in zip(names, values, strict=True))
    found = read_tables(write(" ".join(names), {"x.csv": f"image,label\n{rows}"}))
    assert [problem.kind for problem in found.problems] == ["unclear layout"] * is_doubt
    assert len(found.class_names) == len(set(values))


def test_numbers_with_names_are_classes(write):
    folder = write(" ".join(f"a{i}.png" for i in range(12)), {"classes.csv": "".join(f"{i},name {i}\n" for i in range(12))})
    (folder / "x.csv").write_text("image,label\n" + "".join(f"a{i},{i}\n" for i in range(12)))
    assert read_tables(folder).problems == ()


def test_a_few_images_with_several_labels_are_named(write):
    rows = "".join(f"{name},cat\n" for name in "abcde") + "a,dog\nb,dog\n"
    found = read_tables(write("a.jpg b.jpg c.jpg d.jpg e.jpg", {"x.csv": f"image,label\n{rows}"}))
    assert sets(found)[:3] == [{"cat", "dog"}, {"cat", "dog"}, {"cat"}]
    assert details(found)[0][0] == "unclear layout" and "only 2 of 5 images are listed with several" in details(found)[0][1]


@pytest.mark.parametrize("label", ["nan", "NaN", "N/A", "null"])
def test_a_missing_value_is_no_class(write, label):
    found = read_tables(write("a.jpg b.jpg", {"x.csv": f"image,label\na,cat\nb,{label}\n"}))
    assert labels(found) == {"a.jpg": "cat"} and details(found) == [
        ("bad annotation", f"line 3: the label is missing ({label})")
    ]


@pytest.mark.parametrize("columns", ["label", "label,xmin,ymin,xmax,ymax"])
def test_names_that_differ_in_letter_case_are_named(write, columns):
    box = ",1,2,3,4" if "," in columns else ""
    found = read_tables(write("a.jpg b.jpg", {"x.csv": f"image,{columns}\na,cat{box}\nb,Cat{box}\n"}))
    assert [problem.kind for problem in found.problems] == ["class names"] and set(found.class_names) == {"cat", "Cat"}


def test_a_name_that_is_a_file_with_each_of_several_suffixes_is_named(write):
    found = read_tables(write("a.jpg a.png b.jpg", {"x.csv": "image,label\na,cat\nb,dog\n"}))
    assert [problem.kind for problem in found.problems] == ["unclear layout"] and "1 of 2 names" in found.problems[0].detail
    assert read_tables(write("", {"x.csv": "image,label\na.jpg,cat\nb.jpg,dog\n"})).problems == ()
