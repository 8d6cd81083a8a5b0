"""The built-in contents and styles: as drawn, of the promised sizes, written once."""

import numpy as np
import pytest
from PIL import Image

from visionkit.data.style_demo import CONTENTS, STYLES, make_style_demo, painting


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Written where an empty folder was."""
    return make_style_demo(tmp_path_factory.mktemp("style_demo"))


def test_an_empty_folder_is_not_taken_for_the_set(written):
    assert sorted(path.name for path in written.iterdir()) == ["VERSION", "contents", "styles"]
    assert {path.name for path in (written / "contents").iterdir()} == {f"{name}.png" for name in CONTENTS}
    assert {path.name for path in (written / "styles").iterdir()} == {f"{name}.png" for name in STYLES}


def test_a_second_call_writes_nothing(written):
    stamps = {path: path.stat().st_mtime_ns for path in written.rglob("*")}
    assert make_style_demo(written) == written
    assert {path: path.stat().st_mtime_ns for path in written.rglob("*")} == stamps


def test_contents_are_photographs_of_at_most_640_pixels(written):
    for path in (written / "contents").iterdir():
        with Image.open(path) as picture:
            assert picture.mode == "RGB" and 300 <= min(picture.size) <= max(picture.size) <= 640
            assert np.asarray(picture).std() > 20


@pytest.mark.parametrize("name", STYLES)
def test_styles_are_the_same_every_time(name, written):
    with Image.open(written / "styles" / f"{name}.png") as picture:
        assert picture.mode == "RGB" and picture.size == (512, 512)
        np.testing.assert_array_equal(np.asarray(picture), painting(name))
