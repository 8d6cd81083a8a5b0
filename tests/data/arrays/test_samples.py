"""From files of signals and volumes to training and validation arrays."""

import json

import nibabel
import numpy as np
import pytest
from PIL import Image

from visionkit.data.arrays.folders import find_arrays
from visionkit.data.arrays.samples import Sample, SampleSet, read_samples, restore_splits, split_samples
from visionkit.data.demo.arrays import demo_signals, demo_volumes
from visionkit.data.index import DataError


def read(data, *, size=4, patches=3, seed=0):
    """The source, the samples and the files that are skipped."""
    source = find_arrays(data)
    sample_set = read_samples(source, size=size, patches=patches, seed=seed)
    return source, sample_set.samples, sample_set.skipped.list()


def make_samples(labels: str, split="all", length=6) -> list[Sample]:
    return [Sample(f"{split}{i}", label, split, np.full((length, 1), i, np.float32)) for i, label in enumerate(labels)]


def split(samples, kind="signal", fit="resample", size=4):
    return split_samples(SampleSet(kind, fit, samples), size=size, seed=0)


def test_nothing_is_an_error(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere", tmp_path / "a.jpg"):
        with pytest.raises(DataError, match="Expected a text table"):
            find_arrays(path)
    (tmp_path / "a.txt").touch()
    source, samples, skipped = read(tmp_path / "a.txt")
    assert (source.layout, samples, skipped[0].reason[:10]) == ("tables", [], "no signals")
    with pytest.raises(DataError, match=r"no signal to train on.*"):
        split(samples)


@pytest.mark.parametrize("separator", [" ", ",", "\t", ", ", "   "])
@pytest.mark.parametrize("header", ["", "class{0}first{0}second{0}third\n", "label{0}0{0}1{0}2\n"])
def test_tables(tmp_path, separator, header):
    lines = ["1.0000e+00 1 2 3", "", "-1 4 5 6", "2 7 8", "2 7 8 NaN", "1 x 2 3", "2 1 nan 3", "1"]
    text = header.format(separator) + "\n".join(line.replace(" ", separator) for line in lines) + "\n\n"
    (tmp_path / "a.csv").write_text(text)
    _, samples, skipped = read(tmp_path / "a.csv")
    assert [sample.label for sample in samples] == ["1", "-1", "2", "2"]
    assert [sample.values[:, 0].tolist() for sample in samples] == [[1, 2, 3], [4, 5, 6], [7, 8], [7, 8]]
    assert len(skipped) == 3 and all("a.csv:" in file.path for file in skipped)


def test_a_table_may_have_words_for_classes(tmp_path):
    (tmp_path / "a.txt").write_text("sick 1 2\nwell 3 4\nsick 5 6\n")
    assert [sample.label for sample in read(tmp_path)[1]] == ["sick", "well", "sick"]


def test_tables_may_be_split_by_their_names(tmp_path):
    for name in ("Beats_TRAIN.tsv", "Beats_TEST.tsv"):
        (tmp_path / name).write_text("1\t1\t2\n2\t3\t4\n")
    (tmp_path / "README.txt").write_text("Where it is from.")
    _, samples, skipped = read(tmp_path)
    assert sorted(sample.split for sample in samples) == ["train"] * 2 + ["val"] * 2 and skipped == []
    (tmp_path / "Other_TRAIN.tsv").write_text("1\t1\n")
    with pytest.raises(DataError, match="2 data sets"):
        find_arrays(tmp_path)


def test_class_folders_of_signals(tmp_path):
    for name, files in (("b", ("1.npy", "2.npy")), ("a", ("1.npy", "2.csv"))):
        (tmp_path / name).mkdir()
        for file in files:
            if file.endswith(".npy"):
                np.save(tmp_path / name / file, np.ones((5, 2)))
            else:
                (tmp_path / name / file).write_text("1 2\n3 4\n")
    (tmp_path / "a" / "broken.npy").write_text("text")
    (tmp_path / "a" / ".hidden.npy").touch()
    source, samples, skipped = read(tmp_path)
    assert (source.kind, source.layout) == ("signal", "classes") and [s.label for s in samples] == ["a", "a", "b", "b"]
    assert len(skipped) == 1 and skipped[0].path.endswith("broken.npy")


def test_class_folders_of_volumes_in_splits(tmp_path):
    for part in ("train", "val", "test"):
        for name in ("a", "b"):
            (tmp_path / part / name).mkdir(parents=True)
            np.save(tmp_path / part / name / "1.npy", np.ones((5, 4, 3)))
    (tmp_path / "train" / "a" / "0.npy").write_text("text")  # its rank is unknown
    source, samples, _ = read(tmp_path)
    assert source.kind == "volume" and [s.split for s in samples] == ["train"] * 2 + ["val"] * 2
    assert source.notes == ("not used: test",)
    assert split(samples, "volume", "resize").train_values.shape == (2, 4, 4, 4, 1)


def test_tiff_images_in_class_folders_are_not_volumes_but_stacks_are(tmp_path):
    pages = [Image.fromarray(np.full((4, 5), value, np.uint8)) for value in range(3)]
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        pages[0].save(tmp_path / name / "image.tif")
    with pytest.raises(DataError, match="neither signals nor volumes"):
        find_arrays(tmp_path)
    for name in ("a", "b"):
        pages[0].save(tmp_path / name / "stack.tif", save_all=True, append_images=pages[1:])
    source, samples, skipped = read(tmp_path)
    assert source.kind == "volume" and [s.values.shape for s in samples] == [(3, 4, 5, 1)] * 2 and skipped == []


@pytest.fixture
def segmentations(tmp_path):
    rng = np.random.default_rng(0)
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    for number in range(5):
        labels = np.zeros((12, 12, 12), np.uint8)
        labels[4:7, 4:7, 4:6], labels[4:7, 4:7, 6:8] = 1, 2
        voxels = (labels * 100.0 + rng.normal(size=labels.shape)).astype("float32")
        for folder, array in (("images", voxels), ("labels", labels)):
            nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), tmp_path / folder / f"case_{number}.nii.gz")
    return tmp_path


def test_cubes_are_labelled_by_their_middles_and_each_volume_is_in_one_split(segmentations):
    source, samples, skipped = read(segmentations)
    assert source.layout == "segmentations" and skipped == [] and len(samples) == 5 * 3 * 3
    assert all(round(float(s.values[2, 2, 2, 0]) / 100) == int(s.label) and s.values.shape == (4, 4, 4, 1) for s in samples)
    cases = {part: {s.name.split(":")[0] for s in samples if s.split == part} for part in ("train", "val")}
    assert len(cases["train"]) == 4 and len(cases["val"]) == 1 and not cases["train"] & cases["val"]
    again = read(segmentations)[1]
    assert [s.name for s in again] == [s.name for s in samples] != [s.name for s in read(segmentations, seed=1)[1]]


def test_segmentations_that_do_not_fit_are_skipped(segmentations):
    (segmentations / "labels" / "case_0.nii.gz").unlink()
    (segmentations / "labels" / "case_1.nii.gz").write_bytes(b"")
    small = nibabel.Nifti1Image(np.zeros((3, 3, 3), np.uint8), np.eye(4))
    nibabel.save(small, segmentations / "labels" / "case_2.nii.gz")
    noise = np.random.default_rng(0).normal(size=(12, 12, 12)).astype("float32")
    nibabel.save(nibabel.Nifti1Image(noise, np.eye(4)), segmentations / "labels" / "case_3.nii.gz")
    _, samples, skipped = read(segmentations)
    reasons = ("missing", "empty file", "labels for", "different values")
    assert len(samples) == 9 and all(reason in file.reason for file, reason in zip(skipped, reasons, strict=True))


def test_rare_classes_are_noted_and_break_nothing():
    data = split(make_samples("aaaaaabbbbbbccd"))
    assert data.train.counts().tolist() == [5, 5, 1, 1] and data.val.counts().tolist() == [1, 1, 1, 0]
    assert any("one or two signals of c, d" in note for note in data.notes)
    assert "no validation signal of d" in data.notes


def test_one_class_is_an_error():
    with pytest.raises(DataError, match="only one class to train, 'a'"):
        split(make_samples("aaaa"))
    with pytest.raises(DataError, match="Nothing to validate with"):
        split(make_samples("ab"))


def test_lengths_are_brought_to_the_median_and_other_channels_left_out():
    samples = [s._replace(values=np.ones((5 + i, 1), np.float32)) for i, s in enumerate(make_samples("ababababab"))]
    samples.append(Sample("two", "a", "all", np.ones((5, 2), np.float32)))
    data = split(samples)
    assert data.shape[0] == int(np.median([5 + int(name[3:]) for name in data.train.paths]))
    assert data.skipped == (("two", "2 channels; most have 1"),)
    assert any(note.startswith("signals of 5 to 14 values are resampled to") for note in data.notes)


def test_classes_that_only_validation_has_are_left_out():
    data = split(make_samples("abab", "train") + make_samples("abc", "val"))
    assert data.train.class_names == ("a", "b") and len(data.val) == 2 and "left out: c" in data.notes[0]


def test_a_stored_split_is_restored_although_the_folder_has_grown():
    samples = make_samples("aaaabbbb")
    data = split(samples)
    grown = SampleSet("signal", "resample", [*make_samples("ab", "new"), *samples], notes=("read again",))
    grown.skipped.add("broken", "no signal")
    restored = restore_splits(grown, json.loads(json.dumps(data.to_plain())))
    assert restored.train.paths == data.train.paths and (restored.val_values == data.val_values).all()
    assert (restored.train.labels == data.train.labels).all() and restored.fit == "resample"
    assert restored.notes == ("read again",) and restored.skipped == (("broken", "no signal"),)
    with pytest.raises(DataError, match="Nothing is left"):
        restore_splits(SampleSet("signal", "resample", []), data.to_plain())


def test_the_built_in_sets_are_balanced_reproducible_and_share_nothing():
    for cut, num_classes, shape in ((demo_signals, 11, (256, 1)), (demo_volumes, 6, (14, 14, 14, 1))):
        samples, kind = cut(num_train=3, num_val=2), "signal" if cut is demo_signals else "volume"
        data = split(samples, kind, "resize", size=14)
        assert data.shape == shape and data.notes == ()
        assert data.train.counts().tolist() == [3] * num_classes and data.val.counts().tolist() == [2] * num_classes
        assert all((a.values == b.values).all() for a, b in zip(samples, cut(num_train=3, num_val=2), strict=True))
        shared = {s.values.tobytes() for s in samples if s.split == "train"} & {
            s.values.tobytes() for s in samples if s.split == "val"
        }
        assert shared == set()
