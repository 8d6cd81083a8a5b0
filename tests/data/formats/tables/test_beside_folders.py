"""Tables of labels whose images lie in class folders."""

import pytest

from tests.data.formats.tables.conftest import labels
from visionkit.data.formats.tables.table import read_table, read_tables

NAMES = "cat/1.jpg cat/2.jpg dog/3.jpg dog/4.jpg"


def doubts(folder):
    return [problem.detail for problem in read_tables(folder).problems if problem.kind == "unclear layout"]


def table(*labels_of_images: str) -> dict[str, str]:
    rows = zip(NAMES.split(), labels_of_images, strict=False)
    return {"x.csv": "image,label\n" + "".join(f"{name},{label}\n" for name, label in rows)}


def test_images_beside_a_table_lie_in_no_class_folder(write):
    assert doubts(write("a.jpg", {"x.csv": "image,label\na,cat\n"})) == []


@pytest.mark.parametrize("of_table", [("x", "y", "x", "y"), ("0", "1", "1", "1"), ("cat", "dog", "dog", "dog"), ("dog",) * 4])
def test_labels_that_contradict_the_folders_are_reported(write, of_table):
    folder = write(NAMES, table(*of_table))
    found = doubts(folder)
    assert len(found) == 1 and "the images lie in the folders cat, dog, which may be their classes" in found[0]
    assert labels(read_tables(folder)) == dict(zip(("1.jpg", "2.jpg", "3.jpg", "4.jpg"), of_table, strict=True))
    assert read_table(folder / "x.csv").problems == ()


@pytest.mark.parametrize(
    "of_table",
    [
        ("cat", "cat", "dog", "dog"),
        ("Cat", "Cat", "Dog", "Dog"),
        ("0", "0", "1", "1"),  # renamed one to one
        ("siamese", "persian", "boxer", "husky"),  # breeds
        ("mammal",) * 4,
    ],
)
def test_labels_that_follow_from_the_folders_are_not_reported(write, of_table):
    assert doubts(write(NAMES, table(*of_table))) == []


@pytest.mark.parametrize(
    ("first", "second"),
    [("part_1", "part_2"), ("train", "val"), ("2021", "2022"), ("images", "data"), ("a", "b"), ("left", "right")],
)
def test_folders_that_name_no_classes_are_not_compared(write, first, second):
    names = NAMES.replace("cat", first).replace("dog", second)
    rows = "".join(f"{name},{label}\n" for name, label in zip(names.split(), "xyxy", strict=True))
    assert doubts(write(names, {"x.csv": f"image,label\n{rows}"})) == []


def test_a_table_of_few_images_of_class_folders_is_reported(write):
    found = doubts(write(NAMES, table("cat")))
    assert len(found) == 1 and "the table names 1 of 4 images in the folders cat, dog" in found[0]


def test_images_of_another_split_need_not_be_in_the_table(write):
    split = {"x.csv": "image,label\ntrain/cat/1.jpg,cat\ntrain/dog/2.jpg,dog\n"}
    assert doubts(write("train/cat/1.jpg train/dog/2.jpg test/cat/3.jpg", split)) == []
