"""What no reader used is named: files by their kind, images by their folder."""

import json

import numpy as np
import pytest

from tests.data.layouts.layout import image, mask, text, tree
from visionkit.data.formats.unread.find import unread_files, unused_images
from visionkit.data.formats.unread.walk import walk
from visionkit.data.formats.yolo import read_yolo
from visionkit.data.index import DataError
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
    return [(problem.path.removeprefix(f"{folder}/"), problem.detail) for problem in unread_files(walk(folder), read(folder))]


def test_an_empty_folder_has_nothing_that_is_not_used(tmp_path):
    assert unread_files(walk(tmp_path), DataSet({})) == [] and unused_images(walk(tmp_path), DataSet({})) == ""


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
    problems = unread_files(walk(classes), data_set)
    assert [(problem.kind, problem.path) for problem in problems] == [("unread annotations", str(classes / name))]
    assert problems[0].detail.startswith(kind)


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("ann/{}.jpg.json", '{"size": {"height": 8, "width": 9}, "tags": [], "objects": []}', "Supervisely's JSON"),
        ("ann/{}.jpg.json", '{"what": 1}', "a file named after an image"),
        ("visdrone/{}.txt", "10,5,20,10,1,4,0,0\n", "a file named after an image"),
        ("gt/gt_{}.txt", "1,2,3,4,5,6,7,8,###\n", "a file named after an image"),
        ("label_2/{}.txt", "Car 0.00 0 -1.57 10.5 5.5 30.5 15.5\n", "a file named after an image"),
        ("labels/{}_polygons.json", '{"objects": []}', "a file named after an image"),
        ("labels/{}.geojson", '{"type": "FeatureCollection", "features": []}', "GeoJSON"),
        ("labels/{}.odgt", "{}", "CrowdHuman's boxes"),
        ("xml/{}.XML", "<Annotations MicronsPerPixel='0.2'><Regions><Region/></Regions></Annotations>", "Aperio's XML"),
        ("Annotation/{}", "<annotation><object/></annotation>", "Pascal VOC's XML"),
        *(
            (f"labels/{{}}{suffix}", "\0", "a file named after an image")
            for suffix in (".npy", ".npz", ".h5", ".nii.gz", ".roi")
        ),
        *(
            (f"labels/{{}}{suffix}", "\0", "a file named after an image")
            for suffix in (".svg", ".pts", ".sqlite", ".toml", ".dat")
        ),
    ],
)
def test_files_with_the_names_of_images_are_annotations(classes, name, content, kind):
    data_set = read(classes)
    for stem in ("a", "b", "c", "d"):
        text(classes / name.format(stem), content)
    (problem,) = unread_files(walk(classes), data_set)
    assert problem.path == str(classes / name.format("a"))
    assert problem.detail.startswith(f"{kind}: it was not read (3 more ")


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("seq/gt/gt.txt", "1,1,10,5,20,10,1,1,0.9\n2,1,10,5,20,10,1,1,0.9\n", "a table of numbers"),
        ("x_bbx_gt.txt", "cat/a.jpg\n3\n1 2 3 4\n1 2 3 4\n1 2 3 4\ncat/b.jpg\n1\n1 2 3 4\n", "a list of images with numbers"),
        ("train.odgt", '{"ID": "a"}\n', "CrowdHuman's boxes"),
        ("output.manifest", '{"source-ref": "s3://bucket/a.jpg"}\n', "JSON that names images"),
        ("labels.sqlite", "x", "an SQLite database"),
    ],
)
def test_one_file_for_all_images_is_annotations(classes, name, content, kind):
    data_set = read(classes)
    text(classes / name, content)
    (problem,) = unread_files(walk(classes), data_set)
    assert problem.detail.startswith(kind)


def test_files_that_lie_beside_photos_are_not_annotations(classes):
    for stem in ("cat/a", "cat/b", "dog/c", "dog/d"):
        for suffix in (".xmp", ".aae", ".AAE", ".jpg.xmp", ".thm", ".jpg.md5", ".cr2", ".mov", ".pdf", ".jpg.aux.xml", ".jgw"):
            text(classes / f"{stem}{suffix}", "x")
        tree(classes / f"{stem}.jpg.json", {"title": f"{stem[-1]}.jpg", "photoTakenTime": {"timestamp": "1"}})
    text(classes / "notes.txt", "a.jpg\nb.jpg")
    text(classes / "sums.txt", "".join(f"{'0a' * 16}  cat/{stem}.jpg\n" for stem in "ab"))
    text(classes / "credits.txt", "a.jpg by Ann\nb.jpg by Bob")
    text(classes / "model.h5", "x")
    text(classes / "features.npy", "x")
    text(classes / "gt" / "words.txt", "of 4 lines 1 2 3 4")
    text(classes / "loss.txt", "1 2 3 4 5.5\n-2 2 3 4 5.5\n")
    text(classes / "one" / "a.log2", "a file alone may have any name")
    assert kinds(classes) == []


def test_a_link_to_a_file_that_was_read_was_read(classes):
    text(classes / "labels.txt", "cat/a.jpg 1\ncat/b.jpg 2\n")
    (classes / "again.txt").symlink_to(classes / "labels.txt")
    data_set = DataSet({}, annotation_files=frozenset([str(classes / "again.txt")]))
    assert unread_files(walk(classes), data_set) == []
    (classes / "cat" / "again.jpg").symlink_to(classes / "cat" / "a.jpg")
    assert unused_images(walk(classes), read(classes)) == ""


def test_files_of_one_kind_in_many_folders_are_one_problem(classes):
    data_set = read(classes)
    for number in range(11):
        text(classes / f"{number}" / "gt" / "gt.txt", "1,1,10,5,20,10\n")
    (problem,) = unread_files(walk(classes), data_set)
    assert problem.detail == "a table of numbers: it was not read; there are more in 10 other folders"


def test_an_unknown_layout_names_the_annotations_in_it(tmp_path):
    for split in ("train", "val"):
        for number in range(3):
            image(tmp_path / "images" / split / f"{split}{number}.jpg")
            text(tmp_path / "groundTruth" / split / f"{split}{number}.mat", "x")
    with pytest.raises(DataError, match=r"were not read: \S+groundTruth/train/train0.mat \(a MATLAB file\), \S+val0.mat "):
        read(tmp_path)


def test_many_files_are_one_problem(classes):
    data_set = read(classes)
    for number in range(7):
        tree(classes / "cat" / f"{number}.json", LABELME)
    (problem,) = unread_files(walk(classes), data_set)
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
    assert unread_files(walk(classes), data_set) == []


def test_images_in_no_split_are_counted_by_folder(tmp_path):
    for name in ("images/train/a", "images/train/b", "images/val/c", "new/d", "new/deeper/e", "f"):
        image(tmp_path / f"{name}.jpg")
    for name in ("train/a", "train/b", "val/c"):
        text(tmp_path / "labels" / f"{name}.txt", "0 0.5 0.5 0.2 0.2\n")
    text(tmp_path / "data.yaml", "train: images/train\nval: images/val\nnames: [cat]\n")
    assert unused_images(walk(tmp_path), read_yolo(tmp_path)) == "2 in new/, 1 in the folder itself"
    understood = check(tmp_path).summary["format"]
    assert understood.startswith("YOLO (data.yaml): 3 images (2 in train, 1 in val); 1 class (cat)")
    assert understood.endswith("; images in no split: 2 in new/, 1 in the folder itself")


def test_the_rest_of_many_folders_is_summed(tmp_path):
    for name in "abcdef":
        image(tmp_path / name / "1.jpg")
    assert unused_images(walk(tmp_path), DataSet({})) == "1 in a/, 1 in b/, 1 in c/, 3 elsewhere"


def test_a_list_of_all_images_tells_nothing(classes):
    data_set = read(classes)
    text(classes / "ImageSets" / "default.txt", "a\nb\nc\nd\n")
    text(classes / "files.txt", "".join(f"data/{name}.jpg\n" for name in ("cat/a", "cat/b", "dog/c", "dog/d")))
    assert unread_files(walk(classes), data_set) == []
    text(classes / "files.txt", "a.jpg\nb.jpg\nc.jpg\n")
    assert [problem.path for problem in unread_files(walk(classes), data_set)] == [str(classes / "files.txt")]


def test_arrays_beside_images_that_have_boxes_are_copies(tmp_path):
    for name in ("a", "b"):
        image(tmp_path / "images" / f"{name}.jpg")
        text(tmp_path / "images" / f"{name}.npy", "x")
        text(tmp_path / "labels" / f"{name}.txt", "0 0.5 0.5 0.2 0.2\n")
    assert unread_files(walk(tmp_path), read_yolo(tmp_path)) == []


@pytest.mark.parametrize(
    ("name", "content", "is_named"),
    [
        ("x.csv", "GalaxyID,Class1.1,Class1.2\n0,0.4,0.6\n1,0.5,0.5\n2,0.9,0.1\n3,0.2,0.8\n", True),
        ("x.csv", "image_url,score\nhttps://x.com/a.jpg?w=100,0.5\nhttps://x.com/b.jpg?w=100,0.25\n", True),
        ("classes.csv", "class_id,name\n0,cat\n1,dog\n2,cow\n", False),
        ("loss.csv", "step,loss\n0,0.5\n1,0.4\n2,0.3\n3,0.2\n", False),
        ("x.csv", "id,score\n100,0.5\n101,0.5\n102,0.5\n103,0.5\n", False),
    ],
)
def test_a_table_that_numbers_the_images_is_named(tmp_path, name, content, is_named):
    for number in range(4):
        image(tmp_path / "images" / f"{number:03}.jpg")
    text(tmp_path / name, content)
    named = [problem.path for problem in read(tmp_path).problems if problem.kind == "unread annotations"]
    assert named == [str(tmp_path / name)] * is_named


@pytest.mark.parametrize(
    ("name", "content", "is_named"),
    [
        ("a.csv", "path,label,noisy\ncat/a.jpg,cat,dog\ncat/b.jpg,cat,cat\ndog/c.jpg,dog,cat\ndog/d.jpg,dog,dog\n", False),
        ("a.txt", "cat/a.jpg 0\ncat/b.jpg 0\ndog/c.jpg 1\ndog/d.jpg 1\n", False),
        ("a.csv", "path,label\ncat/a.jpg,cat\ncat/b.jpg,dog\ndog/c.jpg,dog\ndog/d.jpg,dog\n", True),
        ("a.csv", "path,label\ncat/a.jpg,cat\ncat/b.jpg,cat\ndog/c.jpg,dog\n", True),
        ("a.csv", "path,label\ncat/a.jpg,cat\ncat/b.jpg,cat\ndog/c.jpg,dog\ndog/e.jpg,dog\n", True),
        ("a.csv", "path,age\ncat/a.jpg,5\ncat/b.jpg,7\ndog/c.jpg,5\ndog/d.jpg,5\n", True),
        ("test_labels.csv", "path,label\ncat/a.jpg,cat\ncat/b.jpg,cat\ndog/c.jpg,dog\ndog/d.jpg,dog\n", True),
    ],
)
def test_a_table_that_repeats_what_was_read_is_no_finding(classes, name, content, is_named):
    data_set = read(classes)
    text(classes / name, content)
    repeated = []
    assert len(unread_files(walk(classes), data_set, repeated)) == is_named
    assert len(repeated) == (not is_named)


def test_tables_of_masks_and_files_named_after_images_are_no_findings(tmp_path):
    for stem in ("a", "b"):
        image(tmp_path / "train" / f"{stem}.jpg")
        image(tmp_path / "train" / f"{stem}_superpixels.png")
        mask(tmp_path / "train_masks" / f"{stem}_mask.png", np.eye(80, 120, dtype=np.uint8))
        mask(tmp_path / "instances" / f"{stem}.png", np.eye(80, 120, dtype=np.uint8))
    text(tmp_path / "train_masks.csv", "img,rle_mask\na.jpg,1 2 30 4\nb.jpg,5 6\n")
    found = read(tmp_path)
    assert len(found.splits["train"]) == 2 and found.problems == () and found.left_out == ""
    assert "not used: 2 files named after images beside them, such as a_superpixels.png" in found.notes
    assert "not used: train_masks.csv: it names only files that were read, and says nothing new of them" in found.notes
    (tmp_path / "train" / "b_superpixels.png").rename(tmp_path / "train" / "b_side.png")
    assert [problem.kind for problem in read(tmp_path).problems] == ["missing partner"] * 2


@pytest.mark.parametrize(("of_image", "is_named"), [({}, False), ({"label": 3}, True)])
def test_a_list_of_images_to_predict_is_no_finding(classes, of_image, is_named):
    images = [{"id": 1, "file_name": "e.jpg", "width": 1, "height": 1} | of_image]
    tree(classes / "image_info_test2017.json", {"images": images, "categories": []})
    assert len(read(classes).problems) == is_named


def test_lists_of_classes_beside_the_lists_of_voc_are_no_findings(tmp_path):
    for name in ("2008_000001", "2008_000002"):
        image(tmp_path / "JPEGImages" / f"{name}.jpg")
        text(tmp_path / "Annotations" / f"{name}.xml", f"<annotation><filename>{name}.jpg</filename></annotation>")
        text(tmp_path / "ImageSets" / "Main" / f"{'train' if name[-1] == '1' else 'val'}.txt", f"{name}\n")
    text(tmp_path / "ImageSets" / "Action" / "jumping_train.txt", "2008_000001 1  1\n2008_000002 2 -1\n")
    assert [problem.kind for problem in read(tmp_path).problems] == []


def test_images_in_no_split_are_named_by_their_folder_below_all_images(tmp_path):
    for name in ("cat/a", "dog/b"):
        image(tmp_path / "outer" / "inner" / "train" / f"{name}.jpg")
    image(tmp_path / "outer" / "inner" / "test" / "x.jpg")
    assert read(tmp_path / "outer").left_out == "1 in test/"
