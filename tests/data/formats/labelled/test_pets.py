"""The labels of Oxford-IIIT Pet."""

import numpy as np
import pytest

from tests.data.layouts.class_folders import labels_by_path
from tests.data.layouts.layout import image, mask, text
from visionkit.data.formats.labelled.pets import looks_like_pets, read_pets
from visionkit.data.index import DataError
from visionkit.data.sources import read_classified


@pytest.fixture
def pets(tmp_path):
    for name in ("Abyssinian_1", "Abyssinian_2", "american_bulldog_1", "american_bulldog_10"):
        image(tmp_path / "images" / f"{name}.jpg")
        mask(tmp_path / "annotations" / "trimaps" / f"{name}.png", np.ones((80, 120), np.uint8))
    text(
        tmp_path / "annotations" / "trainval.txt",
        "#Image CLASS-ID SPECIES BREED ID\nAbyssinian_1 1 1 1\namerican_bulldog_10 2 2 1\n",
    )
    text(tmp_path / "annotations" / "test.txt", "Abyssinian_2 1 1 1\namerican_bulldog_1 2 2 1\n")
    return tmp_path


def test_an_empty_folder_has_no_pets(tmp_path):
    assert not looks_like_pets(tmp_path)
    with pytest.raises(DataError, match="none of the images"):
        read_pets(tmp_path)


def test_other_lists_are_no_pets(pets):
    assert looks_like_pets(pets)
    for line in ("Abyssinian_1", "Abyssinian_1 1", "Abyssinian_1.jpg 1 7 1", "Abyssinian_1 one 1 1"):
        text(pets / "annotations" / "trainval.txt", f"{line}\n")
        assert not looks_like_pets(pets)


def test_a_classifier_learns_the_breeds(pets):
    found = read_pets(pets)
    assert labels_by_path(found, "train") == {
        "images/Abyssinian_1.jpg": "Abyssinian",
        "images/american_bulldog_10.jpg": "american bulldog",
    }
    splits = read_classified(pets, seed=0)
    assert splits.val.class_names == ("Abyssinian", "american bulldog") and splits.val.labels.tolist() == [0, 1]
    assert splits.notes[-1] == "test serves as validation: there is no val with images"


def test_bad_lines_are_named(pets):
    text(pets / "annotations" / "test.txt", "Abyssinian_2 1 1 1\nnowhere_1 1 1 1\nAbyssinian_2\n")
    found = read_pets(pets)
    assert [problem.kind for problem in found.problems] == ["missing partner", "bad annotation"]
    assert len(found.splits["test"]) == 1
