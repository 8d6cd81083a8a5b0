"""A finished model is measured on the test split, else on the validation split, else on all of the data."""

import pytest

from visionkit.data.index import DataError
from visionkit.data.measured_split import measured_sentence, measured_splits, name_of


def test_nothing_to_measure_is_an_error():
    for splits in ({}, {"all": []}, {"train": [], "val": []}):
        with pytest.raises(DataError, match="DATA has nothing to measure"):
            measured_splits(splits, "auto", "DATA")


@pytest.mark.parametrize(
    ("splits", "wanted", "expected"),
    [
        ({"train": "aa", "val": "b", "test": "c"}, "auto", ("test",)),
        ({"train": "aa", "val": "b", "test": ""}, "auto", ("val",)),
        ({"train": "aa"}, "auto", ("train",)),
        ({"all": "aa"}, "auto", ("all",)),
        ({"all": "aa"}, "all", ("all",)),
        ({"train": "aa", "val": "b", "test": ""}, "all", ("train", "val")),
        ({"train": "aa", "val": "b"}, "train", ("train",)),
        ({"monday": "a", "friday": "b"}, "friday", ("friday",)),
    ],
)
def test_the_split_is_chosen(splits, wanted, expected):
    assert measured_splits(splits, wanted, "DATA") == expected
    assert name_of(expected) == (expected[0] if len(expected) == 1 else "all")


def test_a_test_split_without_labels_does_not_measure():
    splits = {"train": "aa", "val": "b", "test": "??"}
    assert measured_splits(splits, "auto", "DATA", can_measure=lambda part: "?" not in part) == ("val",)
    with pytest.raises(DataError, match="the split test of DATA has nothing to measure"):
        measured_splits(splits, "test", "DATA", can_measure=lambda part: "?" not in part)


@pytest.mark.parametrize(
    ("splits", "wanted", "message"),
    [
        (
            {"train": "a", "val": "b"},
            "vall",
            "--split vall: DATA has no such split; it has train, val, and all. Did you mean val?",
        ),
        ({"all": "a"}, "test", "--split test: DATA has no such split; it has no splits; leave --split out, or name all."),
    ],
)
def test_an_unknown_split_is_an_error_that_lists_those_that_exist(splits, wanted, message):
    with pytest.raises(DataError) as raised:
        measured_splits(splits, wanted, "DATA")
    assert str(raised.value) == message


def test_a_sentence_says_how_data_was_understood_and_what_is_measured():
    splits = {"train": "aa", "val": "b"}
    said = measured_sentence(splits, ("val",), "DATA", read_as="COCO", count=1)
    assert said == "DATA is read as COCO; the validation split is measured: 1 image; not measured: train."
    said = measured_sentence(splits, ("train", "val"), "DATA", read_as="", count=3, noun="volume")
    assert said == "DATA; all splits (train, val) are measured: 3 volumes."
    said = measured_sentence({"all": "ab"}, ("all",), "DATA", read_as="COCO", count=2, of="3 people")
    assert said == "DATA is read as COCO; it has no splits, so all of it is measured: 2 images of 3 people."
