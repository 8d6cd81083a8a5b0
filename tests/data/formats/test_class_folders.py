"""Class folders in every common layout."""

import shutil
import unicodedata

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
    (problem,) = found.problems
    assert problem.detail.startswith(f"{tmp_path / 'valid'} is not used: val/ is the val split, too")
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


def test_a_lone_folder_of_images_is_entered_if_a_reader_knows_it(tmp_path):
    write_classes(tmp_path, {"export": 3})
    assert read(tmp_path).class_names == ("export",)
    names = sorted(path.name for path in (tmp_path / "export").iterdir())
    table = "".join(f"{name},{label}\n" for name, label in zip(names, ("cat", "dog", "cat"), strict=True))
    (tmp_path / "export" / "labels.csv").write_text(f"image,label\n{table}")
    found = read(tmp_path)
    assert found.class_names == ("cat", "dog") and found.splits["all"].labels.tolist() == [0, 1, 0]
    assert found.notes[0] == "the data set is in export/"


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


@pytest.mark.parametrize("name", ["@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found", ".ipynb_checkpoints"])
def test_folders_of_the_system_are_no_classes(tmp_path, name):
    write_classes(tmp_path, {"cat": 2, "dog": 2, name: 2, f"cat/{name}": 1})
    found = find_class_folders(tmp_path)
    assert found.class_names == ("cat", "dog") and found.splits["all"].counts().tolist() == [2, 2]


@pytest.mark.parametrize(
    ("files", "detail"),
    [
        (["IMG_0.CR2", "IMG_1.CR2"], "folder fox/ has no images that can be read (files: 2 .cr2) and is not used as a class"),
        (["0.dcm"], "(files: 1 .dcm)"),
        (["0.mp4", "1.mp4", "notes.txt"], "(files: 2 .mp4)"),
        ([], "folder fox/ is empty: there are no images of such a class"),
    ],
)
def test_a_class_without_images_that_can_be_read_is_a_finding(tmp_path, files, detail):
    write_classes(tmp_path, {"cat": 2, "dog": 2, "fox": 0})
    for name in files:
        (tmp_path / "fox" / name).write_bytes(b"x")
    found = find_class_folders(tmp_path)
    (problem,) = found.problems
    assert found.class_names == ("cat", "dog") and problem.path == str(tmp_path / "fox") and detail in problem.detail


@pytest.mark.parametrize("files", [["train.py"], ["a.mat", "b.mat"], ["model.h5", "log.txt"], ["a", "b"]])
def test_folders_of_other_files_beside_classes_are_no_finding(tmp_path, files):
    write_classes(tmp_path, {"cat": 2, "dog": 2, "code": 0})
    for name in files:
        (tmp_path / "code" / name).write_text("<xml>")
    assert not find_class_folders(tmp_path).problems


@pytest.mark.parametrize("suffix", ["", ".jpg_large"])
def test_images_without_the_suffix_of_an_image_are_counted(tmp_path, suffix):
    write_classes(tmp_path, {"cat": 2, "dog": 3})
    for path in sorted((tmp_path / "dog").iterdir())[:2]:
        path.rename(path.with_suffix(suffix))
    found = find_class_folders(tmp_path)
    assert found.splits["all"].counts().tolist() == [2, 1]
    assert [problem.detail.startswith(f"2 files such as 00{suffix} are images") for problem in found.problems] == [True]
    (tmp_path / "dog" / "02.jpg").rename(tmp_path / "dog" / f"02{suffix}")
    (problem, _) = find_class_folders(tmp_path).problems  # and cat/ is the only folder of images
    assert f"folder dog/ has no images that can be read (files: 3 {suffix or 'without suffix'})" in problem.detail


def test_a_link_that_leads_nowhere_is_a_finding(tmp_path):
    write_classes(tmp_path, {"cat": 2, "fox": 2})
    (tmp_path / "dog").symlink_to("/nowhere/dog")
    (problem,) = find_class_folders(tmp_path).problems
    assert "link dog leads nowhere, to /nowhere/dog, and is not a class" in problem.detail


@pytest.mark.parametrize(("outer", "steps"), [("101_Categories", 1), ("Images", 1), ("images/Images", 2)])
def test_the_only_folder_with_class_folders_is_entered(tmp_path, outer, steps):
    write_classes(tmp_path / outer, {"cat": 2, "dog": 3})
    for name in ("cat", "dog"):
        (tmp_path / "Annotation" / name).mkdir(parents=True)
        (tmp_path / "Annotation" / name / "0").write_text("<annotation/>")
    found = read(tmp_path)
    assert found.class_names == ("cat", "dog") and found.splits["all"].counts().tolist() == [2, 3]
    assert sum("the images are all in" in note for note in found.notes) == steps


def test_splits_in_the_only_folder_of_images_are_read(tmp_path):
    """As ImageNet lies in Kaggle's archive."""
    write_classes(tmp_path / "Data" / "CLS-LOC" / "train", {"cat": 2, "dog": 3})
    write_classes(tmp_path / "Data" / "CLS-LOC" / "val", {"cat": 1, "dog": 1})
    (tmp_path / "Annotations" / "cat").mkdir(parents=True)
    found = read(tmp_path)
    assert found.class_names == ("cat", "dog") and {name: len(index) for name, index in found.splits.items()} == {
        "train": 5,
        "val": 2,
    }


def test_a_class_beside_the_only_folder_with_folders_of_images_is_still_a_finding(tmp_path):
    write_classes(tmp_path / "cat", {"persian": 2, "siamese": 2})
    (tmp_path / "dog").mkdir()
    found = find_class_folders(tmp_path)
    assert found.class_names == ("persian", "siamese") and "folder dog/ is empty" in found.problems[0].detail


@pytest.mark.parametrize("wrapper", ["dataset", "set/set"])
def test_splits_of_class_folders_beside_folders_of_other_images_are_read(tmp_path, wrapper):
    """Beside the screenshots of a project, or beside test images without classes."""
    for split, count in (("train", 4), ("val", 2)):
        write_classes(tmp_path / wrapper / split, {"red": count, "blue": count})
    write_classes(tmp_path / "test", {"test": 3})
    found = read(tmp_path)
    assert found.class_names == ("blue", "red")
    assert {split: len(index) for split, index in found.splits.items()} == {"train": 8, "val": 4}
    assert found.left_out == "3 in test/"
    shutil.rmtree(tmp_path / "test")
    write_classes(tmp_path, {"cat": 2, "dog": 2})  # beside two folders that may be classes, too, nothing is left out silently
    assert any(problem.kind == "unclear layout" for problem in read(tmp_path).problems)


def test_two_sets_of_images_in_splits_are_two_classes(tmp_path):
    write_classes(tmp_path, {"trainA": 3, "trainB": 2, "testA": 1, "testB": 1})
    found = find_class_folders(tmp_path)
    assert found.class_names == ("A", "B") and found.format == "class folders (trainA/, trainB/, testA/, testB/)"
    assert {name: index.counts().tolist() for name, index in found.splits.items()} == {"train": [3, 2], "test": [1, 1]}
    assert "two sets of images, A and B" in found.notes[0]


def test_validation_images_without_class_folders_are_a_finding(tmp_path):
    write_classes(tmp_path / "train", {"blue": 5, "red": 5})
    write_classes(tmp_path, {"val": 3})
    found = find_class_folders(tmp_path)
    assert list(found.splits) == ["train"]
    assert ["the 3 images in val/, such as 00.jpg, are not used" in problem.detail for problem in found.problems] == [True]


def test_a_second_training_folder_is_a_finding(tmp_path):
    for name in ("train", "train (1)", "val"):
        write_classes(tmp_path / name, {"blue": 5, "red": 5})
    found = find_class_folders(tmp_path)
    assert {name: len(index) for name, index in found.splits.items()} == {"train": 10, "val": 10}
    assert [problem.path for problem in found.problems] == [str(tmp_path / "train (1)")]


def test_names_in_two_forms_of_unicode_are_one_class(tmp_path):
    for form, split in (("NFC", "train"), ("NFD", "val")):
        write_classes(tmp_path / split, {unicodedata.normalize(form, "café"): 2, "bar": 1})
    found = find_class_folders(tmp_path)
    assert found.class_names == ("bar", "café")
    assert {name: index.counts().tolist() for name, index in found.splits.items()} == {"train": [1, 2], "val": [1, 2]}


def test_names_that_differ_only_in_letter_case_are_said_to(tmp_path):
    write_classes(tmp_path / "train", {"Cat": 2, "Dog": 2})
    write_classes(tmp_path / "val", {"cat": 2, "dog": 2})
    with pytest.raises(DataError, match=r"differ only in letter case or blanks \(cat is Cat in training, dog"):
        read_classified(tmp_path)
    both = find_class_folders(write_classes(tmp_path / "both", {"Cat": 2, "cat": 2}))
    assert both.class_names == ("Cat", "cat") and [problem.kind for problem in both.problems] == ["class names"]


@pytest.mark.parametrize("name", ["images", "train"])
def test_lists_without_labels_are_an_error(tmp_path, name):
    write_classes(tmp_path, {name: 4})
    (tmp_path / "train.txt").write_text(f"{name}/00.jpg\n{name}/01.jpg\n{name}/02.jpg\n")
    (tmp_path / "val.txt").write_text(f"{name}/03.jpg\n")
    with pytest.raises(DataError, match=f"all in {name}/, without class folders or labels"):
        read(tmp_path)


def test_lists_with_labels_go_before_those_without(tmp_path):
    """As FGVC-Aircraft has them."""
    write_classes(tmp_path, {"images": 4})
    for kind, labels in {
        "": ["", "", "", ""],
        "_maker": [" A", " A", " B", " A"],
        "_variant": [" a1", " a2", " b1", " a1"],
    }.items():
        lines = [f"0{number}{label}\n" for number, label in enumerate(labels)]
        (tmp_path / f"images{kind}_train.txt").write_text("".join(lines[:3]))
        (tmp_path / f"images{kind}_val.txt").write_text(lines[3])
    found = find_class_folders(tmp_path)
    assert (
        found.class_names == ("a1", "a2", "b1") and found.format == "lists (images_variant_train.txt, images_variant_val.txt)"
    )
    assert found.splits["train"].labels.tolist() == [0, 1, 2] and found.splits["val"].labels.tolist() == [0]
    assert ["images_maker" in problem.detail for problem in found.problems] == [True]
