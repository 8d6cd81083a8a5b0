"""Volumes with a label for every voxel, from files to splits."""

import dataclasses
import json

import nibabel
import numpy as np
import pytest
from PIL import Image

from visionkit.data.arrays.folders import find_arrays
from visionkit.data.arrays.volumes import Volume, VolumeSplits, read_volume_sets, read_volumes, standardized
from visionkit.data.index import IGNORE, DataError, Skipped

SHAPE = (4, 5, 6)


def write(path, array, affine=None):
    """A volume in the format that the name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, array)
    elif path.suffix == ".tif":
        first, *others = (Image.fromarray(page) for page in array)
        first.save(path, save_all=True, append_images=others)
    else:
        nibabel.save(nibabel.Nifti1Image(array, np.eye(4) if affine is None else affine), path)


def write_cases(folder, count, *, values=(0, 1, 2), images="images", labels="labels", suffix=".nii.gz", label_suffix=None):
    """Volumes whose values are 100 times their labels."""
    for number in range(count):
        truth = np.random.default_rng(number).choice(values, SHAPE).astype(np.uint8)
        write(folder / images / f"case.{number}{suffix}", truth.astype(np.float32) * 100)
        write(folder / labels / f"case.{number}{label_suffix or suffix}", truth)


def read(folder, seed=0):
    splits = read_volumes(folder, seed=seed)
    return splits, list(splits.skipped)


def test_nothing_is_an_error(tmp_path):
    with pytest.raises(DataError, match="Expected"):
        read(tmp_path)
    write(tmp_path / "sick" / "a.npy", np.ones(SHAPE))
    with pytest.raises(DataError, match="volumes without a label for every voxel"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("suffix", "label_suffix"), [(".nii.gz", ".nii.gz"), (".nii", ".npy"), (".npy", ".tif"), (".tif", ".nii.gz")]
)
@pytest.mark.parametrize(("images", "labels"), [("images", "labels"), ("images", "masks"), ("imagesTr", "labelsTr")])
def test_files_and_folders(tmp_path, suffix, label_suffix, images, labels):
    write_cases(tmp_path, 5, images=images, labels=labels, suffix=suffix, label_suffix=label_suffix)
    data, skipped = read(tmp_path)
    assert skipped == [] and data.class_names == ("background", "1", "2")
    assert (len(data.train), len(data.val)) == (4, 1) and "20% of the volumes held out" in data.notes[0]
    assert not {v.name for v in data.train} & {v.name for v in data.val}
    for volume in data.train + data.val:
        assert (volume.values.shape, volume.values.dtype, volume.labels.dtype) == ((*SHAPE, 1), np.float32, np.uint8)
        np.testing.assert_array_equal(volume.values[..., 0], 100.0 * volume.labels)


def test_splits_are_kept_and_test_serves_as_validation(tmp_path):
    write_cases(tmp_path / "train", 2)
    write_cases(tmp_path / "test", 3)
    data, _ = read(tmp_path)
    assert (len(data.train), len(data.val), data.notes) == (2, 3, ())


def test_the_seed_draws_what_is_held_out(tmp_path):
    write_cases(tmp_path, 10)
    drawn = {tuple(volume.name for volume in read(tmp_path, seed)[0].val) for seed in (0, 0, 1, 2)}
    assert 1 < len(drawn) <= 3


def test_labels_are_reoriented_as_their_image(tmp_path):
    write_cases(tmp_path, 2)
    path = tmp_path / "labels" / "case.0.nii.gz"
    truth = np.asarray(nibabel.load(path).dataobj)
    turned = np.array([[0, 0, -1, 5], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]], float)  # its axes are left, front, top
    write(path, np.moveaxis(truth, 0, 2)[:, :, ::-1], turned)
    for volume in (data := read(tmp_path)[0]).train + data.val:
        np.testing.assert_array_equal(volume.values[..., 0], 100.0 * volume.labels)


@pytest.mark.parametrize(
    ("values", "names", "class_names", "kept"),
    [
        ((0, 1), None, ("background", "1"), {0: 0, 1: 1}),
        ((0, 255), None, ("background", "255"), {0: 0, 255: 1}),
        ((0, 1, 255), None, ("background", "1"), {0: 0, 1: 1, 255: IGNORE}),
        ((0, 85, 170), None, ("background", "85", "170"), {0: 0, 85: 1, 170: 2}),
        ((1, 2), None, ("background", "1", "2"), {1: 1, 2: 2}),
        ((0, 2), "air\nfront\nback", ("air", "front", "back"), {0: 0, 2: 2}),
        ((0, 1, 2), "front\nback", ("background", "front", "back"), {0: 0, 1: 1, 2: 2}),
        ((0, 85, 170), "air\nfront\nback", ("air", "front", "back"), {0: 0, 85: 1, 170: 2}),
        ((0, 1, 7, 9), "air\nfront", ("air", "front"), {0: 0, 1: 1, 7: IGNORE, 9: IGNORE}),
    ],
)
def test_classes(tmp_path, values, names, class_names, kept):
    write_cases(tmp_path, 2, values=values)
    if names:
        (tmp_path / "classes.txt").write_text(names)
    data, _ = read(tmp_path)
    assert data.class_names == class_names
    for volume in data.train + data.val:
        assert {(int(v) // 100, int(k)) for v, k in zip(volume.values.ravel(), volume.labels.ravel(), strict=True)} <= set(
            kept.items()
        )


def test_what_a_reader_should_know_is_noted(tmp_path):
    write_cases(tmp_path / "train", 2, values=(0, 1, 7))
    write_cases(tmp_path / "val", 2, values=(0, 1))
    assert read(tmp_path)[0].notes == ("classes are named by their labels in the files: 0, 1, 7", "no validation voxel of 7")
    write(tmp_path / "train" / "labels" / "case.0.nii.gz", np.full(SHAPE, -1, np.int16))
    assert "labels below 0 are ignored: -1" in read(tmp_path)[0].notes


def test_no_foreground_and_nothing_to_validate_with_are_errors(tmp_path):
    write_cases(tmp_path, 2, values=(0,))
    with pytest.raises(DataError, match="No voxel has a label but 0"):
        read(tmp_path)
    write_cases(tmp_path / "one", 1)
    with pytest.raises(DataError, match="1 volumes to train on, 0 to validate with"):
        read(tmp_path / "one")


def test_what_cannot_be_used_is_skipped_and_named(tmp_path):
    write_cases(tmp_path, 8)
    images, labels = tmp_path / "images", tmp_path / "labels"
    (labels / "case.0.nii.gz").unlink()
    write(labels / "case.1.nii.gz", np.zeros((3, 3, 3), np.uint8))
    write(labels / "case.2.nii.gz", np.random.default_rng(0).normal(size=SHAPE))
    write(images / "case.3.nii.gz", np.zeros((*SHAPE, 2), np.float32))
    (images / "case.4.nii.gz").write_bytes(b"no scan")
    write(labels / "case.5.nii.gz", np.zeros((*SHAPE, 2), np.uint8))
    data, skipped = read(tmp_path)
    assert len(data.train) + len(data.val) == 2
    reasons = (
        "is missing",
        "labels for (3, 3, 3)",
        "different values",
        "2 channels; most have 1",
        "NIfTI",
        "2 channels of labels",
    )
    assert all(reason in file.reason for file, reason in zip(skipped, reasons, strict=True))
    for file in images.iterdir():
        file.write_bytes(b"")
    with pytest.raises(DataError, match=r"no volume that can be used \(.*is missing\)"):
        read(tmp_path)


def test_a_resumed_run_keeps_its_volumes_and_classes():
    def volume(name, *labels):
        return Volume(name, np.zeros((1, 1, 3, 1), np.float32), np.array(labels, np.uint8).reshape(1, 1, 3))

    begun = VolumeSplits(("background", "2"), (volume("a", 0, 1, 1), volume("b", 0, 0, 1)), (volume("c", 0, 1, 255),))
    plan = json.loads(json.dumps(begun.to_plain()))
    grown = VolumeSplits(("background", "1", "2"), (volume("c", 0, 2, 255), volume("new", 0, 1, 2)), (volume("a", 0, 2, 1),))
    kept = dataclasses.replace(grown, skipped=(Skipped("d", "empty file"),)).keep_to(plan)
    assert kept.skipped == (Skipped("d", "empty file"),)
    assert kept.class_names == begun.class_names and [v.name for v in kept.train + kept.val] == ["a", "c"]
    assert [v.labels.ravel().tolist() for v in kept.train + kept.val] == [[0, 1, 255], [0, 1, 255]]
    with pytest.raises(DataError, match="Nothing is left"):
        VolumeSplits(("background", "2"), (volume("new", 0, 0, 1),), ()).keep_to(plan)


@pytest.mark.parametrize("scale", [1e-20, 1.0, 1e30])
def test_each_channel_is_standardized_by_itself(rng, scale):
    values = (rng.normal(size=(5, 6, 7, 3)) * (1, 20, 0) + (3, -4, 5.3)).astype("float32") * np.float32(scale)
    result = standardized(values)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result.mean((0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(result.std((0, 1, 2)), (1, 1, 0), atol=1e-5)


def test_all_splits_are_read_by_their_names(tmp_path):
    labels = np.zeros((3, 4, 5), np.uint8)
    labels[1] = 1
    for split in ("train", "test"):
        for part, values in (("images", labels.astype(np.float32)), ("labels", labels)):
            (tmp_path / split / part).mkdir(parents=True)
            np.save(tmp_path / split / part / "0.npy", values)
    assert list(find_arrays(tmp_path).splits) == ["train", "val"]
    assert list(find_arrays(tmp_path, all_splits=True).splits) == ["train", "test"]
    sets = read_volume_sets(tmp_path)
    assert sets.class_names == ("background", "1") and [len(volumes) for volumes in sets.splits.values()] == [1, 1]
    assert list(read_volume_sets(tmp_path / "test").splits) == ["all"]  # nothing is held out
