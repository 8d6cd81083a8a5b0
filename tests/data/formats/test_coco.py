"""COCO: read in every layout, written and read again."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.data.formats.test_voc import image, names_in, only
from visionkit.data.boxes import crowds
from visionkit.data.formats import coco
from visionkit.data.formats.coco import looks_like_coco, read_coco
from visionkit.data.formats.coco_objects import mask_of, polygons_of
from visionkit.data.formats.writers import coco as writer
from visionkit.data.formats.writers.coco import write_coco
from visionkit.data.images.inside import EVERYWHERE
from visionkit.data.index import DataError, Rle
from visionkit.data.quality.check import check

CATEGORIES = [{"id": 7, "name": "cat", "supercategory": "animal"}, {"id": 3, "name": "dog"}]


def tree(*annotations, images=("1.jpg",), categories=CATEGORIES, **more):
    return {
        "images": [{"id": 10 + n, "file_name": name, "width": 40, "height": 20} for n, name in enumerate(images)],
        "annotations": [
            {"id": 100 + n, "image_id": 10, "category_id": 7, "bbox": [4, 2, 16, 8]} | one for n, one in enumerate(annotations)
        ],
        "categories": list(categories),
    } | more


def write(file, contents, images=None):
    """A JSON file, and its images next to it or in another folder."""
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    Path(file).write_text(json.dumps(contents))
    for entry in contents["images"]:
        image((images or file.parent) / entry["file_name"])
    return file


def test_an_empty_folder_is_no_data_set(tmp_path):
    assert not looks_like_coco(tmp_path)
    with pytest.raises(DataError, match=r"no \.json file"):
        read_coco(tmp_path)


def test_a_file_without_images_is_an_error(tmp_path):
    with pytest.raises(DataError, match="no annotated image"):
        read_coco(write(tmp_path / "x.json", tree(images=())))


def test_an_image_without_objects_is_kept(tmp_path):
    (annotation,) = only(read_coco(write(tmp_path / "x.json", tree()))).annotations
    assert len(annotation.objects) == 0 and annotation.size == (20, 40)


def test_boxes_and_attributes(tmp_path):
    annotations = [{"area": 99.5, "iscrowd": 0, "attributes": {"hidden": True}}, {"category_id": 3, "bbox": [20, 10, -5.5, 0]}]
    file = write(tmp_path / "x.json", tree(*annotations, licenses=[{"id": 1, "name": "MIT"}]))
    contents = json.loads(file.read_text())
    contents["images"][0] |= {"license": 1, "date_captured": "2020"}
    file.write_text(json.dumps(contents))
    found = read_coco(file)
    (one,) = only(found).annotations
    np.testing.assert_allclose(one.objects.boxes, [[0.1, 0.1, 0.5, 0.5], [0.5, 0.5, 14.5 / 40, 0.5]])
    assert one.objects.classes.tolist() == [0, 1] and one.objects.classes.dtype == np.int32
    assert one.objects.attributes == ({"id": 100, "area": 99.5, "iscrowd": 0, "attributes": {"hidden": True}}, {"id": 101})
    assert one.attributes == {"id": 10, "file_name": "1.jpg", "license": {"id": 1, "name": "MIT"}, "date_captured": "2020"}
    assert found.class_names == ("cat", "dog")
    assert only(found).class_attributes == ({"id": 7, "supercategory": "animal"}, {"id": 3})
    assert only(found).labels.tolist() == [-1] and found.problems == ()


def test_polygons_and_masks(tmp_path):
    square, triangle = [4, 2, 20, 2, 20, 10, 4, 10], [0, 0, 40, 0, 0, 20]
    counts = [0] + [3, 17] * 40  # the upper three rows
    annotations = [
        {"segmentation": [square, triangle]},
        {"segmentation": {"size": [20, 40], "counts": counts}, "iscrowd": 1},
        {},
    ]
    outlines = only(read_coco(write(tmp_path / "x.json", tree(*annotations)))).annotations[0].objects.outlines
    np.testing.assert_allclose(outlines[0][0], [[0.1, 0.1], [0.5, 0.1], [0.5, 0.5], [0.1, 0.5]])
    np.testing.assert_allclose(outlines[0][1], [[0, 0], [1, 0], [0, 1]])
    assert mask_of(outlines[1])[:3].all() and not mask_of(outlines[1])[3:].any() and outlines[2] is None
    packed = {"size": [20, 40], "counts": outlines[1].counts.decode()}
    again = only(read_coco(write(tmp_path / "y.json", tree({"segmentation": packed})))).annotations[0].objects.outlines
    assert again == (Rle((20, 40), outlines[1].counts),)


def test_an_object_without_a_box_gets_the_one_around_its_outline(tmp_path):
    mask = {"size": [20, 40], "counts": [20 * 4 + 2, 3, 17, 3, 20 * 34 + 15]}
    annotations = [
        {"bbox": None, "segmentation": [[4, 2, 20, 2, 20, 10]]},
        {"bbox": None, "segmentation": mask},
        {"bbox": None},
    ]
    found = read_coco(write(tmp_path / "x.json", tree(*annotations)))
    expected = [[0.1, 0.1, 0.5, 0.5], [4 / 40, 2 / 20, 6 / 40, 5 / 20]]
    np.testing.assert_allclose(only(found).annotations[0].objects.boxes, expected)
    assert ["annotation 102" in problem.detail for problem in found.problems] == [True]


def test_all_objects_get_the_largest_number_of_keypoints(tmp_path):
    categories = [{"id": 7, "name": "cat", "keypoints": ["nose", "tail"], "skeleton": [[1, 2]]}, *CATEGORIES[1:]]
    annotations = [{"keypoints": [4, 2, 2, 0, 0, 0], "num_keypoints": 1}, {"category_id": 3}]
    write(tmp_path / "train.json", tree(*annotations, categories=categories))
    write(tmp_path / "val.json", tree({"category_id": 3}, {"keypoints": [1] * 9}, categories=CATEGORIES[::-1]))
    found = read_coco(tmp_path)
    train, val = (found.splits[name].annotations[0].objects for name in ("train", "val"))
    assert train.keypoints.shape == (2, 3, 3) and val.keypoints.shape == (2, 3, 3)
    np.testing.assert_allclose(train.keypoints[0, 0], [0.1, 0.1, 2])
    assert not train.keypoints[1].any() and val.classes.tolist() == [1, 0]
    assert found.splits["val"].class_attributes[0]["skeleton"] == [[1, 2]]


def test_the_layouts(tmp_path):
    write(tmp_path / "a" / "annotations" / "instances_train2017.json", tree(), tmp_path / "a" / "train2017")
    write(tmp_path / "a" / "annotations" / "instances_val2017.json", tree(), tmp_path / "a" / "images" / "val2017")
    write(tmp_path / "a" / "annotations" / "person_keypoints_val2017.json", tree(), tmp_path / "a" / "images" / "val2017")
    write(tmp_path / "b" / "train" / "_annotations.coco.json", tree())
    write(tmp_path / "b" / "valid" / "_annotations.coco.json", tree())
    write(tmp_path / "c" / "anything.json", tree(), tmp_path / "c" / "images")
    for folder in "abc":
        assert looks_like_coco(tmp_path / folder)
    assert list(read_coco(tmp_path / "a").splits) == ["train", "val"] == list(read_coco(tmp_path / "b").splits)
    assert "person_keypoints" in read_coco(tmp_path / "a").notes[0]
    assert Path(read_coco(tmp_path / "a").splits["val"].paths[0]).parent == tmp_path / "a" / "images" / "val2017"
    assert list(read_coco(tmp_path / "c").splits) == ["all"]


def test_images_of_the_same_name_belong_to_their_split(tmp_path):
    for split in ("train", "val"):
        write(tmp_path / "annotations" / f"instances_{split}.json", tree(), tmp_path / split)
    assert {Path(index.paths[0]).parent.name for index in read_coco(tmp_path).splits.values()} == {"train", "val"}


def test_large_files_are_not_parsed_to_be_recognized(tmp_path, monkeypatch):
    file = write(tmp_path / "x.json", tree())
    (tmp_path / "other.json").write_text("[]")
    monkeypatch.setattr(coco, "PARSED", 1)
    assert looks_like_coco(file) and looks_like_coco(tmp_path) and not looks_like_coco(tmp_path / "other.json")


def test_files_without_a_partner_are_reported(tmp_path):
    file = write(tmp_path / "x.json", tree({}, {"image_id": 77}, images=("1.jpg", "sub/2.jpg")))
    (tmp_path / "sub" / "2.jpg").unlink()
    found = read_coco(file)
    assert len(found) == 1
    assert [problem.kind for problem in found.problems] == ["bad annotation", "missing partner"]


def test_an_unknown_category_is_class_minus_one(tmp_path):
    found = read_coco(write(tmp_path / "x.json", tree({"category_id": 1}, {"category_id": [1]}, {})))
    assert only(found).annotations[0].objects.classes.tolist() == [-1, -1, 0]
    assert [problem.kind for problem in found.problems] == ["unknown label"] * 2


@pytest.mark.parametrize("width", [0, -4, None, "x", 10**300, float("nan"), 40.5])
def test_without_a_declared_size_the_image_is_opened(tmp_path, width):
    contents = tree({})
    contents["images"][0]["width"] = width
    (annotation,) = only(read_coco(write(tmp_path / "x.json", contents))).annotations
    assert annotation.size == (20, 40)


BAD_BOXES = [
    None,
    "x",
    [1, 2, 3],
    [1, 2, 3, None],
    [1, 2, 3, float("nan")],
    [1, 2, 3, 1e308],
    [1, 2, 3, 10**400],
    {"x": 1},
    [[1]],
]


@pytest.mark.parametrize("bad", BAD_BOXES)
def test_a_bad_object_is_named_and_the_others_stay(tmp_path, bad):
    found = read_coco(write(tmp_path / "x.json", tree({}, {"bbox": bad})))
    assert len(only(found).annotations[0].objects) == 1
    assert [problem.kind for problem in found.problems] == ["bad annotation"]
    assert "annotation 101" in found.problems[0].detail


BAD_PARTS = [
    {"segmentation": [[1, 2, 3, 4]]},
    {"segmentation": [[1, 2, 3, 4, 5, "x"]]},
    {"segmentation": [[1, 2, 3, 4, 5, None]]},
    {"segmentation": [1, 2, 3, 4, 5, 6]},
    {"segmentation": "x"},
    {"segmentation": {"size": [20, 40], "counts": "garbage\0"}},
    {"segmentation": {"size": [20, 40], "counts": "1"}},
    {"segmentation": {"size": [20, 40], "counts": [1, -1, 800]}},
    {"segmentation": {"size": [9, 9], "counts": [81]}},
    {"segmentation": {"size": [10**9, 10**9], "counts": [10**18]}},
    {"keypoints": [1, 2]},
    {"keypoints": [1, 2, 9]},
    {"keypoints": "abc"},
    {"keypoints": [1, 1, 1] * 2000},
]


@pytest.mark.parametrize("bad", BAD_PARTS)
def test_an_object_stays_without_its_bad_part(tmp_path, bad):
    found = read_coco(write(tmp_path / "x.json", tree({}, bad)))
    objects = only(found).annotations[0].objects
    assert len(objects) == 2 and not any(objects.outlines) and objects.keypoints is None
    assert [problem.kind for problem in found.problems] == ["bad annotation"]


@pytest.mark.parametrize(
    "contents", [b"", b"{", b"[" * 100_000, b"\xff\xfe\0", b"[]", b'{"images": 1, "annotations": []}', b"9" * 9999]
)
def test_a_file_that_is_not_coco_is_an_error(tmp_path, contents):
    (tmp_path / "x.json").write_bytes(contents)
    with pytest.raises(DataError, match=r"x\.json"):
        read_coco(tmp_path / "x.json")


def test_a_broken_file_next_to_a_valid_one_is_a_problem(tmp_path):
    write(tmp_path / "train.json", tree())
    (tmp_path / "val.json").write_text('{"images": [], "annotations": {}}')
    found = read_coco(tmp_path)
    assert list(found.splits) == ["train"] and [Path(problem.path).name for problem in found.problems] == ["val.json"]


def test_images_and_categories_without_a_unique_id_are_reported(tmp_path):
    contents = tree(categories=[*CATEGORIES, {"id": 7, "name": "twin"}, {"name": "no id"}, 5, {"id": 8, "name": "cat"}])
    contents["images"] += [contents["images"][0], {"id": 5}, None]
    found = read_coco(write(tmp_path / "x.json", contents | {"images": contents["images"][:1]}))
    assert found.class_names == ("cat", "dog") and len(found.problems) == 4
    assert ["one class" in problem.detail for problem in found.problems if problem.kind == "class names"] == [True]
    (tmp_path / "x.json").write_text(json.dumps(contents))
    assert len(read_coco(tmp_path / "x.json").problems) == 7


def everything(folder):
    categories = [*CATEGORIES, {"id": 90, "name": "person", "supercategory": "", "keypoints": ["a", "b"], "skeleton": [[1, 2]]}]
    categories[1] = categories[1] | {"keypoints": ["nose"]}
    annotations = [
        {"segmentation": [[4, 2, 20.25, 2, 20, 10], [1, 1, 5, 5, 1, 5]], "area": 7.5, "iscrowd": 0, "score": 0.25},
        {"segmentation": {"size": [20, 40], "counts": [0] + [3, 17] * 40}, "iscrowd": 1},
        {"category_id": 90, "keypoints": [4.5, 2, 2, 10, 11, 1], "num_keypoints": 2, "bbox": [1 / 3, 2 / 3, -1, 0]},
        {"category_id": 3, "keypoints": [4.5, 2, 2], "num_keypoints": 1},
    ]
    contents = tree(*annotations, images=("1.jpg", "sub dir/ü.jpg"), categories=categories, licenses=[{"id": 4, "name": "MIT"}])
    contents["images"][1] |= {"license": 4, "coco_url": "http://x", "id": 2**40}
    write(folder / "annotations" / "instances_train.json", contents, folder / "train")
    write(folder / "annotations" / "instances_val.json", tree(categories=categories), folder / "val")
    return read_coco(folder)


def assert_same(found, again):
    assert again.class_names == found.class_names and again.problems == () and list(again.splits) == list(found.splits)
    for name, index in found.splits.items():
        assert again.splits[name].class_attributes == index.class_attributes
        for ours, theirs in zip(again.splits[name].annotations, index.annotations, strict=True):
            assert ours.size == theirs.size and ours.attributes == theirs.attributes
            np.testing.assert_allclose(ours.objects.boxes, theirs.objects.boxes, rtol=1e-6)
            np.testing.assert_array_equal(ours.objects.classes, theirs.objects.classes)
            for here, there in zip(ours.objects.attributes, theirs.objects.attributes, strict=True):
                assert here | there == here
            for here, there in zip(ours.objects.outlines, theirs.objects.outlines, strict=True):
                assert (here == there) if not isinstance(there, tuple) or isinstance(there, Rle) else len(here) == len(there)
                for polygon, other in zip(here or (), there or (), strict=True) if not isinstance(there, Rle) else ():
                    np.testing.assert_allclose(polygon, other, rtol=1e-6)
            if theirs.objects.keypoints is not None:
                np.testing.assert_allclose(ours.objects.keypoints, theirs.objects.keypoints, rtol=1e-6)


def test_what_is_written_is_read_again(tmp_path):
    found = everything(tmp_path / "in")
    assert not +write_coco(found, tmp_path / "out")
    assert_same(found, read_coco(tmp_path / "out"))
    assert (tmp_path / "out" / "train" / "sub dir" / "ü.jpg").is_file()
    written = json.loads((tmp_path / "out" / "annotations" / "instances_train.json").read_text())["annotations"]
    assert [one.get("keypoints") for one in written] == [None, None, [4.5, 2, 2, 10, 11, 1], [4.5, 2, 2]]


def test_a_json_file_names_the_images_where_they_are(tmp_path):
    found = everything(tmp_path / "in")
    write_coco(found, tmp_path / "deep" / "x.json")
    assert names_in(tmp_path / "deep") == ["x.json"]
    again = read_coco(tmp_path / "deep", EVERYWHERE)
    assert [len(index) for index in again.splits.values()] == [2, 1] and again.problems == ()
    assert Path(again.splits["train"].paths[1]).samefile(found.splits["train"].paths[1])


def test_a_failure_leaves_no_json_file(tmp_path, monkeypatch):
    found = everything(tmp_path / "in")
    monkeypatch.setattr(writer.os, "replace", lambda *paths: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_coco(found, tmp_path / "x.json")
    assert names_in(tmp_path) == ["in"]


def test_missing_ids_are_generated():
    assert writer._numbers([None, 1, "a", 1, True]) == [2, 1, "a", 3, 4]
    assert writer._numbers([]) == []


def test_the_border_of_a_mask_is_the_edge_of_its_pixels():
    from visionkit.data.formats.coco_objects import rle_of

    pixels = np.zeros((6, 10), int)
    pixels[1:4, 2:7] = 1
    pixels[2, 4] = 0  # a hole
    pixels[5, 9] = 1
    changes = np.flatnonzero(np.diff(pixels.T.ravel(), prepend=0))
    polygons = polygons_of(rle_of(np.diff(changes, prepend=0, append=60), (6, 10)))
    extents = sorted((*polygon.min(axis=0), *polygon.max(axis=0)) for polygon in polygons)
    np.testing.assert_allclose(extents, [(0.2, 1 / 6, 0.7, 4 / 6), (0.9, 5 / 6, 1, 1)])


@pytest.mark.parametrize("name", ["labels.json", "annotations/labels.json"])
@pytest.mark.parametrize("images", ["data", "data/a", "Images", "img"])
def test_images_are_found_in_a_folder_that_is_named_like_data(tmp_path, name, images):
    file_name = "a/1.jpg" if images == "data/a" else "1.jpg"
    write(tmp_path / name, tree({}, images=(file_name,)), tmp_path / images.partition("/")[0])
    found = read_coco(tmp_path)
    assert only(found).paths == (str(tmp_path / images / "1.jpg"),) and found.problems == ()
    np.testing.assert_allclose(only(found).annotations[0].objects.boxes, [[0.1, 0.1, 0.5, 0.5]])


def test_a_missing_image_says_where_it_was_searched(tmp_path):
    write(tmp_path / "x.json", tree({}), tmp_path / "data")
    (tmp_path / "data" / "1.jpg").unlink()
    with pytest.raises(DataError, match=rf"'1.jpg' does not exist; it was searched in {tmp_path}, .*{tmp_path}/data"):
        read_coco(tmp_path)


def test_other_files_of_coco_for_the_same_split_are_known(tmp_path):
    for family in ("instances", "captions", "person_keypoints"):
        write(tmp_path / "annotations" / f"{family}_train2017.json", tree({}), tmp_path / "train2017")
    found = read_coco(tmp_path)
    assert {Path(file).name.partition("_train")[0] for file in found.annotation_files} == {
        "instances",
        "captions",
        "person_keypoints",
    }
    assert found.problems == () and len(found.notes) == 2


def test_panoptic_annotations_are_named(tmp_path):
    contents = tree({}) | {"annotations": [{"image_id": 10, "file_name": "1.png", "segments_info": [{"id": 1}]}]}
    write(tmp_path / "annotations" / "panoptic_val2017.json", contents, tmp_path / "val2017")
    with pytest.raises(DataError, match=r"panoptic_val2017.json: panoptic annotations \(segments_info\), which are not read"):
        read_coco(tmp_path)


def test_each_split_is_found_in_its_own_folder_below_data(tmp_path):
    for split in ("train", "val"):
        write(tmp_path / "annotations" / f"{split}.json", tree({}), tmp_path / "data" / split)
    found = read_coco(tmp_path)
    assert {split: index.paths for split, index in found.splits.items()} == {
        split: (str(tmp_path / "data" / split / "1.jpg"),) for split in ("train", "val")
    }


@pytest.mark.parametrize(
    ("file", "taken"), [("annotations/train.json", True), ("train/_annotations.json", True), ("ds/train.json", False)]
)
@pytest.mark.parametrize("place", ["", "train/", "images/"])
def test_images_above_the_file_are_its_own_only_where_it_lies_in_a_part_of_the_data_set(tmp_path, file, place, taken):
    """Above a data set there are others, which may have images of the same names."""
    write(tmp_path / file, tree({}, images=("0.jpg", "1.jpg")), images=tmp_path / place)
    image((tmp_path / file).parent / "1.jpg")
    found = read_coco(tmp_path / file)
    paths = [path for index in found.splits.values() for path in index.paths]
    assert (str(tmp_path / place / "0.jpg") in map(str, map(Path, paths))) == taken
    assert any("'0.jpg' does not exist" in problem.detail for problem in found.problems) != taken


def test_a_second_file_of_one_split_is_a_finding_unless_it_holds_captions(tmp_path):
    for name in ("instances_val", "captions_val", "instances_valid"):
        write(tmp_path / "annotations" / f"{name}.json", tree({}), tmp_path / "val")
    write(tmp_path / "annotations" / "instances_train.json", tree({}), tmp_path / "train")
    found = read_coco(tmp_path)
    assert [(problem.kind, Path(problem.path).name) for problem in found.problems] == [
        ("unclear layout", "instances_valid.json")
    ]
    assert any("captions_val.json" in note for note in found.notes)


RIGHT = [[10, 10, 30, 10, 30, 18, 10, 18]]


@pytest.mark.parametrize(
    ("annotation", "is_doubtful"),
    [
        ({"bbox": [10, 10, 30, 18], "segmentation": RIGHT}, True),
        ({"bbox": [10, 10, 20, 8], "segmentation": RIGHT, "area": 160}, False),
        ({"bbox": [2, 1, 18, 19], "area": 288}, True),
        ({"bbox": [2, 1, 18, 19], "area": 342}, False),
        ({"bbox": [2, 1, 18, 19], "area": 100}, False),
    ],
)
def test_boxes_that_contradict_their_outlines_or_areas_are_a_finding(tmp_path, annotation, is_doubtful):
    found = read_coco(write(tmp_path / "x.json", tree(annotation, annotation, {})))
    assert [problem.kind for problem in found.problems] == ["unclear layout"] * is_doubtful
    assert all(problem.detail.startswith("2 of 3 boxes contradict") for problem in found.problems)


def test_objects_to_ignore_are_not_detected(tmp_path):
    (annotation,) = only(read_coco(write(tmp_path / "x.json", tree({"ignore": 1}, {"ignore": 0}, {})))).annotations
    assert crowds(annotation.objects).tolist() == [True, False, False]


@pytest.mark.parametrize(("x", "count"), [(41, 0), (100, 1)])
def test_keypoints_far_outside_of_an_image_are_a_finding(tmp_path, x, count):
    write(tmp_path / "x.json", tree({"keypoints": [x, 10, 2, 200, 0, 0, 5, 5, 1]}))
    found = [finding.detail for finding in check(tmp_path).findings if finding.kind == "keypoint outside"]
    assert found == ["1 of 2 keypoints lie outside of it, such as x 100, y 10 pixels"] * count


def test_a_missing_image_says_in_which_folders_its_name_occurs(tmp_path):
    write(tmp_path / "x.json", tree({}), tmp_path / "one")
    image(tmp_path / "two" / "1.jpg")
    with pytest.raises(DataError, match=r"searched in .*; files of this name are in one/ and two/: write the folder into"):
        read_coco(tmp_path)


@pytest.mark.parametrize(
    ("objects", "above", "names"),
    [
        ([{"category_id": 1}], "things", ("cat", "dog")),
        ([{"category_id": 0}], "things", ("things", "cat", "dog")),
        ([{"category_id": 1}], "animal", ("things", "cat", "dog")),
    ],
)
def test_the_root_of_the_categories_is_no_class_without_objects(tmp_path, objects, above, names):
    categories = [
        {"id": number, "name": name, "supercategory": above if number else "none"}
        for number, name in enumerate(("things", "cat", "dog"))
    ]
    found = read_coco(write(tmp_path / "x.json", tree(*objects, categories=categories)))
    assert found.class_names == names and found.problems == ()
    assert only(found).annotations[0].objects.classes.tolist() == [
        names.index("things" if objects[0]["category_id"] == 0 else "cat")
    ]


def test_images_that_have_an_address_alone_are_found_by_its_end(tmp_path):
    """As in LVIS, where images of train2017 and of val2017 are in both files."""
    contents = tree({})
    file = write(tmp_path / "annotations" / "lvis_v1_val.json", contents, tmp_path / "train2017")
    contents["images"][0]["coco_url"] = "http://images.cocodataset.org/train2017/1.jpg"
    del contents["images"][0]["file_name"]
    file.write_text(json.dumps(contents))
    found = only(read_coco(tmp_path))
    assert found.paths == (str(tmp_path / "train2017" / "1.jpg"),) and len(found.annotations[0].objects) == 1
