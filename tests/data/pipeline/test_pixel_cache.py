"""Decoded images in memory and on disk: they are the same pixels as without a cache."""

import errno
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from types import SimpleNamespace

import numpy as np
import psutil
import pytest

from visionkit.data.images.decode import read_image
from visionkit.data.images.scan import scan
from visionkit.data.index import Index
from visionkit.data.pipeline import pixel_cache
from visionkit.data.pipeline.pixel_cache import PixelCache, open_cache
from visionkit.data.sources import read_classified
from visionkit.files import cache_folder

GB = 10**9


@pytest.fixture
def index(class_folders) -> Index:
    """12 images of several sizes."""
    return scan(read_classified(class_folders).train)


def fill(cache: PixelCache, index: Index, positions=None) -> None:
    for position in range(len(index)) if positions is None else positions:
        cache.keep(position, read_image(index.paths[position]))


def files() -> list[str]:
    return sorted(path.name for path in (cache_folder() / "pixels").glob("*"))


def files_left_unfinished() -> list[str]:
    return sorted(path.name for path in (cache_folder() / "pixels").glob(".unfinished-*"))


@pytest.mark.parametrize("where", ["auto", "memory", "disk", "none"])
def test_no_images_have_no_cache(index, where):
    assert open_cache(index.take([]), where, note=lambda sentence: None) is None


def test_where_none_is_requested_there_is_no_cache(index):
    assert open_cache(index, "none") is None


@pytest.mark.parametrize("where", ["memory", "disk"])
def test_images_are_returned_as_they_were_stored(index, where):
    cache = open_cache(index, where)
    assert all(cache.get(position) is None for position in range(len(index)))
    for position in np.random.default_rng(0).permutation(len(index)):
        pixels = read_image(index.paths[position])
        cache.keep(position, pixels)
        np.testing.assert_array_equal(cache.get(position), pixels)
    for position, path in enumerate(index.paths):
        np.testing.assert_array_equal(cache.get(position), read_image(path))


@pytest.mark.parametrize("where", ["memory", "disk"])
def test_an_image_of_another_size_is_not_stored(index, where):
    cache = open_cache(index, where)
    fill(cache, index, range(1, len(index)))
    info = index.infos[0]
    cache.keep(0, np.zeros((info.height + 1, info.width, 3), np.uint8))
    assert cache.get(0) is None
    assert where == "memory" or (files_left_unfinished() and len(files()) == 1)


def test_a_stored_image_is_not_replaced(index):
    cache = open_cache(index, "memory")
    first = read_image(index.paths[0])
    cache.keep(0, first)
    cache.keep(0, 255 - first)
    np.testing.assert_array_equal(cache.get(0), first)


@pytest.mark.parametrize("where", ["memory", "disk"])
def test_shrunk_images_take_less_and_are_kept_as_such(index, where):
    ratios = np.resize([1, 2, 4, 8], len(index))
    cache = open_cache(index, where, ratios=ratios)
    for position, (info, ratio) in enumerate(zip(index.infos, ratios, strict=True)):
        small = np.full((-(-info.height // ratio), -(-info.width // ratio), 3), position, np.uint8)
        cache.keep(position, np.zeros((small.shape[0] + 1, small.shape[1], 3), np.uint8))
        assert cache.get(position) is None
        cache.keep(position, small)
        np.testing.assert_array_equal(cache.get(position), small)
    assert where == "memory" or len(files()) == 1


def test_a_note_says_how_much_shrinking_saves(index):
    notes = []
    open_cache(index, "auto", note=notes.append)
    open_cache(index, "auto", ratios=np.resize([1, 8], len(index)), note=notes.append)
    assert notes[1].startswith("12 decoded images (6 of them shrunk, as no window needs more) take") and "(" not in notes[0]


# On disk


def test_a_second_run_finds_the_finished_file(index):
    fill(open_cache(index, "disk"), index)
    assert len(files()) == 1 and files()[0].endswith(".uint8")
    cache = open_cache(index, "disk")
    for position, path in enumerate(index.paths):
        np.testing.assert_array_equal(cache.get(position), read_image(path))
    cache.keep(0, read_image(index.paths[0]))  # nothing to do, and the file is not to be written to
    assert len(files()) == 1


def test_other_images_and_another_order_are_another_file(index):
    for chosen in (index, index.take(range(11)), index.take(range(11, -1, -1))):
        cache = open_cache(chosen, "disk")
        assert cache.get(0) is None
        fill(cache, chosen)
    assert len(files()) == 3


def test_images_shrunk_otherwise_are_another_file(index):
    fill(open_cache(index, "disk"), index)
    assert open_cache(index, "disk", ratios=np.full(len(index), 2)).get(0) is None
    assert open_cache(index, "disk").get(0) is not None


def test_an_interrupted_run_leaves_nothing_that_counts_and_clears_up(index):
    cache = open_cache(index, "disk")
    fill(cache, index, range(len(index) - 1))
    assert len(files_left_unfinished()) == len(files()) == 1
    assert open_cache(index, "disk").get(0) is None
    del cache
    assert files() == []


def test_a_finished_file_stays_when_its_object_goes(index):
    cache = open_cache(index, "disk")
    fill(cache, index)
    del cache
    assert len(files()) == 1


def test_a_file_of_another_length_does_not_count(index):
    fill(open_cache(index, "disk"), index)
    (path,) = (cache_folder() / "pixels").glob("*.uint8")
    path.write_bytes(path.read_bytes()[:-1])
    assert open_cache(index, "disk").get(0) is None


@pytest.mark.parametrize("kind", ["folder", "link", "empty"])
def test_what_is_no_whole_file_is_made_anew_and_said(index, kind):
    fill(open_cache(index, "disk"), index)
    (path,) = (cache_folder() / "pixels").glob("*.uint8")
    path.unlink()
    {"folder": path.mkdir, "link": lambda: path.symlink_to("nowhere"), "empty": path.touch}[kind]()
    notes = []
    cache = open_cache(index, "disk", note=notes.append)
    assert cache.get(0) is None and notes == [f"{path} is damaged, or no file: it is made anew."]
    fill(cache, index)
    assert open_cache(index, "disk").get(0) is not None


def test_a_changed_byte_is_noticed_and_its_image_is_decoded_anew(index):
    fill(open_cache(index, "disk"), index)
    (path,) = (cache_folder() / "pixels").glob("*.uint8")
    contents = bytearray(path.read_bytes())
    contents[7] ^= 255
    path.write_bytes(contents)
    notes = []
    cache = open_cache(index, "disk", note=notes.append)
    assert [cache.get(position) is None for position in range(len(index))] == [True] + [False] * (len(index) - 1)
    fill(cache, index)
    np.testing.assert_array_equal(cache.get(0), read_image(index.paths[0]))
    assert len(notes) == 1 and "is damaged" in notes[0] and files() == []


def test_several_damaged_images_are_said_once_also_where_the_first_is_stored_anew_before(index):
    fill(open_cache(index, "disk"), index)
    (path,) = (cache_folder() / "pixels").glob("*.uint8")
    contents = bytearray(path.read_bytes())
    contents[7] ^= 255
    contents[3 * int(index.shapes[0].prod()) + 7] ^= 255
    path.write_bytes(contents)
    notes = []
    cache = open_cache(index, "disk", note=notes.append)
    for position in (0, 1):
        assert cache.get(position) is None
        cache.keep(position, read_image(index.paths[position]))
    assert len(notes) == 1 and cache.get(0) is not None and cache.get(1) is not None


def test_a_full_disk_is_noticed_before_anything_is_decoded(index, monkeypatch):
    def full(handle, offset, length):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    notes = []
    assert open_cache(index, "disk", note=notes.append) is None
    assert len(notes) == 1 and "No space left on device" in notes[0] and files() == []


def test_what_killed_runs_left_is_removed_after_a_day(index):
    folder = cache_folder() / "pixels"
    folder.mkdir(parents=True)
    for name, age in ((".unfinished-old", 2 * pixel_cache.DAY), (".unfinished-young", 60)):
        (folder / name).write_bytes(b"x")
        os.utime(folder / name, (time.time() - age,) * 2)
    cache = open_cache(index, "disk")
    assert ".unfinished-young" in files_left_unfinished() and ".unfinished-old" not in files_left_unfinished()
    del cache


def test_threads_fill_it_together_and_the_last_one_alone_finishes(index):
    """Each image by four threads at once, all of which may take themselves for the last."""
    whole = [read_image(path) for path in index.paths]
    for _ in range(30):
        finished, start = [], Barrier(16)
        buffer = np.empty(sum(image.size for image in whole), np.uint8)
        shapes = np.array([image.shape[:2] for image in whole])
        cache = PixelCache(shapes, np.ones(len(whole), int), buffer, when_full=lambda checksums, done=finished: done.append(1))

        def work(number, cache=cache, start=start):
            start.wait()
            for position in np.random.default_rng(number % 4).permutation(len(whole)):
                cache.keep(position, whole[position])

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(work, range(16)))
        assert finished == [1]
        assert all((cache.get(position) == image).all() for position, image in enumerate(whole))


# What "auto" chooses


@pytest.mark.parametrize(
    ("memory", "disk", "largest", "expected", "reason"),
    [
        (GB, 0, 10**6, "memory", "kept in memory, of which 1.0 GB are free"),
        (0, GB, 10**6, "disk", "too much for the memory, kept in"),
        (0, 0, 10**6, "none", "too much for memory and disk, decoded anew in each epoch"),
        (0, GB, 10, "none", "so large that decoding a part of each is faster"),
    ],
)
def test_auto_says_what_it_chooses_and_why(index, monkeypatch, memory, disk, largest, expected, reason):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=memory))
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=disk))
    monkeypatch.setattr(pixel_cache, "LARGEST_ON_DISK", largest)
    notes = []
    cache = open_cache(index, "auto", note=notes.append)
    (sentence,) = notes
    assert sentence.startswith("12 decoded images take 0 MB: ") and reason in sentence
    assert (cache is None) == (expected == "none")
    assert bool(files_left_unfinished()) == (expected == "disk")


def test_auto_leaves_most_of_the_memory(index, monkeypatch):
    num_bytes = sum(info.height * info.width * 3 for info in index.infos)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=0))
    for share, is_kept in ((0.29, True), (0.31, False)):
        monkeypatch.setattr(psutil, "virtual_memory", lambda share=share: SimpleNamespace(available=num_bytes / share))
        assert (open_cache(index, "auto", note=lambda sentence: None) is not None) == is_kept


def test_auto_does_without_a_disk_where_there_may_be_no_folder(index, monkeypatch, tmp_path):
    (tmp_path / "pixels").write_bytes(b"")
    monkeypatch.setenv("VISIONKIT_CACHE", str(tmp_path))
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=0))
    notes = []
    assert open_cache(index, "auto", note=notes.append) is None
    assert "cannot be made (File exists)" in notes[0]


def test_a_requested_cache_is_not_commented_on(index):
    notes = []
    open_cache(index, "memory", note=notes.append)
    assert notes == [] and not Path(cache_folder() / "pixels").exists()
