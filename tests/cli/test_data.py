"""The commands on data sets as separate processes."""

import json
import shutil
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import CLI


@pytest.fixture
def run(program):
    return partial(program, CLI)


@pytest.fixture
def voc(tmp_path, photograph) -> Path:
    """Two images of a cat with a box; a space and an accent in the names."""
    folder = tmp_path / "cats voc"
    for name in ("Annotations", "JPEGImages"):
        (folder / name).mkdir(parents=True)
    for name, image in (("gross é", photograph), ("klein", photograph[:200, 100:300])):
        height, width = image.shape[:2]
        Image.fromarray(image).save(folder / "JPEGImages" / f"{name}.jpg")
        (folder / "Annotations" / f"{name}.xml").write_text(
            f"<annotation><filename>{name}.jpg</filename><size><width>{width}</width><height>{height}</height></size>"
            "<object><name>cat</name><bndbox><xmin>20</xmin><ymin>30</ymin><xmax>120</xmax><ymax>150</ymax></bndbox></object>"
            "</annotation>",
            encoding="utf-8",
        )
    return folder


@pytest.mark.parametrize("command", ["check", "convert", "augment"])
def test_missing_data_is_an_error_of_one_line(run, command, tmp_path):
    more = {"check": [], "convert": [tmp_path / "out"], "augment": ["--out", tmp_path / "grid.png"]}[command]
    done = run(command, tmp_path / "nowhere", *more)
    assert done.returncode == 2 and "no such file or folder" in done.stderr and "Traceback" not in done.stderr
    assert done.stdout == "" and list(tmp_path.iterdir()) == []


def test_sound_data_passes_the_check(run, voc):
    done = run("check", voc, "--json", "--duplicates", "pixels")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0 and len(lines) == 1
    assert lines[0]["summary"]["images"] == 2 and lines[0]["summary"]["problems"] == {}


def test_a_cut_copy_is_found_by_default(run, voc):
    """The smaller of the two images is a part of the other."""
    done = run("check", voc, "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1 and [line.get("problem") for line in lines] == ["near duplicate", None]
    assert lines[0]["path"].endswith("klein.jpg") and "shows the same photograph (features agree to 0." in lines[0]["detail"]


def test_problems_are_listed_and_change_the_exit_status(run, voc, tmp_path):
    image = voc / "JPEGImages" / "klein.jpg"
    image.write_bytes(image.read_bytes()[:500])
    done = run("check", voc, "--json", "--html", tmp_path / "page.html")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1 and lines[0]["problem"] == "broken image" and lines[0]["path"].endswith("klein.jpg")
    assert "klein.jpg" in (tmp_path / "page.html").read_text()
    assert run("check", voc).stdout.count("klein.jpg") >= 1


def test_a_conversion_can_be_read_back(run, voc, tmp_path):
    assert run("convert", voc, tmp_path / "yolo").returncode == 0
    done = run("convert", tmp_path / "yolo", tmp_path / "cats.json")
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == str(tmp_path / "cats.json")
    tree = json.loads((tmp_path / "cats.json").read_text())
    assert [annotation["bbox"] for annotation in tree["annotations"]] == [pytest.approx([20, 30, 100, 120])] * 2
    assert all((tmp_path / image["file_name"]).is_file() for image in tree["images"])


def test_an_existing_target_is_left_alone(run, voc, tmp_path):
    target = tmp_path / "coco"
    shutil.copytree(voc, target)
    done = run("convert", voc, target)
    assert done.returncode == 2 and str(target) in done.stderr and "Traceback" not in done.stderr
    assert {path.name for path in target.iterdir()} == {"Annotations", "JPEGImages"}


def is_forged(line: str) -> bool:
    return line.startswith(("Nothing is", "2 images"))


def test_names_cannot_add_lines_nor_command_the_terminal(program, class_folders):
    (class_folders / "red" / "00.jpg").write_text("broken")
    (class_folders / "red" / "00.jpg").rename(class_folders / "red" / "\x1b[2Ja\nNothing is wrong.jpg")
    (class_folders / "blue").rename(class_folders / "b\x1b]0;title\x07\n2 images")
    done = program(CLI, "check", class_folders, "--duplicates", "pixels")
    assert done.returncode == 1 and "\x1b" not in done.stdout and "\x07" not in done.stdout
    lines = done.stdout.splitlines()
    assert any(r"\x1b[2Ja\nNothing is wrong.jpg" in line for line in lines) and not any(map(is_forged, lines))
    assert any(line.startswith(r"b\x1b]0;title\x07\n2 images  ") for line in lines)
    done = program(CLI, "check", class_folders, "--duplicates", "pixels", "--json")
    paths = [json.loads(line).get("path", "") for line in done.stdout.splitlines()]
    assert any(path.endswith("\x1b[2Ja\nNothing is wrong.jpg") for path in paths) and "\x1b" not in done.stdout
