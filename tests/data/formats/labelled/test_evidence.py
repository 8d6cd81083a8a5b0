"""What speaks against class folders."""

import numpy as np
import pytest
from PIL import Image

from tests.conftest import write_classes
from visionkit.data.formats.class_folders import find_class_folders
from visionkit.data.formats.labelled.evidence import refuse_other_layouts
from visionkit.data.index import DataError
from visionkit.data.sources import read

RNG = np.random.default_rng(0)


def images(folder, *names, size=(24, 16)):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.fromarray(RNG.integers(0, 256, (*size[::-1], 3), np.uint8)).save(folder / name)


def masks(folder, *names, size=(24, 16)):
    folder.mkdir(parents=True, exist_ok=True)
    values = np.zeros(size[::-1], np.uint8)
    values[4:9, 3:12] = 1
    for name in names:
        Image.fromarray(values).save(folder / name)


def test_no_folders_say_nothing(tmp_path):
    assert refuse_other_layouts(tmp_path, {}) == []


@pytest.mark.parametrize(
    "names",
    [("train", "test1"), ("train2017", "val2017"), ("stage1_train", "stage1_test"), ("train",), ("bus", "train", "valid")],
)
def test_splits_without_class_folders_are_no_classes(tmp_path, names):
    for name in names:
        images(tmp_path / name, "x.jpg", "y.jpg")
    with pytest.raises(DataError, match=r"(has the name|have the names) of"):
        find_class_folders(tmp_path)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("train.X1", "train.X2", "val.X"), 1),
        (("bounding_box_train", "bounding_box_test", "query"), 1),
        (("train station", "train depot"), 0),
        (("toy train", "test tube", "cup", "ball"), 0),
    ],
)
def test_words_of_several_splits_in_most_names_are_a_finding(tmp_path, names, expected):
    for name in names:
        images(tmp_path / name, "x.jpg", "y.jpg")
    problems = find_class_folders(tmp_path).problems
    assert ["usually splits" in problem.detail for problem in problems] == [True] * expected


def test_one_of_two_classes_may_be_called_train(tmp_path):
    for name in ("bus", "train"):
        images(tmp_path / name, "x.jpg", "y.jpg")
    assert find_class_folders(tmp_path).class_names == ("bus", "train")


def test_a_class_called_train_may_have_folders_of_its_own(tmp_path):
    for name in ("bus", "car", "train/steam", "train/diesel"):
        images(tmp_path / name, "x.jpg", "y.jpg")
    found = find_class_folders(tmp_path)
    assert found.class_names == ("bus", "car", "train") and len(found) == 8


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("photos", ["a_x.jpg", "b_y.jpg"]), ("masks", ["a_x.png", "b_y.png"])),
        (
            ("Input", ["ISIC_0001.jpg", "ISIC_0002.jpg"]),
            ("GroundTruth", ["ISIC_0001_segmentation.png", "ISIC_0002_segmentation.png"]),
        ),
        (("left", ["ulm_1_2.png", "bonn_1_3.png"]), ("fine", ["ulm_1_2_gtFine_labelIds.png", "bonn_1_3_gtFine_labelIds.png"])),
        (("sat", ["a12_sat.jpg", "b13_sat.jpg"]), ("road", ["a12_mask.png", "b13_mask.png"])),
        (("pics", ["rome.jpg", "ulm.jpg", "bonn.jpg"]), ("drawn", ["rome.png", "ulm.png", "bonn.png"])),
        (("imgs", ["1.jpg", "2.jpg"]), ("mask", ["1.png", "2.png"])),  # both the name and the format
    ],
)
def test_folders_of_the_same_file_names_are_images_and_masks(tmp_path, one, other):
    images(tmp_path / one[0], *one[1])
    masks(tmp_path / other[0], *other[1])
    with pytest.raises(DataError, match=r"images and masks, not two classes\?|look like images and their masks"):
        find_class_folders(tmp_path)


def test_counters_alone_are_no_evidence(tmp_path):
    """Classes often hold 1.jpg, 2.jpg, ...; one may have come as PNG."""
    images(tmp_path / "cat", *(f"cat_{number}.jpg" for number in range(5)))
    images(tmp_path / "dog", *(f"dog_{number}.png" for number in range(5)))
    assert find_class_folders(tmp_path).class_names == ("cat", "dog")
    masks(tmp_path / "dog", *(f"dog_{number}.png" for number in range(5)))
    with pytest.raises(DataError, match=r"dog/ holds no JPEGs"):
        find_class_folders(tmp_path)


@pytest.mark.parametrize("names", [("with_mask", "without_mask"), ("mask", "no_mask"), ("Mask", "NoMask"), ("label", "stamp")])
@pytest.mark.parametrize("pattern", ["{}.jpg", "{name}_{}.jpg", "0_0_{}.jpg"])
def test_people_with_masks_are_no_masks(tmp_path, names, pattern):
    for name in names:
        images(tmp_path / name, *(pattern.format(number, name=name) for number in range(3)))
    assert find_class_folders(tmp_path).class_names == tuple(sorted(names))


@pytest.mark.parametrize(("one", "other"), [("images", "labels"), ("Images", "Annotations"), ("img", "gt")])
def test_images_and_labels_are_no_classes_whatever_they_hold(tmp_path, one, other):
    images(tmp_path / one, "a.jpg", "b.jpg")
    images(tmp_path / other, "x.jpg", "y.jpg")
    with pytest.raises(DataError, match="look like images and their masks"):
        find_class_folders(tmp_path)


def test_images_and_masks_in_every_folder_are_no_classes(tmp_path):
    for name in ("07", "08", "09"):
        images(tmp_path / "stage1_train" / name / "images", "x.png")
        masks(tmp_path / "stage1_train" / name / "masks", "1.png", "2.png")
    with pytest.raises(DataError, match="look like images and their masks"):
        find_class_folders(tmp_path)


@pytest.mark.parametrize(("one", "other"), [("pets", "data/pets"), ("", "data"), ("", "copy/pets")])
def test_an_archive_that_was_unpacked_twice_is_refused(tmp_path, one, other):
    for place in (one, other):
        write_classes(tmp_path / place, {"cat": 2, "dog": 2})
    with pytest.raises(DataError, match=r"hold the same folders \(cat, dog\): was an archive unpacked twice\?"):
        read(tmp_path)


def test_folders_inside_of_classes_are_legal(tmp_path):
    write_classes(tmp_path / "cat", {"monday": 2, "tuesday": 2})
    write_classes(tmp_path / "dog", {"friday": 2, "saturday": 1})
    found = find_class_folders(tmp_path)
    assert found.class_names == ("cat", "dog") and found.splits["all"].counts().tolist() == [4, 3] and not found.problems


def test_images_in_every_class_are_legal(tmp_path):
    for name in ("n01", "n02", "n03"):
        images(tmp_path / name / "images", "1.jpg", "2.jpg")
    found = find_class_folders(tmp_path)
    assert len(found) == 6 and not found.problems


@pytest.mark.parametrize(
    ("inner", "detail"),
    [(("train", "val"), "splits inside of classes"), (("day", "night"), "each of cat, dog holds the folders day")],
)
def test_the_same_folders_in_every_class_are_unclear(tmp_path, inner, detail):
    for name in ("cat", "dog"):
        write_classes(tmp_path / name, dict.fromkeys(inner, 2))
    found = find_class_folders(tmp_path)
    assert found.class_names == ("cat", "dog")
    assert [problem.kind for problem in found.problems] == ["unclear layout"] and detail in found.problems[0].detail


def test_the_same_folders_at_other_depths_of_two_classes_are_unclear(tmp_path):
    write_classes(tmp_path / "cat", {"left": 2, "right": 2})
    write_classes(tmp_path / "dog" / "first", {"left": 2, "right": 2})
    found = find_class_folders(tmp_path)
    assert found.class_names == ("cat", "dog") and "hold the same folders" in found.problems[0].detail


def test_many_classes_are_compared_without_opening_images(tmp_path, monkeypatch):
    """Counters that many classes share are no evidence, whatever their formats."""
    for number in range(12):
        images(tmp_path / f"class {number}", *(f"{place}.{'jpg' if number else 'png'}" for place in range(2)))
    monkeypatch.setattr(Image, "open", lambda path: pytest.fail(f"{path} is opened"))
    assert len(find_class_folders(tmp_path).class_names) == 12


@pytest.mark.parametrize(
    ("folders", "named", "remedy"),
    [
        (
            ("a/abbey", "a/airport", "b/bakery"),
            "a/ holds no images but the folders abbey/ and airport/",
            "move them out of a/, one level up",
        ),
        (
            ("France/Paris", "France/Lyon", "Peru/Lima", "Peru/Cusco"),
            "read as one class, France, and likewise for 1 more",
            "move them out",
        ),
        (
            ("fruit/apple", "fruit/banana", "fruit/fig", "dog"),
            "holds no images but 3 folders, such as apple/ and banana/: they",
            "move them out of fruit/, one level up",
        ),
        (
            ("good/SOB/a", "good/SOB/b", "bad/SOB/c"),
            "good/ holds no images but the folders a/ and b/",
            "move them out of good/, one level up",
        ),
        (("dataset/0", "dataset/1", "results"), "dataset/ holds no images", "move them out of dataset/, one level up"),
    ],
)
def test_folders_that_hold_only_folders_are_unclear(tmp_path, folders, named, remedy):
    for folder in folders:
        write_classes(tmp_path, {folder: 2})
    (problem,) = find_class_folders(tmp_path).problems
    assert problem.kind == "unclear layout" and named in problem.detail and remedy.format(tmp_path) in problem.detail


@pytest.mark.parametrize(
    "folders",
    [
        ("cat/2019", "cat/2020", "dog/2019", "dog/2021", "fox"),
        ("cat/session 1", "cat/session 2", "dog/session 1"),
        ("cat/1 May 2020", "cat/2 June 2020", "dog"),
        ("cat/persian", "cat", "dog"),
        ("anna/s1", "anna/s2", "bert/s1", "bert/s3"),
        ("cat/images/persian", "cat/images", "dog"),
        ("1", "2", "10"),
        ("cat/images", "dog/images"),
    ],
)
def test_ordinary_class_folders_are_clean(tmp_path, folders):
    for folder in folders:
        write_classes(tmp_path, {folder: 2})
    found = find_class_folders(tmp_path)
    assert not found.problems and set(found.class_names) == {folder.split("/")[0] for folder in folders}


def test_photos_of_the_same_names_as_jpegs_and_pngs_are_two_classes(tmp_path):
    images(tmp_path / "healthy", *(f"scan a{number}x.jpg" for number in range(3)))
    images(tmp_path / "tumor", *(f"scan a{number}x.png" for number in range(3)))
    assert find_class_folders(tmp_path).class_names == ("healthy", "tumor")
    masks(tmp_path / "tumor", *(f"scan a{number}x.png" for number in range(3)))
    with pytest.raises(DataError, match="tumor/ holds no JPEGs"):
        find_class_folders(tmp_path)
