"""Data sets that tensorflow-datasets wrote, and the records in their files."""

import contextlib
import importlib.resources
import shutil
import struct
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.data.tfds_sets import write_tfds
from visionkit.data.formats.tfds import looks_like_tfds, read_tfds, read_tfds_folder
from visionkit.data.images.contents import read_contents
from visionkit.data.images.decode import read_image
from visionkit.data.images.masks.read import read_mask
from visionkit.data.images.records import Place, iterate_records, parse_example, parse_path
from visionkit.data.index import DataError
from visionkit.data.split_names import WHOLE

FORMATS = ("tfrecord", "array_record")
CLASSES = ["cat", "dog", "owl"]


def examples(count):
    """Images and masks of one value each; image i has i % 3 objects."""
    for i in range(count):
        objects = [{"bbox": [0.1, 0.2, 0.5, 0.75], "label": k, "is_crowd": k == 1} for k in range(i % 3)]
        yield (
            i,
            {
                "image": np.full((4, 6, 3), i, np.uint8),
                "label": i % 3,
                "objects": [{**one, "bbox": np.array(one["bbox"], np.float32)} for one in objects],
                "segmentation_mask": np.full((4, 6, 1), i % 3, np.uint8),
            },
        )


def features_of(*names):
    import tensorflow_datasets as tfds

    objects = {
        "bbox": tfds.features.BBoxFeature(),
        "label": tfds.features.ClassLabel(names=CLASSES),
        "is_crowd": np.bool_,
    }
    features = {
        "image": tfds.features.Image(shape=(None, None, 3), encoding_format="png"),
        "label": tfds.features.ClassLabel(names=CLASSES),
        "objects": tfds.features.Sequence(objects),
        "segmentation_mask": tfds.features.LabeledImage(labels=CLASSES, shape=(None, None, 1)),
    }
    return tfds.features.FeaturesDict({name: features[name] for name in dict.fromkeys(names)})


@pytest.fixture(scope="module")
def data_dirs(tmp_path_factory):
    """Folders that hold the data set "tiny", by (what is annotated, format of its records)."""
    import tensorflow_datasets as tfds

    with tfds.core.registered.skip_registration():  # tests find it by the folder, not by its class

        class Tiny(tfds.core.GeneratorBasedBuilder):
            """The hook that only data sets with downloads need."""

            VERSION = tfds.core.Version("1.0.0")
            url_infos = None
            _checksums_path = None
            kinds = ()

            def _info(self):
                return tfds.core.DatasetInfo(builder=self, features=features_of(*self.kinds))

            def _split_generators(self, _):
                return {"train": self._generate_examples(7), "validation": self._generate_examples(3)}

            def _generate_examples(self, count):
                for key, example in examples(count):
                    yield key, {name: value for name, value in example.items() if name in self.info.features}

    folders = {}
    tfds.disable_progress_bar()
    for kind in ("label", "objects", "segmentation_mask"):
        for file_format in FORMATS:
            Tiny.kinds = ("image", "label", kind)
            folders[kind, file_format] = tmp_path_factory.mktemp("data")
            Tiny(data_dir=folders[kind, file_format], file_format=file_format).download_and_prepare()
    tfds.enable_progress_bar()
    return folders


@pytest.fixture(params=FORMATS)
def file_format(request):
    return request.param


def copy_of(data_dirs, kind, file_format, tmp_path):
    return shutil.copytree(data_dirs[kind, file_format] / "tiny", tmp_path / "tiny") / "1.0.0"


def shard_of(folder, split="train"):
    return next(folder.glob(f"tiny-{split}.*record-*"))


def values_of(index):
    return [int(read_image(path)[0, 0, 0]) for path in index.paths]


def test_an_empty_folder_is_not_from_tensorflow_datasets(tmp_path):
    assert not looks_like_tfds(tmp_path)
    with pytest.raises(DataError, match="not written by tensorflow-datasets"):
        read_tfds_folder(tmp_path)


def test_labels(data_dirs, file_format):
    found = read_tfds_folder(data_dirs["label", file_format] / "tiny" / "1.0.0")
    assert {name: len(index) for name, index in found.splits.items()} == {"train": 7, "val": 3}
    assert found.class_names == tuple(CLASSES) and found.problems == () and found.notes == ()
    train = found.splits["train"]
    assert train.task == "classification" and train.annotations == ()
    assert train.labels.tolist() == [value % 3 for value in values_of(train)]
    assert sorted(values_of(train)) == list(range(7))
    assert read_image(train.paths[0]).shape == (4, 6, 3)


def test_objects(data_dirs, file_format):
    found = read_tfds_folder(data_dirs["objects", file_format] / "tiny")
    assert found.notes == ("features not used: label",)
    train = found.splits["train"]
    assert train.task == "detection" and set(train.labels.tolist()) == {-1}
    for value, annotation in zip(values_of(train), train.annotations, strict=True):
        assert annotation.objects.classes.tolist() == list(range(value % 3))
        assert annotation.objects.boxes == pytest.approx(np.tile([0.2, 0.1, 0.75, 0.5], (value % 3, 1)))
        assert annotation.objects.attributes == ({"iscrowd": 0}, {"iscrowd": 1})[: value % 3]


def test_masks(data_dirs, file_format):
    found = read_tfds_folder(data_dirs["segmentation_mask", file_format] / "tiny")
    assert found.class_names == tuple(CLASSES)
    train = found.splits["train"]
    assert train.task == "segmentation"
    for value, annotation in zip(values_of(train), train.annotations, strict=True):
        assert read_mask(annotation.mask, train).tolist() == [[value % 3] * 6] * 4


@pytest.mark.parametrize("kind", ["objects", "segmentation_mask"])
def test_labels_first_where_there_are_boxes_or_masks_too(data_dirs, kind):
    found = read_tfds_folder(data_dirs[kind, "tfrecord"] / "tiny", labels_first=True)
    train = found.splits["train"]
    assert train.task == "classification" and train.labels.tolist() == [value % 3 for value in values_of(train)]
    assert len(found.notes) == 1 and "features not used" in found.notes[0]


def test_texts_are_labels_that_mean_the_same_in_all_splits(tmp_path, monkeypatch):
    write_tfds(tmp_path, "faces", {"train": ["dora", "bert", "bert"], "test": ["anna", "bert"]}, text=True)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    found = read_tfds("tfds:faces")
    assert found.class_names == ("anna", "bert", "dora") and found.splits["test"].class_names == found.class_names
    assert sorted(found.splits["train"].labels.tolist()) == [1, 1, 2]
    assert sorted(found.splits["test"].labels.tolist()) == [0, 1]


def test_a_text_that_is_empty_is_no_label(tmp_path):
    folder = write_tfds(tmp_path, "faces", {"train": ["anna", ""]}, text=True)
    found = read_tfds_folder(folder).splits["train"]
    assert found.class_names == ("anna",) and sorted(found.labels.tolist()) == [-1, 0]


def test_by_name(data_dirs, file_format, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(data_dirs["label", file_format]))
    assert list(read_tfds("tfds:tiny").splits) == ["train", "val"]
    whole = read_tfds("tfds:tiny:train")
    assert list(whole.splits) == [WHOLE] and len(whole) == 7
    first, rest = read_tfds("tfds:tiny:train[:4]"), read_tfds("tfds:tiny:1.0.0:train[4:]")
    assert first.splits[WHOLE].paths + rest.splits[WHOLE].paths == whole.splits[WHOLE].paths
    assert len(read_tfds("tfds:tiny:train+validation")) == 10


@pytest.mark.parametrize("split", ["nosuch", "train[", "train[:0]", "test"])
def test_a_split_that_is_unknown_or_empty_is_an_error(data_dirs, split, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(data_dirs["label", "tfrecord"]))
    with pytest.raises(DataError, match=r"tiny/1\.0\.0"):
        read_tfds(f"tfds:tiny:{split}")


@pytest.mark.parametrize("name", ["tfds:", "tfds:/x", "tfds:../x", "tfds:a b", "mnist"])
def test_an_impossible_name_is_an_error(name):
    with pytest.raises(DataError, match="expected tfds:NAME"):
        read_tfds(name)


def test_an_unknown_name_lists_near_ones(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    with pytest.raises(DataError, match=r"Did you mean mnist, ") as caught:
        read_tfds("tfds:mnits")
    assert str(tmp_path) in str(caught.value)


def test_an_unknown_configuration_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    with pytest.raises(DataError, match="BuilderConfig nosuch not found"):
        read_tfds("tfds:mnist/nosuch")


def test_without_a_network_the_error_says_at_once_how_to_prepare_the_data(tmp_path, monkeypatch):
    def unreachable(*_):
        raise OSError("Name or service not known")

    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    monkeypatch.setattr("urllib.request.getproxies", dict)
    monkeypatch.setattr("socket.getaddrinfo", unreachable)
    monkeypatch.setitem(
        sys.modules, "importlib_resources", importlib.resources
    )  # tensorflow-datasets 4.9.10 needs and lacks it
    with pytest.raises(DataError, match=r"cannot be downloaded \(Name .*load\(") as caught:
        read_tfds("tfds:mnist")
    assert str(tmp_path / "mnist") in str(caught.value) and "TFDS_DATA_DIR" in str(caught.value)


def test_the_last_version_of_a_folder_counts(data_dirs, tmp_path):
    older = copy_of(data_dirs, "label", "tfrecord", tmp_path)
    shutil.copytree(older, older.parent / "1.10.0")
    shutil.copytree(older, older.parent / "1.9.0")
    assert "/1.10.0/" in read_tfds_folder(older.parent).splits["train"].paths[0]


@pytest.mark.parametrize("name", ["features.json", "dataset_info.json"])
def test_a_missing_description_is_an_error(data_dirs, tmp_path, name):
    folder = copy_of(data_dirs, "label", "tfrecord", tmp_path)
    (folder / name).unlink()
    assert looks_like_tfds(folder)
    with pytest.raises(DataError, match=f"{name} is missing"):
        read_tfds_folder(folder)


@pytest.mark.parametrize("name", ["features.json", "dataset_info.json"])
@pytest.mark.parametrize("text", ["", "[1]", "{", '{"a": 1}', "[" * 100_000, "\xff"])
def test_a_damaged_description_is_an_error(data_dirs, tmp_path, name, text):
    folder = copy_of(data_dirs, "label", "tfrecord", tmp_path)
    (folder / name).write_text(text, encoding="latin-1")
    with pytest.raises(DataError):
        read_tfds_folder(folder)


def test_a_description_cannot_have_modules_imported(data_dirs, tmp_path, monkeypatch):
    (tmp_path / "stranger.py").write_text("raise SystemExit('executed')")
    monkeypatch.syspath_prepend(tmp_path)
    folder = copy_of(data_dirs, "label", "tfrecord", tmp_path)
    text = (folder / "features.json").read_text()
    (folder / "features.json").write_text(text.replace("tensorflow_datasets.core.features.image_feature", "stranger"))
    with pytest.raises(DataError, match=r"feature of class stranger\.Image"):
        read_tfds_folder(folder)


def test_a_shard_that_ends_early_is_named(data_dirs, tmp_path, file_format):
    folder = copy_of(data_dirs, "label", file_format, tmp_path)
    shard = shard_of(folder)
    shard.write_bytes(shard.read_bytes()[:-60])
    found = read_tfds_folder(folder)
    assert len(found.splits["train"]) < 7 and len(found.splits["val"]) == 3
    assert [(problem.kind, problem.path) for problem in found.problems] == [("broken image", str(shard))]


def test_only_missing_shards_are_an_error(data_dirs, tmp_path, file_format):
    folder = copy_of(data_dirs, "label", file_format, tmp_path)
    for split in ("train", "validation"):
        shard_of(folder, split).unlink()
    with pytest.raises(DataError, match="no annotated image can be used"):
        read_tfds_folder(folder)


def test_a_record_of_garbage_is_named(data_dirs, tmp_path):
    folder = copy_of(data_dirs, "label", "tfrecord", tmp_path)
    shard = shard_of(folder)
    (first, record), (second, _) = iterate_records(str(shard), 0, 2)
    contents = bytearray(shard.read_bytes())
    contents[first + 12 : first + 12 + len(record)] = b"\xff" * len(record)
    shard.write_bytes(contents)
    found = read_tfds_folder(folder)
    assert len(found.splits["train"]) == 6 and found.splits["train"].paths[0] == f"{shard}@{second}#image"
    assert [problem.path for problem in found.problems] == [f"{shard}@{first}#image"]


def write_records(shard, *records):
    """Checksums are not verified: decoding finds the damage."""
    shard.write_bytes(b"".join(struct.pack("<QI", len(record), 0) + record + bytes(4) for record in records))


def example(**features):
    import tensorflow as tf

    def feature(values):
        kinds = {bytes: ("bytes_list", tf.train.BytesList), int: ("int64_list", tf.train.Int64List)}
        name, kind = kinds.get(type(values[0]), ("float_list", tf.train.FloatList))
        return tf.train.Feature(**{name: kind(value=values)})

    named = {name.replace("__", "/"): feature(values) for name, values in features.items()}
    return tf.train.Example(features=tf.train.Features(feature=named)).SerializeToString()


def test_missing_and_wrong_features_of_a_record_are_reported(data_dirs, tmp_path):
    folder = copy_of(data_dirs, "objects", "tfrecord", tmp_path)
    boxes = [0.0, 0.0, 1.0, 1.0, float("nan"), 0.0, 1.0, 1.0]
    write_records(
        shard_of(folder),
        example(label=[1]),
        example(image=[b""], objects__bbox=boxes[:4], objects__label=[0]),
        example(image=[b"x"]),
        example(image=[b"x"], objects__bbox=boxes, objects__label=[1, 1]),
        example(image=[b"x"], objects__bbox=boxes[:4], objects__label=[99]),
        example(image=[b"x"], objects__bbox=boxes[:3], objects__label=[1]),
        example(image=[b"x"], objects__bbox=[1], objects__label=[1.0]),
    )
    found = read_tfds_folder(folder)
    train = found.splits["train"]
    assert [annotation.objects.classes.tolist() for annotation in train.annotations] == [[], [1], [-1], [], []]
    assert [(problem.kind, problem.detail) for problem in found.problems] == [
        ("broken image", "the record has no image"),
        ("broken image", "the record has no image"),
        ("bad annotation", "boxes without valid numbers: 1"),
        ("unknown label", "classes [99], but there are 3 classes"),
        ("bad annotation", "the boxes have 3 numbers, but there are 1 classes"),
    ]


def test_missing_and_unknown_labels(data_dirs, tmp_path):
    folder = copy_of(data_dirs, "label", "tfrecord", tmp_path)
    records = [example(image=[b"x"], label=[label]) for label in (2, -1, 3, 2**62)]
    write_records(shard_of(folder), *records, *[example(image=[b"x"])] * 3)
    found = read_tfds_folder(folder)
    assert found.splits["train"].labels.tolist() == [2, -1, -1, -1, -1, -1, -1]
    assert [problem.kind for problem in found.problems] == ["unknown label"] * 2


@given(st.binary(max_size=80))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_garbage_for_a_shard_ends_as_an_error_of_the_file(tmp_path, contents):
    for name in ("x.tfrecord-00000-of-00001", "x.array_record"):
        (tmp_path / name).write_bytes(contents)
        with contextlib.suppress(OSError):
            for _, record in iterate_records(str(tmp_path / name), 0, 3):
                parse_example(record, name)
        with pytest.raises(OSError):
            read_contents(f"{tmp_path / name}@{len(contents) // 3}#image")


def test_a_missing_record_or_feature_is_an_error_of_the_file(data_dirs, file_format):
    shard = shard_of(data_dirs["label", file_format] / "tiny" / "1.0.0")
    for place in (Place(str(shard), 10**12, "image"), Place(str(shard), 0, "nosuch"), Place(str(shard), 0, "label")):
        with pytest.raises(OSError, match="record"):
            read_contents(place.path())
    with pytest.raises(FileNotFoundError):
        read_contents(f"{shard}.gone@0#image")


@pytest.mark.parametrize("name", ["a@2#x.png", "x.tfrecord@1#image", "@0#image", "a.array_record-of-1@x#image"])
def test_a_file_may_be_named_like_a_record(tmp_path, name):
    (tmp_path / name).write_bytes(b"contents")
    assert parse_path(str(tmp_path / name)) is None
    assert read_contents(tmp_path / name) == b"contents"


def test_folders_and_features_may_hold_the_marks_of_a_place(tmp_path):
    shard = tmp_path / "a@1#b" / "x.tfrecord-00000-of-00001"
    shard.parent.mkdir()
    write_records(shard, example(**{"image__left": [b"contents"]}))
    place = Place(str(shard), 0, "image/left")
    assert parse_path(place.path()) == place and read_contents(place.path()) == b"contents"
