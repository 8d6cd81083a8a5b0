"""``visionkit edges`` as a separate process."""

from functools import partial

import pytest
from PIL import Image

from tests.conftest import CLI


@pytest.fixture
def run(program):
    return partial(program, CLI, "edges")


def test_without_an_image_a_bundled_photograph_is_drawn(run, tmp_path):
    done = run("--out", tmp_path / "edges.png", "--side", 160)
    assert done.returncode == 0 and done.stdout == f"{tmp_path / 'edges.png'}\n" and done.stderr == ""
    with Image.open(tmp_path / "edges.png") as drawn:
        assert drawn.width == 4 * (160 + 16)
    assert [file.name for file in tmp_path.iterdir()] == ["edges.png"]


def test_bad_input_is_an_error_of_one_line(run, tmp_path):
    (tmp_path / "a.png").write_text("text")
    for arguments, message in (
        ([tmp_path / "a.png", "--out", tmp_path / "edges.png"], "a.png cannot be read"),
        (["--out", tmp_path / "edges.png", "--side", 4], "expected 160 to 1024"),
    ):
        done = run(*arguments)
        assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]
