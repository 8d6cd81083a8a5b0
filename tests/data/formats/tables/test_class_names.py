"""Names of classes from files next to a table."""

import pytest

from visionkit.data.formats.tables.class_names import name_classes


def named(folder, labels):
    classes = name_classes(set(labels), [folder / "x.csv"])
    return {label: classes.names[classes.numbers[label]] for label in labels}, classes


def test_no_label_has_no_name(tmp_path):
    assert name_classes(set(), [tmp_path / "x.csv"]).names == ()


def test_without_a_file_the_labels_are_the_names_in_natural_order(tmp_path):
    assert named(tmp_path, ["10", "9", "cat"])[1].names == ("9", "10", "cat")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("classes.txt", "cat\ndog\n"),
        ("labels.csv", "id,name\n0,cat\n1,dog\n"),
        ("class_list.csv", "cat,0\ndog,1\n"),
        ("label_num_to_disease_map.json", '{"0": "cat", "1": "dog"}'),
        ("classes.json", '{"dog": 1, "cat": 0}'),
        ("classes.json", '["cat", "dog", "cow"]'),
        ("classes.txt", "0: cat\n1: dog\n2: cow\n"),
    ],
)
def test_numbers_get_names(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    names, classes = named(tmp_path, ["0", "1"])
    assert names == {"0": "cat", "1": "dog"} and classes.names == ("cat", "dog") and classes.files == [tmp_path / name]


def test_lines_may_count_from_one(tmp_path):
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    assert named(tmp_path, ["1", "2"])[0] == {"1": "cat", "2": "dog"}


@pytest.mark.parametrize(("name", "content"), [("classes.txt", "cat\ndog\ncow\n"), ("names.json", '["cat", "dog", "cow"]')])
def test_labels_that_may_count_from_0_or_1_keep_their_numbers(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    names, classes = named(tmp_path, ["1", "2"])
    assert names == {"1": "1", "2": "2"}
    assert [(problem.kind, problem.path) for problem in classes.problems] == [("class names", str(tmp_path / name))]
    (tmp_path / "classes.csv").write_text("1,cat\n2,dog\n")
    names, classes = named(tmp_path, ["1", "2"])
    assert names == {"1": "cat", "2": "dog"} and classes.problems == []


def test_a_file_may_order_the_names(tmp_path):
    (tmp_path / "classes.csv").write_text("dog,0\ncat,1\n")
    assert named(tmp_path, ["cat", "dog"])[1].names == ("dog", "cat")


def test_labels_without_a_name_are_reported_and_keep_theirs(tmp_path):
    (tmp_path / "class-descriptions-boxable.csv").write_text("/m/1,Cat\n")
    names, classes = named(tmp_path, ["/m/1", "/m/2"])
    assert names == {"/m/1": "Cat", "/m/2": "/m/2"}
    assert [(problem.kind, problem.detail) for problem in classes.problems] == [
        ("unknown label", "1 of 2 labels have no name in it: /m/2")
    ]


def test_equal_names_stay_apart(tmp_path):
    (tmp_path / "classes.csv").write_text("0,cat\n1,cat\n")
    assert named(tmp_path, ["0", "1"])[0] == {"0": "cat (0)", "1": "cat (1)"}


@pytest.mark.parametrize(
    ("name", "content"), [("classes.csv", "a\0"), ("classes.json", "{"), ("classes.json", "[[1]]"), ("classes.txt", "")]
)
def test_files_that_say_nothing_are_passed_over(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    assert named(tmp_path, ["cat", "dog"])[1].files == []
