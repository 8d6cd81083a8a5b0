"""One folder per person, split by person."""

import numpy as np
import pytest

from tests.conftest import write_classes
from visionkit.data.formats.identities import looks_like_identities, people_of, read_identities, split_people
from visionkit.data.index import DataError, Index
from visionkit.data.split_names import WHOLE
from visionkit.data.splits import DataSet


def people(folder, *names, count=2):
    return write_classes(folder, dict.fromkeys(names, count))


def test_an_empty_folder_holds_no_people(tmp_path):
    assert not looks_like_identities(tmp_path)
    with pytest.raises(DataError, match="one folder of images a person"):
        read_identities(tmp_path)


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        read_identities(tmp_path / "nowhere")


def test_one_folder_of_people_is_not_split(tmp_path):
    found = read_identities(people(tmp_path, "s10", "s9"))
    assert list(found.splits) == [WHOLE] and found.class_names == ("s9", "s10")
    assert found.splits[WHOLE].labels.tolist() == [0, 0, 1, 1]
    assert "s9" in found.splits[WHOLE].paths[0]


def test_people_of_all_splits_are_numbered_together(tmp_path):
    people(tmp_path / "Train", "bert", "dora")
    people(tmp_path / "valid", "anna")
    people(tmp_path / "test", "cora")
    assert looks_like_identities(tmp_path)
    found = read_identities(tmp_path)
    assert list(found.splits) == ["train", "val", "test"]
    assert found.class_names == ("anna", "bert", "cora", "dora")
    assert [sorted(set(index.labels.tolist())) for index in found.splits.values()] == [[1, 3], [0], [2]]
    assert found.notes[0] == "people: 2 in train, 1 in val, 1 in test" and "taken for people" in found.notes[1]
    assert found.format == "one folder per person (Train/, valid/, test/)"


def test_people_in_both_splits_are_noted_and_make_it_a_classification(tmp_path):
    people(tmp_path / "train", "anna", "bert")
    people(tmp_path / "val", "anna", "cora")
    assert not looks_like_identities(tmp_path)
    assert "1 person is in both training and validation, such as anna" in read_identities(tmp_path).notes[-1]


def test_training_alone_is_no_split_by_person(tmp_path):
    people(tmp_path / "train", "anna")
    (tmp_path / "val").mkdir()
    assert not looks_like_identities(tmp_path)
    assert list(read_identities(tmp_path).splits) == ["train"]


def test_other_files_and_hidden_folders_are_not_people(tmp_path):
    people(tmp_path, "anna", ".cache")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("")
    assert read_identities(tmp_path).class_names == ("anna",)


def test_a_fifth_of_the_people_is_held_out(tmp_path):
    found = read_identities(people(tmp_path, *(f"s{i}" for i in range(10))))
    splits = split_people(found, seed=1)
    train, val = (set(index.labels.tolist()) for index in (splits.train, splits.val))
    assert len(train) == 8 and len(val) == 2 and not train & val
    assert len(splits.train) == 16 and len(splits.val) == 4
    assert splits.train.class_names == splits.val.class_names == found.class_names
    assert "2 of 10 people are held out, drawn with seed 1" in splits.notes[-1]


def test_the_seed_draws_the_people(tmp_path):
    found = read_identities(people(tmp_path, *(f"s{i}" for i in range(30)), count=1))
    assert split_people(found, seed=1).val.paths == split_people(found, seed=1).val.paths
    assert split_people(found, seed=1).val.paths != split_people(found, seed=2).val.paths


def test_one_of_two_people_is_held_out(tmp_path):
    splits = split_people(read_identities(people(tmp_path, "anna", "bert")), seed=0)
    assert len(splits.train) == len(splits.val) == 2


def test_one_person_cannot_be_split(tmp_path):
    with pytest.raises(DataError, match="Only one person, 'anna'"):
        split_people(read_identities(people(tmp_path, "anna")), seed=0)


@pytest.mark.parametrize("other", ["val", "test"])
def test_a_split_that_the_data_has_is_kept(tmp_path, other):
    people(tmp_path / "train", "anna")
    people(tmp_path / other, "bert")
    found = read_identities(tmp_path)
    splits = split_people(found, seed=0)
    assert splits.train is found.splits["train"] and splits.val is found.splits[other]


@pytest.mark.parametrize(
    ("train", "val"), [(["anna", "bert"], ["images"]), (["anna", "bert"], ["unknown"]), (["anna"], ["bert"]), ([], ["bert"])]
)
def test_other_folders_are_no_people(tmp_path, train, val):
    people(tmp_path / "train", *train)
    people(tmp_path / "val", *val)
    assert not looks_like_identities(tmp_path)


def test_people_are_no_images_and_masks(tmp_path):
    people(tmp_path, "images", "masks")
    with pytest.raises(DataError, match="look like images and their masks"):
        read_identities(tmp_path)


def test_splits_of_one_kind_are_read_once(tmp_path):
    for name, person in (("train", "anna"), ("val", "bert"), ("valid", "cora")):
        people(tmp_path / name, person)
    found = read_identities(tmp_path)
    assert found.class_names == ("anna", "bert")
    (problem,) = found.problems
    assert problem.detail.startswith(f"{tmp_path / 'valid'} is not used: val/ is the val split, too")


def test_test_people_serve_as_validation_which_is_noted(tmp_path):
    people(tmp_path / "train", "anna")
    people(tmp_path / "test", "bert")
    splits = split_people(read_identities(tmp_path), seed=0)
    assert splits.notes[-1] == "test serves as validation: there is no val with images"


def test_people_of_any_data_set_with_labels():
    index = Index(("anna", "bert", "cora"), ("1.jpg", "2.jpg"), np.array([0, 2], np.int32))
    found = people_of(DataSet({"train": index, "val": index.take([1])}, ("a note",)))
    assert found.notes == (
        "a note",
        "people: 2 in train, 1 in val",
        "1 person is in both training and validation, such as cora: results will flatter the model",
    )


def test_an_empty_val_does_not_hide_valid(tmp_path):
    write_classes(tmp_path / "train", {"anna": 2, "bert": 2})
    write_classes(tmp_path / "valid", {"cora": 2, "dora": 2})
    (tmp_path / "val").mkdir()
    assert looks_like_identities(tmp_path)
    assert {name: len(index) for name, index in read_identities(tmp_path).splits.items()} == {"train": 4, "val": 4}


def test_the_split_of_other_people_is_named(tmp_path):
    people(tmp_path / "train", "bert", "dora")
    people(tmp_path / "test", "anna")
    assert "test has nobody of training, so the labels are taken for people, not for classes" in read_identities(tmp_path).notes
