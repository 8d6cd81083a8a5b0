"""Which of several tables are read."""

import pytest

from tests.data.formats.tables.conftest import labels
from visionkit.data.formats.tables.files import find_tables
from visionkit.data.formats.tables.table import read_tables
from visionkit.data.index import DataError
from visionkit.data.sources import read

LABELS = "image,label\na,cat\nb,dog\n"


def test_an_empty_folder_has_no_tables(tmp_path):
    assert find_tables(tmp_path).tables == []


@pytest.mark.parametrize("name", ["sample_submission.csv", "sampleSubmission.csv", "SampleSubmission.csv", "submission.csv"])
def test_a_sample_of_a_submission_is_no_table_of_labels(write, name):
    found = read_tables(write("a.jpg b.jpg", {"labels.csv": LABELS, name: "image,label\na,0\nb,0\n"}))
    assert labels(found) == {"a.jpg": "cat", "b.jpg": "dog"} and any(f"{name} is not used" in note for note in found.notes)


def test_a_table_without_labels_is_not_used(write):
    found = read_tables(write("train/a.jpg train/b.jpg test/c.jpg", {"train.csv": LABELS, "test.csv": "image\nc\n"}))
    assert list(found.splits) == ["train"] and any("test.csv is not used" in note for note in found.notes)


def test_a_table_that_a_note_names_is_no_finding_as_well(write):
    folder = write("a.jpg b.jpg", {"train.csv": LABELS, "meta.csv": "image,age\na.jpg,3\nb.jpg,4\n"})
    found = read(folder)
    assert found.problems == () and [note for note in found.notes if "meta.csv" in note] == [
        "meta.csv is not used: no column of it is known to say what images show"
    ]


def test_several_kinds_of_tables_are_an_error_that_names_them(write):
    tables = {"boxes.csv": "image,x1,y1,x2,y2\na,1,2,3,4\n", "labels.csv": LABELS}
    with pytest.raises(DataError, match=r"boxes\.csv: boxes; labels\.csv: labels"):
        read_tables(write("a.jpg b.jpg", tables))


def test_tables_of_splits_win_over_another_which_is_reported(write):
    found = read_tables(write("a.jpg b.jpg", {"train.csv": LABELS, "val.csv": LABELS, "meta.csv": LABELS}))
    assert list(found.splits) == ["train", "val"]
    assert [(problem.kind, problem.path[-8:]) for problem in found.problems] == [("unclear layout", "meta.csv")]


def test_a_table_beside_one_for_validation_is_for_training(write):
    found = read_tables(write("a.jpg b.jpg", {"annotations.csv": LABELS, "val_annotations.csv": LABELS}))
    assert list(found.splits) == ["train", "val"]
    assert found.format == "a table of labels (annotations.csv, val_annotations.csv)"


def test_tables_may_lie_in_annotations(write):
    found = read_tables(write("images/a.jpg images/b.jpg", {"annotations/labels.csv": LABELS}))
    assert labels(found) == {"a.jpg": "cat", "b.jpg": "dog"}
    assert {file[-22:] for file in found.annotation_files} == {"annotations/labels.csv"}


def test_tables_of_the_same_columns_are_splits_whatever_else_their_names_say(write):
    tables = {"oidv6-train-annotations.csv": "image,label\na,cat\n", "validation-annotations.csv": "image,label\nb,dog\n"}
    found = read_tables(write("train/a.jpg validation/b.jpg", tables))
    assert labels(found, "train") == {"a.jpg": "cat"} and labels(found, "val") == {"b.jpg": "dog"}


def test_tables_lie_in_folders_of_their_own_beside_the_images_of_each_split(write):
    tables = {f"x_{split}_GroundTruth/x_{split}_GroundTruth.csv": LABELS for split in ("Training", "Validation")}
    names = [f"x_{split}_Input/{name}.jpg" for split in ("Training", "Validation") for name in "ab"]
    found = read_tables(write(" ".join(names), tables))
    for split, folder in (("train", "x_Training_Input"), ("val", "x_Validation_Input")):
        assert labels(found, split) == {"a.jpg": "cat", "b.jpg": "dog"}
        assert all(folder in path for path in found.splits[split].paths)
