"""Training and validation from the splits of a data set, or without any."""

import json

import numpy as np
import pytest

from visionkit.data.index import Annotation, DataError, Index, Objects, Problem
from visionkit.data.splits import VAL_SHARE, WHOLE, DataSet, Splits, hold_out, split_folders, split_name, train_and_val


def index_of(labels, names=("a", "b"), prefix=""):
    return Index(tuple(names), tuple(f"{prefix}{i}.jpg" for i in range(len(labels))), np.array(labels, np.int32))


EMPTY = index_of([])


def test_an_empty_data_set_has_no_training_images():
    with pytest.raises(DataError, match="found no splits; expected a split named train"):
        train_and_val(DataSet({}), seed=0)
    with pytest.raises(DataError, match="found train"):
        train_and_val(DataSet({"train": EMPTY}), seed=0)
    assert len(DataSet({})) == 0


def test_nothing_is_held_out_of_an_empty_index():
    assert [len(part) for part in hold_out(EMPTY, 0)] == [0, 0]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("train", "train"),
        ("Training", "train"),
        (" trainset ", "train"),
        ("train2017", "train"),
        ("train_2017", "train"),
        ("valid", "val"),
        ("Validation", "val"),
        ("val-2014", "val"),
        ("dev", "val"),
        ("TEST", "test"),
        ("test 2007", "test"),
        ("trainval", "trainval"),
        ("Fold 1", "Fold 1"),
        ("2017", "2017"),
        ("", ""),
    ],
)
def test_names_of_splits(given, expected):
    assert split_name(given) == expected


def test_the_splits_of_the_data_are_kept_and_others_are_noted():
    found = DataSet({"train": index_of([0, 1]), "val": index_of([0]), "test": index_of([1])}, ("a note",))
    splits = train_and_val(found, seed=0)
    assert splits.train is found.splits["train"] and splits.val is found.splits["val"]
    assert splits.notes == ("a note", "not used: test")


def test_test_serves_as_validation_where_there_is_no_other():
    found = DataSet({"train": index_of([0, 1]), "val": EMPTY, "test": index_of([1])})
    assert train_and_val(found, seed=0).val is found.splits["test"]


@pytest.mark.parametrize("name", [WHOLE, "train", "trainval", "fold"])
def test_a_fifth_is_held_out_of_the_only_split(name):
    splits = train_and_val(DataSet({name: index_of([0] * 10 + [1] * 20)}), seed=3)
    assert splits.train.counts().tolist() == [8, 16] and splits.val.counts().tolist() == [2, 4]
    assert not set(splits.train.paths) & set(splits.val.paths)
    assert f"{VAL_SHARE:.0%} of each class is held out, drawn with seed 3" in splits.notes[-1]


def test_several_splits_of_other_names_are_an_error():
    with pytest.raises(DataError, match="found north, south"):
        train_and_val(DataSet({"north": index_of([0]), "south": index_of([0])}), seed=0)


def test_images_without_labels_are_held_out_as_one():
    splits = train_and_val(DataSet({WHOLE: index_of([-1] * 10)}), seed=0)
    assert len(splits.train) == 8 and len(splits.val) == 2
    assert "of each class" not in splits.notes[-1]


def test_the_last_pages_of_stacks_are_held_out():
    """Adjacent slices look alike, so slices drawn at random would be known from training."""
    paths = tuple(f"{stack}.tif@page={page}" for stack in "ab" for page in range(1, 11))
    splits = train_and_val(DataSet({WHOLE: Index(("x",), paths, np.full(20, -1, np.int32))}), seed=0)
    assert splits.val.paths == ("a.tif@page=9", "a.tif@page=10", "b.tif@page=9", "b.tif@page=10")
    assert not set(splits.val.paths) & set(splits.train.paths) and len(splits.train) == 16
    assert "the last 20% of each stack" in splits.notes[-1]


def test_annotations_go_with_their_images():
    annotations = tuple(Annotation(Objects(np.full((1, 4), i), np.zeros(1, np.int32))) for i in range(10))
    index = Index(("a",), tuple(map(str, range(10))), np.full(10, -1, np.int32), annotations=annotations)
    for part in hold_out(index, 0):
        assert [str(int(annotation.objects.boxes[0, 0])) for annotation in part.annotations] == list(part.paths)


def test_a_class_of_one_is_trained_on():
    train, val = hold_out(index_of([0, 1, 1]), 0)
    assert train.counts().tolist() == [1, 1] and val.counts().tolist() == [0, 1]


def test_the_seed_draws_what_is_held_out():
    index = index_of([0] * 50)
    assert hold_out(index, 1)[1].paths == hold_out(index, 1)[1].paths != hold_out(index, 2)[1].paths


def test_problems_are_passed_on():
    problems = (Problem("broken image", "x.jpg", "empty file"),)
    for splits in ({WHOLE: index_of([0] * 5)}, {"train": index_of([0]), "val": index_of([0])}):
        assert train_and_val(DataSet(splits, problems=problems), seed=0).problems == problems


def test_splits_are_mapped_and_lose_classes():
    splits = Splits(index_of([0, 1, 1]), index_of([0, 1]), ("a note",))
    kinds = []
    assert splits.map(lambda index, kind: kinds.append(kind) or index) == splits and kinds == ["training", "validation"]
    fewer = splits.without_classes(["a"], "a is gone")
    assert fewer.train.class_names == ("b",) and fewer.train.labels.tolist() == [0, 0] and len(fewer.val) == 1
    assert fewer.notes == ("a note", "a is gone")


def test_splits_survive_a_json_file():
    splits = Splits(index_of([0, 1, 1]), index_of([1, 0]), ("a note",))
    again = Splits.from_plain(json.loads(json.dumps(splits.to_plain())))
    assert again.train.paths == splits.train.paths and again.val.labels.tolist() == [1, 0]
    assert again.train.class_names == ("a", "b") and again.notes == ("a note",)


def test_folders_of_splits(tmp_path):
    assert split_folders(tmp_path) == ({}, ())
    for name in ("Train", "test", "val", "valid", "images"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.jpg").touch()
    (tmp_path / "validation").touch()  # no folder
    (tmp_path / "training").mkdir()  # empty
    folders, notes = split_folders(tmp_path)
    assert folders == {"train": tmp_path / "Train", "val": tmp_path / "val", "test": tmp_path / "test"}
    assert list(folders) == ["train", "val", "test"]
    assert notes == (
        f"{tmp_path / 'training'} is not used: Train/ is the train split, too",
        f"{tmp_path / 'valid'} is not used: val/ is the val split, too",
    )
    (tmp_path / "val" / "a.jpg").unlink()
    assert split_folders(tmp_path)[0]["val"] == tmp_path / "valid"
