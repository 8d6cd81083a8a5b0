"""What splits cannot measure is named: nothing to compare with, or classes that only one split has."""

import numpy as np
import pytest
from PIL import Image

from tests.conftest import write_classes
from tests.data.quality.test_check import boxes_of, classification, detection, image, mask, segmentation
from visionkit.data import sources
from visionkit.data.index import DataError, Objects
from visionkit.data.quality.check import check
from visionkit.data.quality.measurable import unmeasurable
from visionkit.data.splits import DataSet, train_and_val


def details(splits, **options) -> list[str]:
    return [problem.detail for problem in unmeasurable(splits, **options)]


def test_without_splits_or_images_nothing_is_said():
    assert unmeasurable({}) == ()
    assert unmeasurable({"train": classification([], [])}) == ()
    assert unmeasurable({"all": classification(["0.png"], [0])}) == ()


def test_splits_that_share_their_classes_are_measurable():
    both = classification(["t/0.png", "t/1.png"], [0, 1])
    assert unmeasurable({"train": both, "val": both, "test": both}) == ()


def test_an_empty_split_is_named_and_what_measures_in_its_place():
    one, none = classification(["t/0.png"], [0]), classification([], [])
    (problem,) = unmeasurable({"train": one, "val": none})
    assert (problem.kind, problem.path) == ("unmeasurable split", "val")
    assert problem.detail == "there are no validation images: 20% of the training images measure in their place"
    assert details({"train": one, "val": none, "test": one}) == [
        "there are no validation images: the test images measure in their place"
    ]
    assert details({"train": one, "val": one, "test": none}) == ["there are no test images: nothing can be measured with them"]
    assert details({"train": none, "val": one}) == ["there are no training images: nothing can be learnt"]


@pytest.mark.parametrize("left", [boxes_of(), boxes_of((0.5, 0.5, 0.5, 0.9)), "crowd"])
def test_validation_without_a_box_that_counts_is_named(left):
    if left == "crowd":
        left = Objects(np.array([[0, 0, 1, 1.0]]), np.zeros(1, np.int32), attributes=({"iscrowd": 1},))
    train, val = detection(["d/train/0.png"], [boxes_of((0, 0, 1, 1))]), detection(["d/val/0.png", "d/val/1.png"], [left, left])
    (problem,) = unmeasurable({"train": train, "val": val})
    assert problem.path == "d/val"
    assert problem.detail == (
        "the validation images have no boxes: nothing can be measured, and the threshold stays at its default; "
        "move some annotated images there"
    )


def test_classes_of_one_split_are_named():
    train, val = classification(["0", "1"], [0, 1], "abc"), classification(["2", "3"], [0, 2], "abc")
    assert details({"train": train, "val": val}) == [
        "no validation images of b: only training has some, so the result is not measured",
        "no training images of c, which validation has: it cannot be learnt",
    ]
    boxes = {"train": detection(["0"], [boxes_of((0, 0, 1, 1), label=1)]), "test": detection(["1"], [boxes_of((0, 0, 1, 1))])}
    assert details(boxes) == [
        "no test images of dog: only training has some, so the result is not measured",
        "no training images of cat, which test has: it cannot be learnt",
    ]


def test_classes_that_training_and_validation_have_are_not_those_of_training_alone():
    both, one = classification(["0", "1"], [0, 1], "ab"), classification(["2"], [0], "ab")
    assert details({"train": both, "val": both, "test": one}) == [
        "no test images of b: training and validation have some, so test does not measure the result"
    ]


def test_people_are_counted_in_the_plural():
    train, val = classification(["0"], [0], "ab"), classification(["1"], [-1], "ab")
    assert details({"train": train, "val": val}, people=True) == [
        "the validation images show 0 people: no pair of different people can be measured"
    ]


def test_many_classes_are_cut_short():
    names = [f"c{number}" for number in range(13)]
    splits = {"train": classification(["0"] * 13, list(range(13)), names), "val": classification(["0"], [12], names)}
    assert details(splits)[0].startswith("no validation images of c0, c1, c2, c3, c4, c5, c6, c7, c8, c9 and 2 more: ")


def test_labels_are_missed_only_where_training_has_some():
    unlabelled, labelled = classification(["0"], [-1]), classification(["1"], [0])
    assert details({"train": unlabelled, "val": unlabelled}) == []
    assert details({"train": labelled, "val": unlabelled}) == [
        "the validation images have no labels: nothing can be measured; move some annotated images there"
    ]


def test_other_people_in_validation_are_as_it_should_be_but_pairs_need_two_people_and_two_images():
    train = classification(["0", "1"], [0, 1], "abcd")
    assert details({"train": train, "val": classification(["2", "3", "4"], [2, 2, 3], "abcd")}, people=True) == []
    assert details({"train": train, "val": classification(["2", "3"], [2, 2], "abcd")}, people=True) == [
        "the validation images show 1 person: no pair of different people can be measured"
    ]
    assert details({"train": train, "val": classification(["2", "3"], [2, 3], "abcd")}, people=True) == [
        "nobody has two validation images: no pair of the same person can be measured"
    ]


def test_a_check_reports_them_with_the_pixels_of_masks(tmp_path):
    paths = [image(tmp_path / f"{i}.png", i) for i in range(2)]
    masks = [mask(tmp_path / "masks" / f"{i}.png", values) for i, values in enumerate(([0, 1], [0, 2]))]
    data = DataSet({"train": segmentation(paths[:1], masks[:1]), "val": segmentation(paths[1:], masks[1:])})
    assert [finding.detail for finding in check(data).findings if finding.kind == "unmeasurable split"] == [
        "no validation images of road: only training has some, so the result is not measured",
        "no training images of car, which validation has: it cannot be learnt",
    ]
    assert unmeasurable(data.splits) == ()  # masks are not opened


def test_a_check_of_people_says_nothing_about_their_names(tmp_path):
    for split, people in (("train", "ab"), ("val", "cd")):
        for number, person in enumerate(people):
            for copy in range(2):
                image(tmp_path / split / person / f"{copy}.png", 10 * ord(person) + number + copy)
    (finding,) = check(tmp_path).findings
    assert finding.kind == "unclear layout" and "there are only 4" in finding.detail


@pytest.mark.parametrize("name", ["val", "Validation", "valid", "images/val"])
def test_an_empty_folder_of_validation_images_is_named(tmp_path, name):
    write_classes(tmp_path / "train", {"red": 5, "blue": 5})
    (tmp_path / name / "red").mkdir(parents=True)
    (tmp_path / name / "readme.txt").write_text("empty")
    if name == "images/val":
        (tmp_path / "train").rename(tmp_path / "images" / "train")
        data = sources.read(tmp_path / "images")
    else:
        data = sources.read(tmp_path)
    (problem,) = data.problems
    assert problem.kind == "unmeasurable split" and problem.path.endswith(name)
    assert problem.detail == ("the folder of validation images holds none: 20% of the training images measure in their place")
    assert train_and_val(data, seed=0).problems == (problem,)


def test_a_folder_of_other_data_is_not_called_empty(tmp_path):
    write_classes(tmp_path / "train", {"red": 5, "blue": 5})
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "scan.nii").write_bytes(b"")
    assert sources.read(tmp_path).problems == ()


def test_a_yolo_split_without_images_is_named_before_training(tmp_path):
    for split, count in (("train", 2), ("val", 0)):
        for kind in ("images", "labels"):
            (tmp_path / kind / split).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (32, 32)).save(tmp_path / "images" / split / f"{number}.png")
            (tmp_path / "labels" / split / f"{number}.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    (tmp_path / "data.yaml").write_text("train: images/train\nval: images/val\nnames: [a]\n")
    splits = train_and_val(sources.read(tmp_path), seed=0)
    assert [len(index) for index in splits] == [1, 1]
    assert [problem.kind for problem in splits.problems] == ["unmeasurable split"]
    assert not any("not used" in note for note in splits.notes)


def test_only_empty_splits_are_no_data():
    with pytest.raises(DataError, match="no images in it"):
        check(DataSet({"train": classification([], []), "val": classification([], [])}))
