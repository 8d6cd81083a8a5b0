"""What a run works with."""

import pytest

from visionkit.data.formats.class_folders import read_class_folders
from visionkit.data.index import SkippedFiles
from visionkit.errors import UserError
from visionkit.training.dataset import few, usable
from visionkit.training.recipe import Story
from visionkit.training.run_folder import RunFolder


@pytest.fixture
def story(tmp_path) -> Story:
    return Story(RunFolder(tmp_path / "run"))


def test_sound_images_are_all_taken(class_folders, story):
    skipped = SkippedFiles()
    scanned, listed = usable(read_class_folders(class_folders), class_folders, skipped, story, resumed=False)
    assert len(skipped) == 0 and len(scanned.train) == len(listed.train) == 12 == len(scanned.train.infos)
    assert "12 training and 4 validation images of 2 classes" in story.sentences[0]


def test_broken_ones_are_named_and_a_class_of_nothing_else_is_left_out(class_folders, story):
    (class_folders / "broken").mkdir()
    for number in range(3):
        (class_folders / "broken" / f"{number}.jpg").write_text("no image")
    splits, skipped = read_class_folders(class_folders), SkippedFiles()
    with pytest.raises(UserError, match="broken"):
        usable(splits, class_folders, SkippedFiles(), story, resumed=True)
    scanned, listed = usable(splits, class_folders, skipped, story, resumed=False)
    assert scanned.train.class_names == listed.train.class_names == ("blue", "red") and len(skipped) == 3
    assert any("no training image of broken can be read: left out" in sentence for sentence in story.sentences)


def test_few_are_the_first_of_each_class(class_folders):
    splits = few(read_class_folders(class_folders))
    assert splits.train.counts().tolist() == [6, 6] and splits.val.counts().tolist() == [2, 2]
