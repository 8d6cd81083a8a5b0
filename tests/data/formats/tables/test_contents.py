"""Columns whose names do not suffice."""

import pytest

from tests.data.formats.tables.conftest import labels, pixels, sets
from visionkit.data.formats.tables.table import looks_like_table, read_table, read_tables
from visionkit.data.index import DataError


def test_a_table_without_a_row_is_an_error(write):
    with pytest.raises(DataError, match="the table is empty"):
        read_table(write("", {"x.csv": ""}) / "x.csv")


@pytest.mark.parametrize("name", ["ImageID", "image_id", "IMAGE-ID", "Image Id", "imageId"])
@pytest.mark.parametrize("label", ["LabelName", "label name", "Class", "Breed"])
def test_letter_case_and_separators_do_not_matter(write, name, label):
    folder = write("a.jpg b.jpg", {"x.csv": f"{name},{label}\na,cat\nb,dog\n"})
    assert labels(read_tables(folder)) == {"a.jpg": "cat", "b.jpg": "dog"}


@pytest.mark.parametrize("index", ["", "Unnamed: 0"])
def test_an_index_is_neither_an_image_nor_a_label(write, index):
    folder = write("0.jpg 1.jpg 2.jpg", {"train.csv": f"{index},image,label\n0,2.jpg,cat\n1,0.jpg,dog\n2,1.jpg,cat\n"})
    assert labels(read_tables(folder), "train") == {"2.jpg": "cat", "0.jpg": "dog", "1.jpg": "cat"}


def test_row_names_of_r_have_no_column_name(write):
    folder = write("a.jpg b.jpg", {"x.csv": '"image","label"\n"1","a.jpg","cat"\n"2","b.jpg","dog"\n'})
    assert labels(read_tables(folder)) == {"a.jpg": "cat", "b.jpg": "dog"}


def test_the_column_whose_values_are_files_is_the_image(write):
    folder = write("a.jpg b.jpg", {"x.csv": "image,id,label\n17,a,cat\n18,b,dog\n"})
    assert labels(read_tables(folder)) == {"a.jpg": "cat", "b.jpg": "dog"}


def test_a_choice_between_columns_of_files_is_a_note(write):
    found = read_tables(write("a.jpg b.jpg 1.jpg", {"x.csv": "id,image,label\n1,a,cat\n1,b,dog\n"}))
    assert labels(found) == {"a.jpg": "cat", "b.jpg": "dog"}
    assert "x.csv: the images are those of the column image; id names files, too" in found.notes


def test_ids_that_are_no_images_are_an_error_that_says_where_they_were_searched(write):
    folder = write("images/a.jpg", {"x.csv": "id,breed\nz,cat\n"})
    with pytest.raises(DataError, match=r"there is no image 'z' in .*images"):
        read_table(folder / "x.csv")
    assert not looks_like_table(folder)


def test_an_unknown_name_is_taken_for_the_label_if_it_is_the_only_one(write):
    table = "image,width,source,artist\na,120,web,Monet\nb,110,book,Manet\nc,120,web,Manet\nd,110,web,Monet\n"
    found = read_tables(write("a.jpg b.jpg c.jpg d.jpg", {"x.csv": table}))
    assert labels(found) == {"a.jpg": "Monet", "b.jpg": "Manet", "c.jpg": "Manet", "d.jpg": "Monet"}
    assert "x.csv: no column has a name that is known for labels; artist is taken" in found.notes


CELLS = "image,cell_type,xmin,ymin,xmax,ymax{}\n" + "".join(f"a,{name},1,1,9,9{{}}\n" for name in ("RBC", "WBC") * 2)


@pytest.mark.parametrize(
    ("more", "values", "classes", "problems"),
    [
        ("", [""] * 4, ("RBC", "WBC"), 0),
        (",source", [",web"] * 4, ("RBC", "WBC"), 0),
        (",stain,count", [",x,7", ",y,8"] * 2, ("object",), 1),
    ],
)
def test_the_only_column_of_few_texts_is_the_class_of_boxes(write, more, values, classes, problems):
    found = read_tables(write("a.jpg", {"x.csv": CELLS.format(more, *values)}))
    assert found.class_names == classes and len(found.problems) == problems
    assert all("any of cell_type, stain may be the class" in problem.detail for problem in found.problems)
    assert any("cell_type is taken for the class" in note for note in found.notes) == (problems == 0)


def test_a_text_that_is_the_same_in_each_image_may_be_no_class_of_boxes(write):
    rows = "".join(f"{name},1,1,9,9,{weather}\n" * 2 for name, weather in zip("abcd", ["sun", "rain"] * 2, strict=True))
    found = read_tables(write("a.jpg b.jpg c.jpg d.jpg", {"x.csv": f"image,xmin,ymin,xmax,ymax,weather\n{rows}"}))
    assert [problem.kind for problem in found.problems] == ["unclear layout"]


def test_all_columns_that_may_be_the_label_are_named_beside_the_one_that_is_read(write):
    table = "image,diagnosis,kind,target\na,naevus,benign,0\nb,mole,benign,0\nc,naevus,bad,1\nd,mole,bad,1\n"
    found = read_tables(write("a.jpg b.jpg c.jpg d.jpg", {"x.csv": table}))
    assert "x.csv: the labels are those of the column target; not used: diagnosis, kind" in found.notes


@pytest.mark.parametrize(
    ("header", "rows", "reason"),
    [
        ("artist,style", ["Monet,x", "Manet,y", "Monet,x", "Manet,y"], "any of artist, style may be the label"),
        ("width,height", ["100,80", "120,80", "100,80", "120,80"], "none of them is a label"),
        ("caption,source", ["man,web", "dog,book", "man,web", "dog,book"], "none of them is a label"),
        ("note,x", ["one,1", "two,2", "three,3", "four,4"], "none of them is a label"),
        ("EncodedPixels,ClassId", ["1 3 10 5,1", "2 3 10 5,2", "1 3 1 5,1", "1 3 10 50,2"], "run-length encoded masks"),
    ],
)
def test_columns_that_are_not_clear_are_an_error_that_names_them(write, header, rows, reason):
    lines = [f"{name},{row}" for name, row in zip("abcd", rows, strict=True)]
    folder = write("a.jpg b.jpg c.jpg d.jpg", {"x.csv": "\n".join([f"image,{header}", *lines])})
    with pytest.raises(DataError, match=reason):
        read_tables(folder)


def test_a_table_of_other_things_does_not_hide_class_folders(write):
    table = "image,artist\na,Monet\nb,Manet\nc,Monet\nd,Manet\n"
    assert not looks_like_table(write("cats/a.jpg cats/b.jpg dogs/c.jpg dogs/d.jpg", {"x.csv": table}))


def test_text_is_preferred_to_the_number_of_the_same_class(write):
    found = read_tables(write("a.jpg b.jpg c.jpg", {"x.csv": "image,label,class_name\na,0,cat\nb,1,dog\nc,0,cat\n"}))
    assert labels(found) == {"a.jpg": "cat", "b.jpg": "dog", "c.jpg": "cat"}
    assert "x.csv: the labels are those of the column class_name; not used: label" in found.notes


def test_labels_that_are_images_are_masks(write):
    found = read_tables(write("a.jpg b.jpg gt/a.png gt/b.png", {"x.csv": "image,label\na.jpg,gt/a.png\nb.jpg,gt/b.png\n"}))
    assert [annotation.mask[-8:] for annotation in found.splits["all"].annotations] == ["gt/a.png", "gt/b.png"]


@pytest.mark.parametrize(
    ("header", "values", "expected"),
    [
        ("label", ["cat|dog", "cat"], [{"cat", "dog"}, {"cat"}]),
        ("label", ["cat; dog", "cat"], [{"cat", "dog"}, {"cat"}]),
        ("label", ['"cat,dog"', "cat"], [{"cat", "dog"}, {"cat"}]),
        ("tags", ["clear haze water", "haze"], [{"clear", "haze", "water"}, {"haze"}]),
        ("labels", ["rust complex", "rust"], [{"rust", "complex"}, {"rust"}]),
        ("Target", ["16 0", "7"], [{"16", "0"}, {"7"}]),
    ],
)
def test_a_column_may_hold_several_labels(write, header, values, expected):
    rows = "".join(f"{name},{value}\n" for name, value in zip("ab", values, strict=True))
    found = read_tables(write("a.jpg b.jpg", {"x.csv": f"image,{header}\n{rows}"}))
    assert sets(found) == expected and set(found.splits["all"].labels.tolist()) == {-1}
    assert found.format == "a table of several labels an image (x.csv)"


@pytest.mark.parametrize(
    ("header", "values"),
    [("label", ["cat dog", "cat"]), ("label", ['"Smith, J"', '"Doe, J"']), ("labels", ["golden retriever", "black pug"])],
)
def test_a_label_may_have_a_blank_or_a_comma(write, header, values):
    rows = "".join(f"{name},{value}\n" for name, value in zip("ab", values, strict=True))
    found = read_tables(write("a.jpg b.jpg", {"x.csv": f"image,{header}\n{rows}"}))
    assert labels(found) == {"a.jpg": values[0].strip('"'), "b.jpg": values[1].strip('"')}


def test_tables_without_a_header(write):
    folder = write("a.jpg b.jpg", {"x.csv": "a.jpg,12,8,60,40\nb.jpg,,,,\n"})
    found = read_tables(folder)
    assert pixels(found) == [[[12, 8, 60, 40]], []] and found.class_names == ("object",)
    assert found.notes[0] == "x.csv has no header: its columns are taken as image, x1, y1, x2, y2"
    (folder / "x.csv").write_text("a.jpg,cat\nb.jpg,dog\n")
    assert labels(read_tables(folder)) == {"a.jpg": "cat", "b.jpg": "dog"}


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        ("is_valid", ["False", "True"], {"train": 1, "val": 1}),
        ("partition", ["0", "2"], {"train": 1, "test": 1}),
        ("set", ["training", "valid"], {"train": 1, "val": 1}),
        ("split", ["TRAIN", "VALIDATE"], {"train": 1, "val": 1}),
        ("fold", ["0", "1"], {"all": 2}),
    ],
)
def test_columns_of_splits(write, column, values, expected):
    found = read_tables(write("a.jpg b.jpg", {"x.csv": f"image,label,{column}\na,cat,{values[0]}\nb,dog,{values[1]}\n"}))
    assert {split: len(index) for split, index in found.splits.items()} == expected
