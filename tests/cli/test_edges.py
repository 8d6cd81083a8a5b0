"""``visionkit edges``, as a program from outside sees it."""

from functools import partial

import pytest
from PIL import Image

from tests.conftest import CLI


@pytest.fixture
def run(program):
    return partial(program, CLI, "edges")


def test_without_a_image_it_draws_its_own(run, tmp_path):
    done = run("--out", tmp_path / "edges.png", "--side", 160)
    assert done.returncode == 0 and done.stdout == f"{tmp_path / 'edges.png'}\n" and done.stderr == ""
    with Image.open(tmp_path / "edges.png") as drawn:
        assert drawn.width == 4 * (160 + 16)
    assert [file.name for file in tmp_path.iterdir()] == ["edges.png"]


def test_what_cannot_be_is_told_in_one_line(run, tmp_path):
    (tmp_path / "a.png").write_text("text")
    for arguments, said in (
        ([tmp_path / "a.png", "--out", tmp_path / "edges.png"], "a.png cannot be read"),
        (["--out", tmp_path / "edges.png", "--side", 4], "expected 160 to 1024"),
    ):
        done = run(*arguments)
        assert done.returncode == 2 and said in done.stderr and done.stderr.count("\n") == 1
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]
