"""YOLO: read in every layout, written and read again."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.formats.test_coco import assert_same
from tests.data.formats.test_voc import image, only
from visionkit.data.formats.writers.yolo import write_yolo
from visionkit.data.formats.yolo import looks_like_yolo, read_yolo
from visionkit.data.index import DataError


def label(folder, name, lines="", images="images", labels="labels"):
    """One image and its label file."""
    image(folder / images / f"{name}.jpg")
    file = folder / labels / f"{name}.txt"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(lines)
    return file


def config(folder, text="names: [cat, dog]\n", **splits):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "data.yaml").write_text(text + "".join(f"{name}: {value}\n" for name, value in splits.items()), encoding="utf-8")
    return folder / "data.yaml"


def kinds(found):
    return [problem.kind for problem in found.problems]


def test_an_empty_folder_is_no_data_set(tmp_path):
    assert not looks_like_yolo(tmp_path)
    with pytest.raises(DataError, match="no images of a YOLO data set"):
        read_yolo(tmp_path)


def test_images_without_objects_are_kept(tmp_path):
    label(tmp_path, "empty")
    image(tmp_path / "images" / "without a file.jpg")
    found = read_yolo(tmp_path)
    assert [len(one.objects) for one in only(found).annotations] == [0, 0] and found.problems == ()
    assert found.class_names == () and only(found).task == "detection"


def test_images_without_any_label_file_are_no_data_set(tmp_path):
    image(tmp_path / "images" / "1.jpg")
    (tmp_path / "labels").mkdir()
    assert not looks_like_yolo(tmp_path)
    with pytest.raises(DataError, match="label file"):
        read_yolo(tmp_path)


def test_boxes_and_outlines(tmp_path):
    label(tmp_path, "1", "1 0.3 0.3 0.4 0.2\n\n0 0.1 0.1 0.5 0.1 0.5 0.6\n1 0.2 0.3 0.4 0.3 0.4 0.6 0.2 0.6 0.2 0.3\r\n")
    (tmp_path / "classes.txt").write_text("cat\nKüken\n", encoding="utf-8")
    found = read_yolo(tmp_path)
    objects = only(found).annotations[0].objects
    np.testing.assert_allclose(objects.boxes, [[0.1, 0.2, 0.5, 0.4], [0.1, 0.1, 0.5, 0.6], [0.2, 0.3, 0.4, 0.6]])
    assert objects.classes.tolist() == [1, 0, 1] and objects.classes.dtype == np.int32
    assert objects.outlines[0] is None and objects.outlines[2] is None
    np.testing.assert_allclose(objects.outlines[1][0], [[0.1, 0.1], [0.5, 0.1], [0.5, 0.6]])
    assert found.class_names == ("cat", "Küken") and only(found).annotations[0].size is None


def test_boxes_that_are_inverted_empty_or_outside_are_kept_for_the_check(tmp_path):
    label(tmp_path, "1", "0 0.5 0.5 -0.2 0.2\n0 0.5 0.5 0 0\n0 5 5 0.1 0.1\n")
    found = read_yolo(tmp_path)
    assert len(only(found).annotations[0].objects) == 3 and found.problems == ()


@pytest.mark.parametrize(("shape", "points"), [("[2, 3]", "0.1 0.2 2 0 0 0"), ("[2, 2]", "0.1 0.2 0 0")])
def test_keypoints(tmp_path, shape, points):
    text = f"kpt_shape: {shape}\nflip_idx: [1, 0]\nkpt_names:\n  0: [left, right]\nnames:\n  0: cat\n"
    config(tmp_path, text, train="images")
    label(tmp_path, "1", f"0 0.5 0.5 0.2 0.2 {points}\n0 0.5 0.5 0.2 0.2\n0 0.1 0.1 0.5 0.1 0.5 0.6\n")
    found = read_yolo(tmp_path)
    np.testing.assert_allclose(only(found).annotations[0].objects.keypoints, [[[0.1, 0.2, 2], [0, 0, 0]], np.zeros((2, 3))])
    assert only(found).class_attributes == ({"keypoints": ["left", "right"], "flip_idx": [1, 0]},)
    assert kinds(found) == ["bad annotation"]


LAYOUTS = {
    "images/train": ("images/train", "labels/train", None),
    "train/images": ("train/images", "train/labels", None),
    "data.yaml": ("images/train", "labels/train", "images/train"),
    "a folder beside": ("train/images", "train/labels", "../train/images"),
    "two folders": ("b/images", "b/labels", "[a, b/images]"),
    "labels beside": ("images", "images", "images"),
    "a list": ("some/images", "some/labels", "list.txt"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_layouts(tmp_path, layout):
    images, labels, train = LAYOUTS[layout]
    root = tmp_path / "it's 100% #1"
    label(root, "ü 1", "0 0.5 0.5 0.2 0.2\n", images, labels)
    (root / "a").mkdir()
    (root / "list.txt").write_text("./some/images/ü 1.jpg\n", encoding="utf-8")
    if train is not None:
        config(root, path=".", train=train, download="https://x/y.zip")
    assert looks_like_yolo(root)
    found = read_yolo(root)
    assert list(found.splits) == ["train"] and found.problems == ()
    assert [len(one.objects) for one in only(found).annotations] == [1]
    assert Path(only(found).paths[0]).is_file()


def test_a_path_from_another_machine_is_ignored(tmp_path):
    label(tmp_path, "train/1", "0 0.5 0.5 0.2 0.2\n")
    assert len(read_yolo(config(tmp_path, path="/home/somebody/set", train="images/train"))) == 1


def test_splits_of_any_name_and_one_set_named_twice(tmp_path):
    label(tmp_path, "part/1", "0 0.5 0.5 0.2 0.2\n")
    assert list(read_yolo(config(tmp_path, train="images/part", val="images/part")).splits) == ["all"]
    assert list(read_yolo(config(tmp_path, fold1="images/part", valid="images/part")).splits) == ["fold1", "val"]


def test_a_missing_split_is_reported(tmp_path):
    label(tmp_path, "train/1", "0 0.5 0.5 0.2 0.2\n")
    found = read_yolo(config(tmp_path, train="images/train", val="images/val", test="/", author="somebody"))
    assert list(found.splits) == ["train"] and kinds(found) == ["missing partner", "outside the data set"]


def test_files_without_a_partner_are_reported(tmp_path):
    label(tmp_path, "train/1", "0 0.5 0.5 0.2 0.2\n")
    (tmp_path / "labels" / "train" / "2.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    (tmp_path / "labels" / "train" / "classes.txt").write_text("cat\n")
    found = read_yolo(tmp_path)
    assert len(found) == 1
    assert [(problem.kind, Path(problem.path).name) for problem in found.problems] == [("missing partner", "2.txt")]
    (tmp_path / "list.txt").write_text("images/train/1.jpg\nimages/train/3.jpg\n")
    assert ["3.jpg" in problem.detail for problem in read_yolo(config(tmp_path, train="list.txt")).problems] == [True]


@pytest.mark.parametrize("text", ["", "nc: 2\n", "names: {0: '0', 1: '1'}\n", "names:\n- '0'\n-\n"])
def test_classes_without_names_are_named_by_their_numbers(tmp_path, text):
    label(tmp_path, "1", "1 0.5 0.5 0.2 0.2\n")
    if text:
        config(tmp_path, text, train="images")
    assert read_yolo(tmp_path).class_names == ("0", "1")


@pytest.mark.parametrize("number", ["2", "-1", "999999", "1e5"])
def test_an_unknown_class_is_minus_one(tmp_path, number):
    label(tmp_path, "1", f"0 0.5 0.5 0.2 0.2\n{number} 0.5 0.5 0.2 0.2\n")
    found = read_yolo(config(tmp_path, train="images"))
    assert only(found).annotations[0].objects.classes.tolist() == [0, -1] and kinds(found) == ["unknown label"]


BAD_LINES = ["cat 1 1 1 1", "0.5 1 1 1 1", "0 1 1 1", "0", "0 nan 1 1 1", "0 1e300 1 1 1", "0 1 1 1 1 1", "0 1_0 1 1 1", "\0\0"]


@pytest.mark.parametrize("bad", [*BAD_LINES, "inf 1 1 1 1", "0 1 1 1 1 1 1 1"])
def test_a_bad_line_is_named_and_the_others_stay(tmp_path, bad):
    label(tmp_path, "1", f"0 0.5 0.5 0.2 0.2\n{bad}\n")
    found = read_yolo(tmp_path)
    assert len(only(found).annotations[0].objects) == 1
    assert kinds(found) == ["bad annotation"] and "line 2" in found.problems[0].detail


def test_an_image_whose_lines_are_all_bad_is_no_background(tmp_path):
    label(tmp_path, "1", "0 0.5 0.5 0.2 0.2\n")
    label(tmp_path, "2").write_bytes(b"\xff\xd8\xff junk")
    found = read_yolo(tmp_path)
    assert [Path(path).name for path in only(found).paths] == ["1.jpg"] and kinds(found) == ["bad annotation"]


BAD_CONFIGS = [
    "names: 5",
    "names: [[a]]",
    "names: {x: cat}",
    "names: {1000000000: cat}",
    "- a",
    "{",
    "a: &a [*a",
    "names: !!int ''",
]


@pytest.mark.parametrize("text", [*BAD_CONFIGS, "x: " + "[" * 9999, "names: {0x" + "f" * 9999 + ": cat}"])
def test_a_data_yaml_that_cannot_be_used_is_an_error(tmp_path, text):
    label(tmp_path, "1", "0 0.5 0.5 0.2 0.2\n")
    with pytest.raises(DataError, match=r"yaml"):
        read_yolo(config(tmp_path, f"{text}\n", train="images"))


def test_many_names_for_the_same_list_are_not_written_out(tmp_path):
    bomb = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
    label(tmp_path, "1", "0 0.5 0.5 0.2 0.2\n")
    found = read_yolo(config(tmp_path, f"{bomb}names: [cat]\nval: *a29\n", train="images"))
    assert len(found) == 1 and set(kinds(found)) == {"missing partner"}


def test_a_broken_data_yaml_in_a_folder_of_a_known_layout_is_a_problem(tmp_path):
    label(tmp_path, "1", "0 0.5 0.5 0.2 0.2\n")
    config(tmp_path, "{")
    found = read_yolo(tmp_path)
    assert len(found) == 1 and kinds(found) == ["bad annotation"]


def test_an_invalid_keypoint_shape_is_reported(tmp_path):
    label(tmp_path, "1", "0 0.5 0.5 0.2 0.2\n")
    for shape in ("5", "[1]", "[-1, 3]", "[3, 9]", "[1000000000, 3]", "[a, b]", "[true, 3]"):
        assert kinds(read_yolo(config(tmp_path, f"names: [cat]\nkpt_shape: {shape}\n", train="images"))) == ["bad annotation"]


def test_what_is_written_is_read_again(tmp_path):
    lines = "1 0.3333333333 0.3 0.4 0.0000012345\n0 0.1 0.1 0.5 0.1 0.5 0.6\n2 0.5 0.5 -0.2 0.2\n"
    lines += "0 0.9 0.9 0.8 0.9 0.8 0.4 0.5 0.5 0.9 0.9\n"
    label(tmp_path / "in", "train/1", lines)
    label(tmp_path / "in", "train/2")
    label(tmp_path / "in", "val/1", "0 0.5 0.5 0.2 0.2\n")
    names = "names: [zebra, 'yes', '12', 'a: b # ü']\n"
    found = read_yolo(config(tmp_path / "in", names, train="images/train", val="images/val"))
    assert not +write_yolo(found, tmp_path / "out")
    assert_same(found, read_yolo(tmp_path / "out"))
    assert (tmp_path / "out" / "labels" / "val" / "1.txt").read_text() == "0 0.5 0.5 0.2 0.2\n"


def test_keypoints_that_are_written_are_read_again(tmp_path):
    label(tmp_path / "in", "1", "0 0.5 0.5 0.2 0.2 0.1 0.2 2 0 0 0\n0 0.5 0.5 0.2 0.2\n")
    text = "kpt_shape: [2, 3]\nflip_idx: [1, 0]\nkpt_names: {0: [left, right]}\nnames: [cat]\n"
    found = read_yolo(config(tmp_path / "in", text, train="images", val="images"))
    assert not +write_yolo(found, tmp_path / "out")
    assert_same(found, read_yolo(tmp_path / "out"))
    assert list(found.splits) == ["all"]


def test_labels_in_pixels_are_one_error(tmp_path):
    label(tmp_path, "1", "0 20 10 10 6\n" * 20)
    with pytest.raises(DataError, match="in pixels"):
        read_yolo(tmp_path)


def test_a_fault_of_most_lines_is_one_problem(tmp_path):
    label(tmp_path, "1", "0 0.5 0.5 0.2 0.2\n")
    label(tmp_path, "2", "0 0.5 0.5 0.2\n" * 40)
    label(tmp_path, "3", "0 0.5\n" * 3)
    found = read_yolo(tmp_path)
    assert kinds(found) == ["bad annotation"] * 4 and "39 more places" in found.problems[0].detail


PATHS = [r"images\train", r"..\images\train", r".\images\train", r"'C:\data\set\images\train'", "/home/me/set/images/train"]


@pytest.mark.parametrize("train", [*PATHS, "../../x/images/train"])
def test_paths_of_other_systems(tmp_path, train):
    label(tmp_path, "train/1", "0 0.5 0.5 0.2 0.2\n")
    label(tmp_path, "val/2", "0 0.5 0.5 0.2 0.2\n")
    found = read_yolo(config(tmp_path, train=train, val=train.replace("train", "val")))
    assert {name: Path(index.paths[0]).name for name, index in found.splits.items()} == {"train": "1.jpg", "val": "2.jpg"}
    assert found.problems == ()


def test_a_split_that_is_missing_is_not_replaced_by_all_images(tmp_path):
    label(tmp_path, "1", "0 0.5 0.5 0.2 0.2\n")
    found = read_yolo(config(tmp_path, train="images", val="../valid/images"))
    assert list(found.splits) == ["train"] and kinds(found) == ["outside the data set"]


def test_two_folders_of_one_split(tmp_path):
    for part in ("train", "val", "valid"):
        label(tmp_path, part, "0 0.5 0.5 0.2 0.2\n", f"{part}/images", f"{part}/labels")
        label(tmp_path / "other", f"{part}/{part}", "0 0.5 0.5 0.2 0.2\n")
    for folder in (tmp_path, tmp_path / "other"):
        found = read_yolo(folder)
        assert [Path(index.paths[0]).name for index in found.splits.values()] == ["train.jpg", "val.jpg"]
        assert [(one.kind, Path(one.path).name) for one in found.problems] == [("unclear layout", "valid")]


def test_how_it_was_read_and_from_which_files(tmp_path):
    file = label(tmp_path, "train/1", "0 0.5 0.5 0.2 0.2\n")
    image(tmp_path / "images" / "train" / "2.jpg")
    names = file.with_name("classes.txt")
    names.write_text("cat\n")
    found = read_yolo(tmp_path)
    assert found.format == "YOLO (images/, labels/)" and found.class_names == ("cat",)
    assert found.annotation_files == {str(file), str(names)}
    assert "1 image has no label file and counts as background" in found.notes
    yaml_file = config(tmp_path, train="images/train")
    found = read_yolo(tmp_path)
    assert found.format == "YOLO (data.yaml)" and found.annotation_files == {str(file), str(yaml_file)}


def test_a_suffix_in_capitals(tmp_path):
    file = label(tmp_path, "1", "0 0.5 0.5 0.2 0.2\n")
    file.rename(file.with_suffix(".TXT"))
    label(tmp_path, "2", "0 0.5 0.5 0.2 0.2\n")
    found = read_yolo(tmp_path)
    assert [len(one.objects) for one in only(found).annotations] == [1, 1] and found.problems == ()


def test_two_files_of_class_names_that_differ_are_an_error(tmp_path):
    for split in ("train", "val"):
        label(tmp_path, "1", "0 0.5 0.5 0.2 0.2", f"images/{split}", f"labels/{split}")
        (tmp_path / "labels" / split / "classes.txt").write_text("cat\n")
    (tmp_path / "labels" / "val" / "classes.txt").write_text("cat\ndog\n")  # the same, with more
    assert read_yolo(tmp_path).class_names == ("cat", "dog")
    (tmp_path / "labels" / "val" / "classes.txt").write_text("dog\ncat\n")
    with pytest.raises(DataError, match=r"val/classes.txt has dog, cat and \S+train/classes.txt has cat: a number would mean"):
        read_yolo(tmp_path)
    file = config(tmp_path, "names: [cow, dog]\n", train="images/train", val="images/val")
    assert read_yolo(file).class_names == ("cow", "dog")


def test_a_number_that_names_leave_out_is_a_problem_where_objects_have_it(tmp_path):
    label(tmp_path, "1", "0 0.5 0.5 0.2 0.2\n2 0.5 0.5 0.2 0.2\n")
    file = config(tmp_path, "names: {0: cat, 2: dog}\n", train="images")
    assert read_yolo(file).problems == ()
    label(tmp_path, "2", "1 0.5 0.5 0.2 0.2\n1 0.5 0.5 0.3 0.2\n")
    (problem,) = read_yolo(file).problems
    assert problem.kind == "class names" and "names lacks numbers that objects have: 1 (2 objects)" in problem.detail


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("dog 0.5 0.5 0.25 0.5", "the class is a number, received 'dog'"),
        ("1,0.5,0.5,0.25,0.5", "expected numbers divided by blanks: class x_center y_center width height"),
        ("1 0,5 0,5 0,25 0,5", "expected numbers divided by blanks: class x_center y_center width height"),
        ("1 0.5 x 0.25 0.5", "expected numbers divided by blanks: class x_center y_center width height"),
    ],
)
def test_a_line_of_another_form_says_what_is_expected(tmp_path, line, reason):
    label(tmp_path, "1", "0 0.5 0.5 0.2 0.2")
    label(tmp_path, "2", line)
    assert [problem.detail for problem in read_yolo(tmp_path).problems] == [f"line 1: {reason}"]


def test_a_list_may_have_a_folder_more_than_the_data(tmp_path):
    """As CVAT exports it: the lists name data/images/train/1.jpg."""
    for split in ("train", "val"):
        label(tmp_path, "1", f"0 0.5 0.5 0.{len(split)} 0.2", f"images/{split}", f"labels/{split}")
        (tmp_path / f"{split}.txt").write_text(f"data/images/{split}/1.jpg\n")
    found = read_yolo(config(tmp_path, "path: .\nnames: {0: cat}\n", train="train.txt", val="val.txt"))
    widths = {split: np.diff(index.annotations[0].objects.boxes[0, ::2]).item() for split, index in found.splits.items()}
    assert widths == pytest.approx({"train": 0.5, "val": 0.3}) and found.problems == ()


@pytest.mark.parametrize("other", ["A.jpg", "a.png"])
def test_one_label_file_is_not_read_for_two_images(tmp_path, other):
    for name in ("a.jpg", other):
        path = tmp_path / "images" / name
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8)).save(path)
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    found = read_yolo(tmp_path)
    assert [problem.kind for problem in found.problems] == ["unclear layout"] and len(found) == 1
