"""The grid shows what training sees; files that hold augmentations are looked through before they are loaded."""

import json

import albumentations as A
import numpy as np
import pytest
from PIL import Image

from visionkit.data import augment
from visionkit.data.augment_files import find_augmentation, load_augmentation
from visionkit.data.folders import find_class_folders
from visionkit.data.sample import DataError, Index, SkippedFiles
from visionkit.data.splits import WHOLE, DataSet
from visionkit.errors import UserError
from visionkit.viz.augmentation_grid import augmentation_grid, check_target, save, task_of
from visionkit.viz.sample_choice import choose, training_split

SYSTEM = {"transform": {"__class_fullname__": "os.system"}}


def test_a_data_set_without_pictures_is_an_error():
    empty = Index(("a",), (), np.zeros(0, np.int32))
    with pytest.raises(DataError, match="No pictures"):
        training_split(DataSet({WHOLE: empty}))


def chosen(class_folders, number=4) -> Index:
    return choose(training_split(find_class_folders(class_folders)), number, seed=0, skipped=SkippedFiles())


def test_samples_are_spread_over_the_classes_and_broken_ones_are_named(class_folders):
    for name in ("00.jpg", "01.jpg", "02.jpg"):
        (class_folders / "blue" / name).write_bytes(b"")
    skipped = SkippedFiles()
    index = choose(training_split(find_class_folders(class_folders)), 10, seed=0, skipped=skipped)
    assert len(index.facts) == 10 and set(np.bincount(index.labels)) <= {4, 5, 6}
    assert all("empty file" in file.reason for file in skipped.list())


def test_the_first_column_is_what_is_served_and_the_rest_is_drawn_by_the_seed(class_folders):
    index, options = chosen(class_folders), {"size": 160, "columns": 3, "skipped": SkippedFiles()}
    assert task_of(index) == "classification"
    grid = augmentation_grid(index, augment.preset("strong"), seed=1, **options)
    again = augmentation_grid(index, augment.preset("strong"), seed=1, **options)
    other = augmentation_grid(index, augment.preset("strong"), seed=2, **options)
    np.testing.assert_array_equal(grid, again)
    first = slice(0, 170)
    np.testing.assert_array_equal(grid[:, first], other[:, first])
    assert (grid != other).any() and grid.shape[1] == 3 * 160 + 2 * 6 + 2 * 6


def test_it_is_written_whole_or_not_at_all(tmp_path):
    pixels = np.zeros((5, 5, 3), np.uint8)
    save(pixels, tmp_path / "deep" / "grid.png")
    with Image.open(tmp_path / "deep" / "grid.png") as picture:
        assert picture.size == (5, 5)
    for path, words in ((tmp_path / "grid.txt", "suffix"), (tmp_path / "deep", "folder")):
        with pytest.raises(UserError, match=words):
            check_target(path)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        save(pixels, tmp_path / "file" / "grid.png")


@pytest.mark.parametrize("suffix", ["json", "yaml"])
def test_a_saved_composition_is_loaded(tmp_path, suffix):
    A.save(A.Compose([A.HorizontalFlip(p=1.0)]), str(tmp_path / f"own.{suffix}"), data_format=suffix)
    loaded = find_augmentation(str(tmp_path / f"own.{suffix}"), task="classification")
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    np.testing.assert_array_equal(augment.seeded(loaded.transforms)(image, None, None, 0)[0], image[:, ::-1])
    with pytest.raises(UserError, match="--no-flip"):
        find_augmentation(str(tmp_path / f"own.{suffix}"), task="classification", flip=False)


@pytest.mark.parametrize("saved", [None, [], {}, SYSTEM, {"transform": {"__class_fullname__": "Compose", "transforms": [{}]}}])
def test_a_file_that_names_anything_else_is_refused(tmp_path, saved):
    (tmp_path / "own.json").write_text(json.dumps(saved))
    with pytest.raises(UserError, match=r"own\.json"):
        load_augmentation(tmp_path / "own.json")


def test_a_file_that_is_no_json_is_refused(tmp_path):
    (tmp_path / "own.json").write_text("{")
    with pytest.raises(UserError, match="no valid JSON"):
        load_augmentation(tmp_path / "own.json")
    with pytest.raises(UserError, match="no such file"):
        load_augmentation(tmp_path / "none.yaml")
