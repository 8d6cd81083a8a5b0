"""Tiny ImageNet; the table of layouts has the whole layout."""

import pytest

from tests.data.layouts.class_folders import labels_by_path, tiny_imagenet
from visionkit.data.formats.labelled.tiny_imagenet import looks_like_tiny_imagenet, read_tiny_imagenet
from visionkit.data.index import DataError


def test_an_empty_folder_is_no_tiny_imagenet(tmp_path):
    assert not looks_like_tiny_imagenet(tmp_path)
    (tmp_path / "train").mkdir()
    with pytest.raises(DataError, match="no class folders with images"):
        read_tiny_imagenet(tmp_path)


def test_without_words_the_classes_are_wnids(tmp_path):
    tiny_imagenet(tmp_path)
    for name in ("words.txt", "wnids.txt"):
        (tmp_path / name).unlink()
    found = read_tiny_imagenet(tmp_path)
    assert found.class_names == ("n01443537", "n01629819")
    assert found.notes == (
        "boxes in val_annotations.txt and *_boxes.txt are not used",
        "test is not used: it has no labels",
    )
    assert str(tmp_path / "val" / "val_annotations.txt") in found.annotation_files
    assert str(tmp_path / "train" / "n01443537" / "n01443537_boxes.txt") in found.annotation_files


def test_two_classes_of_one_name_keep_their_wnids(tmp_path):
    tiny_imagenet(tmp_path)
    (tmp_path / "words.txt").write_text("n01443537\tcrane, machine\nn01629819\tcrane, bird\n")
    assert read_tiny_imagenet(tmp_path).class_names == ("crane (n01629819)", "crane (n01443537)")


def test_bad_lines_are_named_and_the_others_are_read(tmp_path):
    tiny_imagenet(tmp_path)
    lines = ["val_0.JPEG\tn01629819\t0\t0\t1\t1", "val_1.JPEG\tn99999999", "val_9.JPEG\tn01629819", "val_2.JPEG", ""]
    (tmp_path / "val" / "val_annotations.txt").write_text("\n".join(lines))
    (tmp_path / "wnids.txt").write_text("n01629819\nn01443537\nn00000007\n")
    found = read_tiny_imagenet(tmp_path)
    assert labels_by_path(found, "val") == {"images/val_0.JPEG": "European fire salamander"}
    kinds = [problem.kind for problem in found.problems]
    assert kinds.count("unknown label") == 2 and kinds.count("missing partner") == 2 + 2
