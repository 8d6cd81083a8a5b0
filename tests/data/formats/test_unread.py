"""What no reader used is named: files by their kind, images by their folder."""

import json

import pytest

from tests.data.layouts.layout import image, text, tree
from visionkit.data.formats.unread import unread_files, unused_images
from visionkit.data.formats.yolo import read_yolo
from visionkit.data.quality.check import check
from visionkit.data.quality.summary import describe
from visionkit.data.sources import read
from visionkit.data.splits import DataSet

LABELME = {"shapes": [], "imagePath": "a.jpg", "imageHeight": 80}


@pytest.fixture
def classes(tmp_path):
    """Two class folders of two images each."""
    for name in ("cat/a", "cat/b", "dog/c", "dog/d"):
        image(tmp_path / f"{name}.jpg")
    return tmp_path


def kinds(folder):
    return [(problem.path.removeprefix(f"{folder}/"), problem.detail) for problem in unread_files(folder, read(folder))]


def test_an_empty_folder_has_nothing_that_is_not_used(tmp_path):
    assert unread_files(tmp_path, DataSet({})) == [] and unused_images(tmp_path, DataSet({})) == ""


def test_files_that_are_no_annotations_are_not_reported(classes):
    text(classes / "README.txt", "a.jpg is a cat")
    text(classes / "LICENSE", "a.jpg")
    text(classes / "cat" / "caption.txt", "a cat on a wall\n5 o'clock")
    text(classes / "numbers.csv", "step,loss\n1,0.5\n")
    text(classes / "sample_submission.csv", "id,label\na.jpg,0\n")
    text(classes / "cat" / "Thumbs.db", "x")
    tree(classes / "package.json", {"name": "cats", "images": 4})
    assert kinds(classes) == []


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("cat/a.json", json.dumps(LABELME), "labelme's JSON"),
        ("x.json", json.dumps({"images": [], "annotations": []}), "COCO's JSON"),
        ("x.json", json.dumps({"a.jpg123": {"filename": "a.jpg", "regions": []}}), "VIA's JSON"),
        ("x.json", json.dumps([{"image": "a.jpg", "annotations": [{"coordinates": {}}]}]), "CreateML's JSON"),
        ("x.json", json.dumps([{"annotations": [{"result": []}], "data": {}}]), "Label Studio's JSON"),
        ("x.json", json.dumps({"labels": {"folder\\a.jpg": 3}}), "JSON that names images"),
        ("cat/a.xml", "<annotation><object/></annotation>", "Pascal VOC's XML"),
        ("x.xml", "<annotations><image/></annotations>", "CVAT's XML"),
        ("x.xml", "<data><file>a.jpg</file></data>", "XML that names images"),
        ("cat/a.txt", "0 0.5 0.5 0.2 0.2\n1 .5 5e-1 0.2 0.2\n", "boxes as YOLO or Darknet write them"),
        ("x.txt", "# image label\na.jpg 1\nb.jpg 2\n", "a list that names images"),
        ("x.txt", "cat/a 1\ncat/b 2\n", "a list that names images"),
        ("boxes.csv", "a.jpg,1,2,3,4,cat\nb.jpg,1,2,3,4,cat\n", "a table that names images"),
        ("labels.mat", "x", "a MATLAB file"),
        ("labels.pkl", "x", "a pickle"),
        ("data.yaml", "train: images\nnames: [a]\n", "YOLO's description of a data set"),
    ],
)
def test_annotations_of_any_kind_are_named(classes, name, content, kind):
    data_set = read(classes)  # before the file is there, which a reader may know
    text(classes / name, content)
    problems = unread_files(classes, data_set)
    assert [(problem.kind, problem.path) for problem in problems] == [("unread annotations", str(classes / name))]
    assert problems[0].detail.startswith(kind)


def test_many_files_are_one_problem(classes):
    data_set = read(classes)
    for number in range(7):
        tree(classes / "cat" / f"{number}.json", LABELME)
    (problem,) = unread_files(classes, data_set)
    assert problem.detail == "labelme's JSON: it was not read (6 more .json files in this folder)"


def test_json_that_was_cut_off_is_named_with_the_place(classes):
    text(classes / "instances.json", '{"images": [], "annotations": [{"id": 1},')
    (problem,) = read(classes).problems
    assert problem.detail.startswith("COCO's JSON, which is not valid JSON (") and "line 1 column 42" in problem.detail


def test_class_names_with_a_comma_are_quoted_in_the_line_that_describes_them(classes):
    (classes / "dog").rename(classes / "dog, wild")
    assert describe(read(classes)).endswith("2 classes (cat, 'dog, wild')")


def test_a_file_that_cannot_be_read_or_is_no_file_is_not_annotations(classes):
    data_set = read(classes)
    (classes / "gone.csv").symlink_to(classes / "nowhere.csv")
    (classes / "folder.json").mkdir()
    (classes / "binary.txt").write_bytes(b"\xff\xfe\x00")
    assert unread_files(classes, data_set) == []


def test_images_in_no_split_are_counted_by_folder(tmp_path):
    for name in ("images/train/a", "images/train/b", "images/val/c", "new/d", "new/deeper/e", "f"):
        image(tmp_path / f"{name}.jpg")
    for name in ("train/a", "train/b", "val/c"):
        text(tmp_path / "labels" / f"{name}.txt", "0 0.5 0.5 0.2 0.2\n")
    text(tmp_path / "data.yaml", "train: images/train\nval: images/val\nnames: [cat]\n")
    assert unused_images(tmp_path, read_yolo(tmp_path)) == "2 in new/, 1 in the folder itself"
    understood = check(tmp_path).summary["format"]
    assert understood.startswith("YOLO (data.yaml): 3 images (2 in train, 1 in val); 1 class (cat)")
    assert understood.endswith("; images in no split: 2 in new/, 1 in the folder itself")


def test_the_rest_of_many_folders_is_summed(tmp_path):
    for name in "abcdef":
        image(tmp_path / name / "1.jpg")
    assert unused_images(tmp_path, DataSet({})) == "1 in a/, 1 in b/, 1 in c/, 3 elsewhere"
