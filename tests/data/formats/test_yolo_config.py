"""data.yaml and its names; the forms of lines that data.yaml does not declare."""

import numpy as np
import pytest

from tests.conftest import write_classes
from tests.data.formats.test_voc import only
from tests.data.formats.test_yolo import config, kinds, label
from visionkit.data.formats.yolo import read_yolo
from visionkit.data.formats.yolo_config import find_config
from visionkit.data.sources import read


def test_an_empty_folder_has_no_configuration(tmp_path):
    assert find_config(tmp_path, []) == (None, {})


def posed(rng, number, width):
    """A line of a box within the image, and of points within the box."""
    sides = rng.uniform(0.05, 0.3, 2)
    center = rng.uniform(sides / 2, 1 - sides / 2)
    points = center + rng.uniform(-0.5, 0.5, (number, 2)) * sides
    rows = [[*point, *rng.integers(1, 3, width - 2)] for point in points.tolist()]
    return [*center.tolist(), *sides.tolist(), *(number for row in rows for number in row)]


def outline(rng, number):
    """A line of the points of an outline, which begins at the top."""
    angles = np.sort(rng.uniform(0, 2 * np.pi, number))
    points = rng.uniform(0.2, 0.8, 2) + rng.uniform(0.03, 0.2) * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return np.roll(points, -points[:, 1].argmin(), axis=0).ravel().tolist()


def lines_of(rows):
    return "".join(f"0 {' '.join(f'{number:.6f}' for number in row)}\n" for row in rows)


def test_keypoints_without_their_shape(tmp_path):
    row = "0 0.5 0.5 0.4 0.4 0.4 0.4 0.6 0.4 0.5 0.5 0.4 0.6 0.6 0.6\n"
    for name in ("1", "2"):
        label(tmp_path, name, row)
    found = read_yolo(config(tmp_path, train="images"))
    objects = only(found).annotations[0].objects
    np.testing.assert_allclose(objects.boxes, [[0.3, 0.3, 0.7, 0.7]])
    points = [[0.4, 0.4, 2], [0.6, 0.4, 2], [0.5, 0.5, 2], [0.4, 0.6, 2], [0.6, 0.6, 2]]
    np.testing.assert_allclose(objects.keypoints, [points])
    assert objects.outlines == () and kinds(found) == ["unclear layout"] and "[5, 2]" in found.problems[0].detail


@pytest.mark.parametrize(("number", "width"), [(17, 3), (17, 2), (5, 3), (4, 2), (2, 3), (1, 3)])
def test_keypoints_of_any_number_without_their_shape(tmp_path, number, width):
    rng = np.random.default_rng(number)
    rows = [posed(rng, number, width) for _ in range(30)]
    label(tmp_path, "1", lines_of(rows))
    objects = only(found := read_yolo(tmp_path)).annotations[0].objects
    assert objects.keypoints.shape == (30, number, 3) and kinds(found) == ["unclear layout"]
    np.testing.assert_allclose(objects.boxes[:, 2:] - objects.boxes[:, :2], [row[2:4] for row in rows], atol=1e-5)
    np.testing.assert_allclose(objects.keypoints[:, 0, :2], [row[4:6] for row in rows], atol=1e-5)


@pytest.mark.parametrize("number", [3, 5, 7, 12, 40])
def test_outlines_of_as_many_points_in_every_line_stay_outlines(tmp_path, number):
    rng = np.random.default_rng(number)
    label(tmp_path, "1", lines_of(outline(rng, number) for _ in range(30)))
    found = read_yolo(tmp_path)
    objects = only(found).annotations[0].objects
    assert found.problems == () and objects.keypoints is None and {len(one[0]) for one in objects.outlines} == {number}


@pytest.mark.parametrize("angle", [0.0, 0.4])
def test_turned_boxes_stay_outlines(tmp_path, angle):
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    corners = np.array([[-0.05, -0.02], [0.05, -0.02], [0.05, 0.02], [-0.05, 0.02]]) @ turn.T + 0.5
    label(tmp_path, "1", lines_of([corners.ravel().tolist()] * 4))
    found = read_yolo(tmp_path)
    objects = only(found).annotations[0].objects
    assert found.problems == () and objects.keypoints is None
    np.testing.assert_allclose(objects.boxes[0], [*corners.min(axis=0), *corners.max(axis=0)], atol=1e-5)


def test_a_confidence_at_the_end_of_every_line_is_ignored(tmp_path):
    label(tmp_path, "1", "0 0.3 0.3 0.4 0.2 0.91\n1 0.5 0.5 0.2 0.2 0.25\n")
    found = read_yolo(tmp_path)
    np.testing.assert_allclose(only(found).annotations[0].objects.boxes, [[0.1, 0.2, 0.5, 0.4], [0.4, 0.4, 0.6, 0.6]])
    assert found.problems == () and any("confidence" in note for note in found.notes)
    label(tmp_path, "1", "0 0.1 0.1 0.5 0.1 0.5 0.6 0.9\n0 0.1 0.1 0.5 0.1 0.5 0.6 0.1 0.6 0.8\n")
    found = read_yolo(tmp_path)
    assert [len(one[0]) for one in only(found).annotations[0].objects.outlines] == [3, 4] and found.problems == ()


NAMES = [
    "no",
    "yes",
    "on",
    "off",
    "010",
    "1_000",
    "1:30",
    "1e3",
    "null",
    "~",
    "2024-01-01",
    "0x1F",
    "1.50",
    "12",
    "y",
    "=",
    "2024-13-45",
]


@pytest.mark.parametrize("as_list", [True, False])
def test_class_names_are_those_that_are_written(tmp_path, as_list):
    label(tmp_path, "1", "1 0.5 0.5 0.2 0.2\n")
    lines = [f"- {name}\n" if as_list else f"  {number:02}: {name}\n" for number, name in enumerate(NAMES)]
    found = read_yolo(config(tmp_path, f"names:\n{''.join(lines)}", train="images"))
    assert found.class_names == tuple(NAMES) and found.problems == ()
    assert [note for note in found.notes if "YAML takes them for other values: no, yes, on, off, 010" in note]
    quoted = config(tmp_path, "names: ['no', \"010\", cat]\n", train="images")
    assert read_yolo(quoted).class_names == ("no", "010", "cat") and read_yolo(quoted).notes == ()


def test_other_keys_keep_their_types(tmp_path):
    label(tmp_path, "1", "0 0.5 0.5 0.2 0.2 0.5 0.5 2\n")
    found = read_yolo(config(tmp_path, "nc: 1\nkpt_shape: [1, 3]\nnames: {0: on}\n", train="images"))
    assert found.problems == () and only(found).annotations[0].objects.keypoints.tolist() == [[[0.5, 0.5, 2]]]


def test_equal_names_become_one_class_and_similar_ones_stay_apart(tmp_path):
    label(tmp_path, "1", "".join(f"{number} 0.5 0.5 0.2 0.2\n" for number in (0, 1, 2, 3, 4, 9)))
    names = ["cafe\u0301", "dog", "caf\u00e9", "Dog", " dog "]
    text = "names:\n" + "".join(f"  - '{name}'\n" for name in names)
    file = config(tmp_path, text, train="images")
    found = read_yolo(file)
    assert found.class_names == ("caf\u00e9", "dog", "Dog")
    assert only(found).annotations[0].objects.classes.tolist() == [0, 1, 0, 2, 1, -1]
    assert sorted(kinds(found)) == ["class names", "unknown label"]
    assert "become one class" in " ".join(problem.detail for problem in found.problems)
    everything = read(file).problems
    assert everything[-1].kind == "class names" and "'dog' and 'Dog'" in everything[-1].detail


@pytest.mark.parametrize(
    ("text", "detail"), [("nc: 3\nnames: [a, b]\n", "nc is 3"), ("names: {0: a, 0: b}\n", "the number '0'")]
)
def test_names_that_contradict_are_reported(tmp_path, text, detail):
    label(tmp_path, "1", "0 0.5 0.5 0.2 0.2\n")
    found = read_yolo(config(tmp_path, text, train="images"))
    assert kinds(found) == ["class names"] and detail in found.problems[0].detail


@pytest.mark.parametrize(
    ("lines", "names", "detail"),
    [
        ("names: [cat, dog]\nnames: [dog, no]", ("dog", "no"), "'names' is given twice; the last one is used"),
        ("nc: 1\nnames: [cat]\nnc: 1", ("cat",), "'nc' is given twice; the last one is used"),
    ],
)
def test_of_a_key_that_is_given_twice_the_last_counts_and_is_a_finding(tmp_path, lines, names, detail):
    label(tmp_path, "1", "0 0.5 0.5 0.4 0.4\n")
    (tmp_path / "data.yaml").write_text(f"train: images\nval: images\n{lines}\n")
    found = read_yolo(tmp_path)
    assert found.class_names == names and [problem.detail for problem in found.problems] == [detail]


@pytest.mark.parametrize(
    ("listed", "details"),
    [
        ("dog\ncat\n", ["'dog' is class 0 here, but 1 in data.yaml, whose order is used; remove the list that is wrong"]),
        ("cat\ndog\n", []),
        ("cat\n", []),
        ("car\nbus\n", []),  # of another data set
    ],
)
def test_a_list_of_names_in_another_order_than_data_yaml_is_a_finding(tmp_path, listed, details):
    label(tmp_path, "1", "1 0.5 0.5 0.4 0.4\n")
    (tmp_path / "data.yaml").write_text("train: images\nval: images\nnames: [cat, dog]\n")
    (tmp_path / "classes.txt").write_text(listed)
    found = read_yolo(tmp_path)
    assert found.class_names == ("cat", "dog") and [problem.detail for problem in found.problems] == details


def test_the_folder_that_path_names_may_lie_beside_the_file(tmp_path):
    label(tmp_path / "coco8", "train/1", "0 0.5 0.5 0.4 0.4\n")
    label(tmp_path / "coco8", "val/2", "0 0.5 0.5 0.4 0.4\n")
    file = tmp_path / "coco8.yaml"
    file.write_text("path: ../datasets/coco8\ntrain: images/train\nval: images/val\nnames: [cat]\n")
    found = read_yolo(file)
    assert {split: len(index) for split, index in found.splits.items()} == {"train": 1, "val": 1} and found.problems == ()


def test_data_yaml_of_class_folders_does_not_hide_them(tmp_path):
    for split, count in (("train", 3), ("val", 2)):
        write_classes(tmp_path / "data" / split, {"red": count, "blue": count})
    (tmp_path / "dataset.yaml").write_text("path: data\ntrain: train\nval: val\nnames: [red, blue]\n")
    found = read(tmp_path)
    assert found.format == "class folders (train/, val/)" and {name: len(one) for name, one in found.splits.items()} == {
        "train": 6,
        "val": 4,
    }


@pytest.mark.parametrize(
    ("folders", "read_as"),
    [
        ({"train": "images", "val": "images", "test": "images"}, {"all": 1}),
        ({"train": "images/test", "val": "images/test", "test": "images/test"}, {"test": 1}),
        ({"train": "images/train", "val": "images/train", "test": "images/test"}, {"train": 1, "test": 1}),
        ({"train": "images/train", "val": "images/train"}, {"all": 1}),
    ],
)
def test_splits_that_name_the_same_images_are_one_split(tmp_path, folders, read_as):
    for name in ("1", "train/2", "test/3") if "images" not in folders.values() else ("1",):
        label(tmp_path, name, "0 0.5 0.5 0.4 0.4\n")
    found = read_yolo(config(tmp_path, **folders))
    assert {split: len(index) for split, index in found.splits.items()} == read_as
    assert "data.yaml names the same images as train and as val" in " ".join(found.notes)
