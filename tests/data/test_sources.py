"""Every kind of data set finds its reader."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from tests.conftest import write_classes
from tests.data.layouts.layout import tree
from visionkit.data import sources
from visionkit.data.images.masks.read import read_mask
from visionkit.data.index import IGNORE, DataError, Index
from visionkit.data.sources import read, read_classified, read_people
from visionkit.data.split_names import WHOLE
from visionkit.data.splits import DataSet


def image(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6), "red").save(path)
    return path


def test_an_empty_folder_is_an_error_that_lists_the_layouts(tmp_path):
    with pytest.raises(DataError, match=r"it holds nothing.*class folders; VOC"):
        read(tmp_path)


def test_a_folder_without_images_is_an_error_that_lists_its_contents(tmp_path):
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "a.mp4").write_text("")
    (tmp_path / "images.zip").write_text("")
    with pytest.raises(DataError, match=r"it holds 1 \.zip; clips/"):
        read(tmp_path)


def test_class_names_that_differ_only_in_letter_case_or_blanks_are_a_finding(tmp_path):
    """Class folders and tables of labels alike."""
    write_classes(tmp_path / "folders", {"Cat": 2, "cat": 2, "dog": 2})
    names = [image(tmp_path / "table" / f"{number}.png").name for number in range(6)]
    rows = [f"{name},{label}\n" for name, label in zip(names, ["cat", "Cat", "dog"] * 2, strict=True)]
    (tmp_path / "table" / "labels.csv").write_text("image,label\n" + "".join(rows))
    for folder in ("folders", "table"):
        found = read(tmp_path / folder)
        assert found.class_names == ("Cat", "cat", "dog")
        assert [problem.kind for problem in found.problems] == ["class names"]
        assert found.problems[0].detail.endswith("and stay apart: 'Cat' and 'cat'")


def test_an_error_names_the_annotations_that_were_not_read(tmp_path):
    image(tmp_path / "train" / "0.jpg")
    image(tmp_path / "test" / "0.jpg")
    (tmp_path / "train" / "metadata.jsonl").write_text('{"file_name": "0.jpg", "text": "cat"}\n')
    with pytest.raises(DataError, match=r"annotations that were not read: .*train/metadata\.jsonl \(JSON that names images\)"):
        read(tmp_path)
    image(tmp_path / "only" / "Training_Input" / "a1.jpg")
    (tmp_path / "only" / "Truth").mkdir()
    (tmp_path / "only" / "Truth" / "truth.csv").write_text("image,cat,dog\na1.jpg,1,0\n")
    with pytest.raises(DataError, match=r"only one class.*There is .*truth\.csv \(a table that names images\), which was not"):
        read_classified(tmp_path / "only")


def test_tables_of_names_that_are_no_images_are_not_claimed(tmp_path):
    """As LFW from Kaggle: tables of people, and the people's folders within two others."""
    write_classes(tmp_path / "lfw" / "lfw", {"Aaron_Eckhart": 1, "George_W_Bush": 2})
    for name in ("people", "peopleDevTest", "allnames"):
        (tmp_path / f"{name}.csv").write_text("name,images\nAaron_Eckhart,1\nGeorge_W_Bush,2\n")
    for reader in (read, read_people):
        found = reader(tmp_path)
        assert found.class_names == ("Aaron_Eckhart", "George_W_Bush") and len(found) == 3


def test_links_to_images_are_not_counted_twice(tmp_path):
    write_classes(tmp_path / "data", {"cat": 2, "dog": 2})
    (tmp_path / "data" / "dog" / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (tmp_path / "data" / "dog" / "link.jpg").symlink_to(image(tmp_path / "elsewhere.jpg"))
    found = read(tmp_path / "data")
    assert len(found) == 6 and found.left_out == ""


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(DataError, match="no such file or folder"):
        read(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.zip", "is not a data set. Unpack it"),
        ("a", "is not a data set. Expected"),
        ("a.jpg", "visionkit predict"),
        ("a.csv", "a header but no rows"),
        ("a.json", "is not valid JSON .*line 1 column 30"),
    ],
)
def test_a_file_that_is_no_data_set_is_an_error_with_a_remedy(tmp_path, name, message):
    contents = {"a.csv": "image,label\n", "a.json": '{"images": [], "annotations":'}
    (tmp_path / name).write_text(contents.get(name, "x"))
    with pytest.raises(DataError, match=message):
        read(tmp_path / name)


@pytest.mark.parametrize("data", ["", " "])
def test_an_empty_name_is_not_the_current_folder(data):
    with pytest.raises(DataError, match="The path of the data set is empty"):
        read(data)


def test_a_name_that_tensorflow_datasets_cannot_have_is_an_error():
    with pytest.raises(DataError, match="expected tfds:NAME"):
        read("tfds:")


def test_class_folders(tmp_path):
    write_classes(tmp_path, {"blue": 2, "red": 3})
    found = read(str(tmp_path))
    assert found.class_names == ("blue", "red") and list(found.splits) == [WHOLE] and len(found) == 5


def test_class_folders_of_two_splits(tmp_path):
    write_classes(tmp_path / "train", {"blue": 2, "red": 3})
    write_classes(tmp_path / "val", {"blue": 1, "red": 1})
    assert {name: len(index) for name, index in read(tmp_path).splits.items()} == {"train": 5, "val": 2}


def test_other_people_in_validation(tmp_path):
    write_classes(tmp_path / "train", {"anna": 2, "bert": 3})
    write_classes(tmp_path / "val", {"cora": 2})
    found = read(tmp_path)
    assert found.class_names == ("anna", "bert", "cora")
    assert found.splits["val"].labels.tolist() == [2, 2]


@pytest.mark.parametrize("classes", [{"blue": 1, "rde": 1}, {"Blue": 1, "Red": 1}])
def test_a_class_that_is_spelled_otherwise_in_validation_is_no_other_person(tmp_path, classes):
    write_classes(tmp_path / "train", {"blue": 2, "red": 2})
    write_classes(tmp_path / "val", classes)
    with pytest.raises(DataError, match="validation has classes that training lacks"):
        read(tmp_path)


def test_lists(tmp_path):
    paths = [image(tmp_path / "elsewhere" / name / "1.jpg") for name in ("blue", "red")]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.txt").write_text("\n".join(map(str, paths)))
    with pytest.raises(DataError, match=r"2 entries lead out of .*--allow-outside reads such files"):
        read(tmp_path / "data")
    assert read(tmp_path / "data", allow_outside=True).class_names == ("blue", "red")


def test_a_list_of_paths_and_labels_is_no_table(tmp_path):
    for name in ("1", "2"):
        image(tmp_path / f"{name}.jpg")
    (tmp_path / "train.csv").write_text("image,label\n1.jpg,cat\n2.jpg,dog\n")
    assert read(tmp_path).class_names == ("cat", "dog")


def test_loose_images_are_a_data_set_without_labels(tmp_path):
    for name in ("b", "a"):
        image(tmp_path / f"{name}.jpg")
    (tmp_path / "README.md").write_text("")
    found = read(tmp_path)
    assert found.splits[WHOLE].paths == (str(tmp_path / "a.jpg"), str(tmp_path / "b.jpg"))
    assert found.splits[WHOLE].labels.tolist() == [-1, -1] and found.class_names == ()
    assert found.notes == ("2 images without labels or annotations",)


def test_voc(tmp_path):
    image(tmp_path / "JPEGImages" / "1.jpg")
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "Annotations" / "1.xml").write_text(
        "<annotation><filename>1.jpg</filename><size><width>8</width><height>6</height><depth>3</depth></size><object><name>cat"
        "</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>4</xmax><ymax>3</ymax></bndbox></object></annotation>"
    )
    assert read(tmp_path).class_names == ("cat",)


@pytest.fixture
def yolo(tmp_path):
    image(tmp_path / "images" / "1.jpg")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "1.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    (tmp_path / "data.yaml").write_text("train: images\nval: images\nnames: [cat]\n")
    return tmp_path


def test_yolo(yolo):
    assert read(yolo).class_names == read(yolo / "data.yaml").class_names == ("cat",)
    (yolo / "data.yaml").unlink()
    assert read(yolo).splits[WHOLE].task == "detection"


def test_coco(tmp_path):
    image(tmp_path / "1.jpg")
    (tmp_path / "annotations.json").write_text(
        json.dumps(
            {
                "images": [{"id": 1, "file_name": "1.jpg", "width": 8, "height": 6}],
                "annotations": [{"id": 1, "image_id": 1, "category_id": 3, "bbox": [1, 1, 2, 2], "area": 4, "iscrowd": 0}],
                "categories": [{"id": 3, "name": "cat"}],
            }
        )
    )
    assert read(tmp_path).class_names == read(tmp_path / "annotations.json").class_names == ("cat",)


def test_masks(tmp_path):
    image(tmp_path / "Images" / "1.jpg")
    (tmp_path / "Masks").mkdir()
    Image.fromarray(np.array([[0, 1, 2]], np.uint8)).save(tmp_path / "Masks" / "1.png")
    assert read(tmp_path).splits[WHOLE].task == "segmentation"


@pytest.mark.parametrize("name", ["boxes.csv", "Boxes.TSV"])
def test_tables(tmp_path, name):
    image(tmp_path / "images" / "1.jpg")
    text = "image,xmin,ymin,xmax,ymax,label\n1.jpg,1,1,3,3,cat\n"
    (tmp_path / name).write_text(text if name.endswith("csv") else text.replace(",", "\t"))
    assert read(tmp_path).class_names == read(tmp_path / name).class_names == ("cat",)
    assert read(tmp_path).splits[WHOLE].task == "detection"


@pytest.mark.parametrize("wrapper", [".", "my_data", "download/my_data"])
def test_a_folder_that_is_alone_in_another_is_read_as_if_it_had_been_given(tmp_path, wrapper):
    """With its lists, and with its boxes where there are masks, too."""
    masks, voc = tmp_path / "masks" / wrapper, tmp_path / "voc" / wrapper
    for name in "abc":
        image(masks / "images" / f"{name}.jpg")
        image(voc / "JPEGImages" / f"{name}.jpg")
        for place in (masks / "masks", voc / "SegmentationClass"):
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.eye(6, 8, dtype=np.uint8)).save(place / f"{name}.png")
    (masks / "train.txt").write_text("a\nb\n")
    (masks / "valid.txt").write_text("c\n")
    (masks / "classes.txt").write_text("floor\nball\n")
    (tmp_path / "masks" / "README.md").write_text("Balls.")
    found = read(tmp_path / "masks")
    assert {split: len(index) for split, index in found.splits.items()} == {"train": 2, "val": 1}
    assert found.class_names == ("floor", "ball")
    (voc / "Annotations").mkdir()
    box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>4</xmax><ymax>4</ymax></bndbox>"
    for name in "abc":
        (voc / "Annotations" / f"{name}.xml").write_text(
            f"<annotation><filename>{name}.jpg</filename><object><name>ball</name>{box}</object></annotation>"
        )
    assert read(tmp_path / "voc").format == "Pascal VOC (Annotations/)"
    assert read(tmp_path / "voc").class_names == ("ball",)


def test_a_single_sample_with_a_mask_of_each_object_is_read(tmp_path):
    image(tmp_path / "s1" / "images" / "s1.png")
    (tmp_path / "s1" / "masks").mkdir()
    for number in range(3):
        Image.fromarray(np.eye(6, 8, number, dtype=np.uint8) * 255).save(tmp_path / "s1" / "masks" / f"m{number}.png")
    found = read(tmp_path)
    assert len(found) == 1 and "one mask per object" in found.format


def test_annotations_of_more_images_go_before_a_table_of_a_few_for_tests(tmp_path):
    inner = tmp_path / "cells"
    (inner / "Annotations").mkdir(parents=True)
    image(tmp_path / "example.jpg")
    box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>4</xmax><ymax>4</ymax></bndbox>"
    for name in "abc":
        image(inner / "JPEGImages" / f"{name}.jpg")
        (inner / "Annotations" / f"{name}.xml").write_text(
            f"<annotation><filename>{name}.jpg</filename><object><name>ball</name>{box}</object></annotation>"
        )
    table = tmp_path / "test.csv"
    header = "filename,label,xmin,ymin,xmax,ymax\n"
    table.write_text(f"{header}a.jpg,ball,1,1,4,4\n")
    found = read(tmp_path)
    assert found.format == "Pascal VOC (Annotations/)" and len(found) == 3
    assert [problem.path for problem in found.problems if problem.kind == "unread annotations"] == [str(table)]
    table.rename(tmp_path / "train.csv")
    assert len(read(tmp_path)) == 1


@pytest.mark.parametrize("place", [".", "cars/cars"])
def test_split_class_folders_are_read_beside_a_table_of_images_that_do_not_exist(tmp_path, place):
    for split, count in (("train", 3), ("test", 2)):
        write_classes(tmp_path / place / split, {"audi": count, "ford": count})
    (tmp_path / "boxes.csv").write_text("image,xmin,ymin,xmax,ymax,label\n077.jpg,1,1,3,3,audi\n")
    found = read(tmp_path)
    assert found.class_names == ("audi", "ford")
    assert {split: len(index) for split, index in found.splits.items()} == {"train": 6, "test": 4}
    assert "none of its 1 images exists" in found.problems[0].detail
    write_classes(tmp_path / place, {"new": 1})
    (tmp_path / place / "train").rename(tmp_path / place / "old")
    with pytest.raises(DataError, match="none of its 1 images exists"):
        read(tmp_path)


def test_an_empty_folder_has_no_labels(tmp_path):
    with pytest.raises(DataError, match="it holds nothing"):
        read_classified(tmp_path)
    with pytest.raises(DataError, match="no folders with images"):
        read_people(tmp_path)


def table_of(folder, *labels):
    for number in range(len(labels)):
        image(folder / "images" / f"{number}.jpg")
    lines = [f"{number}.jpg,{label}" for number, label in enumerate(labels)]
    (folder / "labels.csv").write_text("\n".join(["image,label", *lines]))


def test_a_table_trains_a_classifier(tmp_path):
    table_of(tmp_path, *["cat", "dog"] * 5)
    for data in (tmp_path, tmp_path / "labels.csv"):
        splits = read_classified(data)
        assert splits.train.class_names == ("cat", "dog")
        assert splits.train.counts().tolist() == [4, 4] and splits.val.counts().tolist() == [1, 1]


def test_one_class_of_a_table_is_an_error(tmp_path):
    table_of(tmp_path, "cat", "cat")
    with pytest.raises(DataError, match="only one class, 'cat'"):
        read_classified(tmp_path)


def test_a_table_names_people(tmp_path):
    table_of(tmp_path, "anna", "anna", "bert")
    assert read_people(tmp_path).class_names == ("anna", "bert")


def test_people_in_a_wrapped_folder(tmp_path):
    write_classes(tmp_path / "faces", {"anna": 2, "bert": 2})
    assert read_people(tmp_path).class_names == ("anna", "bert")


def test_images_without_labels_train_no_classifier(tmp_path):
    image(tmp_path / "a.jpg")
    for reader in (read_classified, read_people):
        with pytest.raises(DataError, match=r"1 image in it, without class folders or labels|no folders with images"):
            reader(tmp_path)


def test_boxes_and_masks_train_no_classifier(yolo, tmp_path_factory):
    with pytest.raises(DataError, match=r"the images have boxes of cat, and no label; .*`visionkit train detection`"):
        read_classified(yolo)
    with pytest.raises(DataError, match=r"have boxes of cat"):
        read_people(yolo)
    other = tmp_path_factory.mktemp("masks")
    image(other / "Images" / "1.jpg")
    (other / "Masks").mkdir()
    Image.fromarray(np.array([[0, 1, 2]], np.uint8)).save(other / "Masks" / "1.png")
    with pytest.raises(DataError, match=r"each image has a mask, and no label; .*`visionkit train segmentation`"):
        read_classified(other)


def test_people_train_no_classifier(tmp_path):
    write_classes(tmp_path / "train", {"anna": 2, "bert": 3})
    write_classes(tmp_path / "val", {"cora": 2})
    with pytest.raises(DataError, match=r"validation has classes that training lacks.*`visionkit train verification`"):
        read_classified(tmp_path)
    assert read_people(tmp_path).class_names == ("anna", "bert", "cora")


@pytest.mark.parametrize("labels", [[0, 1, -1, 1], [-1, -1, -1, -1]])
def test_images_that_have_no_label_are_left_out_and_noted(monkeypatch, labels):
    index = Index(("cat", "dog"), ("0.jpg", "1.jpg", "2.jpg", "3.jpg"), np.array(labels, np.int32))
    secret = Index(("cat", "dog"), ("9.jpg",), np.array([-1], np.int32))
    monkeypatch.setattr(
        sources, "read", lambda data, **options: DataSet({"train": index, "test": secret}, format="tensorflow-datasets")
    )
    if max(labels) < 0:
        with pytest.raises(DataError, match="without class folders or labels"):
            read_classified("anything")
        return
    splits = read_classified("anything")
    assert sorted(splits.train.paths + splits.val.paths) == ["0.jpg", "1.jpg", "3.jpg"]
    assert "not used: 1 image of train without a label" in splits.notes


def test_several_labels_an_image_are_read_where_they_are_asked_for(monkeypatch):
    index = Index(("cat", "dog"), tuple(map(str, range(10))), np.full(10, -1, np.int32), label_sets=np.ones((10, 2), bool))
    monkeypatch.setattr(sources, "read", lambda data, **options: DataSet({WHOLE: index}, format="a table"))
    splits = read_classified("anything", multi_label=True)
    assert len(splits.train) == 8 and splits.val.label_sets.shape == (2, 2)
    with pytest.raises(DataError, match=r"an image may have several labels \(cat, dog\)"):
        read_classified("anything")


@pytest.mark.parametrize("suffix", ["", "index.csv"])
def test_mask_values_are_passed_to_the_readers_of_masks(tmp_path, suffix):
    for folder, pixels in (("images", np.full((4, 6, 3), 90)), ("masks", np.array([[0, 128, 255]]))):
        (tmp_path / folder).mkdir()
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / folder / "a.png")
    (tmp_path / "classes.txt").write_text("never\nread\n")
    if suffix:
        (tmp_path / suffix).write_text("image,mask\na.png,a.png\n")
    found = read(tmp_path / suffix, mask_values=("0=sky", "128=ignore", "255=car"))
    assert found.class_names == ("sky", "car") and found.problems == ()
    index = found.splits["all"]
    assert read_mask(index.annotations[0].mask, index).tolist() == [[0, IGNORE, 1]]
    names_file = str(tmp_path / "classes.txt")
    assert names_file in read(tmp_path / suffix).annotation_files and names_file not in found.annotation_files


def test_mask_values_of_data_without_masks_are_an_error(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        Image.new("RGB", (4, 4)).save(tmp_path / name / "a.png")
    with pytest.raises(DataError, match="--mask-values is for masks"):
        read(tmp_path, mask_values=("0=sky",))


def test_paths_of_a_table_name_the_splits(tmp_path):
    """Only where no column does; recipes would train on images for testing otherwise."""
    places = {"train/0.jpg": "a", "train/1.jpg": "b", "valid/2.jpg": "a", "test/3.jpg": "b"}
    for path in places:
        image(tmp_path / path)
    (tmp_path / "labels.csv").write_text("image,label\n" + "".join(f"{path},{label}\n" for path, label in places.items()))
    for data in (tmp_path, tmp_path / "labels.csv"):
        found = read(data)
        assert {split: index.labels.tolist() for split, index in found.splits.items()} == {
            "train": [0, 1],
            "val": [0],
            "test": [1],
        }
        assert found.notes == ("the splits are those of the folders of images: train, val, test",)


@pytest.mark.parametrize(
    ("train", "val", "doubt", "asked"),
    [
        (("cats", "dogs"), ("cat", "dog"), "'cats' and 'cat' may be one class", True),
        (("train_cat", "train_dog"), ("val_cat", "val_dog"), "'train_cat' and 'val_cat' may be one class", True),
        (("0", "1"), ("00", "01"), "'0' and '00' may be one class", True),
        (("cat", "dog"), ("Katze", "Hund"), "there are only 4", False),
        ([f"a{n}" for n in range(8)], ["b0", "b1"], "", False),
    ],
)
def test_folders_that_splits_do_not_share_may_be_classes(tmp_path, train, val, doubt, asked):
    """Those who ask for people hear of it only where names are alike."""
    write_classes(tmp_path / "train", dict.fromkeys(train, 1))
    write_classes(tmp_path / "val", dict.fromkeys(val, 1))
    details = [problem.detail for problem in read(tmp_path).problems if problem.kind == "unclear layout"]
    assert len(details) == bool(doubt) and all(doubt in detail for detail in details)
    assert [problem.detail for problem in read_people(tmp_path).problems] == details * asked


def test_what_several_files_of_one_name_note_is_said_once(tmp_path):
    for split in ("train", "valid"):
        image(tmp_path / split / f"{split}.jpg")
        regions = [{"shape_attributes": {"name": "rect", "x": 1, "y": 2, "width": 9, "height": 9}, "region_attributes": {}}]
        tree(tmp_path / split / "via.json", {"a": {"filename": f"{split}.jpg", "size": 1, "regions": regions}})
    found = sources.read(tmp_path)
    assert found.format == "VIA (via.json x2)"
    assert [note for note in found.notes if "no region" in note] == [
        "via.json: no region has an attribute, so all have the class 'object'"
    ]


def test_the_split_that_has_unknown_classes_is_named(tmp_path):
    for name in ("train/good", "train/bad", "test/good", "test/hole"):
        image(tmp_path / name / "x.jpg")
    with pytest.raises(DataError, match="test has classes that training lacks: hole"):
        sources.read(tmp_path)


STRANGE = {"a": b"gro\xdfe", "b": b"kl\x1b[31mein", "c": "dünn\nnote: forged".encode(), "d": "cafe\u0301".encode()}
CLEAN = ["café", r"dünn\nnote: forged", r"gro\xdfe", r"kl\x1b[31mein"]


def test_class_names_are_text_that_files_and_terminals_can_hold(tmp_path):
    write_classes(tmp_path, dict.fromkeys(STRANGE, 3))
    for name, other in STRANGE.items():
        os.rename(tmp_path / name, os.fsencode(tmp_path) + b"/" + other)
    data_set = read(tmp_path)
    assert sorted(data_set.class_names) == CLEAN and len(data_set) == 12
    (problem,) = [problem for problem in data_set.problems if problem.kind == "class names"]
    assert r"gro\xdfe" in problem.detail and "rename" in problem.detail and "café" not in problem.detail
    splits = read_classified(tmp_path)
    assert sorted(splits.train.class_names) == CLEAN and problem in splits.problems
    assert sorted(read_people(tmp_path).class_names) == CLEAN


def test_names_that_need_no_cleaning_are_left_alone(class_folders):
    assert read(class_folders).class_names == ("blue", "red")
    assert [problem for problem in read(class_folders).problems if problem.kind == "class names"] == []


def test_a_class_name_of_blanks_becomes_its_number(tmp_path):
    write_classes(tmp_path, {" ": 2, "red": 2})
    assert sorted(read(tmp_path).class_names) == ["0", "red"]
