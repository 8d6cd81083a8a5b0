"""Lists of files in every common form."""

import pytest

from tests.conftest import write_classes
from visionkit.data.formats.split_lists import find_list, read_lists
from visionkit.data.index import DataError
from visionkit.data.sources import read, read_classified


def read_list(folder, file):
    """Class -> files of one list."""
    splits, *_ = read_lists(folder, {"": file})
    return splits[""]


def test_an_empty_list_has_no_files(tmp_path):
    (tmp_path / "train.txt").touch()
    assert read_list(tmp_path, tmp_path / "train.txt") == {}


def test_no_list_is_found_where_there_is_none(tmp_path):
    assert find_list(tmp_path, ("train",)) is None


def test_of_lists_with_other_names_those_without_a_number_come_first(tmp_path):
    for name in ("train2.txt", "train_list.txt", "train_10.txt"):
        (tmp_path / name).touch()
    assert find_list(tmp_path, ("train",)) == tmp_path / "train_list.txt"


def test_lists_of_paths(tmp_path):
    write_classes(tmp_path, {"blue": 3, "dark red": 3})
    (tmp_path / "train.txt").write_text("blue/00.jpg\nblue/01.jpg\ndark red/00.jpg\n\n")
    (tmp_path / "val.txt").write_text("blue/02.jpg\ndark red/02.jpg\n")
    splits = read_classified(tmp_path)
    assert splits.train.class_names == ("blue", "dark red")
    assert splits.train.counts().tolist() == [2, 1]
    assert splits.val.counts().tolist() == [1, 1]


@pytest.mark.parametrize("separator", [" ", ",", "\t", ", "])
def test_lists_of_paths_with_labels(tmp_path, separator):
    write_classes(tmp_path / "images", {"all of them": 4})
    lines = [f"all of them/{i:02d}.jpg{separator}{label}" for i, label in enumerate(["cat", "dog", "cat", "dog"])]
    (tmp_path / "train.csv").write_text("\n".join([f"path{separator}label", *lines[:2]]))
    (tmp_path / "val.csv").write_text("\n".join(lines[2:]))
    splits = read_classified(tmp_path)
    assert splits.train.class_names == ("cat", "dog")
    assert splits.val.counts().tolist() == [1, 1]


def test_numbered_labels_take_the_names_of_classes_txt(tmp_path):
    write_classes(tmp_path, {"x": 2})
    (tmp_path / "train.txt").write_text("x/00.jpg 0\nx/01.jpg 1\n")
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    (tmp_path / "val.txt").write_text("x/00.jpg 1\n")
    splits = read_classified(tmp_path)
    assert splits.train.class_names == ("cat", "dog") and splits.val.labels.tolist() == [1]


def test_a_listed_file_that_does_not_exist_is_kept_for_the_scan_to_report(tmp_path):
    write_classes(tmp_path, {"blue": 2, "red": 2})
    (tmp_path / "train.txt").write_text("blue/00.jpg\nred/00.jpg\nred/99.jpg\n")
    assert any(path.endswith("99.jpg") for path in read_classified(tmp_path).train.paths)


def test_listed_files_lie_in_a_folder_further_below(tmp_path):
    """As in MIT-67, whose archives of lists and images are apart; and in DTD, whose labels/ holds lists."""
    write_classes(tmp_path / "wrapped" / "Images", {"blue": 2, "red": 2})
    (tmp_path / "TrainImages.txt").write_text("blue/00.jpg\nred/00.jpg\nred/99.jpg\n01.jpg\n")
    files = read_list(tmp_path, tmp_path / "TrainImages.txt")
    images = tmp_path / "wrapped" / "Images"
    assert files["blue"] == [images / "blue" / "00.jpg"]
    assert files["red"] == [images / "red" / "00.jpg", tmp_path / "red" / "99.jpg"]
    assert tmp_path / "01.jpg" in files[tmp_path.name]  # blue and red have one, so neither is meant


def test_lists_in_a_folder_of_labels_are_no_label_files_of_yolo(tmp_path):
    write_classes(tmp_path / "images", {"banded": 2, "blotchy": 2})
    (tmp_path / "labels").mkdir()
    for name, number in (("train1", 0), ("val1", 1)):
        (tmp_path / "labels" / f"{name}.txt").write_text(f"banded/0{number}.jpg\nblotchy/0{number}.jpg\n")
    found = read(tmp_path)
    assert found.format == "lists (labels/train1.txt, labels/val1.txt)" and found.class_names == ("banded", "blotchy")
    assert {split: len(index) for split, index in found.splits.items()} == {"train": 2, "val": 2}


def test_a_long_line_is_shortened_in_the_error(tmp_path):
    (tmp_path / "train.txt").write_text("0 " * 785)
    write_classes(tmp_path, {"blue": 1})
    with pytest.raises(DataError, match=r"names no image; expected .* such as blue/00\.jpg, then a label") as error:
        read_classified(tmp_path)
    assert len(str(error.value).partition(" It holds annotations")[0]) < 400


def test_a_line_that_names_no_image_is_an_error(tmp_path):
    (tmp_path / "train.txt").write_text("what is this file for\n")
    with pytest.raises(DataError, match="names no image"):
        read_classified(tmp_path)


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("train.txt", ["x/00.jpg tabby cat", "x/01.jpg old dog"]),
        ("train.txt", ["tabby cat x/00.jpg", "old dog x/01.jpg"]),
        ("train.txt", ["x/00 tabby cat", "x/01 old dog"]),
        ("train.txt", ["x/77.jpg,tabby cat", "x/78.jpg,old dog"]),
        ("train.csv", ["Image Path,Class Name", '"x/00.jpg","tabby cat"', "x/01.jpg,old dog"]),
        ("train.csv", ["id,path,class,width", "7,x/00.jpg,tabby cat,30", "8,x/01.jpg,old dog,31"]),
        ("Train.tsv", ["x/00.jpg\ttabby cat", "x/01.jpg\told dog"]),
    ],
)
def test_labels_may_hold_spaces_wherever_they_stand(tmp_path, name, lines):
    write_classes(tmp_path, {"x": 2})
    (tmp_path / name).write_text("\n".join(lines))
    files = read_list(tmp_path, find_list(tmp_path, ("train",)))
    assert {label: len(paths) for label, paths in files.items()} == {"tabby cat": 1, "old dog": 1}


def test_numbers_may_begin_with_one(tmp_path):
    write_classes(tmp_path, {"x": 2})
    (tmp_path / "classes.txt").write_bytes(b"\xef\xbb\xbfcat\ndog\n")
    (tmp_path / "train.txt").write_text("x/00.jpg 1\nx/01.jpg 2\n")
    assert set(read_list(tmp_path, tmp_path / "train.txt")) == {"cat", "dog"}
    (tmp_path / "train.txt").write_text("x/00.jpg 0\nx/01.jpg 2\n")
    with pytest.raises(DataError, match="label 2 has no name"):
        read_list(tmp_path, tmp_path / "train.txt")


def test_a_list_need_not_be_utf_8(tmp_path):
    write_classes(tmp_path, {"x": 1})
    (tmp_path / "train.txt").write_bytes("x/00.jpg épagneul".encode("latin-1"))
    assert set(read_list(tmp_path, tmp_path / "train.txt")) == {"épagneul"}


def test_a_file_in_both_splits_is_noted(tmp_path):
    write_classes(tmp_path, {"blue": 2, "red": 2})
    (tmp_path / "train.txt").write_text("blue/00.jpg\nred/00.jpg\n")
    (tmp_path / "val.txt").write_text("blue/00.jpg\nred/01.jpg\n")
    assert any("1 file is in both training and validation" in note for note in read_classified(tmp_path).notes)


def test_numbers_mean_the_same_in_all_lists(tmp_path):
    """Alone, the numbers of val.txt could begin with 1 or with 0."""
    write_classes(tmp_path, {"x": 4})
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    (tmp_path / "train.txt").write_text("x/00.jpg 0\nx/01.jpg 1\n")
    (tmp_path / "val.txt").write_text("x/02.jpg 1\nx/03.jpg 1\n")
    splits = read_classified(tmp_path)
    assert splits.val.labels.tolist() == [1, 1]
    assert "labels are numbers from 0 of the names in classes.txt: 0 is cat" in splits.notes
    (tmp_path / "train.txt").write_text("x/00.jpg 1\nx/01.jpg 2\n")
    splits = read_classified(tmp_path)
    assert splits.val.labels.tolist() == [0, 0]
    assert "labels are numbers from 1 of the names in classes.txt: 1 is cat" in splits.notes


def test_numbers_that_may_count_from_0_or_1_stay_numbers(tmp_path):
    write_classes(tmp_path, {"x": 4})
    (tmp_path / "classes.txt").write_text("cat\ndog\ncow\n")
    (tmp_path / "train.txt").write_text("x/00.jpg 1\nx/01.jpg 2\n")
    found = read(tmp_path)
    assert found.class_names == ("1", "2")
    assert [problem.kind for problem in found.problems] == ["class names"] and "from 0 or from 1" in found.problems[0].detail
    (tmp_path / "classes.txt").write_text("1 cat\n2 dog\n3 cow\n")
    found = read(tmp_path)
    assert found.class_names == ("cat", "dog") and found.problems == ()


def test_other_names_of_a_split_come_after_the_usual_ones(tmp_path):
    for name in ("train2017.txt", "test.txt", "training notes.txt"):
        (tmp_path / name).touch()
    assert find_list(tmp_path, ("train",)) == tmp_path / "train2017.txt"
    (tmp_path / "train.txt").touch()
    assert find_list(tmp_path, ("train",)) == tmp_path / "train.txt"
