"""Where the images of a table are found."""

import pytest

from tests.data.formats.tables.conftest import labels
from visionkit.data.formats.tables.images import ENOUGH_MISSING, ImageSearch, split_of_name
from visionkit.data.formats.tables.table import looks_like_table, read_tables
from visionkit.data.index import DataError


def test_an_empty_folder_has_no_image(tmp_path):
    search = ImageSearch(tmp_path / "x.csv")
    assert search.find("a") is None and search.find("") is None and search.searched() == str(tmp_path)


@pytest.mark.parametrize(
    ("place", "table"),
    [
        ("a.jpg", "x.csv"),
        ("Images/a.jpg", "x.csv"),
        ("train/a.JPG", "x.csv"),
        ("train_images/a.png", "x.csv"),
        ("pics/a.jpg", "x.csv"),
        ("img_align/img_align/a.jpg", "x.csv"),
        ("images/a.jpg", "annotations/x.csv"),
        ("train/data/a.jpg", "train/labels/x.csv"),
    ],
)
def test_places(write, place, table):
    folder = write(place, {})
    assert ImageSearch(folder / table).find("a", "train") == str(folder / place)


def test_the_folder_of_the_split_comes_first(write):
    search = ImageSearch(write("train/1.jpg test/1.jpg images/val/1.jpg", {}) / "x.csv")
    found = [search.find("1", split).split("/")[-2] for split in ("", "train", "val", "test")]
    assert found == ["train", "train", "val", "test"]


@pytest.mark.parametrize("name", ["/home/me/data/images/a.jpg", "C:\\data\\a.jpg", "old/images/a", "https://x.y/a.jpg"])
def test_of_a_path_that_leads_nowhere_the_end_counts(write, name):
    folder = write("images/a.jpg", {})
    assert ImageSearch(folder / "x.csv").find(name) == str(folder / "images" / "a.jpg")


def test_images_are_found_after_many_that_are_missing(write):
    search = ImageSearch(write("images/a.jpg", {}) / "x.csv")
    assert [search.find(f"z{number}") for number in range(2 * ENOUGH_MISSING)] == [None] * 2 * ENOUGH_MISSING
    assert search.find("a") and search.find("a.jpg") and search.find("b/a.jpg")


def test_masks_are_no_images(write):
    folder = write("Masks/a.png pics/a.jpg", {})
    assert ImageSearch(folder / "x.csv").find("a") == str(folder / "pics" / "a.jpg")


def test_names_in_two_folders_are_reported(write):
    found = read_tables(write("p/1.jpg q/1.jpg", {"x.csv": "image,label\n1,cat\n"}))
    assert [problem.kind for problem in found.problems] == ["unclear layout"]


@pytest.mark.parametrize(
    ("images", "name", "num_problems"),
    [
        ("train/cat/1.jpg valid/cat/1.jpg", "train/cat/1.jpg", 0),
        ("train/cat/1.jpg valid/cat/1.jpg", "train/cat/1", 0),
        ("train/cat/1.jpg valid/cat/1.jpg", "/kaggle/input/train/cat/1.jpg", 0),
        ("cat/1.jpg valid/cat/1.jpg", "cat/1.jpg", 0),
        ("data/deep/cat/1.jpg other/cat/1.jpg", "data/deep/cat/1.jpg", 0),
        ("train/cat/1.jpg valid/cat/1.jpg", "cat/1.jpg", 1),
        ("p/1.jpg q/1.jpg", "p/1.jpg", 0),
    ],
)
def test_a_path_means_the_file_that_it_leads_to(write, images, name, num_problems):
    found = read_tables(write(images, {"x.csv": f"image,label\n{name},cat\n"}))
    assert [problem.kind for problem in found.problems] == ["unclear layout"] * num_problems
    assert len(found) == 1


def test_if_all_images_are_missing_the_error_says_where_they_were_searched(write):
    with pytest.raises(DataError, match=r"none of its 2 images exists, such as 'y'\. They were searched in .*images"):
        read_tables(write("images/a.jpg", {"x.csv": "image,label\ny,cat\nz,dog\n"}))


def test_two_spellings_of_an_image_are_one(write):
    found = read_tables(write("a.jpg b.jpg", {"x.csv": "image,label\na,cat\na.jpg,cat\nb,dog\n"}))
    assert labels(found) == {"a.jpg": "cat", "b.jpg": "dog"} and len(found.problems) == 1


@pytest.mark.parametrize(
    ("name", "split"),
    [("train", "train"), ("train_labels", "train"), ("validation-annotations-bbox", "val"), ("labels", ""), ("train_val", "")],
)
def test_names_of_files_say_splits(name, split):
    assert split_of_name(name) == split


def test_numbers_may_lack_leading_zeros_if_most_images_are_numbered(write):
    folder = write("images/0007.jpg images/0008.jpg images/0019.jpg", {"x.csv": "id,label\n7,cat\n8,dog\n19,cat\n"})
    found = read_tables(folder)
    assert labels(found) == {"0007.jpg": "cat", "0008.jpg": "dog", "0019.jpg": "cat"}
    assert "x.csv: 3 images are found by their numbers, as 0007.jpg for 7" in found.notes


@pytest.mark.parametrize(
    ("names", "table"),
    [
        ("0000.jpg 0001.jpg 0002.jpg 0003.jpg 0004.jpg", "id,name\n0,cat\n1,dog\n"),  # a list of classes
        ("0000.jpg 0001.jpg 0002.jpg 0003.jpg 0004.jpg", "0,cat\n1,dog\n"),
        ("0000.jpg 0001.jpg", "id,label\n0,cat\n1,dog\n2,cow\n"),
        ("00.jpg 000.jpg 01.jpg", "id,label\n0,cat\n1,dog\n"),
    ],
)
def test_other_numbers_are_no_images(write, names, table):
    assert not looks_like_table(write(names, {"x.csv": table}))


def test_the_query_of_an_address_is_no_part_of_a_name(write):
    rows = "https://x.com/1/a.jpg?w=100&h=2,cat\nhttps://x.com/1/b.jpg?w=100&h=2,dog\n"
    found = read_tables(write("a.jpg b.jpg", {"x.csv": f"image_url,label\n{rows}"}))
    assert labels(found) == {"a.jpg": "cat", "b.jpg": "dog"}


def test_numbers_of_rows_are_no_images_beside_a_column_of_images(write):
    found = read_tables(write("0000.jpg 0001.jpg", {"x.csv": "id,image,label\n0,0001.jpg,cat\n1,0000.jpg,dog\n"}))
    assert labels(found) == {"0001.jpg": "cat", "0000.jpg": "dog"} and found.notes == ()


@pytest.mark.parametrize("name", ["{}", "https://x.com/{}.jpg?w=100"])
def test_the_current_folder_is_not_searched(write, monkeypatch, name):
    folder = write("data/images/1.jpg images/1.png", {"data/x.csv": f"image,label\n{name.format(1)},cat\n"})
    monkeypatch.chdir(folder)
    found = read_tables(folder / "data")
    assert labels(found) == {"1.jpg": "cat"} and found.problems == ()


def test_an_image_of_an_absolute_path_has_no_rival(write):
    folder = write("p/1.jpg q/1.jpg", {})
    (folder / "x.csv").write_text(f"image,label\n{folder}/p/1.jpg,cat\n")
    found = read_tables(folder)
    assert labels(found) == {"1.jpg": "cat"} and found.problems == ()
