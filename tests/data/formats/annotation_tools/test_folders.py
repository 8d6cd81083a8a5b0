"""What lies in a folder, and the split that a path belongs to."""

import pytest

from tests.data.layouts.layout import text
from visionkit.data.formats.annotation_tools.folders import NUM_FOLDERS, files_in, levels
from visionkit.data.split_names import split_of_path


def test_an_empty_folder_and_none(tmp_path):
    assert files_in(tmp_path) == files_in(tmp_path / "gone") == ([], [], [])
    assert list(levels(tmp_path, 3)) == [(tmp_path, [], [])]


def test_images_other_files_and_folders_without_hidden_ones(tmp_path):
    for name in ("b.JPG", "a.png", "x.json", ".hidden", "__MACOSX"):
        text(tmp_path / name, "")
    (tmp_path / "sub.jpg").mkdir()
    (tmp_path / "sub").mkdir()
    assert files_in(tmp_path) == (["a.png", "b.JPG"], ["x.json"], ["sub", "sub.jpg"])


def test_of_many_folders_a_few_are_listed_and_those_of_splits_come_first(tmp_path):
    for number in range(NUM_FOLDERS + 5):
        (tmp_path / f"a{number}" / "below").mkdir(parents=True)
    (tmp_path / "train").mkdir()
    places = [place for place, _, _ in levels(tmp_path, 1)]
    assert places[:2] == [tmp_path, tmp_path / "train"] and len(places) == NUM_FOLDERS + 1
    assert len(list(levels(tmp_path, 0))) == 1


@pytest.mark.parametrize(
    ("path", "split"), [("x.jpg", "all"), ("train/x.jpg", "train"), ("a/Valid/b/x.jpg", "val"), ("cats/x.jpg", "all")]
)
def test_the_split_of_a_path(tmp_path, path, split):
    assert split_of_path(tmp_path / path, tmp_path) == split
    assert split_of_path(tmp_path / "train" / path, tmp_path / "elsewhere") == "all"
