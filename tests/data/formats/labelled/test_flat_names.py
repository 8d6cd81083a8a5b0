"""Labels in file names."""

import pytest

from tests.data.layouts.class_folders import labels_by_path
from tests.data.layouts.layout import image
from visionkit.data.formats.labelled.flat_names import looks_like_flat_names, read_flat_names
from visionkit.data.index import DataError
from visionkit.data.sources import read
from visionkit.data.split_names import WHOLE


def test_an_empty_folder_has_no_names(tmp_path):
    assert not looks_like_flat_names(tmp_path)
    with pytest.raises(DataError, match=r"such as cat\.0\.jpg"):
        read_flat_names(tmp_path)


@pytest.mark.parametrize("pattern", ["{}.{}.jpg", "{}_{}.png", "{}-{}.JPG", "{} ({}).jpg", "{} {}.jpeg", "{}_00{}.jpg"])
def test_the_label_is_what_stands_before_the_number(tmp_path, pattern):
    for label in ("cat", "red fox"):
        for number in range(2):
            image(tmp_path / pattern.format(label, number))
    found = read(tmp_path)
    assert found.class_names == ("cat", "red fox") and found.splits[WHOLE].labels.tolist() == [0, 0, 1, 1]
    assert found.format == "labels in file names"
    assert [problem.kind for problem in found.problems] == ["unclear layout"]
    assert found.problems[0].detail.startswith("labels are the beginnings of the file names: cat, red fox; if these are no")


def test_an_empty_folder_beside_the_images_does_not_matter(tmp_path):
    for name in ("cat_0", "cat_1", "dog_0", "dog_1"):
        image(tmp_path / f"{name}.jpg")
    (tmp_path / "empty").mkdir()
    assert read(tmp_path).splits[WHOLE].labels.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize(
    "names",
    [
        ["img_001", "img_002", "img_003"],  # one beginning
        ["cat_1", "cat_2", "dog_1"],  # one image of a class
        ["cat_1", "cat_2", "dog_1", "dog_2", "notes"],  # not all names have a number
        ["IMG_20200101_101010", "IMG_20200101_101011", "IMG_20200102_101010", "IMG_20200102_101011"],  # cameras
        ["DSC_0001", "DSC_0002", "IMG-0001", "IMG-0002"],
        ["patient1_1", "patient1_2", "patient2_1", "patient2_2"],  # people are no classes
        ["frame_1", "frame_2", "video_1", "video_2"],
        ["2019_1", "2019_2", "2020_1", "2020_2"],
        ["MVI_0034_000", "MVI_0034_001", "GX010023_000", "GX010023_001", "DJI_000", "DJI_001"],
        ["front_000", "front_001", "back_000", "back_001", "top_000", "top_001"],
        ["street1_000", "street1_001", "street2_000", "street2_001"],
    ],
)
def test_names_that_may_mean_anything_are_no_labels(tmp_path, names):
    for name in names:
        image(tmp_path / f"{name}.jpg")
    assert not looks_like_flat_names(tmp_path)
    assert read(tmp_path).format == "images without labels"


def test_other_files_of_the_same_names_are_annotations(tmp_path):
    for name in ("cat_1", "cat_2", "dog_1", "dog_2"):
        image(tmp_path / f"{name}.jpg")
    assert looks_like_flat_names(tmp_path)
    (tmp_path / "dog_2.txt").write_text("0 0.5 0.5 0.1 0.1")
    assert not looks_like_flat_names(tmp_path)


def test_splits_share_their_classes_and_the_unlabelled_one_is_noted(tmp_path):
    for number in range(3):
        for label in ("cat", "dog"):
            image(tmp_path / "train" / f"{label}.{number}.jpg")
        image(tmp_path / "val" / f"cat.{number}.jpg")
        image(tmp_path / "test1" / f"{number}.jpg")
    (tmp_path / "notes").mkdir()
    found = read(tmp_path)
    assert {name: len(index) for name, index in found.splits.items()} == {"train": 6, "val": 3}
    assert set(labels_by_path(found, "val").values()) == {"cat"} and found.problems == ()
    assert found.notes[:2] == (
        "test1/ is not used: the names of its 3 images are no classes of train",
        "not used: notes",
    )


def test_a_folder_within_a_folder(tmp_path):
    """As Kaggle's archives of archives are unpacked."""
    for number in range(3):
        for label in ("cat", "dog"):
            image(tmp_path / "train" / "train" / f"{label}.{number}.jpg")
        image(tmp_path / "test" / "test" / f"{number}.jpg")
    assert len(read(tmp_path).splits["train"]) == 6


def test_images_in_a_folder_of_a_generic_name(tmp_path):
    for name in ("cat_1", "cat_2", "dog_1", "dog_2"):
        image(tmp_path / "images" / f"{name}.jpg")
    assert read(tmp_path).class_names == ("cat", "dog")
