import pytest

from visionkit.data.formats.class_names import (
    class_name_of,
    list_with,
    longest_list,
    names_files,
    read_names,
    similar_names,
    undecoded_names,
    unique_names,
)
from visionkit.data.index import DataError


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
