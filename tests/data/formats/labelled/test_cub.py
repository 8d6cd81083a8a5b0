"""CUB-200-2011; the table of layouts has the whole layout."""

import pytest

from tests.data.layouts.class_folders import cub, labels_by_path
from visionkit.data.formats.labelled.cub import looks_like_cub, read_cub
from visionkit.data.index import DataError
from visionkit.data.split_names import WHOLE


def test_an_empty_folder_is_no_cub(tmp_path):
    assert not looks_like_cub(tmp_path)
    with pytest.raises(DataError, match="cannot be read"):
        read_cub(tmp_path)


def test_without_its_split_it_is_one(tmp_path):
    cub(tmp_path)
    (tmp_path / "train_test_split.txt").unlink()
    found = read_cub(tmp_path)
    assert list(found.splits) == [WHOLE] and found.splits[WHOLE].labels.tolist() == [0, 0, 1, 1]
    assert found.notes == ("not used: bounding_boxes.txt",)
    assert str(tmp_path / "classes.txt") in found.annotation_files


def test_bad_lines_are_named_and_the_others_are_read(tmp_path):
    cub(tmp_path)
    (tmp_path / "images" / "002.Laysan_Albatross" / "Laysan_Albatross_0.jpg").unlink()
    (tmp_path / "image_class_labels.txt").write_text("1 1\n2 7\n3 2\n4 2\nnonsense\n")
    found = read_cub(tmp_path)
    assert list(labels_by_path(found, "train").values()) == ["Laysan_Albatross"]
    assert [problem.kind for problem in found.problems] == ["bad annotation", "unknown label", "missing partner"]


def test_nothing_that_can_be_used_is_an_error(tmp_path):
    cub(tmp_path)
    (tmp_path / "images.txt").write_text("1 nowhere.jpg\n")
    with pytest.raises(DataError, match="there is no such image"):
        read_cub(tmp_path)
