"""Paths are judged by their text."""

import os
from pathlib import Path

import pytest

from visionkit.data.images.inside import EVERYWHERE, Boundary, gathered_outside
from visionkit.data.index import Problem


def test_nothing_is_gathered_of_nothing():
    assert gathered_outside([]) == []


@pytest.mark.parametrize(
    ("path", "is_held"),
    [
        ("/data/set", True),
        ("/data/set/a/b.jpg", True),
        ("/data/set/a/../b.jpg", True),
        ("/data/set/../set/b.jpg", True),
        ("/data/set/..b.jpg", True),
        ("/data/set2/b.jpg", False),
        ("/data/set/../b.jpg", False),
        ("/data/set/a/../../b.jpg", False),
        ("/etc/passwd", False),
        ("set/b.jpg", False),
        ("", False),
    ],
)
def test_a_path_is_held_if_it_lies_in_the_folder(path, is_held):
    assert Boundary(Path("/data/set")).holds(path) == is_held
    assert Boundary(Path("/data/set"), allow_outside=True).holds(path) and EVERYWHERE.holds(path)


def test_a_relative_folder_and_a_linked_one_hold_absolute_paths(tmp_path, monkeypatch):
    (tmp_path / "set").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "set")
    monkeypatch.chdir(tmp_path)
    for folder in ("set", "link", ".", "set/../set"):
        boundary = Boundary(Path(folder))
        assert boundary.holds(tmp_path / "set" / "a.jpg") and boundary.holds(Path(folder, "a.jpg"))
        assert not boundary.holds(tmp_path.parent / "a.jpg") and not boundary.holds("../a.jpg")


@pytest.mark.parametrize(
    ("file", "folder"),
    [
        ("x.json", "."),
        ("deep/x.json", "deep"),
        ("annotations/x.json", "."),
        ("deep/labels_v2/x.csv", "deep"),
        ("train2017/x.json", "."),
        ("coco/x.json", "coco"),
    ],
)
def test_the_folder_of_a_file(tmp_path, monkeypatch, file, folder):
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).touch()
    assert Boundary.of(tmp_path / file).folder == tmp_path / folder
    monkeypatch.chdir(tmp_path)
    assert os.path.realpath(Boundary.of(file).folder) == os.path.realpath(tmp_path / folder)
    monkeypatch.chdir((tmp_path / file).parent)
    assert os.path.realpath(Boundary.of(Path(file).name).folder) == os.path.realpath(tmp_path / folder)


@pytest.mark.parametrize(
    ("name", "leads_out"),
    [
        ("a.jpg", False),
        ("", False),
        ("../a.jpg", False),  # of images/
        ("https://x.org/a.jpg", False),
        ("../../a.jpg", True),
        ("..\\..\\a.jpg", True),
        ("/a.jpg", True),
        ("C:\\a.jpg", True),
        ("\\\\server\\a.jpg", True),
        ("file:///etc/passwd", True),
    ],
)
def test_an_entry_leads_out_by_its_text(name, leads_out):
    assert Boundary(Path("/set")).leads_out(["/set/images"], name) == leads_out
    assert not EVERYWHERE.leads_out(["/set/images"], name)


def test_problems_of_one_file_become_one():
    boundary, other = Boundary(Path("/set")), Problem("broken image", "b", "")
    one, two = boundary.refused("x.csv", "/1 leads out of the data set's folder"), boundary.refused("x.csv", "/2")
    assert gathered_outside([one, other, one]) == [one, other]
    (first, second, third) = gathered_outside([one, two, other, boundary.refused("y.csv", "/3")])
    assert first.detail.startswith("2 entries lead out of the data set's folder /set, and are not opened; --allow-outside")
    assert first.detail.endswith('the first is "/1 leads out of the data set\'s folder"') and first.path == "x.csv"
    assert second == other and third.detail.startswith("'/3' leads out")
