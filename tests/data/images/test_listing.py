"""Images are listed at any depth, through links, and functions are mapped over them."""

import errno
import os
from pathlib import Path

from tests.conftest import write_classes
from visionkit.data.images.listing import list_files, list_images, map_files
from visionkit.data.index import SkippedFiles


def test_no_names_list_no_files():
    assert list_files([]) == []


def test_links_are_followed_and_broken_ones_are_kept_for_the_scan(tmp_path):
    write_classes(tmp_path / "elsewhere", {"more": 2})
    write_classes(tmp_path / "data", {"blue": 5, "red": 5})
    red = tmp_path / "data" / "red"
    (red / "more").symlink_to(tmp_path / "elsewhere" / "more")
    (red / "back").symlink_to(red)
    (red / "nowhere.jpg").symlink_to(tmp_path / "nowhere.jpg")
    assert len(list_images(red)[0]) == 5 + 2 + 1


def test_links_into_the_data_set_are_not_followed_and_named(tmp_path):
    """Whichever path would be visited first: the images of another class never count for this one."""
    write_classes(tmp_path / "data", {"blue": 4, "red": 5})
    write_classes(tmp_path / "elsewhere", {"more": 2})
    red = tmp_path / "data" / "red"
    for name, target in {"a": "..", "b": "../blue", "c": ".", "d": "../..", "e": "/"}.items():
        (red / name).symlink_to(target)
    (red / "f").symlink_to(tmp_path / "elsewhere")
    (red / "g").symlink_to(tmp_path / "elsewhere")  # the same folder again
    not_followed = []
    images, _ = list_images(red, within=tmp_path / "data", not_followed=not_followed)
    assert [path.relative_to(red).parts[0] for path in images[-2:]] == ["f", "f"] and len(images) == 5 + 2
    assert [path.name for path in not_followed] == ["a", "b", "c", "d", "e", "g"]
    assert len(list_images(tmp_path / "data")[0]) == 4 + 5 + 2
    (tmp_path / "alias").symlink_to(red)
    assert len(list_images(tmp_path / "alias")[0]) == 5 + 2 + 4  # without ``within``, blue is elsewhere


def test_images_in_subfolders_are_listed(tmp_path):
    write_classes(tmp_path / "red", {"monday": 2, "tuesday": 3})
    assert len(list_images(tmp_path / "red")[0]) == 5


def test_folders_and_globs_are_listed_and_nothing_is_lost(class_folders):
    (class_folders / "notes.txt").touch()
    assert len(list_files([str(class_folders)])) == 16
    assert len(list_files([str(class_folders / "*" / "0[01].jpg")])) == 4
    assert list_files(["nowhere.jpg", "nowhere*.jpg"]) == ["nowhere.jpg", "nowhere*.jpg"]


def test_a_folder_that_cannot_be_listed_is_not_lost(class_folders, monkeypatch):
    def refusing(path):
        if str(path).endswith("blue"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    scandir, red = os.scandir, [str(class_folders / "red" / f"{number:02d}.jpg") for number in range(8)]
    monkeypatch.setattr(os, "scandir", refusing)
    assert list_files([str(class_folders)]) == [*red, str(class_folders / "blue")]
    assert list_images(class_folders)[0] == [*map(Path, red)]


def test_many_files_are_mapped_in_order_and_those_that_fail_are_skipped(tmp_path):
    paths = [str(tmp_path / f"{number}.txt") for number in range(9)]
    for number, path in enumerate(paths):
        if number != 4:
            Path(path).write_text(str(number))
    skipped = SkippedFiles()
    assert map_files(lambda path: None, [], skipped, "nothing") == []
    results = map_files(lambda path: int(Path(path).read_text()), paths, skipped, "reading")
    assert map_files(lambda path, row: (path[-5], row), [paths[1]] * 3, skipped, "twice", range(3)) == [
        ("1", row) for row in range(3)
    ]
    assert results == [0, 1, 2, 3, None, 5, 6, 7, 8] and [file.path for file in skipped.list()] == [paths[4]]
