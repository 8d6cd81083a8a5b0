"""Layouts with what befalls them on people's disks: each is read with the same values, or what is wrong is named.

A layout of the table is written and changed by one to three of the changes below, drawn by a seed. Whatever they are, reading
must not crash, and it must not be silently wrong: if ``check`` finds nothing, all labels, boxes and masks are those of the
unchanged layout, whose values ``test_layouts.py`` compares with what is right.
"""

import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import sweep
from tests.data.layouts import LAYOUTS
from tests.data.layouts.layout import Layout, image, text, tree
from visionkit.data.images.decode import IMAGE_SUFFIXES
from visionkit.data.images.masks.read import read_mask
from visionkit.data.index import IGNORE, Annotation, DataError
from visionkit.data.quality.check import check
from visionkit.data.quality.findings import label_of
from visionkit.data.splits import DataSet

TEXTS = (".txt", ".csv", ".tsv", ".json", ".xml", ".yaml", ".names", ".data")
OTHER_SPLIT_NAMES = {
    "train": ("training", "Train", "train2017", "train_set"),
    "val": ("valid", "validation", "Val", "val2017", "dev"),
    "valid": ("val", "validation"),
    "test": ("testing", "Test", "test2017"),
}
GROUPS = 40  # a test reads as many of the thousand layouts at once
IN_GROUP = 25
QUICK = 1  # of the groups, which run with every test

Change = Callable[[Path, np.random.Generator], None]


def files_of(folder: Path, *suffixes: str) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix.lower() in suffixes)


def folders_of(folder: Path) -> list[Path]:
    return [folder, *sorted(path for path in folder.rglob("*") if path.is_dir() and not path.is_symlink())]


def drawn(rng: np.random.Generator, paths: list[Path]) -> Path:
    return paths[rng.integers(len(paths))]


def junk(folder, rng):
    """What systems and archivers leave behind."""
    place = drawn(rng, folders_of(folder))
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", "README.md", "._cover.jpg"):
        text(place / name, "x")
    text(folder / "__MACOSX" / "._a.jpg", "x")


def wrapper(folder, rng):
    """A ZIP file whose contents are in one folder of its own."""
    inner = folder.with_name("inner")
    folder.rename(inner)
    folder.mkdir()
    inner.rename(folder / "my_data_v2")


def windows_lines(folder, rng):
    for path in files_of(folder, *TEXTS):
        path.write_bytes(path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))


def byte_order_mark(folder, rng):
    for path in files_of(folder, *TEXTS):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())


def backslashes(folder, rng):
    """Paths in text files as Windows writes them."""
    for path in files_of(folder, ".txt", ".csv", ".yaml", ".data"):
        path.write_bytes(path.read_bytes().replace(b"/", b"\\"))


def upper_case_suffixes(folder, rng):
    for path in files_of(folder, ".jpg", ".jpeg"):
        path.rename(path.with_suffix(path.suffix.upper()))


def other_split_names(folder, rng):
    for path in reversed(folders_of(folder)):
        if names := OTHER_SPLIT_NAMES.get(path.name):
            path.rename(path.with_name(names[rng.integers(len(names))]))


def broken_image(folder, rng):
    if images := files_of(folder, *IMAGE_SUFFIXES):
        path = drawn(rng, images)
        path.write_bytes(path.read_bytes()[:40])


def foreign_annotations(folder, rng):
    """Annotations of another tool, of an image that is not there."""
    tree(folder / "old" / "a.json", {"shapes": [], "imagePath": "a.jpg", "imageHeight": 8, "imageWidth": 8, "imageData": None})


def link_to_parent(folder, rng):
    place = drawn(rng, folders_of(folder))
    (place / "loop").symlink_to("..", target_is_directory=True)


def extracted_twice(folder, rng):
    copy = folder.with_name("copy")
    shutil.copytree(folder, copy, symlinks=True)
    copy.rename(folder / ("data" if not (folder / "data").exists() else "dataset"))


def empty_folder(folder, rng):
    (drawn(rng, folders_of(folder)) / "empty").mkdir()


def lost_annotations(folder, rng):
    if files := files_of(folder, *TEXTS):
        drawn(rng, files).unlink()


def lost_image(folder, rng):
    """An image, or a mask, was deleted."""
    if images := files_of(folder, *IMAGE_SUFFIXES):
        drawn(rng, images).unlink()


def empty_annotation_file(folder, rng):
    if files := files_of(folder, *TEXTS):
        drawn(rng, files).write_bytes(b"")


def image_beside(folder, rng):
    """An image that nobody annotated."""
    image(drawn(rng, folders_of(folder)) / f"IMG_{rng.integers(1000, 9999)}.jpg")


CHANGES: tuple[Change, ...] = (
    *(junk, wrapper, windows_lines, byte_order_mark, backslashes, upper_case_suffixes, other_split_names, broken_image),
    *(foreign_annotations, link_to_parent, extracted_twice, empty_folder, lost_annotations, empty_annotation_file),
)
OF_ANNOTATED = (lost_image, image_beside)  # where the folder is the label, these are no mistake that could be noticed
LOSING = (lost_annotations, empty_annotation_file, *OF_ANNOTATED)  # after these, a note on what is left out is enough


def described(data_set: DataSet) -> dict[tuple, list]:
    """Everything that is known of each image: by split, and by its file name without regard to letter case."""
    samples: dict[tuple, list] = {}
    for split, index in data_set.splits.items():
        for position, path in enumerate(index.paths):
            annotation = index.annotations[position] if index.annotations else Annotation()
            known = [label_of(index, position)]
            if index.label_sets is not None:
                known.append([index.class_names[label] for label in np.flatnonzero(index.label_sets[position])])
            if annotation.objects is not None:
                classes = [index.class_names[label] for label in annotation.objects.classes]
                known.append(sorted(zip(classes, annotation.objects.boxes.round(4).tolist(), strict=True)))
            if annotation.mask is not None:
                counts = np.bincount(read_mask(annotation.mask, index).ravel(), minlength=256)
                known.append({index.class_names[n] if n < IGNORE else "": counts[n] for n in np.flatnonzero(counts)})
            samples.setdefault((split, Path(path).name.lower()), []).append(known)
    return {key: sorted(samples[key], key=repr) for key in sorted(samples)}


def only_names_are_lost(before, after) -> bool:
    """Whether all is the same but for the names of classes: a list of them that was lost leaves its numbers or codes."""
    names: set[tuple[str, str]] = set()

    def alike(one, other) -> bool:
        if isinstance(one, str) and isinstance(other, str):
            names.add((one, other))
            return True
        if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
            return len(one) == len(other) and all(map(alike, one, other))
        return one == other

    same = before.keys() == after.keys() and all(alike(before[key], after[key]) for key in before)
    old, new = {one for one, _ in names}, {other for _, other in names}
    return same and len(old) == len(new) == len(names) and not old & new


def read_changed(folder: Path, layout: Layout, changes: list[Change], rng: np.random.Generator) -> None:
    folder.mkdir(parents=True)
    layout.build(folder)
    unchanged = check(folder)
    before = described(unchanged.data)
    for change in changes:
        change(folder, rng)
    try:
        checked = check(folder)
    except DataError:
        return  # named
    if Counter(finding.kind for finding in checked.findings) != Counter(finding.kind for finding in unchanged.findings):
        return
    if set(changes) & set(LOSING) and (
        set(checked.notes) - set(unchanged.notes) or checked.data.left_out != unchanged.data.left_out
    ):
        return
    after = described(checked.data)
    different = [key for key in before.keys() | after.keys() if before.get(key) != after.get(key)]
    if lost_image in changes:  # an image without objects may have no file of annotations that could miss it
        different = [key for key in different if key in after or before[key] != [[None, []]]]
    if different and set(changes) & set(LOSING) and only_names_are_lost(before, after):
        return
    assert not different, f"{different[0]}: {before.get(different[0])} became {after.get(different[0])}"


@pytest.mark.parametrize("group", sweep(range(GROUPS), range(QUICK)))
def test_a_changed_layout_is_read_right_or_what_is_wrong_is_named(tmp_path, group):
    wrong = []
    for number in range(group * IN_GROUP, (group + 1) * IN_GROUP):
        rng = np.random.default_rng(number)
        layout = LAYOUTS[number % len(LAYOUTS)]
        possible = (*CHANGES, *OF_ANNOTATED) if layout.task in ("Boxes", "Masks") else CHANGES
        changes = [possible[i] for i in rng.choice(len(possible), rng.integers(1, 4), replace=False)]
        if lost_image in changes:  # an image without its annotations, and annotations without their image, leave no trace
            changes = [change for change in changes if change is not lost_annotations]
        folder = tmp_path / str(number) / "data"
        try:
            read_changed(folder, layout, changes, rng)
        except Exception as error:
            names = ", ".join(change.__name__ for change in changes)
            wrong.append(f"{number}: {layout.name}, {names}: {type(error).__name__}: {str(error)[:300]}")
        shutil.rmtree(folder, ignore_errors=True)
    assert not wrong, os.linesep.join(["", *wrong])
