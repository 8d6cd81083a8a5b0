"""Small sets in memory: the digits, Fashion-MNIST and folders of IDX files, and their splits."""

import numpy as np
import pytest

from tests.data.formats.labelled.test_idx import write_idx_folder
from visionkit.data.formats import small_sets
from visionkit.data.index import DataError


def test_every_fifth_digit_of_each_class_is_held_out():
    train, val, _ = small_sets.digits()
    assert len(train) + len(val) == 1797 and train.pixels.shape[1:] == (8, 8) and train.pixels.max() == 255
    np.testing.assert_array_equal(val.counts(), (train.counts() + val.counts()) // 5)
    assert not {p.tobytes() for p in train.pixels} & {p.tobytes() for p in val.pixels}


def test_an_idx_folder_is_read_and_its_classes_numbered(tmp_path, rng):
    train, val, note = small_sets.idx_folder(write_idx_folder(tmp_path, rng))
    assert (len(train), len(val), train.class_names) == (6, 3, ("0", "1", "2")) and "own test images" in note
    with pytest.raises(DataError, match="it has a label 2, but there are only 2 classes"):
        small_sets.idx_folder(tmp_path, ("a", "b"))


def test_missing_fashion_mnist_is_an_error_that_says_how_to_get_it(tmp_path):
    with pytest.raises(DataError, match="apt install dataset-fashion-mnist"):
        small_sets.fashion_mnist(tmp_path / "nowhere")
