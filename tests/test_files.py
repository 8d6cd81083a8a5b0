"""Files that are none, and writing that fails half-way."""

import errno
import os
import socket

import pytest

from visionkit.files import cache_folder, expand_home, open_file, read_file, write_atomically


def test_an_empty_file_and_no_file(tmp_path):
    (tmp_path / "a").touch()
    assert read_file(tmp_path / "a") == b"" == read_file(tmp_path / "a", most=0)
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
    for read in (open_file, read_file):
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


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("", ""),
        ("~", "HOME"),
        ("~/a b.jpg", "HOME/a b.jpg"),
        ("--data=~/x", "--data=HOME/x"),
        ("--label=~", "--label=HOME"),
        ("a~/b", "a~/b"),
        ("~nobody-of-this-name/x", "~nobody-of-this-name/x"),
        ("x=~/b", "x=~/b"),
        ("~here", "~here"),
    ],
)
def test_the_home_of_a_user_is_found_where_the_shell_left_it(argument, expected, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "~here").touch()
    assert expand_home(argument) == expected.replace("HOME", str(tmp_path))


def test_the_cache_may_be_named_from_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("VISIONKIT_CACHE", "~/vk")
    assert cache_folder() == tmp_path / "vk"
