"""Damage to the files of a bundle, as bad disks, broken copies and mistakes make it."""

import json
import os
import shutil
from pathlib import Path

import numpy as np

MOST = 2**16  # bytes that are overwritten


def damage(bundle: Path, rng: np.random.Generator) -> str:
    """Damage one file of a bundle; returns how, and its name."""
    files = sorted(path for path in bundle.rglob("*") if path.is_file())
    file = files[rng.integers(len(files))]
    contents = bytearray(file.read_bytes())
    kind = KINDS[rng.integers(len(KINDS))]
    kind(file, contents, int(rng.integers(len(contents))), files[rng.integers(len(files))])
    return f"{kind.__name__} {file.relative_to(bundle)}"


def flip_bit(file, contents, place, other):
    contents[place] ^= 1 << (place % 8)
    file.write_bytes(contents)


def truncate(file, contents, place, other):
    file.write_bytes(contents[:place])


def empty(file, contents, place, other):
    file.write_bytes(b"")


def extend(file, contents, place, other):
    file.write_bytes(contents + b"\0")


def repeat(file, contents, place, other):
    file.write_bytes(contents[:place] + contents[max(place - 16, 0) :])


def zeros(file, contents, place, other):
    contents[place : place + MOST] = b"\xff" if contents[place] == 0 else b"\0"
    file.write_bytes(contents)


def remove(file, contents, place, other):
    file.unlink()


def another_file(file, contents, place, other):
    different = contents[::-1] + b"x" if other == file else other.read_bytes()
    file.write_bytes(different)


def a_folder(file, contents, place, other):
    file.unlink()
    file.mkdir()


def a_pipe(file, contents, place, other):
    file.unlink()
    os.mkfifo(file)


def a_link_to_nothing(file, contents, place, other):
    file.unlink()
    file.symlink_to("nothing")


def a_link_to_itself(file, contents, place, other):
    file.unlink()
    file.symlink_to(file.name)


def lines_of_windows(file, contents, place, other):
    changed = bytes(contents).replace(b"\n", b"\r\n")
    file.write_bytes(changed if changed != contents else changed + b"\r\n")


def a_page(file, contents, place, other):
    file.write_bytes(b"<!DOCTYPE html><html><body>404 Not Found</body></html>\n")


def a_pointer(file, contents, place, other):
    file.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 1\n")


def no_folder(file, contents, place, other):
    shutil.rmtree(file.parent) if file.parent.name in ("variables", "assets.extra") else file.unlink()


KINDS = (
    *(flip_bit,) * 6,
    truncate,
    empty,
    extend,
    repeat,
    zeros,
    remove,
    another_file,
    a_folder,
    a_pipe,
    a_link_to_nothing,
    a_link_to_itself,
    lines_of_windows,
    a_page,
    a_pointer,
    no_folder,
)

WRONG_METADATA = (  # of a classifier of images with the labels a, b and c
    "",
    "{",
    "[]",
    "{}",
    "null",
    '"text"',
    "\ufeff{}",
    "[" * 100_000,
    '{"task": "classification"}',
    '{"labels": []}',
    *(
        json.dumps({"task": "classification", "labels": ["a", "b", "c"], "size": 32} | wrong)
        for wrong in (
            {"task": None},
            {"task": 3},
            {"task": ["classification"]},
            {"labels": None},
            {"labels": "abc"},
            {"labels": {"a": 1}},
            {"labels": ["a", 2, "c"]},
            {"labels": ["a", "b"]},
            {"labels": ["a", "c", "b"]},
            {"labels": ["a", "b", "c", "d"]},
            {"size": None},
            {"size": "32"},
            {"size": 0},
            {"size": -1},
            {"size": 32.5},
            {"size": True},
            {"size": 10**30},
            {"size": [32, 32]},
            {"whole": "no"},
            {"input": 1},
            {"input": "signal"},
            {"members": 3},
            {"metrics": []},
            {"thresholds": [0.5]},
            {"thresholds": {"a": "x"}},
            {"task": "detection"},
            {"task": "segmentation"},
            {"task": "embedding"},
            {"task": "stylization"},
            {"task": "landmarks", "input": 3},
        )
    ),
)
