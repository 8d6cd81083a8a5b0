"""Whose images are trained on, how large and how long."""

import numpy as np
import pytest
from PIL import Image

from visionkit.data.demo.faces import make_face_demo
from visionkit.data.formats.identities import read_identities, split_people
from visionkit.data.index import SkippedFiles
from visionkit.errors import UserError
from visionkit.tasks.embedding.plan import EPOCHS, STEPS, choose_epochs, choose_size, few, steps_of, usable
from visionkit.training.recipe import Story
from visionkit.training.run_folder import RunFolder


@pytest.fixture
def story(tmp_path):
    run = RunFolder(tmp_path / "run")
    yield Story(run)
    run.release()


def people(folder, counts) -> None:
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (70, 60), (number, 0, 0)).save(folder / name / f"{number}.png")


def test_where_nobody_has_two_images_there_is_nothing_to_compare(tmp_path, story):
    people(tmp_path / "data", dict.fromkeys("abcdef", 1))
    splits = split_people(read_identities(tmp_path / "data"), seed=0)
    with pytest.raises(UserError, match="4 training people with up to 1 readable images"):
        usable(splits, "there", SkippedFiles(), story)


def test_other_people_validate_and_broken_images_are_named(tmp_path, story):
    people(tmp_path / "data", dict.fromkeys("abcdefghij", 3))
    (tmp_path / "data" / "a" / "0.png").write_text("text")
    splits, skipped = split_people(read_identities(tmp_path / "data"), seed=0), SkippedFiles()
    scanned, listed = usable(splits, "there", skipped, story)
    assert len(scanned.train) + len(scanned.val) == 29 and len(listed.train) + len(listed.val) == 30 and len(skipped) == 1
    assert not set(scanned.train.labels) & set(scanned.val.labels)
    assert any("of 8 people, and" in sentence and "of 2 others" in sentence for sentence in story.sentences)
    assert choose_size(scanned.train)[0] == 64


def test_few_are_images_of_whole_people(tmp_path):
    folder = make_face_demo(tmp_path / "faces", num_train=10, num_val=5, images=5)
    chosen = few(split_people(read_identities(folder), seed=0))
    assert [np.unique(each.labels, return_counts=True)[1].tolist() for each in (chosen.train, chosen.val)] == [[4] * 8, [4] * 4]
    assert steps_of(chosen.train, 8) == STEPS and steps_of(chosen.train.take(range(32)), 0.1) == 320


def test_few_images_are_shown_often():
    assert choose_epochs(STEPS, 48)[0] == 14
    assert [choose_epochs(*given)[0] for given in ((10_000, 48), (1, 2))] == list(EPOCHS)
