"""Drawings are named after their images."""

from visionkit.inference.output import drawing_names, lines_of, unreadable
from visionkit.inference.predictor import Unreadable


def test_drawings_of_one_name_get_numbers():
    assert drawing_names([]) == []
    assert drawing_names(["a/cat.jpg", "b/cat.png", "dog.gif", "cat_2.jpg"]) == [
        "cat.png",
        "cat_2.png",
        "dog.png",
        "cat_2_2.png",
    ]


def test_a_label_or_a_path_is_one_line_of_a_result():
    text = lines_of("a\x1b[2J\n    99.0%  cat.jpg", "    50.0%  d\rog")
    assert text == "a\\x1b[2J\\n    99.0%  cat.jpg\n    50.0%  d\\rog" and lines_of() == ""
    line = unreadable(Unreadable("b\n.jpg", "no\nimage"))
    assert line.text == "b\\n.jpg\n    cannot be read: no\\nimage" and line.record["path"] == "b\n.jpg"
