"""Folders of images and masks beyond images/ and masks/: two kinds of images, folders of splits on one side, other names."""

from pathlib import Path

import pytest

from tests.data.formats.test_mask_folders import photograph, shape
from tests.data.images.masks.test_read import save
from visionkit.data import sources
from visionkit.data.formats.mask_layouts.folders import find_folders
from visionkit.data.formats.mask_layouts.tree import Tree
from visionkit.data.index import DataError


def problems_of(data_set):
    return [(problem.kind, problem.path, problem.detail) for problem in data_set.problems]


def names(index):
    return [path.rpartition("/")[2] for path in index.paths]


def test_an_empty_folder_has_no_parts(tmp_path):
    assert find_folders(Tree(tmp_path)).parts == ()


@pytest.mark.parametrize("place", ["", "train/"])
@pytest.mark.parametrize(("first", "second", "chosen"), [("depth", "rgb", "rgb"), ("scan image", "thermal", "scan image")])
def test_of_two_kinds_of_images_of_the_same_masks_one_is_read(tmp_path, place, first, second, chosen):
    for number in range(3):
        for folder in (first, second):
            photograph(tmp_path / f"{place}{folder}/{number}.png")
        save(tmp_path / f"{place}mask/{number}.png", shape(number, 1))
    found = sources.read(tmp_path)
    (index,) = found.splits.values()
    assert index.paths == tuple(str(tmp_path / f"{place}{chosen}/{number}.png") for number in range(3))
    (problem,) = problems_of(found)
    other = first if chosen == second else second
    assert problem[:2] == ("unclear layout", str(tmp_path / f"{place}{other}"))
    assert f"only those of {place}{chosen}/ are read" in problem[2]


def test_two_kinds_of_images_of_no_telling_name_are_an_error(tmp_path):
    for number in range(3):
        for folder in ("A", "B"):
            photograph(tmp_path / folder / f"{number}.png")
        save(tmp_path / "label" / f"{number}.png", shape(number, 1))
    with pytest.raises(DataError, match=r"A/, B/ all hold images of the masks in label/\. Expected one image"):
        sources.read(tmp_path)


def test_two_kinds_of_images_beside_images_and_masks_are_not_those_of_the_data_set(tmp_path):
    for number in range(3):
        for folder in ("images", "A", "B"):
            photograph(tmp_path / folder / f"{number}.png")
        for folder in ("masks", "test_label"):
            save(tmp_path / folder / f"{number}.png", shape(number, 1))
    paths = sources.read(tmp_path).splits["all"].paths
    assert paths == tuple(str(tmp_path / "images" / f"{number}.png") for number in range(3))


def test_folders_that_share_a_folder_of_masks_but_no_mask_are_both_read(tmp_path):
    for folder, number in (("north", 1), ("south", 2)):
        for name in (f"{number}0", f"{number}1"):
            photograph(tmp_path / folder / f"{name}.png")
            save(tmp_path / "mask" / f"{name}.png", shape(number, 1))
    found = sources.read(tmp_path)
    assert names(found.splits["all"]) == ["10.png", "11.png", "20.png", "21.png"]
    assert not any(problem.kind == "unclear layout" for problem in found.problems)


@pytest.mark.parametrize("name", ["trainval", "train_val", "TrainVal"])
def test_trainval_besides_test_is_the_training_data(tmp_path, name):
    for folder in (name, "test"):
        for number in range(2):
            photograph(tmp_path / folder / "images" / f"{folder}{number}.png")
            save(tmp_path / folder / "masks" / f"{folder}{number}.png", shape(number, 1))
    found = sources.read(tmp_path)
    assert {split: names(index) for split, index in found.splits.items()} == {
        "train": [f"{name}0.png", f"{name}1.png"],
        "test": ["test0.png", "test1.png"],
    }
    assert found.problems == () and found.left_out == ""


def test_images_and_masks_in_a_folder_that_is_no_split_are_reported(tmp_path):
    for folder in ("train", "extra"):
        photograph(tmp_path / folder / "images" / "1.png")
        save(tmp_path / folder / "masks" / "1.png", shape(1, 1))
    found = sources.read(tmp_path)
    assert list(found.splits) == ["train"]
    (problem,) = problems_of(found)
    assert problem[:2] == ("unclear layout", str(tmp_path / "extra")) and "its name is that of no split" in problem[2]
    assert not any("have no masks" in note for note in found.notes)


@pytest.mark.parametrize("side", ["images", "masks"])
def test_folders_of_splits_on_one_side_alone_split_the_pairs(tmp_path, side):
    for split, numbers in (("train", "012"), ("val", "34")):
        for number in numbers:
            below = {"images": "", "masks": ""} | {side: split}
            photograph(tmp_path / "images" / below["images"] / f"{number}.png")
            save(tmp_path / "masks" / below["masks"] / f"{number}.png", shape(int(number), 1))
    found = sources.read(tmp_path)
    assert {split: names(index) for split, index in found.splits.items()} == {
        "train": ["0.png", "1.png", "2.png"],
        "val": ["3.png", "4.png"],
    }


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("{}_images", "{}_masks"),
        ("{}-images", "{}-masks"),
        ("{}_img", "{}_mask"),
        ("{}_images", "{}_labels"),
        ("{}ing Images", "{}ing Masks"),
        ("images_{}", "masks_{}"),
        ("images/{}_images", "masks/{}_masks"),
    ],
)
def test_folders_may_be_named_after_their_split_and_what_they_hold(tmp_path, images, masks):
    """Images for testing have no masks, and are no classes."""
    for split, numbers in (("train", "012"), ("test", "34")):
        for number in numbers:
            photograph(tmp_path / images.format(split) / f"{number}.png")
            if split == "train":
                save(tmp_path / masks.format(split) / f"{number}.png", shape(int(number), 1))
    found = sources.read(tmp_path)
    assert {split: names(index) for split, index in found.splits.items()} == {"train": ["0.png", "1.png", "2.png"]}
    assert found.problems == () and any(images.format("test").split("/")[-1] in note for note in found.notes)
    mask = Path(found.splits["train"].annotations[1].mask)
    assert mask == tmp_path / masks.format("train") / "1.png"
