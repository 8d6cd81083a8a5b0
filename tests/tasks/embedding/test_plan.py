"""The plan of an embedder: whose images are trained on, how large and how long."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.tfds_sets import write_tfds
from visionkit.data.demo.faces import make_face_demo
from visionkit.data.formats.identities import read_identities, split_people
from visionkit.data.index import DataError, Index
from visionkit.errors import UserError
from visionkit.tasks.embedding.plan import (
    EPOCHS,
    MIN_STEPS,
    Plan,
    choose_epochs,
    choose_plan,
    choose_size,
    few_people,
    open_data,
    read_pairs,
    steps_per_epoch,
)
from visionkit.training.config import TrainConfig
from visionkit.training.recipe import Run

open_data = partial(open_data, built_in=make_face_demo)


@pytest.fixture
def run(tmp_path):
    run = Run(tmp_path / "run")
    yield run
    run.release()


def write_people(folder: Path, counts: dict[str, int]) -> str:
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (70, 60), (number, 0, 0)).save(folder / name / f"{number}.png")
    return str(folder)


def test_where_nobody_has_two_images_there_is_nothing_to_compare(tmp_path, run):
    data = write_people(tmp_path / "data", dict.fromkeys("abcdef", 1))
    with pytest.raises(UserError, match="4 training people with up to 1 readable images"):
        open_data(run, TrainConfig(data=data))


def test_people_of_tensorflow_datasets_are_split_by_person(tmp_path, run, monkeypatch):
    """As in lfw, where the label is the name."""
    write_tfds(tmp_path, "faces", {"train": ["anna", "bert", "cora", "dora"] * 3}, text=True)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    splits = open_data(run, TrainConfig(data="tfds:faces"))
    assert len(splits.train) == len(splits.val) == 6 and not set(splits.train.labels) & set(splits.val.labels)
    assert splits.train.class_names == ("anna", "bert", "cora", "dora")


def test_other_people_validate_and_broken_images_are_named(tmp_path, run):
    data = write_people(tmp_path / "data", dict.fromkeys("abcdefghij", 3))
    (tmp_path / "data" / "a" / "0.png").write_text("text")
    splits = open_data(run, TrainConfig(data=data))
    listed = run.read_json("plan.json")["data"]
    assert len(splits.train) + len(splits.val) == 29 and len(splits.skipped) == 1
    assert len(listed["train"]["paths"]) + len(listed["val"]["paths"]) == 30
    assert not set(splits.train.labels) & set(splits.val.labels)
    assert any("of 8 people, and" in note and "of 2 others" in note for note in run.notes)
    assert not any("synthetic" in note for note in run.notes)
    assert choose_size(splits.train)[0] == 64


def test_a_resumed_run_keeps_its_images_and_its_plan(tmp_path, run):
    config = TrainConfig(data=write_people(tmp_path / "data", dict.fromkeys("abcdef", 2)))
    splits = open_data(run, config)
    plan = run.plan(Plan, lambda: choose_plan(run, splits.train, config, people=4, images=2))
    assert json.loads((run.path / "plan.json").read_text()).keys() == {"data", "size", "epochs"}
    assert plan == Plan(64, EPOCHS[1]) and "4 people with 2 images each" in run.notes[-1]
    write_people(tmp_path / "data" / "train", {"z": 2})
    again = open_data(run, config)
    assert (again.train.paths, again.val.paths) == (splits.train.paths, splits.val.paths)
    assert run.plan(Plan, lambda: pytest.fail("it was planned before")) == plan


def test_without_data_the_faces_are_synthetic_which_is_noted(run):
    splits = open_data(run, TrainConfig(smoke=True))
    assert (len(splits.train), len(splits.val)) == (32, 16) and "synthetic" in run.notes[-1]


def test_few_people_keep_their_first_images(tmp_path):
    folder = make_face_demo(tmp_path / "faces", num_train=10, num_val=5, images=5)
    splits = few_people(split_people(read_identities(folder), seed=0))
    counts = [np.unique(index.labels, return_counts=True)[1].tolist() for index in (splits.train, splits.val)]
    assert counts == [[4] * 8, [4] * 4]
    assert steps_per_epoch(splits.train, 8) == MIN_STEPS and steps_per_epoch(splits.train.take(range(32)), 0.1) == 320


def test_few_images_are_shown_often():
    assert choose_epochs(MIN_STEPS, 48)[0] == 14
    assert [choose_epochs(*counts)[0] for counts in ((10_000, 48), (1, 2))] == list(EPOCHS)


def test_pairs_without_images_are_noted(tmp_path, run):
    folder, file, train = tmp_path / "data", tmp_path / "pairs.txt", Index((), (), np.zeros(0, np.int32))
    write_people(folder, {"a": 1})
    file.write_text("a 1 2\n")
    with pytest.raises(DataError, match="none of 1 pairs"):
        read_pairs(run, file, str(folder), train)
    for number in (1, 2):
        Image.new("RGB", (8, 8)).save(folder / "a" / f"a_{number:04d}.png")
    file.write_text("a 1 2\na 1 3\n")
    pairs = read_pairs(run, file, str(folder), train)
    assert len(pairs.pairs) == 1 and len(pairs.index) == 2
    assert "1 of 2 pairs are left out" in " ".join(run.notes) and "a_0003.jpg" in run.notes[-1]


def test_people_of_the_pairs_who_are_trained_on_are_noted(tmp_path, run):
    folder, file = tmp_path / "data", tmp_path / "pairs.txt"
    for person in "abc":
        (folder / person).mkdir(parents=True)
        for number in (1, 2):
            Image.new("RGB", (8, 8)).save(folder / person / f"{person}_{number:04d}.png")
    file.write_text("a 1 2\na 1 b 1\n")
    people = read_identities(folder).splits["all"]
    read_pairs(run, file, str(folder), people.take(np.flatnonzero(people.labels == 2)))
    assert not any("trained on" in note for note in run.notes)
    read_pairs(run, file, str(folder), people.take(np.flatnonzero(people.labels != 1)))
    assert "1 of the 2 people of the pairs are also trained on" in run.notes[-1]
