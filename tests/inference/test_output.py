"""Drawings are named after their images."""

import pytest
from PIL import Image

from visionkit.errors import UserError
from visionkit.inference.output import drawing_names, lines_of, refuse_overwriting, unreadable
from visionkit.inference.predictor import Unreadable
from visionkit.viz.labels import encode_png


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


def test_drawings_replace_earlier_drawings_and_no_other_images(tmp_path):
    refuse_overwriting([], [])
    image = Image.new("RGB", (8, 8))
    (tmp_path / "drawn.png").write_bytes(encode_png(image))
    image.save(tmp_path / "mask.png")
    refuse_overwriting(["a.jpg"], [tmp_path / "drawn.png", tmp_path / "new.png"])
    for sources, written, message in (
        (["a.jpg"], tmp_path / "mask.png", "no visionkit command wrote it"),
        ([str(tmp_path / "drawn.png")], tmp_path / "drawn.png", "would be written over"),
        (["a.jpg"], tmp_path / "mask.png" / "a.png", "expected a folder"),
    ):
        with pytest.raises(UserError, match=message):
            refuse_overwriting(sources, [written])
