"""The page shows findings with images, and markup in file names does nothing."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.quality.test_check import boxes_of, classification, detection, image, mask, segmentation
from visionkit.data.images.decode import read_image
from visionkit.data.index import Problem
from visionkit.data.quality.check import check
from visionkit.data.splits import DataSet
from visionkit.viz import check_page
from visionkit.viz.check_page import write_check_page


def page_of(data, folder) -> str:
    return write_check_page(check(data), folder / "check.html").read_text(encoding="utf-8")


def thumbnails(page: str) -> int:
    return page.count("data:image/jpeg")


def test_a_data_set_without_images_has_a_page(tmp_path):
    data = DataSet({"all": detection([], [])}, problems=(Problem("bad annotation", "x.json", "no JSON"),))
    page = page_of(data, tmp_path)
    assert "Something is wrong with 1 file" in page and "no JSON" in page and "data:image" not in page


def test_a_sound_data_set_is_reported_as_sound(tmp_path):
    paths = [image(tmp_path / f"{i}.png", i) for i in range(4)]
    page = page_of(DataSet({"train": classification(paths[:2], [0, 1]), "val": classification(paths[2:], [0, 1])}), tmp_path)
    assert "Nothing is wrong with these 4 images" in page and "every file could be opened" in page
    assert "data:image" not in page
    assert [path.name for path in tmp_path.glob("*check.html*")] == ["check.html"]


def test_sizes_have_a_figure_where_they_differ(tmp_path):
    paths = [image(tmp_path / f"{i}.png", i, size=(30 * i + 8, 20 * i + 8)) for i in range(9)]
    assert page_of(DataSet({"all": classification(paths, [0] * 9)}), tmp_path).count("data:image/png") == 1


def test_wrong_boxes_are_drawn_and_copies_stand_side_by_side(tmp_path):
    paths = [image(tmp_path / f"{i}.png", i) for i in (0, 1, 1)]
    objects = [boxes_of((0.5, 0.5, 1.5, 0.8), (0.2, 0.2, 0.2, 0.2)), boxes_of((0, 0, 0.5, 0.5)), boxes_of((0, 0, 0.5, 0.5))]
    other = tmp_path / "copy.png"
    other.write_bytes(Path(paths[1]).read_bytes())
    page = page_of(DataSet({"train": detection([*paths[:2], str(other)], objects)}), tmp_path)
    assert thumbnails(page) == 2 + 2 and page.count("data:image/png") == 1
    assert "cat: x 32 to 96" in page and 'class="pair"' in page and "copy.png" in page


def test_the_page_opens_only_the_images_that_it_shows(tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr(check_page, "read_image", lambda path: read.append(path) or read_image(path))
    path = image(tmp_path / "0.png")
    page = page_of(DataSet({"all": detection([path], [boxes_of(*[(0.5, 0.5, 0.4, 0.6)] * 30)])}), tmp_path)
    assert thumbnails(page) == len(read) == check_page.SHOWN
    assert "The first 24:" in page


def test_a_mask_of_another_size_is_shown_by_its_image(tmp_path):
    paths = [image(tmp_path / f"{i}.png", i) for i in range(2)]
    masks = [mask(tmp_path / "masks" / "0.png", [1]), mask(tmp_path / "masks" / "1.png", [1], size=(10, 10))]
    page = page_of(DataSet({"all": segmentation(paths, masks)}), tmp_path)
    assert thumbnails(page) == 1 and "10x10 pixels" in page


def test_names_are_escaped_and_the_page_loads_nothing(tmp_path):
    evil = tmp_path / "<script>alert(1)<" / "caf\udce9.jpg"
    image(evil)
    evil.write_bytes(b"text")
    data = DataSet(
        {"<b>train": classification([str(evil), image(tmp_path / "0.png")], [0, 1], names=("<i>猫", "b"))},
        notes=("<u>note",),
        problems=(Problem("unknown label", '"><img src=x>', "<em>"),),
    )
    page = write_check_page(check(data), tmp_path / "p.html", title="<h1>").read_text(encoding="utf-8")
    assert not re.search("<script>|<b>train|<i>猫|<u>note|<img src=x|<em>|<h1><", page)
    assert "&lt;i&gt;猫" in page
    assert re.findall(r'(?:src|href)="(?!data:|#)', page) == []


def test_an_image_that_vanished_after_the_check_is_left_out(tmp_path):
    path = image(tmp_path / "0.png")
    checked = check(DataSet({"all": detection([path], [boxes_of((0.5, 0.5, 0.4, 0.6))])}))
    Path(path).unlink()
    page = write_check_page(checked, tmp_path / "new" / "p.html").read_text()
    assert thumbnails(page) == 0 and "Inverted box" in page


@pytest.mark.parametrize("box", [(-9, -9, 9, 9), (0.5, 0.5, 0.5, 0.5), (0.9, 0.9, 0.1, 0.1), (2, 2, 3, 3), (1, 1, 1, 1)])
def test_any_box_can_be_drawn(box):
    drawn = np.asarray(check_page._with_box(Image.new("RGB", (100, 60)), np.array(box)))
    assert (drawn == check_page.RED).all(axis=2).any()
    assert drawn.shape[0] <= 100 and drawn.shape[1] <= 160
