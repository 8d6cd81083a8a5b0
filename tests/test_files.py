"""Files that are none, and writing that fails half-way."""

import errno
import os
import socket
import tempfile
from pathlib import Path

import platformdirs
import pytest

from visionkit.errors import UserError
from visionkit.files import (
    arguments_expanded,
    cache_folder,
    check_file,
    home_expanded,
    open_file,
    read_file,
    remove,
    resolved,
    sync,
    write_atomically,
)


def test_an_empty_file_and_no_file(tmp_path):
    (tmp_path / "a").touch()
    assert read_file(tmp_path / "a") == b"" == read_file(tmp_path / "a", most=0) and check_file(tmp_path / "a") == 0
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "b")


def test_the_contents_of_a_file_of_at_most_so_many_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"123")
    (tmp_path / "link").symlink_to("a")
    assert read_file(str(tmp_path / "link"), most=3) == b"123"
    with pytest.raises(OSError, match="has 3 bytes, and at most 2 are read"):
        read_file(tmp_path / "a", most=2)


@pytest.mark.parametrize("kind", ["a named pipe", "a socket", "a device", "a folder"])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path, kind, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    if kind == "a named pipe":
        os.mkfifo("a")
    elif kind == "a socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind("a")
    elif kind == "a device":
        (tmp_path / "a").symlink_to("/dev/zero")
    else:
        (tmp_path / "a").mkdir()
    for read in (open_file, read_file, check_file):
        with pytest.raises(OSError, match=f"is {kind}, not a file") as error:
            read("a")
        assert error.value.filename == "a"


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    write_atomically(tmp_path / "a", b"old")
    write_atomically(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(tmp_path / "a", b"newest")
    assert (tmp_path / "a").read_bytes() == b"new" and list(tmp_path.iterdir()) == [tmp_path / "a"]


def test_what_is_there_is_removed_and_what_a_link_leads_to_stays(tmp_path):
    (tmp_path / "kept" / "inner").mkdir(parents=True)
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("kept")
    (tmp_path / "broken").symlink_to("nothing")
    for name in ("nothing", "folder", "file", "link", "broken"):
        remove(tmp_path / name)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["inner", "kept"]


def test_files_and_folders_are_synced(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr("os.fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
    (tmp_path / "a").write_bytes(b"1")
    for path in (tmp_path / "a", tmp_path):
        sync(path)
    assert synced == [(tmp_path / "a").stat().st_ino, tmp_path.stat().st_ino]


def test_the_cache_is_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for value, expected in (("~/vk", "vk"), ("there", "there"), (str(tmp_path / "x"), "x")):
        monkeypatch.setenv("VISIONKIT_CACHE", value)
        assert cache_folder() == tmp_path / expected
    for value in ("", None):
        monkeypatch.setenv("VISIONKIT_CACHE", value) if value == "" else monkeypatch.delenv("VISIONKIT_CACHE")
        monkeypatch.setattr(platformdirs, "user_cache_dir", lambda name: f"{tmp_path}/own/{name}")
        assert cache_folder() == tmp_path / "own" / "visionkit"


def test_a_cache_that_cannot_be_written_is_replaced_and_said_once(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").touch()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("VISIONKIT_CACHE", str(tmp_path / "file" / "cache"))
    folder = cache_folder()
    assert folder.parent == tmp_path and folder.stat().st_mode & 0o777 == 0o700 and cache_folder() == folder
    (line,) = capsys.readouterr().err.splitlines()
    assert str(tmp_path / "file" / "cache") in line and str(folder) in line
    monkeypatch.delenv("VISIONKIT_CACHE")
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda name: f"~/.cache/{name}")  # no HOME, and an unknown user
    assert cache_folder() == folder and "of this user" in capsys.readouterr().err


def test_a_folder_that_somebody_else_made_for_the_cache_is_not_used(tmp_path, monkeypatch, capsys):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    (tmp_path / f"visionkit-{os.getuid()}").symlink_to(elsewhere)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("VISIONKIT_CACHE", "/dev/null/cache")
    (cache_folder() / "a").touch()
    assert list(elsewhere.iterdir()) == [] and str(cache_folder()) in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--out", ""], ["--out="], [""], ["a", ""]])
def test_an_empty_argument_is_refused(arguments):
    assert arguments_expanded([]) == [] and arguments_expanded(["--smoke", "--", "a"]) == ["--smoke", "--", "a"]
    with pytest.raises(UserError, match="An argument is empty"):
        arguments_expanded(arguments)


def test_a_path_is_resolved_and_a_link_to_itself_is_named(tmp_path):
    with pytest.raises(UserError, match="--out is empty"):
        resolved("", "--out")
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert resolved(tmp_path / "link" / "missing") == tmp_path / "folder" / "missing"
    for path in (tmp_path / "loop", tmp_path / "loop" / "run"):
        with pytest.raises(UserError, match=rf"--out {path}: it has a link that leads back to itself"):
            resolved(path, "--out")


def test_a_write_that_fails_names_its_file(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space") as failed:
        write_atomically(tmp_path / "a.json", b"1")
    assert failed.value.filename == str(tmp_path / "a.json")


def test_the_home_folder_takes_the_place_of_its_sign_and_of_no_other_name(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    given = ["~", "~/a", "--out=~/b", "--out", "~/c", "-x", "~other", "a/~/b", "--style=a=~/b"]
    there = ["/home/me", "/home/me/a", "--out=/home/me/b", "--out", "/home/me/c", "-x", "~other", "a/~/b", "--style=a=~/b"]
    assert arguments_expanded(given) == there

    def unknown(path):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", unknown)
    with pytest.raises(OSError, match="no home folder"):
        home_expanded("~/a")


def test_a_full_disk_is_named_by_the_file_that_was_to_be_written(tmp_path, monkeypatch):
    def full(path, contents):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OSError, match="No space left") as error:
        write_atomically(tmp_path / "a", b"new")
    assert error.value.filename == str(tmp_path / "a") and list(tmp_path.iterdir()) == []
