"""The images of a run are opened once, and broken ones are reported."""

import numpy as np
import pytest
from PIL import Image

from visionkit.data.index import Annotation, Index, Objects
from visionkit.data.sources import read_classified
from visionkit.data.splits import Splits
from visionkit.errors import UserError
from visionkit.training.dataset import few, first_images, open_splits, read_splits
from visionkit.training.run_folder import RunFolder


@pytest.fixture
def run(tmp_path) -> RunFolder:
    return RunFolder(tmp_path / "run")


def as_they_are(splits):
    return splits, f"{len(splits.train)} and {len(splits.val)} images."


def without_empty_classes(splits):
    empty = [name for name, count in zip(splits.train.class_names, splits.train.counts(), strict=True) if not count]
    return splits.without_classes(empty, f"{', '.join(empty)} left out"), "Opened."


def test_no_image_that_can_be_read_is_an_error(run, class_folders):
    splits = read_classified(class_folders)
    for path in splits.train.paths:
        open(path, "w").close()  # noqa: PTH123
    with pytest.raises(UserError, match="None of 12 images can be read"):
        open_splits(run, splits, as_they_are)


def test_sound_images_are_all_opened(run, class_folders):
    readable, listed = open_splits(run, read_classified(class_folders), as_they_are)
    assert len(readable.train.skipped) == 0 and len(readable.train) == len(listed.train) == 12 == len(readable.train.infos)
    assert run.notes[0] == "12 and 4 images."


def test_broken_files_are_reported_and_a_class_that_is_left_out_is_left_out_of_the_list(run, class_folders):
    (class_folders / "broken").mkdir()
    for number in range(3):
        (class_folders / "broken" / f"{number}.jpg").write_text("no image")
    readable, listed = open_splits(run, read_classified(class_folders), without_empty_classes)
    assert readable.train.class_names == listed.train.class_names == ("blue", "red")
    assert len(readable.skipped) == 3 and readable.notes[-1] == listed.notes[-1] == "broken left out"
    assert sum("no image" in note or "not an image" in note for note in run.notes) == 3


def test_bits_in_use_are_noted(run, class_folders):
    for number in range(3):
        deep = np.full((40, 40), 4000 + number, np.uint16)
        Image.fromarray(deep).save(class_folders / "red" / f"deep_{number}.png")
    open_splits(run, read_classified(class_folders), as_they_are)
    sentence = "Note: 3 of 19 images hold 16 bits and use 12 of them (no value above 4095 of 65535): they are scaled by"
    assert [note for note in run.notes if note.startswith(sentence)]


def test_a_resumed_run_keeps_its_first_list(run, class_folders):
    first = read_splits(run, lambda: read_classified(class_folders), as_they_are)
    (class_folders / "red" / "later.jpg").write_bytes((class_folders / "red" / "00.jpg").read_bytes())
    run.release()
    again = read_splits(RunFolder(run.path), None, as_they_are)
    assert again.train.paths == first.train.paths and again.val.paths == first.val.paths


def test_boxes_are_turned_with_their_images_also_in_a_resumed_run_and_noted_once(run, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = str(tmp_path / "1.jpg")
    Image.new("RGB", (12, 8)).save(path, exif=exif)
    annotation = Annotation(Objects(np.array([[0.25, 0, 0.5, 0.125]]), np.zeros(1, np.int32)), size=(8, 12))
    index = Index(("cat",), (path,), np.full(1, -1, np.int32), annotations=(annotation,))
    for _ in range(2):
        opened = read_splits(run, lambda: Splits(index, index), as_they_are)
        assert opened.val.annotations[0].objects.boxes.tolist() == [[0.875, 0.25, 1.0, 0.5]]
        assert [note.startswith("Note: 2 images were annotated before") for note in run.notes if "EXIF" in note] == [True]
        run.release()
        run = RunFolder(run.path)


def test_few_are_the_first_of_each_class(class_folders):
    splits = few(read_classified(class_folders))
    assert splits.train.counts().tolist() == [6, 6] and splits.val.counts().tolist() == [2, 2]


def test_the_first_images_of_both_splits(class_folders):
    splits = first_images(read_classified(class_folders), {"training": 5, "validation": 99})
    assert len(splits.train) == 5 and len(splits.val) == 4
