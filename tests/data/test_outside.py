"""Lists and annotations may name files of the data set alone: what else they name is reported, and never looked at."""

import os
import re
import sys
from pathlib import Path

import pytest

from tests.data.layouts import LAYOUTS
from tests.data.layouts.layout import image
from visionkit.data.images.contents import file_of
from visionkit.data.index import DataError
from visionkit.data.sources import read

KIND = "outside the data set"
TEXTS = (".json", ".xml", ".csv", ".tsv", ".txt", ".yaml", ".data")
touched: list[str] = []
watched: list[str] = []


def note_if_watched(path) -> None:
    """Remember a path below the watched folder."""
    if watched and isinstance(path, str | bytes | os.PathLike):
        plain = os.path.normpath(Path.cwd() / os.fsdecode(path))
        touched.extend([plain] if plain.startswith(watched[0]) else [])


def audit(event: str, arguments: tuple) -> None:
    """Note the files that are opened, and the folders that are listed."""
    if watched and event in ("open", "os.listdir", "os.scandir"):
        note_if_watched(arguments[0])


sys.addaudithook(audit)


@pytest.fixture
def secret(tmp_path, monkeypatch):
    """An image beside the data set, which nobody may look at; tests append to it what they watch."""
    decoy = image(tmp_path / "secret" / "decoy.jpg")
    stat, lstat = os.stat, os.lstat

    def watched_stat(path, *args, **options):
        note_if_watched(path)
        return stat(path, *args, **options)

    def watched_lstat(path, *args, **options):
        note_if_watched(path)
        return lstat(path, *args, **options)

    monkeypatch.setattr(os, "stat", watched_stat)
    monkeypatch.setattr(os, "lstat", watched_lstat)
    touched.clear()
    watched.append(str(decoy.parent))
    yield decoy
    watched.clear()


def files_of(found) -> list[str]:
    """All images and masks of a data set."""
    masks = [one.mask for index in found.splits.values() for one in index.annotations if one.mask is not None]
    return [file_of(path) for path in (*(path for index in found.splits.values() for path in index.paths), *masks)]


def renamed(folder: Path, old: str, new: dict[Path, str] | str) -> list[Path]:
    """Replace all mentions of a file, with its folders, in the texts of a data set."""
    changed = []
    for file in sorted(path for path in folder.rglob("*") if path.suffix.lower() in TEXTS):
        before = file.read_text(encoding="utf-8", errors="surrogateescape")
        name = os.path.relpath(new[3:], file.parent) if new.startswith("up:") else new
        after = re.sub(rf"[^\s,\"'<>=;]*(?<!\w){re.escape(old)}", lambda _, name=name: name.replace("\\", "\\\\"), before)
        if after != before:
            file.write_text(after, encoding="utf-8", errors="surrogateescape")
            changed.append(file)
    return changed


@pytest.mark.parametrize("form", ["{}", "up:{}", "file://{}"])
@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_no_reader_opens_what_an_entry_names_elsewhere(tmp_path, secret, layout, form):
    folder = tmp_path / "data"
    folder.mkdir()
    layout.build(folder)
    watched.clear()
    files = files_of(read(folder))
    watched.append(str(secret.parent))
    for name in dict.fromkeys(Path(file).name for file in (files[0], files[-1])):
        changed = renamed(folder, name, form.format(secret))
        if not changed:
            continue
        touched.clear()
        try:
            found = read(folder)
            reported = [problem for problem in found.problems if problem.kind == KIND]
            used = files_of(found)
        except DataError as error:
            reported, used = re.findall("leads out of|lead out of", str(error)), []
        assert touched == [] and not any("decoy" in path for path in used)
        if all(file.name.endswith("_boxes.txt") for file in changed):  # of Tiny ImageNet, which nobody reads
            continue
        assert reported, (name, changed)
