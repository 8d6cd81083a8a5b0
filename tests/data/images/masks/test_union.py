"""The masks of several objects, read as one."""

import numpy as np
import pytest
from PIL import Image

from tests.data.images.masks.test_read import save
from visionkit.data.images.contents import read_contents
from visionkit.data.images.masks.union import Union, belongs, files_of, parse_path, read_union


def pixels(contents, tmp_path):
    file = tmp_path / "read.png"
    file.write_bytes(contents)
    with Image.open(file) as image:
        return np.asarray(image).tolist()


def test_a_folder_without_masks_is_an_error(tmp_path):
    (tmp_path / "masks").mkdir()
    with pytest.raises(OSError, match="there is no mask"):
        read_union(Union(str(tmp_path / "masks")))


def test_other_paths_are_no_unions(tmp_path):
    for path in ("", "a.png", "a@union=", f"{tmp_path}/gone@union=x", str(tmp_path)):
        assert parse_path(path) is None
    union = Union(str(tmp_path), "a (1)_mask")
    assert parse_path(union.path()) == union


@pytest.mark.parametrize(
    ("stem", "start", "answer"),
    [
        ("a", "", True),
        ("a_mask", "a_mask", True),
        ("a_mask_1", "a_mask", True),
        ("a_mask12", "a_mask", True),
        ("a_mask (2)", "a_mask", True),
        ("a_masks", "a_mask", False),
        ("b_mask_1", "a_mask", False),
        ("1_0", "1", True),
        ("10_0", "1", False),
        ("10", "1", False),
    ],
)
def test_the_masks_of_an_image(stem, start, answer):
    assert belongs(stem, start) == answer


def test_a_pixel_is_foreground_if_it_is_in_any_mask(tmp_path):
    folder = tmp_path / "masks"
    save(folder / "x_0.png", [[0, 255, 0, 0]])
    save(folder / "x_1.png", [[0, 0, 1, 0]])
    save(folder / "x_2.png", np.array([[False, False, False, False]]))
    save(folder / "x_3.png", [[[0, 0, 0], [0, 0, 0], [0, 0, 0], [200, 0, 0]]])
    save(folder / "y_0.png", [[255, 255, 255, 255]])
    (folder / "._x_4.png").write_text("made by the system")
    (folder / "notes.txt").write_text("x")
    union = Union(str(folder), "x")
    assert [file.name for file in files_of(union)] == ["x_0.png", "x_1.png", "x_2.png", "x_3.png"]
    assert pixels(read_contents(union.path()), tmp_path) == [[0, 255, 255, 255]]
    assert pixels(read_contents(Union(str(folder)).path()), tmp_path) == [[255, 255, 255, 255]]
    assert read_contents(union.path()) == read_contents(union.path())


def test_masks_of_other_sizes_and_broken_ones_are_errors(tmp_path):
    save(tmp_path / "a" / "1.png", [[0, 1]])
    save(tmp_path / "a" / "2.png", [[0, 1, 1]])
    save(tmp_path / "b" / "1.png", [[0, 1]])
    (tmp_path / "b" / "2.png").write_bytes((tmp_path / "b" / "1.png").read_bytes()[:45])
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "1.png").write_text("no image")
    for name, reason in (("a", "2.png has another size than 1.png"), ("b", "2.png"), ("c", "1.png: not an image")):
        with pytest.raises(OSError, match=reason):
            read_union(Union(str(tmp_path / name)))
