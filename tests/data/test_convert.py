"""Conversion from each format to each other and back; and what it refuses, leaves out and reports as lost."""

import json
import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.data.formats.test_voc import annotate, cat, image, lists, names_in, only
from visionkit.data.convert import choose_format, convert, objects_of_mask, write
from visionkit.data.formats.annotation_files import decimal, safe_name, unused_name
from visionkit.data.formats.coco import read_coco
from visionkit.data.formats.coco_objects import mask_of
from visionkit.data.formats.voc import read_voc
from visionkit.data.formats.yolo import read_yolo
from visionkit.data.index import Annotation, DataError, Index, Objects, natural_order
from visionkit.data.splits import DataSet

READERS = {"voc": read_voc, "coco": read_coco, "yolo": read_yolo}
SQUARE = np.array([[0.1, 0.1], [0.5, 0.1], [0.5, 0.5], [0.1, 0.5]])


def objects(boxes, classes, **more):
    return Objects(np.array(boxes, np.float64).reshape(-1, 4), np.array(classes, np.int32), **more)


def data_set(folder, splits, class_names=("cat", "dog"), **more):
    """A data set with one folder of images per split: name -> objects of each image."""
    made = {}
    for split, of_images in splits.items():
        paths = [folder / split / f"{split} {number}.jpg" for number in range(len(of_images))]
        for path in paths:
            image(path)
        annotations = tuple(Annotation(one) for one in of_images)
        made[split] = Index(
            tuple(class_names), tuple(map(str, paths)), np.full(len(paths), -1, np.int32), (), annotations, **more
        )
    return DataSet(made)


@pytest.fixture
def boxes(tmp_path):
    """Boxes in two splits; one image has none."""
    train = [objects([[0.1, 0.1, 0.5, 0.5], [1 / 3, 0.25, 0.1, 0.75]], [1, 0]), objects([], [])]
    return data_set(tmp_path / "source", {"train": train, "val": [objects([0, 0, 1, 1], [1])]})


@pytest.fixture
def voc(tmp_path):
    """A folder in VOC's format."""
    (tmp_path / "in").mkdir()
    annotate(tmp_path / "in", "1", cat(4, 2, 20, 10))
    annotate(tmp_path / "in", "2", cat(4, 2, 20, 10))
    lists(tmp_path / "in", train=["1"], val=["2"])
    return tmp_path / "in"


def assert_same_boxes(found, again):
    assert again.problems == () and again.class_names == found.class_names and list(again.splits) == list(found.splits)
    for name, index in found.splits.items():
        for ours, theirs in zip(again.splits[name].annotations, index.annotations, strict=True):
            np.testing.assert_allclose(ours.objects.boxes, theirs.objects.boxes, rtol=1e-6, atol=1e-9)
            np.testing.assert_array_equal(ours.objects.classes, theirs.objects.classes)


def test_a_data_set_without_images_is_refused(tmp_path):
    with pytest.raises(DataError, match="neither boxes nor masks"):
        write(data_set(tmp_path, {"all": []}), tmp_path / "out", "coco")
    assert names_in(tmp_path) == []


def test_labels_of_whole_images_are_refused(tmp_path, class_folders):
    with pytest.raises(DataError, match="boxes"):
        convert(class_folders, tmp_path / "out", to="yolo")


@pytest.mark.parametrize("first", READERS)
@pytest.mark.parametrize("second", READERS)
def test_boxes_survive_any_two_formats(tmp_path, boxes, first, second):
    conversion = write(boxes, tmp_path / "first", first)
    assert conversion.num_images == {"train": 2, "val": 1} and conversion.num_objects == {"train": 2, "val": 1}
    assert conversion.lost == () == conversion.problems
    write(READERS[first](tmp_path / "first"), tmp_path / "second", second)
    assert_same_boxes(boxes, READERS[second](tmp_path / "second"))


coordinates = st.floats(-0.5, 1.5).map(lambda number: round(number, 9))
texts = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=5)
names = st.lists(
    texts.map(lambda name: unicodedata.normalize("NFC", name)), min_size=1, max_size=3, unique_by=lambda name: name.casefold()
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(coordinates, coordinates, coordinates, coordinates), max_size=4), names, st.permutations(list(READERS))
)
def test_boxes_and_names_survive_all_formats_in_turn(tmp_path_factory, rows, class_names, order):
    folder = tmp_path_factory.mktemp("turn")
    found = data_set(folder, {"all": [objects(rows, [n % len(class_names) for n in range(len(rows))])]}, class_names)
    current = found
    for name in order:
        write(current, folder / f"as {name}", name)
        current = READERS[name](folder / f"as {name}")
    assert_same_boxes(found, current)


def test_everything_of_voc_survives_coco(tmp_path, voc):
    found = read_voc(voc)
    convert(voc, tmp_path / "coco")
    convert(tmp_path / "coco", tmp_path / "voc")
    again = read_voc(tmp_path / "voc")
    assert_same_boxes(found, again)
    ours, theirs = (one.splits["train"].annotations[0] for one in (again, found))
    assert ours.attributes.items() >= theirs.attributes.items() and ours.size == theirs.size
    assert ours.objects.attributes[0].items() >= theirs.objects.attributes[0].items()


def test_keypoints_survive_yolo(tmp_path):
    keypoints = np.array([[[0.1, 0.2, 2], [0.3, 0.4, 1], [0, 0, 0]]])
    of_classes = ({"id": 1, "keypoints": ["a", "b", "c"], "skeleton": [[1, 2]]}, {"id": 5})
    one = objects([0.1, 0.1, 0.5, 0.5], [0], keypoints=keypoints, outlines=((SQUARE,),))
    found = data_set(tmp_path / "source", {"all": [one]}, class_attributes=of_classes)
    write(found, tmp_path / "coco", "coco")
    lost = write(read_coco(tmp_path / "coco"), tmp_path / "yolo", "yolo").lost
    write(read_yolo(tmp_path / "yolo"), tmp_path / "again", "coco")
    again = only(read_coco(tmp_path / "again"))
    np.testing.assert_allclose(again.annotations[0].objects.keypoints, keypoints, rtol=1e-6)
    assert again.class_attributes[0]["keypoints"] == ["a", "b", "c"]
    assert any(sentence.startswith("1 outlines") for sentence in lost)


def test_outlines_survive_yolo_beside_objects_without(tmp_path):
    found = data_set(
        tmp_path / "source",
        {"all": [objects([[0.1, 0.1, 0.5, 0.5], [0.2, 0.4, 0.1, 0.9]], [0, 1], outlines=((SQUARE,), None))]},
    )
    assert write(found, tmp_path / "yolo", "yolo").lost == ()
    (annotation,) = only(read_yolo(tmp_path / "yolo")).annotations
    np.testing.assert_allclose(annotation.objects.outlines[0][0], SQUARE)
    assert annotation.objects.outlines[1] is None
    np.testing.assert_allclose(annotation.objects.boxes, only(found).annotations[0].objects.boxes)


def test_what_a_format_cannot_express_is_counted(tmp_path):
    parts = (SQUARE, SQUARE / 2)
    one = objects([[0.1, 0.1, 0.5, 0.5]] * 2, [0, -1], outlines=(parts, None), attributes=({"area": 1}, {"z": [1]}))
    found = data_set(tmp_path / "source", {"all": [one]}, class_attributes=({"id": 9}, {}))
    assert write(found, tmp_path / "voc", "voc").lost == (
        "1 objects of an unknown class left out",
        "1 outlines: VOC has only boxes",
        "1 classes with attributes such as an id: VOC has only names",
    )
    assert write(found, tmp_path / "yolo", "yolo").lost == (
        "1 objects of an unknown class left out",
        "1 objects with attributes (difficult, area, ...): YOLO has none",
        "1 outlines of several parts joined into one",
        "1 classes with attributes such as an id: YOLO has only names",
    )
    outline = only(read_yolo(tmp_path / "yolo")).annotations[0].objects.outlines[0]
    assert len(outline) == 1 and len(outline[0]) == 10


def test_two_images_of_one_name_are_both_written(tmp_path):
    found = data_set(tmp_path / "source", {"a": [objects([0, 0, 1, 1], [0])], "b": [objects([0, 0, 0.5, 1], [1])]})
    renamed = tmp_path / "source" / "b" / "a 0.jpg"
    Path(found.splits["b"].paths[0]).rename(renamed)
    both = Index(
        ("cat", "dog"),
        (*found.splits["a"].paths, str(renamed)),
        np.full(2, -1, np.int32),
        annotations=sum((index.annotations for index in found.splits.values()), ()),
    )
    for name, reader in READERS.items():
        conversion = write(DataSet({"all": both}), tmp_path / name, name)
        assert conversion.lost == ("1 image names changed, because they were taken or not portable",)
        assert_same_boxes(DataSet({"all": both}), reader(tmp_path / name))


def test_broken_and_missing_images_are_reported_and_left_out(tmp_path, boxes):
    Path(boxes.splits["train"].paths[0]).write_bytes(Path(boxes.splits["train"].paths[0]).read_bytes()[:200])
    Path(boxes.splits["val"].paths[0]).unlink()
    conversion = write(boxes, tmp_path / "out", "coco")
    assert conversion.num_images == {"train": 1, "val": 0}
    assert [problem.kind for problem in conversion.problems] == ["broken image"] * 2
    assert len(read_coco(tmp_path / "out")) == 1


@pytest.mark.parametrize("name", READERS)
def test_links_instead_of_copies(tmp_path, boxes, name):
    write(boxes, tmp_path / "out", name, images="link")
    again = READERS[name](tmp_path / "out")
    assert all(Path(path).is_symlink() and Path(path).is_file() for index in again.splits.values() for path in index.paths)


@pytest.mark.parametrize("name", READERS)
def test_odd_file_names_are_readable_again(tmp_path, name):
    odd = [
        "a b#%.jpg",
        "Ä 1.jpg",
        " x .jpg",
        "tab\there.JPG",
        ".hidden.jpg",
        "x.y.jpg",
        "1.jpg",
        "no suffix",
        os.fsdecode(b"caf\xe9.jpg"),
    ]
    for file in odd:
        image(tmp_path / "source" / file)
    paths = tuple(str(tmp_path / "source" / file) for file in odd)
    annotations = tuple(Annotation(objects([0, 0, 1 / (2 + n), 1], [0])) for n in range(len(odd)))
    found = DataSet({"train": Index(("cat",), paths, np.full(len(odd), -1, np.int32), annotations=annotations)})
    write(found, tmp_path / "out", name)
    again = READERS[name](tmp_path / "out")
    assert again.problems == ()
    widths = sorted(one.objects.boxes[0, 2] for one in again.splits["train"].annotations)
    np.testing.assert_allclose(widths, sorted(1 / (2 + n) for n in range(len(odd))), rtol=1e-6)


@pytest.mark.parametrize("target", ["in", "in/out", "file.txt", "full"])
def test_nothing_is_overwritten_and_no_source_is_written_to(tmp_path, voc, target):
    (tmp_path / "file.txt").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    before = sorted(map(str, tmp_path.rglob("*")))
    with pytest.raises(DataError, match="Give"):
        convert(voc, tmp_path / target, to="coco")
    assert sorted(map(str, tmp_path.rglob("*"))) == before


def test_an_existing_json_file_is_not_overwritten(tmp_path, voc):
    (tmp_path / "x.json").write_text("mine")
    with pytest.raises(DataError, match=r"x\.json: it exists already"):
        convert(voc, tmp_path / "x.json")
    assert names_in(tmp_path) == ["in", "x.json"]


def test_an_interrupted_conversion_leaves_nothing(tmp_path, voc, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("visionkit.data.formats.writers.voc.put_image", interrupted)
    with pytest.raises(KeyboardInterrupt):
        convert(voc, tmp_path / "out", to="voc")
    assert names_in(tmp_path) == ["in"]


def test_what_a_killed_conversion_left_is_cleared(tmp_path, voc):
    (tmp_path / ".out.unfinished").mkdir()
    (tmp_path / ".out.unfinished" / "old").touch()
    (tmp_path / "out").mkdir()
    conversion = convert(voc, tmp_path / "out", to="yolo")
    assert names_in(tmp_path) == ["in", "out"] and names_in(tmp_path / "out") == [
        "data.yaml",
        "images",
        "labels",
    ]
    assert conversion.paths == (str(tmp_path / "out"),)


def test_a_full_disk_is_an_error_for_people(tmp_path, voc, monkeypatch):
    monkeypatch.setattr("visionkit.data.formats.annotation_files.shutil.rmtree", lambda *_, **__: None)
    full = "visionkit.data.formats.writers.voc.put_image"
    monkeypatch.setattr(full, lambda *_: (_ for _ in ()).throw(OSError("No space left")))
    with pytest.raises(DataError, match="No space left"):
        convert(voc, tmp_path / "out", to="voc")


def test_the_format_follows_from_the_target():
    chosen = {
        name: choose_format(name, None)
        for name in ("x.json", "x.yaml", "a/x.yml", "my_VOC", "yolo-2", "cocoa", "x", "voc.json")
    }
    assert list(chosen.values()) == ["coco", "yolo", "yolo", "voc", "yolo", "coco", "coco", "coco"]
    assert choose_format("voc", "yolo") == "yolo"
    with pytest.raises(DataError, match="voc, coco, yolo"):
        choose_format("x", "tfrecord")
    with pytest.raises(DataError, match=r"\.json file cannot hold voc"):
        choose_format("x.json", "voc")


def test_a_yaml_file_is_the_name_of_a_yolo_data_set(tmp_path, voc):
    assert convert(voc, tmp_path / "new" / "cells.yaml").format == "yolo"
    assert list(convert(tmp_path / "new" / "cells.yaml", tmp_path / "x.json").num_objects.values()) == [1, 1]
    assert len(json.loads((tmp_path / "x.json").read_text())["annotations"]) == 2


def test_the_components_of_a_mask_become_objects():
    assert len(objects_of_mask(np.zeros((4, 4), np.uint8), ("background", "cell"))) == 0
    mask = np.zeros((10, 20), np.uint8)
    mask[2:5, 3:9] = 1
    mask[5, 9] = 1  # touches at a corner
    mask[8:, 15:] = 1
    mask[0, 0] = 2
    mask[0, 19] = 255
    found = objects_of_mask(mask, ("background", "cell", "dust"))
    assert found.classes.tolist() == [1, 1, 2]
    np.testing.assert_allclose(found.boxes, [[3 / 20, 0.2, 0.5, 0.6], [0.75, 0.8, 1, 1], [0, 0, 0.05, 0.1]])
    assert (
        sum(mask_of(outline) * (1 + n) for n, outline in enumerate(found.outlines))
        == np.select([mask == 2, (mask == 1) & (np.arange(20) > 14), mask == 1], [3, 2, 1])
    ).all()
    assert len(objects_of_mask(mask, ("sky", "cell", "dust"))) == 4


@pytest.mark.parametrize(("name", "number"), [("0", 0), ("#000000", 0), ("__background__", 0), ("0", 2), ("cat", 1)])
def test_the_background_of_a_mask_is_no_object_whatever_its_name_and_place(name, number):
    mask, names = np.full((8, 8), number, np.uint8), ["a", "b", "c"]
    mask[:, 4:] = 3
    names[number] = name
    found = objects_of_mask(mask, (*names, "d"))
    assert found.classes.tolist() == ([1, 3] if name == "cat" else [3])


def test_pixels_of_masks_that_are_ignored_are_counted_as_lost(tmp_path):
    for part in ("images", "masks"):
        (tmp_path / "in" / part).mkdir(parents=True)
    mask = np.zeros((20, 40), np.uint8)
    mask[2:10, 4:20], mask[12:16, 4:20], mask[18, :7] = 1, 2, 255
    Image.new("RGB", (40, 20)).save(tmp_path / "in" / "images" / "a.png")
    Image.fromarray(mask).save(tmp_path / "in" / "masks" / "a.png")
    conversion = convert(tmp_path / "in", tmp_path / "out", to="coco")
    assert sum(conversion.num_objects.values()) == 2 and conversion.lost == ("7 ignored pixels of masks",)
    assert "the class 0 of masks is the background and becomes no objects" in conversion.notes


def test_every_speck_of_a_noisy_mask_is_packed(rng):
    mask = rng.integers(0, 3, (40, 31)).astype(np.uint8)
    found = objects_of_mask(mask, ("a", "b", "c"))
    assert (
        sum(mask_of(outline) * (1 + label) for outline, label in zip(found.outlines, found.classes, strict=True)) == mask + 1
    ).all()


@pytest.mark.parametrize("name", READERS)
def test_masks_become_boxes_and_outlines(tmp_path, name):
    for part in ("images", "masks"):
        (tmp_path / "in" / part).mkdir(parents=True)
    mask = np.zeros((20, 40), np.uint8)
    mask[2:10, 4:20] = 255
    for number in range(3):
        Image.new("RGB", (40, 20)).save(tmp_path / "in" / "images" / f"{number}.png")
        Image.fromarray(mask[number // 2 :]).save(tmp_path / "in" / "masks" / f"{number}.png")  # the last lacks a row
    conversion = convert(tmp_path / "in", tmp_path / name, to=name)
    again = READERS[name](tmp_path / name)
    assert sum(conversion.num_objects.values()) == 2 and [problem.kind for problem in conversion.problems] == ["wrong size"]
    for annotation in only(again).annotations:
        np.testing.assert_allclose(annotation.objects.boxes, [[0.1, 0.1, 0.5, 0.5]])
        assert name == "voc" or annotation.objects.outlines[0] is not None


def test_numbers_and_names_for_files():
    assert [decimal(number, 4) for number in (0.0, -0.00001, 10.0, 0.12345, 1e-9, 100.5)] == [
        "0",
        "0",
        "10",
        "0.1235",
        "0",
        "100.5",
    ]
    assert sorted(["b", "a10", "a9", "a", "", "10", "9"], key=natural_order) == ["", "9", "10", "a", "a9", "a10", "b"]
    assert safe_name("a\\b/c d.PNG") == "c d.PNG" and safe_name("a\x00\udce9.jpg") == "a__.jpg"
    taken = {}
    assert [unused_name(name, taken, by_stem=True) for name in ("a.jpg", "A.png", "a.jpg", "a_2.jpg")] == [
        "a.jpg",
        "A_2.png",
        "a_3.jpg",
        "a_2_2.jpg",
    ]


def test_boxes_are_turned_with_images_whose_declared_size_is_the_stored_one(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "1.jpg"
    Image.new("RGB", (12, 8)).save(path, exif=exif)
    annotation = Annotation(Objects(np.array([[0.25, 0, 0.5, 0.125]]), np.zeros(1, np.int32)), size=(8, 12))
    index = Index(("cat",), (str(path),), np.full(1, -1, np.int32), annotations=(annotation,))
    conversion = write(DataSet({"all": index}), tmp_path / "out", "voc")
    assert "the boxes of 1 images are turned" in conversion.notes[-1]
    (again,) = only(read_voc(tmp_path / "out")).annotations
    assert again.size == (12, 8) and again.objects.boxes.tolist() == [[0.875, 0.25, 1.0, 0.5]]


@pytest.mark.parametrize(
    ("names", "train", "read_as"),
    [
        (["fold 1", "fold 2"], ["images/fold 1", "images/fold 2"], ["fold 1", "fold 2"]),
        (["training set", "fold 1"], "images/training set", ["train", "fold 1"]),
        (["training set", "validation set"], "images/training set", ["train", "val"]),
        (["trainval", "test"], "images/trainval", ["test", "trainval"]),
        (["names", "train"], "images/train", ["train", "split names"]),
        (["test"], "images/test", ["test"]),
        (["all"], "images/all", ["all"]),
    ],
)
def test_data_yaml_names_train_and_val_whatever_the_splits_are_called(tmp_path, names, train, read_as):
    """YOLO's own code needs both; reading it again gives each image once, in its split."""
    one = objects([0.1, 0.1, 0.5, 0.5], [1])
    write(data_set(tmp_path / "in", {name: [one] for name in names}), tmp_path / "out", "yolo")
    config = yaml.safe_load((tmp_path / "out" / "data.yaml").read_text())
    assert config["train"] == train and {"train", "val"} <= config.keys() and config["names"] == {0: "cat", 1: "dog"}
    again = read_yolo(tmp_path / "out")
    assert {split: len(index) for split, index in again.splits.items()} == dict.fromkeys(read_as, 1)
    assert again.class_names == ("cat", "dog") and again.problems == ()
