import pytest

from visionkit.data.images.name_lists import how_read, is_header, name_lines, numbered


def test_nothing():
    assert name_lines("") == [] and numbered([]) == [] and not is_header("") and how_read("") == ""


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("cat\n\ndog\n\n", ["cat", "", "dog"]),
        ("# my classes\ncat\n#cow\ndog\n", ["cat", "dog"]),
        ("#ff0000 cat\n", ["#ff0000 cat"]),
        ("id,name\n0,cat\n1,dog\n", ["0,cat", "1,dog"]),
        ("Class_ID\tClass_Name\n0\tcat\n1\tdog\n", ["0\tcat", "1\tdog"]),
        ("class,value\ncat,0\ndog,1\n", ["cat,0", "dog,1"]),
        ("name\nbackground\ncat\n", ["background", "cat"]),
        ("name\ndate\ntotal\n", ["name", "date", "total"]),  # what an invoice has
        ("background,cat,dog", ["background", "cat", "dog"]),
        ("cat\tred dog\n", ["cat", "red dog"]),
        ("['cat', \"dog\"]", ["cat", "dog"]),
        ("cat;dog;", ["cat", "dog"]),
        ("red dog\n", ["red dog"]),
        ("0, cat\n", ["0, cat"]),
        ("background,0,0,0\n", ["background,0,0,0"]),
    ],
)
def test_comments_a_header_and_a_list_in_one_line(text, lines):
    assert name_lines(text) == lines


def test_a_header_and_a_list_in_one_line_are_said():
    assert how_read("id,name\n0,cat\n1,dog\n") == "its first line, 'id,name', is a header"
    assert how_read("cat;dog;\n") == "its only line is a list of 2 names"
    assert how_read("cat\ndog\n") == how_read("# all\ncat\n") == ""


@pytest.mark.parametrize(
    ("lines", "pairs"),
    [
        (["1 dog", "0 cat"], [("1", "dog"), ("0", "cat")]),
        (["0. cat", "1. dog"], [("0", "cat"), ("1", "dog")]),
        (["0 - cat", "1 - red dog"], [("0", "cat"), ("1", "red dog")]),
        (["128: cell", "other=rest"], [("128", "cell"), ("other", "rest")]),
        (["dog 2", "cat 1", "background 0"], [("2", "dog"), ("1", "cat"), ("0", "background")]),
        (["cat,1", "dog:2"], [("1", "cat"), ("2", "dog")]),
        (["cat", "1 dog"], []),
        (["road 66", "street"], []),
        (["road 66", "road 1"], []),
        (["class 1", "class 2"], []),
        (["1 cat", "1 dog"], []),
    ],
)
def test_numbers_count_where_all_lines_have_them(lines, pairs):
    assert numbered(lines) == pairs
