import numpy as np
import pytest

from visionkit.data.formats.class_names import (
    class_name_of,
    header_among,
    list_with,
    longest_list,
    names_files,
    read_names,
    similar_names,
    undecoded_names,
    unique_names,
)
from visionkit.data.index import DataError, Index
from visionkit.data.splits import DataSet


def test_no_files_and_no_names(tmp_path):
    assert names_files([]) == [] and longest_list([]) == (None, []) and list_with([], []) == (None, [])
    assert unique_names([], "f", []) == ([], []) and similar_names([], "f") == [] and undecoded_names([], []) == []
    (tmp_path / "classes.txt").touch()
    assert read_names(tmp_path / "classes.txt") == []


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a.txt", "Classes.TXT", "x.names", "obj.names"], ["Classes.TXT", "obj.names", "x.names"]),
        (["predefined_classes.txt", "classes.txt"], ["classes.txt"]),  # labelImg's default, beside what it wrote
        (["predefined_classes.txt", "a.txt"], ["predefined_classes.txt"]),
    ],
)
def test_the_files_that_list_class_names(names, expected):
    assert names_files(names) == expected


def test_the_longest_of_several_lists_is_read_and_other_names_for_a_number_are_an_error(tmp_path):
    short, long = tmp_path / "classes.txt", tmp_path / "labels.txt"
    short.write_text("cat\n")
    long.write_text("cat\n\ndog\n")
    assert longest_list([short, long]) == (long, ["cat", "1", "dog"])
    short.write_text("dog\n")
    with pytest.raises(DataError, match=r"labels.txt has cat, 1, dog and .*classes.txt has dog: a number would mean two"):
        longest_list([short, long])


def test_of_lists_beside_names_the_one_that_has_them_all_is_read(tmp_path):
    first, second = tmp_path / "classes.txt", tmp_path / "labels.txt"
    first.write_text("car\nbus\n")
    second.write_text("dog\ncafe\u0301 \n")
    assert list_with(["café"], [first, second]) == (second, ["dog", "cafe\u0301"])
    assert list_with(["owl"], [first, second]) == (first, ["car", "bus"])
    assert class_name_of(" cafe\u0301 ") == "café"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("1 dog\n0 cat\n", ["cat", "dog"]),
        ("dog,2\ncat,1\n", ["cat", "dog"]),
        ("id,name\n0,dog\n1,cat\n", ["dog", "cat"]),
        ("# my classes\ncat\n\ndog\n", ["cat", "1", "dog"]),
        ("0 cat\n7 dog\n", ["0 cat", "7 dog"]),
        ("1 euro\n2 euro\n", ["1 euro", "2 euro"]),
        ("[cat, dog]", ["cat", "dog"]),
    ],
)
def test_numbers_give_the_order_if_they_count_the_lines(tmp_path, text, names):
    (tmp_path / "classes.txt").write_text(text)
    assert read_names(tmp_path / "classes.txt") == names


@pytest.mark.parametrize(
    ("names", "detail"),
    [
        (["cat", "dog", "dog"], "several classes are named 'dog', and stay apart"),
        (["cat", "dog", "Dog "], "names differ only in letter case or blanks and stay apart: 'dog' and 'Dog '"),
    ],
)
def test_equal_names_and_names_that_are_nearly_so_are_told_apart(names, detail):
    assert [problem.detail for problem in similar_names(names, "f")] == [detail]


@pytest.mark.parametrize(("labels", "expected"), [((0, 1), 1), ((0, 2), 0)])
def test_a_first_class_named_as_a_header_is_a_finding_unless_the_last_class_occurs(labels, expected):
    data_set = DataSet({"all": Index(("name", "cat", "dog"), ("a.jpg", "b.jpg"), np.array(labels, np.int32))})
    assert [problem.kind for problem in header_among(data_set, "f")] == ["class names"] * expected


@pytest.mark.parametrize(
    ("names", "encoding", "is_found"),
    [
        (["\u043a\u043e\u0442", "\u043f\u0435\u0441"], "cp1251", True),
        (["\u732b", "\u72d7"], "gbk", True),
        (["\u043a\u043e\u0442", "\u043f\u0435\u0441"], "utf-8", False),
        (["caf\u00e9", "cr\u00e9\u00e9e", "Gr\u00f6\u00dfe"], "latin-1", False),
        (["p\u00e4\u00e4"], "utf-8", False),
        (["cat"], "utf-8", False),
    ],
)
def test_names_that_are_not_in_utf_8_are_reported(tmp_path, names, encoding, is_found):
    file = tmp_path / "classes.txt"
    file.write_bytes("\n".join(names).encode(encoding))
    found = undecoded_names(read_names(file), [str(file)])
    assert [(problem.kind, problem.path) for problem in found] == [("class names", str(file))] * is_found
