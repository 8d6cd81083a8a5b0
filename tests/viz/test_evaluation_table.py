"""Measured models beside each other: numbers are aligned, and the best of each column is marked."""

import re

from visionkit.viz.evaluation_table import best_of, single_lines, table_lines, write_comparison

ROWS = (
    {"accuracy": 0.75, "calibration_error": 0.5, "threshold": 0.1, "images": 1200, "megabytes": 14.84},
    {"accuracy": 0.5, "calibration_error": None, "threshold": 0.2, "images": 1200, "megabytes": 3.0},
)


def test_no_models_are_a_head_alone():
    assert table_lines([], []) == ["model"]


def test_one_model_has_a_number_a_line():
    assert single_lines(ROWS[0]) == [
        " 0.75  accuracy",
        "  0.5  calibration error",
        "  0.1  threshold",
        "1,200  images",
        " 14.8  megabytes",
    ]


def test_several_models_have_a_row_each():
    head, one, two = table_lines(["a", "long/name"], ROWS)
    assert head.split() == ["model", "accuracy", "calibration_error", "threshold", "images", "megabytes"]
    assert one.split() == ["a", "0.75", "0.5", "0.1", "1,200", "14.8"] and two.split()[2] == "-" and len(one) == len(two)


def test_the_best_is_high_or_low_or_none():
    assert best_of("accuracy", [0.5, 0.75]) == 0.75 and best_of("calibration_error", [0.5, 0.1]) == 0.1
    assert best_of("threshold", [0.1, 0.2]) is None and best_of("accuracy", [0.5, 0.5]) is None
    assert best_of("accuracy", [None, 0.5]) is None


def test_the_page_marks_the_best_and_escapes_names(tmp_path):
    pages = [tmp_path / "r-1.html", tmp_path / "r-2.html"]
    page = write_comparison(tmp_path / "r.html", title="T", names=["<b>", "two"], pages=pages, rows=ROWS, notes=["A <note>."])
    text = page.read_text()
    assert re.findall(r'class="n best">([\d.]+)<', text) == ["0.75", "3.0"]
    assert "<b>" not in text and "A &lt;note&gt;." in text and 'href="r-2.html"' in text
