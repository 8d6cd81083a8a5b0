"""Pascal VOC: read in every layout, written and read again."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from visionkit.data.formats.voc import looks_like_voc, read_voc
from visionkit.data.formats.writers.voc import write_voc
from visionkit.data.index import DataError

BOX = "<bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox>"
SIZE = "<size><width>40</width><height>20</height><depth>3</depth></size>"


def image(path, width=40, height=20):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height), "gray").save(path, format="JPEG")


def cat(*box, name="cat", more=""):
    return f"<object><name>{name}</name>{more}{BOX.format(*box)}</object>"


def annotate(folder, stem, objects="", size=SIZE, filename=None, images="JPEGImages", annotations="Annotations"):
    """One image and its XML file."""
    image(folder / images / f"{stem}.jpg")
    (folder / annotations).mkdir(exist_ok=True)
    name = f"<filename>{stem}.jpg</filename>" if filename is None else filename
    xml = folder / annotations / f"{stem}.xml"
    xml.write_text(f"<annotation>{name}{size}<segmented>0</segmented>{objects}</annotation>", encoding="utf-8")
    return xml


def lists(folder, **splits):
    (folder / "ImageSets" / "Main").mkdir(parents=True, exist_ok=True)
    for name, lines in splits.items():
        (folder / "ImageSets" / "Main" / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines))


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def only(found):
    (index,) = found.splits.values()
    return index


def test_an_empty_folder_is_no_data_set(tmp_path):
    assert not looks_like_voc(tmp_path)
    with pytest.raises(DataError, match="no VOC data set"):
        read_voc(tmp_path)


def test_an_image_without_objects_is_kept(tmp_path):
    annotate(tmp_path, "1")
    index = only(read_voc(tmp_path))
    assert len(index) == 1 and len(index.annotations[0].objects) == 0 and index.task == "detection"


def test_boxes_and_attributes(tmp_path):
    more = "<pose>Left</pose><truncated>1</truncated><difficult>0</difficult><occluded>1</occluded>"
    annotate(tmp_path, "1", cat(4, 2, 20, 10.5, more=more) + cat(0, 0, 40, 20, name="dog"))
    found = read_voc(tmp_path)
    (annotation,) = only(found).annotations
    assert found.class_names == ("cat", "dog") and list(found.splits) == ["all"]
    np.testing.assert_allclose(annotation.objects.boxes, [[0.1, 0.1, 0.5, 0.525], [0, 0, 1, 1]])
    assert annotation.objects.classes.tolist() == [0, 1]
    assert annotation.objects.attributes[0] == {"pose": "Left", "truncated": 1, "difficult": 0, "occluded": 1}
    assert annotation.size == (20, 40) and annotation.attributes == {"segmented": 0, "depth": 3}
    assert only(found).labels.tolist() == [-1]


def test_boxes_that_are_inverted_empty_or_outside_are_kept_for_the_check(tmp_path):
    annotate(tmp_path, "1", cat(20, 2, 4, 10) + cat(5, 5, 5, 5) + cat(-4, 0, 400, 20))
    found = read_voc(tmp_path)
    np.testing.assert_allclose(only(found).annotations[0].objects.boxes[:, 0], [0.5, 0.125, -0.1])
    assert found.problems == ()


@pytest.mark.parametrize("size", ["", "<size><width>0</width><height>0</height></size>", "<size><width>x</width></size>"])
def test_without_a_declared_size_the_image_is_opened(tmp_path, size):
    annotate(tmp_path, "1", cat(4, 2, 20, 10), size=size)
    (annotation,) = only(read_voc(tmp_path)).annotations
    assert annotation.size == (20, 40)
    np.testing.assert_allclose(annotation.objects.boxes, [[0.1, 0.1, 0.5, 0.5]])


def test_a_broken_image_of_unknown_size_is_a_problem(tmp_path):
    annotate(tmp_path, "1", cat(4, 2, 20, 10))
    annotate(tmp_path, "2", size="")
    (tmp_path / "JPEGImages" / "2.jpg").write_bytes(b"nothing")
    found = read_voc(tmp_path)
    assert len(found) == 1 and [problem.kind for problem in found.problems] == ["broken image"]


def test_lists_split_the_data_set(tmp_path):
    for stem in ("a", "b", "c c", "d"):
        annotate(tmp_path, stem, cat(0, 0, 1, 1))
    lists(tmp_path, train=["a", "c c"], val=["b.jpg"], trainval=["a", "b", "c c"], cat_train=["a  1", "c c -1"])
    found = read_voc(tmp_path)
    assert {name: [Path(path).stem for path in index.paths] for name, index in found.splits.items()} == {
        "train": ["a", "c c"],
        "val": ["b"],
    }
    assert "1 annotations are in no list" in found.notes[0]


def test_lists_split_a_data_set_that_is_named_by_a_dot(tmp_path, monkeypatch):
    for stem in "ab":
        annotate(tmp_path, stem, cat(1, 2, 9, 9))
    lists(tmp_path, train=["a"], val=["b"])
    monkeypatch.chdir(tmp_path)
    assert {name: index.paths for name, index in read_voc(".").splits.items()} == {
        "train": ("JPEGImages/a.jpg",),
        "val": ("JPEGImages/b.jpg",),
    }


def test_lists_of_classes_split_the_data_set_where_there_are_no_others(tmp_path):
    for stem in ("a", "b", "c c"):
        annotate(tmp_path, stem, cat(1, 2, 9, 9))
    (tmp_path / "ImageSets").mkdir()
    lists(
        tmp_path, cat_train=["a  1", "c c -1", "gone  0"], dog_train=["a -1", "c c 0", "gone -1"], cat_val=["b -1"], dog_val=[]
    )
    found = read_voc(tmp_path)
    assert {name: [Path(path).stem for path in index.paths] for name, index in found.splits.items()} == {
        "train": ["a", "c c"],
        "val": ["b"],
    }
    assert [problem.detail for problem in found.problems] == ["'gone' is listed but has no .xml file"]
    lists(tmp_path, train=["a"])
    assert {name: len(index) for name, index in read_voc(tmp_path).splits.items()} == {"train": 1, "val": 1}


def test_empty_lists_of_classes_split_nothing(tmp_path):
    annotate(tmp_path, "a", cat(1, 2, 9, 9))
    lists(tmp_path, cat_train=[])
    assert list(read_voc(tmp_path).splits) == ["all"]


def test_trainval_is_kept_if_its_parts_are_missing(tmp_path):
    annotate(tmp_path, "a")
    annotate(tmp_path, "b")
    lists(tmp_path, trainval=["a"], test=["b"])
    assert sorted(read_voc(tmp_path).splits) == ["test", "trainval"]


def test_files_without_a_partner_are_reported(tmp_path):
    annotate(tmp_path, "a")
    annotate(tmp_path, "b")
    (tmp_path / "JPEGImages" / "b.jpg").unlink()
    image(tmp_path / "JPEGImages" / "c.jpg")
    found = read_voc(tmp_path)
    assert len(found) == 1
    assert {(problem.kind, Path(problem.path).name) for problem in found.problems} == {
        ("missing partner", "b.xml"),
        ("missing partner", "c.jpg"),
    }
    lists(tmp_path, train=["a", "nowhere"])
    assert ["'nowhere'" in problem.detail for problem in read_voc(tmp_path).problems] == [True]


def test_a_flat_folder_and_split_folders_are_read(tmp_path):
    for split in ("train", "valid"):
        annotate(tmp_path / split if (tmp_path / split).mkdir() is None else None, "1", images=".", annotations=".")
    assert looks_like_voc(tmp_path) and looks_like_voc(tmp_path / "train")
    assert {name: len(index) for name, index in read_voc(tmp_path).splits.items()} == {"train": 1, "val": 1}
    assert len(read_voc(tmp_path / "train")) == 1


@pytest.mark.parametrize("annotations", ["annotations", "Annotations", "labels", "xml"])
def test_split_folders_below_the_folder_of_xml_files(tmp_path, annotations):
    for split, boxes in (("train", [(4, 2, 20, 10), (8, 2, 20, 10)]), ("val", [(12, 2, 20, 10)])):
        for number, box in enumerate(boxes):
            (tmp_path / annotations).mkdir(exist_ok=True)
            annotate(tmp_path, f"{number}", cat(*box), images=f"images/{split}", annotations=f"{annotations}/{split}")
    assert looks_like_voc(tmp_path)
    found = read_voc(tmp_path)
    assert found.format == f"Pascal VOC ({annotations}/train/)" and found.problems == ()
    read = {split: [one.objects.boxes[0, 0] * 40 for one in index.annotations] for split, index in found.splits.items()}
    assert read == {"train": [4, 8], "val": [12]}
    (tmp_path / "images" / "val" / "9.jpg").write_bytes(b"")
    assert [Path(problem.path).name for problem in read_voc(tmp_path).problems] == ["9.jpg"]


def test_splits_of_xml_files_whose_images_lie_in_one_folder(tmp_path):
    (tmp_path / "annotations").mkdir()
    for split in ("train", "val"):
        annotate(tmp_path, split, cat(4, 2, 20, 10), images="images", annotations=f"annotations/{split}")
    found = read_voc(tmp_path)
    assert {split: [Path(path).name for path in index.paths] for split, index in found.splits.items()} == {
        "train": ["train.jpg"],
        "val": ["val.jpg"],
    }
    assert found.problems == ()


def test_boxes_that_may_be_relative_are_a_problem(tmp_path):
    for number in range(3):
        annotate(tmp_path, f"{number}", cat(0.1, 0.1, 0.5, 0.5))
    (problem,) = read_voc(tmp_path).problems
    assert problem.kind == "unclear layout" and "all boxes are smaller than a pixel" in problem.detail
    annotate(tmp_path, "3", cat(4, 2, 20, 10))
    assert read_voc(tmp_path).problems == ()


def test_other_folder_names_and_file_names(tmp_path):
    annotate(tmp_path, "1", images="images", annotations="annotations", filename="<filename>images\\1.jpg</filename>")
    annotate(tmp_path, "ü 2#%", images="images", annotations="annotations", filename="<filename>old.jpg</filename>")
    annotate(tmp_path, "3", images="images", annotations="annotations", filename="")
    assert [Path(path).name for path in only(read_voc(tmp_path)).paths] == ["1.jpg", "3.jpg", "ü 2#%.jpg"]


def test_file_names_that_are_not_utf_8(tmp_path):
    name = os.fsdecode(b"caf\xe9")
    xml = annotate(tmp_path, name, cat(0, 0, 4, 4), filename="<filename>café.jpg</filename>")
    lists(tmp_path, train=[])
    (tmp_path / "ImageSets" / "Main" / "train.txt").write_bytes(b"caf\xe9\n")
    assert only(read_voc(tmp_path)).paths == (str(tmp_path / "JPEGImages" / f"{xml.stem}.jpg"),)


def test_one_of_two_files_that_claim_an_image_is_left_out(tmp_path):
    annotate(tmp_path, "1")
    annotate(tmp_path, "2", filename="<filename>1.jpg</filename>")
    (tmp_path / "JPEGImages" / "2.jpg").unlink()
    found = read_voc(tmp_path)
    assert len(found) == 1 and found.problems[0].path.endswith("2.xml")


def test_a_copied_file_name_is_not_believed(tmp_path):
    for number in range(4):
        annotate(
            tmp_path,
            str(number),
            cat(number, 2, 20, 10),
            filename="<filename>0.jpg</filename>",
            size="" if number == 3 else SIZE,
        )
    image(tmp_path / "JPEGImages" / "3.jpg", 80, 20)
    found = read_voc(tmp_path)
    index = only(found)
    assert [Path(path).name for path in index.paths] == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]
    np.testing.assert_allclose([one.objects.boxes[0, 0] for one in index.annotations], [0, 1 / 40, 2 / 40, 3 / 80])
    assert index.annotations[3].size == (20, 80)
    assert [problem.kind for problem in found.problems] == ["unclear layout"] and "3 XML files" in found.problems[0].detail


def test_file_names_that_differ_from_the_xml_are_believed_where_they_are_unique(tmp_path):
    annotate(tmp_path, "a", cat(1, 2, 20, 10), filename="<filename>b.jpg</filename>")
    annotate(tmp_path, "b", cat(2, 2, 20, 10), filename="<filename>a.jpg</filename>")
    found = read_voc(tmp_path)
    assert [Path(path).name for path in only(found).paths] == ["b.jpg", "a.jpg"]
    assert [problem.kind for problem in found.problems] == ["unclear layout"] and "is believed" in found.problems[0].detail


@pytest.mark.parametrize(
    "filename",
    [
        "<filename>1</filename>",
        "<filename>1.png</filename>",
        r"<filename>C:\set\1.jpg</filename>",
        r"<path>C:\set\1.jpg</path>",
        "<filename>/home/me/1.JPG</filename>",
    ],
)
def test_an_image_is_found_by_a_name_of_another_system(tmp_path, filename):
    xml = annotate(tmp_path, "1", cat(1, 2, 20, 10), filename=filename)
    assert len(read_voc(tmp_path)) == 1 and read_voc(tmp_path).problems == ()
    xml.rename(xml.with_name("other.xml"))
    assert [Path(path).name for path in only(read_voc(tmp_path)).paths] == ["1.jpg"]


def test_forms_of_one_class_name_become_one_class(tmp_path):
    annotate(
        tmp_path, "1", cat(0, 0, 4, 4, name=" caf\u00e9 ") + cat(0, 0, 4, 4, name="cafe\u0301") + cat(0, 0, 4, 4, name="Cat")
    )
    annotate(tmp_path, "2", cat(0, 0, 4, 4))
    found = read_voc(tmp_path)
    assert set(found.class_names) == {"Cat", "cat", "caf\u00e9"}


def test_objects_without_boxes_are_one_problem_where_they_are_most(tmp_path):
    annotate(tmp_path, "1", "<object><name>cat</name><robndbox/></object>" * 30 + cat(0, 0, 4, 4))
    found = read_voc(tmp_path)
    assert [problem.kind for problem in found.problems] == ["bad annotation"] and "29 more places" in found.problems[0].detail


def test_two_folders_of_one_split(tmp_path):
    for split in ("val", "valid"):
        (tmp_path / split).mkdir()
        annotate(tmp_path / split, split, images=".", annotations=".")
    found = read_voc(tmp_path)
    assert [Path(path).name for path in only(found).paths] == ["val.jpg"]
    assert [(one.kind, Path(one.path).name) for one in found.problems] == [("unclear layout", "valid")]


def test_how_it_was_read_and_from_which_files(tmp_path):
    xml = annotate(tmp_path, "1", cat(0, 0, 4, 4))
    (tmp_path / "classes.txt").write_text("cat\n")
    lists(tmp_path, train=["1"])
    found = read_voc(tmp_path)
    assert found.format == "Pascal VOC (Annotations/)"
    list_file = tmp_path / "ImageSets" / "Main" / "train.txt"
    assert found.annotation_files == {str(xml), str(tmp_path / "classes.txt"), str(list_file)}


def test_class_names_in_a_file_give_the_order_and_the_known_classes(tmp_path):
    annotate(tmp_path, "1", cat(0, 0, 4, 4) + cat(0, 0, 4, 4, name="dragon"))
    (tmp_path / "classes.txt").write_text("zebra\ncat\n")
    found = read_voc(tmp_path)
    assert found.class_names == ("zebra", "cat")
    assert only(found).annotations[0].objects.classes.tolist() == [1, -1]
    assert [problem.kind for problem in found.problems] == ["unknown label"]


def test_of_two_files_the_one_with_all_class_names_counts(tmp_path):
    annotate(tmp_path, "a", cat(1, 1, 5, 5))
    (tmp_path / "classes.txt").write_text("person\nbicycle\n")  # COCO's, left from another data set
    (tmp_path / "labels.txt").write_text("zebra\ncat\n")
    found = read_voc(tmp_path)
    assert found.class_names == ("zebra", "cat") and found.problems == ()


def test_class_names_are_sorted_as_people_count(tmp_path):
    annotate(tmp_path, "1", "".join(cat(0, 0, 4, 4, name=name) for name in ("n10", "n9", "5²", "²", "0" * 5000)))
    assert read_voc(tmp_path).class_names[:2] != ("n10", "n9")
    assert read_voc(tmp_path).class_names.index("n9") < read_voc(tmp_path).class_names.index("n10")


@pytest.mark.parametrize(
    "bad",
    [
        cat(1, 2, "x", 4),
        cat(1, 2, "nan", 4),
        cat(1, 2, "1e308", 4),
        cat(1, 2, 3, 4, name=""),
        "<object><name>cat</name></object>",
    ],
)
def test_a_bad_object_is_named_and_the_others_stay(tmp_path, bad):
    annotate(tmp_path, "1", cat(0, 0, 4, 4) + bad)
    found = read_voc(tmp_path)
    assert len(only(found).annotations[0].objects) == 1
    assert [(problem.kind, Path(problem.path).name) for problem in found.problems] == [("bad annotation", "1.xml")]


BOMB = b'<!DOCTYPE a [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;">]><annotation>&b;</annotation>'


@pytest.mark.parametrize(
    "contents",
    [b"", b"\0\xff junk", b"<annotation><object>", b"<html/>", BOMB, BOMB.decode().encode("utf-16"), b"<a>" * 99_999],
)
def test_a_file_that_is_no_annotation_is_named(tmp_path, contents):
    annotate(tmp_path, "1", cat(0, 0, 4, 4))
    annotate(tmp_path, "2").write_bytes(contents)
    found = read_voc(tmp_path)
    assert len(found) == 1
    assert [(problem.kind, Path(problem.path).name) for problem in found.problems] == [("bad annotation", "2.xml")]


def test_no_usable_image_is_an_error_that_names_the_first_problem(tmp_path):
    annotate(tmp_path, "1").write_text("no XML")
    with pytest.raises(DataError, match=r"no annotated image.*1\.xml"):
        read_voc(tmp_path)


def test_what_is_written_is_read_again(tmp_path):
    more = "<pose>Left</pose><truncated>1</truncated><difficult>1</difficult><occluded>1</occluded>"
    annotate(tmp_path / "in" if (tmp_path / "in").mkdir() is None else None, "a", cat(4, 2, 20, 10.5, more=more))
    annotate(tmp_path / "in", "b", size="<size><width>40</width><height>20</height><depth>1</depth></size>")
    annotate(tmp_path / "in", "c", cat(20, 2, 4, 10, name="Ente & <Küken>"))
    lists(tmp_path / "in", train=["a", "b"], val=["c", "a"])
    found = read_voc(tmp_path / "in")
    assert not +write_voc(found, tmp_path / "out")
    again = read_voc(tmp_path / "out")
    assert again.class_names == found.class_names and list(again.splits) == list(found.splits) and again.problems == ()
    for name, index in found.splits.items():
        assert [Path(path).name for path in again.splits[name].paths] == [Path(path).name for path in index.paths]
        for ours, theirs in zip(again.splits[name].annotations, index.annotations, strict=True):
            np.testing.assert_allclose(ours.objects.boxes, theirs.objects.boxes, rtol=1e-6)
            assert (ours.size, ours.attributes) == (theirs.size, theirs.attributes)
            for here, there in zip(ours.objects.attributes, theirs.objects.attributes, strict=True):
                assert here | there == here
    text = (tmp_path / "out" / "Annotations" / "a.xml").read_text()
    assert "<xmin>4</xmin>" in text and "<ymax>10.5</ymax>" in text


def test_images_lie_in_folders_of_their_classes(tmp_path):
    for split, stem in (("train", "1"), ("validation", "2")):
        annotate(tmp_path / split, stem, cat(4, 2, 20, 10), images="images/cat", annotations="annotations")
    found = read_voc(tmp_path)
    assert {name: index.paths for name, index in found.splits.items()} == {
        "train": (str(tmp_path / "train" / "images" / "cat" / "1.jpg"),),
        "val": (str(tmp_path / "validation" / "images" / "cat" / "2.jpg"),),
    }


def test_folders_of_splits_are_not_taken_for_those_of_classes(tmp_path):
    annotate(tmp_path, "1", cat(4, 2, 20, 10), images="images/train", annotations="annotations")
    with pytest.raises(DataError, match="its image does not exist"):
        read_voc(tmp_path)


def test_splits_are_wrapped_as_archives_unpack_them(tmp_path):
    for split, stem in (("train", "1"), ("test", "2")):
        (tmp_path / f"{split}_zip").mkdir()
        annotate(tmp_path / f"{split}_zip" / split, stem, cat(4, 2, 20, 10), images="", annotations="")
    found = read_voc(tmp_path)
    assert {name: len(index.annotations[0].objects) for name, index in found.splits.items()} == {"train": 1, "test": 1}
