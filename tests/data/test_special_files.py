"""Pipes, sockets and devices in place of files: each is named, and nothing waits for them."""

import os
import socket
import threading
from pathlib import Path

import pytest

from tests.conftest import CLI, sweep
from tests.data.layouts import LAYOUTS
from visionkit.data.index import DataError
from visionkit.data.quality.check import check

PATIENCE = 60  # seconds after which a reader of a pipe hangs
SUFFIXES = (".txt", ".csv", ".tsv", ".json", ".xml", ".yaml", ".names", ".data", ".png", ".jpg", ".npy", ".tif")


class Watch:
    """Lets go of whoever waits for a pipe in a folder, after a while, and remembers that."""

    def __init__(self, folder: Path):
        self.folder, self.hung = folder, False
        self._timer = threading.Timer(PATIENCE, self._release)

    def __enter__(self):
        self._timer.start()
        return self

    def __exit__(self, *error):
        self._timer.cancel()
        assert not self.hung

    def _release(self):
        self.hung = True
        for path in self.folder.rglob("*"):
            if path.is_fifo():
                os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))


def test_a_folder_of_nothing_but_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "annotations.json")
    with Watch(tmp_path), pytest.raises(DataError, match="a named pipe, not a file"):
        check(tmp_path)


@pytest.mark.parametrize("layout", sweep(LAYOUTS, LAYOUTS[::12]), ids=lambda layout: layout.name)
def test_a_pipe_in_place_of_any_file_is_named(tmp_path, layout):
    (tmp_path / "whole").mkdir()
    layout.build(tmp_path / "whole")
    files = sorted(path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole").rglob("*") if path.is_file())
    kinds = {(file.parent, file.suffix): file for file in files if file.suffix in SUFFIXES and file.name[0] != "."}
    for number, file in enumerate(kinds.values()):
        folder = tmp_path / str(number)
        folder.mkdir()
        layout.build(folder)
        (folder / file).unlink()
        os.mkfifo(folder / file)
        with Watch(folder):
            try:
                findings = check(folder).findings
            except DataError as error:
                told = str(error)
            else:
                told = " ".join(f"{one.path} {one.detail} {one.other}" for one in findings)
        assert file.name in told or str(folder / file.parent) in told


@pytest.mark.parametrize("given", ["a named pipe", "a socket", "a device"])
def test_the_command_line_names_what_is_no_file(program, tmp_path, given, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if given == "a named pipe":
        os.mkfifo("a.json")
    elif given == "a socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind("a.json")
    else:
        Path("a.json").symlink_to("/dev/zero")
    with Watch(tmp_path):
        done = program(CLI, "check", "a.json")
    assert done.returncode == 2 and f"is {given}, not a file" in done.stderr
    assert "Traceback" not in done.stderr
