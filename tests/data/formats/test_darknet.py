"""Darknet: text files next to the images are labels, captions are not; lists of obj.data; class names."""

import numpy as np
import pytest

from tests.data.layouts.annotation_tools import CAT, DOG, RELATIVE, build_cvat_yolo
from tests.data.layouts.layout import boxes_in_pixels, image, text
from visionkit.data.formats.darknet import looks_like_darknet, read_darknet
from visionkit.data.index import DataError
from visionkit.data.sources import read


def label(folder, name, lines=RELATIVE["cat"]):
    image(folder / f"{name}.jpg")
    return text(folder / f"{name}.txt", lines)


def kinds(found):
    return [problem.kind for problem in found.problems]


def test_an_empty_folder_is_not_darknet(tmp_path):
    assert not looks_like_darknet(tmp_path)
    with pytest.raises(DataError, match="no image has a label file next to it"):
        read_darknet(tmp_path)


def test_empty_text_files_alone_are_no_evidence(tmp_path):
    label(tmp_path, "a", "")
    assert not looks_like_darknet(tmp_path)


@pytest.mark.parametrize(
    "line",
    [
        "a photo of a cat",
        "5",
        "0 0.5 0.5 0.2",
        "0.5 0.5 0.5 0.2 0.2",
        "-1 0.5 0.5 0.2 0.2",
        "0 45 20 75 60",
        "0 nan 0.5 0.2 0.2",
        "cat 0.5 0.5 0.2 0.2",
    ],
)
def test_other_texts_next_to_images_are_no_labels(tmp_path, line):
    label(tmp_path, "a", line)
    assert not looks_like_darknet(tmp_path)


@pytest.mark.parametrize(
    "line", ["0 0.5 0.5 0.2 0.2", "3.0 -0.1 1.1 0.2 0.2\n", "0 0.1 0.1 0.9 0.1 0.5 0.5", "1 0.5 0.5 0.2 0.2 0.9"]
)
def test_lines_of_labels(tmp_path, line):
    label(tmp_path, "a", line)
    assert looks_like_darknet(tmp_path)


def test_more_than_half_of_the_text_files_must_be_labels(tmp_path):
    for number in range(4):
        label(tmp_path, str(number), RELATIVE["cat"] if number % 2 else "a cat")
    assert not looks_like_darknet(tmp_path)
    label(tmp_path, "5")
    assert looks_like_darknet(tmp_path)


def test_a_few_files_of_many_are_opened(tmp_path, monkeypatch):
    for number in range(50):
        label(tmp_path, str(number))
    opened = []
    monkeypatch.setattr("visionkit.data.formats.darknet._is_label_file", lambda file: opened.append(file) or True)
    assert looks_like_darknet(tmp_path) and len(opened) == 10


def test_boxes_outlines_and_background(tmp_path):
    text(tmp_path / "classes.txt", "cat\ndog\n")
    label(tmp_path, "a", f"{RELATIVE['cat']}\n\n{RELATIVE['dog']}\n")
    label(tmp_path, "b", "0 0.1 0.1 0.9 0.1 0.5 0.5\n")
    label(tmp_path, "c", "")
    image(tmp_path / "d.jpg")
    found = read(tmp_path)
    assert boxes_in_pixels(found, "all", "a.jpg") == [CAT, DOG]
    assert boxes_in_pixels(found, "all", "b.jpg") == [("cat", 12, 8, 108, 40)]
    np.testing.assert_allclose(found.splits["all"].annotations[1].objects.outlines[0][0], [[0.1, 0.1], [0.9, 0.1], [0.5, 0.5]])
    assert boxes_in_pixels(found, "all", "c.jpg") == boxes_in_pixels(found, "all", "d.jpg") == []
    assert found.problems == () and found.notes == ("1 image without a .txt file serves as background",)
    assert found.annotation_files == {str(tmp_path / name) for name in ("classes.txt", "a.txt", "b.txt", "c.txt")}


def test_many_images_without_a_file_may_be_unlabelled(tmp_path):
    label(tmp_path, "a")
    for name in "bc":
        image(tmp_path / f"{name}.jpg")
    found = read(tmp_path)
    assert kinds(found) == ["unclear layout"] and "2 of 3 images have no .txt file" in found.problems[0].detail


@pytest.mark.parametrize(
    "name", ["classes.txt", "obj.names", "_darknet.labels", "predefined_classes.txt", "pets.names", "Classes.TXT"]
)
def test_class_names_lie_next_to_the_images_or_above(tmp_path, name):
    label(tmp_path / "photos" / "of_pets", "a")
    for folder in (tmp_path, tmp_path / "photos", tmp_path / "photos" / "of_pets"):
        file = text(folder / name, f"{folder.name}\ndog\n")
        found = read(tmp_path)
        assert found.class_names == (folder.name, "dog") and str(file) in found.annotation_files


def test_two_lists_of_class_names_that_differ_are_an_error(tmp_path):
    text(tmp_path / "classes.txt", "cat\ndog")
    text(tmp_path / "obj.names", "dog\ncat")
    label(tmp_path, "a", RELATIVE["cat"])
    with pytest.raises(DataError, match=r"classes.txt has cat, dog and .*obj.names has dog, cat: a number would mean two"):
        read(tmp_path)


def test_classes_of_one_name_are_one_class_and_a_finding(tmp_path):
    text(tmp_path / "classes.txt", "dog\ndog\ncat")
    label(tmp_path, "a", f"{RELATIVE['dog']}\n{RELATIVE['dog'].replace('1 ', '2 ', 1)}")
    found = read(tmp_path)
    assert found.class_names == ("dog", "cat") and kinds(found) == ["class names"]
    assert found.splits["all"].annotations[0].objects.classes.tolist() == [0, 1]


def test_classes_without_names_are_numbers(tmp_path):
    label(tmp_path, "a", f"{RELATIVE['cat']}\n{RELATIVE['dog']}")
    found = read(tmp_path)
    assert found.class_names == ("0", "1") and "no class names: 2 classes" in found.notes[0]


def test_splits_with_different_lists_of_names_are_matched_by_name(tmp_path):
    text(tmp_path / "train" / "_darknet.labels", "cat\ndog")
    text(tmp_path / "valid" / "_darknet.labels", "dog")
    label(tmp_path / "train", "a", RELATIVE["cat"])
    label(tmp_path / "valid", "b", RELATIVE["dog"].replace("1 ", "0 ", 1))
    label(tmp_path / "valid", "c", RELATIVE["dog"])
    found = read(tmp_path)
    assert boxes_in_pixels(found, "train", "a.jpg") == [CAT] and boxes_in_pixels(found, "val", "b.jpg") == [DOG]
    assert "different class names" in found.notes[0] and kinds(found) == ["unknown label"]
    assert found.splits["val"].annotations[1].objects.classes.tolist() == [-1]


def test_a_class_number_beyond_the_names_is_reported(tmp_path):
    text(tmp_path / "classes.txt", "cat")
    label(tmp_path, "a", f"{RELATIVE['cat']}\n{RELATIVE['dog']}")
    found = read(tmp_path)
    assert found.class_names == ("cat",) and kinds(found) == ["unknown label"]
    assert found.splits["all"].annotations[0].objects.classes.tolist() == [0, -1]


def test_bad_lines_and_label_files_without_an_image_are_reported(tmp_path):
    label(tmp_path, "a", f"{RELATIVE['cat']}\nx\n0 0.5\n{RELATIVE['cat']}\n{RELATIVE['cat']}")
    label(tmp_path, "b")
    label(tmp_path, "c", "nothing")
    text(tmp_path / "gone.txt", RELATIVE["cat"])
    text(tmp_path / "README.txt", "0 0.5 0.5 0.5 0.5")
    text(tmp_path / "notes.txt", "Some are missing.")
    found = read(tmp_path)
    assert len(found) == 2 and kinds(found) == ["missing partner", *["bad annotation"] * 3]
    assert found.problems[0].path == str(tmp_path / "gone.txt")


def test_images_in_folders_without_labels_are_not_used(tmp_path):
    label(tmp_path / "train", "a")
    image(tmp_path / "unlabelled" / "b.jpg")
    found = read(tmp_path)
    assert len(found) == 1 and found.notes[0] == "1 image in folders without label files is not used"


def test_the_lists_of_obj_data(tmp_path):
    build_cvat_yolo(tmp_path)
    image(tmp_path / "obj_train_data" / "c.jpg")
    text(
        tmp_path / "train.txt", "data/obj_train_data/a.jpg\n\ndata/obj_train_data/gone.jpg\n/home/x/data/obj_train_data/a.jpg\n"
    )
    for path in (tmp_path, tmp_path / "obj.data"):
        found = read(path)
        assert boxes_in_pixels(found, "train", "a.jpg") == [CAT] and boxes_in_pixels(found, "val", "b.jpg") == [DOG]
        assert kinds(found) == ["missing partner"] and "gone.jpg" in found.problems[0].detail
        assert found.notes == ("1 images are in no list of obj.data and are not used",)


def test_images_that_lie_apart_from_the_labels_of_obj_data(tmp_path):
    build_cvat_yolo(tmp_path)
    (tmp_path / "images").mkdir()
    (tmp_path / "obj_train_data" / "a.jpg").rename(tmp_path / "images" / "a.jpg")
    found = read(tmp_path)
    assert boxes_in_pixels(found, "train", "a.jpg") == [CAT] and found.problems == ()


def test_lists_without_obj_data(tmp_path):
    build_cvat_yolo(tmp_path)
    (tmp_path / "obj.data").unlink()
    image(tmp_path / "obj_train_data" / "c.jpg")
    found = read(tmp_path)
    assert boxes_in_pixels(found, "train", "a.jpg") == [CAT] and boxes_in_pixels(found, "val", "b.jpg") == [DOG]
    assert found.format.endswith("in lists)") and found.problems == () and len(found) == 2
    assert found.notes == ("1 images are in no list of a split and are not used",)


@pytest.mark.parametrize(
    ("settings", "problems"),
    [
        ("train = train.txt\nnames = gone.names\n", 1),
        ("train = train.txt\nvalid = gone.txt\nnames = obj.names\neval = coco\n", 1),
        ("Train=data/train.txt\nNames=obj.names", 0),
        ("# valid = x\ntrain = train.txt\nnames = obj.names\nvalid =\n", 0),
    ],
)
def test_settings_of_obj_data(tmp_path, settings, problems):
    build_cvat_yolo(tmp_path)
    text(tmp_path / "obj.data", settings)
    found = read_darknet(tmp_path)
    assert list(found.splits) == ["train"] and kinds(found) == ["missing partner"] * problems


def test_other_data_files_are_not_of_darknet(tmp_path):
    text(tmp_path / "iris.data", "5.1,3.5,1.4,0.2,Iris-setosa\n")
    assert not looks_like_darknet(tmp_path)
    with pytest.raises(DataError, match="no image has a label file"):
        read(tmp_path / "iris.data")
