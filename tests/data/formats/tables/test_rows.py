"""Text of tables, however it is written or damaged."""

import pytest

from visionkit.data.formats.tables.rows import SAMPLE, open_rows, read_head, rows_of
from visionkit.data.index import DataError


def rows(text):
    problems = []
    found = [(line, fields) for line, fields in rows_of(text, "x.csv", problems)]
    return found, [problem.detail for problem in problems]


def test_an_empty_text_has_no_rows():
    assert rows("") == ([], []) and rows("\n\n") == ([], [])


@pytest.mark.parametrize("first", ["sep=;\n", "SEP=;\r\n", ""])
def test_the_first_line_may_declare_the_delimiter(first):
    assert [fields for _, fields in rows(f"{first}image;label\na,b;c\n")[0]] == [["image", "label"], ["a,b", "c"]]


def test_blanks_around_fields_do_not_count():
    assert rows('a , "b, c" ,1\n')[0] == [(1, ["a", "b, c", "1"])]


def test_a_field_may_have_several_lines():
    found, problems = rows('image,text,label\na,"one\ntwo, three",cat\nb,x,dog\n')
    assert found[1:] == [(2, ["a", "one\ntwo, three", "cat"]), (4, ["b", "x", "dog"])] and problems == []


@pytest.mark.parametrize("rest", ["b,dog\nc,cat\n", 'b,"dog"\nc,cat\n', 'b,dog"\nc,cat\n'])
def test_a_quotation_mark_without_an_end_costs_one_line(rest):
    found, problems = rows(f'image,label\na,"cat\n{rest}')
    assert problems[0] == "line 2: a quotation mark opens and none closes it"
    assert [(line, fields[0]) for line, fields in found] == [(1, "image"), (3, "b"), (4, "c")]


def test_a_quotation_mark_without_an_end_in_a_long_table_costs_one_line():
    found, problems = rows('image,label\na,"cat\n' + "b,dog\n" * 40_000)
    assert len(found) == 40_001 and len(problems) == 1 and problems[0].startswith("line 2: ")


def test_the_head_of_a_long_table_ends_with_a_whole_line(tmp_path):
    file = tmp_path / "x.csv"
    file.write_text("image,label\n" + "ö.jpg,cat\n" * 50_000)
    head = read_head(file)
    assert len(head) == SAMPLE + 1 and head[-1] == ["ö.jpg", "cat"]


def test_null_characters_and_missing_files_are_errors(tmp_path):
    (tmp_path / "x.csv").write_bytes(b"image\0")
    for read in (read_head, lambda file: open_rows(file, [])):
        with pytest.raises(DataError, match="null characters"):
            read(tmp_path / "x.csv")
        with pytest.raises(DataError, match="cannot be read"):
            read(tmp_path / "nowhere.csv")
