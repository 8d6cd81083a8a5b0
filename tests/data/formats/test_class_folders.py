"""Class folders in every common layout."""

import shutil

import numpy as np
import pytest

from tests.conftest import write_classes
from visionkit.data.formats.class_folders import find_class_folders
from visionkit.data.index import DataError
from visionkit.data.sources import read, read_classified


def test_an_empty_folder_is_an_error_that_lists_the_layouts(tmp_path):
    with pytest.raises(DataError, match="one folder of images a class"):
        find_class_folders(tmp_path)


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        find_class_folders(tmp_path / "nowhere")
    with pytest.raises(DataError, match="no such file or folder"):
        read_classified(tmp_path / "nowhere")


def test_one_class_is_an_error(tmp_path):
    with pytest.raises(DataError, match="only one class, 'red'"):
        read_classified(write_classes(tmp_path, {"red": 3}))


def test_loose_images_are_an_error(tmp_path):
    write_classes(tmp_path, {"red": 3})
    for path in (tmp_path / "red").iterdir():
        shutil.move(path, tmp_path)
    with pytest.raises(DataError, match="3 images in it, without class folders"):
        read_classified(tmp_path)


def test_without_a_split_a_fifth_of_each_class_is_held_out(tmp_path):
    splits = read_classified(write_classes(tmp_path, {"blue": 10, "red": 20}))
    assert splits.train.class_names == ("blue", "red")
    assert splits.train.counts().tolist() == [8, 16]
    assert splits.val.counts().tolist() == [2, 4]
    assert not set(splits.train.paths) & set(splits.val.paths)
    assert "held out" in splits.notes[-1]


def test_the_seed_draws_what_is_held_out(tmp_path):
    write_classes(tmp_path, {"blue": 10, "red": 10})
    assert read_classified(tmp_path, seed=1).val.paths == read_classified(tmp_path, seed=1).val.paths
    assert read_classified(tmp_path, seed=1).val.paths != read_classified(tmp_path, seed=2).val.paths


def test_a_class_of_one_image_is_trained_on(tmp_path):
    splits = read_classified(write_classes(tmp_path, {"blue": 10, "red": 1}))
    assert splits.train.counts().tolist() == [8, 1] and splits.val.counts().tolist() == [2, 0]


@pytest.mark.parametrize(
    "names",
    [
        ("train", "val"),
        ("Train", "Validation"),
        ("training", "valid"),
        ("train", "test"),
        ("training_set", "test_set"),
        ("train", "dev"),
    ],
)
def test_split_folders(tmp_path, names):
    write_classes(tmp_path / names[0], {"blue": 4, "red": 5})
    write_classes(tmp_path / names[1], {"blue": 2, "red": 1})
    splits = read_classified(tmp_path)
    assert splits.train.counts().tolist() == [4, 5]
    assert splits.val.counts().tolist() == [2, 1]


def test_a_class_that_only_validation_has_is_an_error(tmp_path):
    write_classes(tmp_path / "train", {"blue": 2, "red": 2})
    write_classes(tmp_path / "val", {"blue": 2, "rde": 2})
    with pytest.raises(DataError, match="rde"):
        read_classified(tmp_path)


def test_a_class_may_be_called_train(tmp_path):
    splits = read_classified(write_classes(tmp_path, {"bus": 5, "car": 5, "train": 5}))
    assert splits.train.class_names == ("bus", "car", "train")


def test_a_flat_or_empty_validation_folder_is_no_split(tmp_path):
    write_classes(tmp_path / "train", {"blue": 5, "red": 5})
    write_classes(tmp_path, {"test": 3})
    (tmp_path / "val").mkdir()
    splits = read_classified(tmp_path)
    assert splits.val.counts().tolist() == [1, 1]
    assert "not used: test, val" in splits.notes and "held out" in splits.notes[-1]


def test_folders_go_before_a_table_of_the_same_name(tmp_path):
    write_classes(tmp_path / "train", {"blue": 5, "red": 5})
    (tmp_path / "train.csv").write_text("id,width\n1,300\n")
    assert len(read_classified(tmp_path).train) == 8


def test_what_is_not_an_image_is_noted_and_hidden_files_are_not(tmp_path):
    write_classes(tmp_path, {"blue": 5, "red": 5})
    (tmp_path / "red" / "notes.txt").write_text("x")
    (tmp_path / "red" / ".DS_Store").write_text("x")
    (tmp_path / "empty").mkdir()
    splits = read_classified(tmp_path)
    assert len(splits.train) + len(splits.val) == 10
    assert any("notes.txt" in note for note in splits.notes) and any("empty" in note for note in splits.notes)
    assert not any("DS_Store" in note for note in splits.notes)


def test_classes_are_in_natural_order(tmp_path):
    assert read_classified(write_classes(tmp_path, {"10": 2, "9": 2, "b": 2})).train.class_names == ("9", "10", "b")


def test_an_index_takes_samples_by_position(class_folders):
    index = read_classified(class_folders).train
    assert index.take([2, 0]).paths == (index.paths[2], index.paths[0])
    assert len(index.take(np.array([], int))) == 0


def test_splits_of_several_names_are_read_once_and_the_others_are_noted(tmp_path):
    for name in ("train", "val", "valid", "test"):
        write_classes(tmp_path / name, {"blue": 2, "red": 2})
    found = find_class_folders(tmp_path)
    assert list(found.splits) == ["train", "val", "test"] and found.format == "class folders (train/, val/, test/)"
    assert all(f"{tmp_path}/val/" in path for path in found.splits["val"].paths)
    assert "valid/ is not used, since val is read from val/" in found.notes
    assert read_classified(tmp_path).notes[-1] == "not used: test"


def test_a_test_split_of_other_folders_is_not_used(tmp_path):
    for name in ("train", "val"):
        write_classes(tmp_path / name, {"blue": 2, "red": 2})
    write_classes(tmp_path / "test", {"unknown": 2})
    found = find_class_folders(tmp_path)
    assert list(found.splits) == ["train", "val"]
    assert "test is not used: it has folders that training lacks: unknown" in found.notes


def test_one_folder_of_images_is_no_class_if_its_name_says_nothing(tmp_path):
    write_classes(tmp_path, {"images": 2})
    with pytest.raises(DataError, match="the images are all in images/, without class folders"):
        find_class_folders(tmp_path)
    assert read(tmp_path).class_names == () and len(read(tmp_path)) == 2


def test_a_wrapped_data_set_is_found_in_its_only_folder(tmp_path):
    write_classes(tmp_path / "a" / "b" / "train", {"blue": 2, "red": 2})
    found = read(tmp_path)
    assert found.class_names == ("blue", "red") and found.notes[:2] == ("the data set is in a/", "the data set is in b/")


def test_links_that_lead_back_are_noted_and_not_followed(tmp_path):
    """Whichever would be visited first, no image of one class counts for another."""
    write_classes(tmp_path / "data", {"[dog] #1": 4, "cat": 3})
    write_classes(tmp_path / "disk", {"fox": 2, "more cats": 2})
    (tmp_path / "data" / "[dog] #1" / "loop").symlink_to("..")
    (tmp_path / "data" / "all").symlink_to(".")
    (tmp_path / "data" / "kitten").symlink_to("cat")
    (tmp_path / "data" / "fox").symlink_to(tmp_path / "disk" / "fox")
    (tmp_path / "data" / "cat" / "more").symlink_to(tmp_path / "disk" / "more cats")
    found = find_class_folders(tmp_path / "data")
    assert dict(zip(found.class_names, found.splits["all"].counts().tolist(), strict=True)) == {
        "[dog] #1": 4,
        "cat": 5,
        "fox": 2,
    }
    notes = " ".join(found.notes)
    assert "[dog] #1/loop" in notes and "data/all leads" in notes and "data/kitten leads" in notes


def test_a_split_that_is_a_link_to_another_is_not_followed(tmp_path):
    write_classes(tmp_path / "train", {"blue": 5, "red": 5})
    (tmp_path / "val").symlink_to("train")
    splits = read_classified(tmp_path)
    assert len(splits.train) == 8 and len(splits.val) == 2 and not set(splits.train.paths) & set(splits.val.paths)
