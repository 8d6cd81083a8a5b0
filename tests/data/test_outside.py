"""Lists and annotations may name files of the data set alone: what else they name is reported, and never looked at."""

import json
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.data.layouts import LAYOUTS
from tests.data.layouts.detection_formats import coco
from tests.data.layouts.layout import image, mask, text
from visionkit import cli as commands
from visionkit.data.convert import FORMATS, write
from visionkit.data.formats.annotation_files import only_inside
from visionkit.data.images.contents import file_of
from visionkit.data.images.inside import Boundary
from visionkit.data.images.masks.union import Union
from visionkit.data.index import Annotation, DataError, Index, Objects
from visionkit.data.quality.check import check
from visionkit.data.sources import read
from visionkit.data.splits import DataSet

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


def tree(*names: str) -> str:
    """COCO's file of some images with one cat each."""
    return json.dumps(coco(list(names)))


def outside(found) -> list[tuple[str, str]]:
    """The file and the detail of each finding of entries that lead out."""
    return [(Path(problem.path).name, problem.detail) for problem in found.problems if problem.kind == KIND]


def test_entries_of_one_file_are_one_finding_with_their_number(tmp_path, secret):
    image(tmp_path / "data" / "images" / "0.jpg")
    names = ["images/0.jpg", "../secret/decoy.jpg", str(secret), "C:\\other\\x.jpg", f"file://{secret}", "gone.jpg"]
    text(tmp_path / "data" / "x.json", tree(*names))
    found = read(tmp_path / "data")
    assert [Path(path).name for path in files_of(found)] == ["0.jpg"] and touched == []
    ((name, detail),) = outside(found)
    assert name == "x.json" and detail.startswith(f"4 entries lead out of the data set's folder {tmp_path / 'data'}, ")
    assert detail.endswith("; --allow-outside reads such files, too; the first is '../secret/decoy.jpg'")
    assert [problem.kind for problem in found.problems if problem.kind != KIND] == ["missing partner"]


def test_what_is_kept_elsewhere_is_read_where_that_is_allowed(tmp_path, secret):
    watched.clear()
    text(tmp_path / "coco" / "x.json", tree("../secret/decoy.jpg"))
    text(tmp_path / "table" / "x.csv", f"image,label\n{secret},cat\n")
    text(tmp_path / "yolo" / "data.yaml", f"path: {secret.parent.parent}\ntrain: secret\nnames: [cat]\n")
    text(tmp_path / "darknet" / "obj.data", "train = train.txt\nnames = ../secret/obj.names\n")
    text(tmp_path / "darknet" / "train.txt", f"{secret}\n")
    text(secret.with_suffix(".txt"), "0 0.5 0.5 0.2 0.2\n")
    text(secret.parent / "obj.names", "cat\n")
    box = {"label": "cat", "coordinates": {"x": 40, "y": 40, "width": 20, "height": 20}}
    text(tmp_path / "createml" / "x.json", json.dumps([{"image": str(secret), "annotations": [box]}]))
    for data in ("coco", "table", "yolo", "darknet", "createml"):
        found = read(tmp_path / data, allow_outside=True)
        assert [os.path.realpath(path) for path in files_of(found)] == [str(secret)] and found.class_names[0] == "cat", data
        with pytest.raises(DataError, match="--allow-outside"):
            read(tmp_path / data)


def test_paths_of_another_computer_are_found_by_their_ends(tmp_path, secret):
    inside = image(tmp_path / "data" / "images" / "0.jpg")
    for name in (str(inside), "/home/me/images/0.jpg", "C:\\me\\images\\0.jpg", "../../elsewhere/images/0.jpg"):
        text(tmp_path / "data" / "x.json", tree(name))
        found = read(tmp_path / "data")
        assert [os.path.realpath(path) for path in files_of(found)] == [str(inside)] and found.problems == (), name


@pytest.mark.parametrize(
    ("path", "is_reported"),
    [("/home/other/data", False), ("../datasets/part", False), (".", False), ("/home/other/birds", True), ("../secret", True)],
)
def test_the_path_of_a_data_yaml_may_name_its_own_folder_or_one_in_it(tmp_path, secret, path, is_reported):
    for folder in ("data", "data/part"):
        image(tmp_path / folder / "images" / "train" / "0.jpg")
        text(tmp_path / folder / "labels" / "train" / "0.txt", "0 0.5 0.5 0.2 0.2\n")
    text(tmp_path / "data" / "data.yaml", f"path: {path}\ntrain: images/train\nnames: [cat]\n")
    for data in ("data", "data/data.yaml"):
        found = read(tmp_path / data)
        assert len(found) == 1 and (outside(found) != []) == is_reported and touched == []


def test_a_list_named_by_data_yaml_and_its_lines_are_entries(tmp_path, secret):
    text(secret.parent / "train.txt", f"{secret}\n")
    text(tmp_path / "data" / "labels" / "0.txt", "0 0.5 0.5 0.2 0.2\n")
    inside = image(tmp_path / "data" / "images" / "0.jpg")
    text(tmp_path / "data" / "list.txt", f"images/0.jpg\n{secret}\n../secret/decoy.jpg\n")
    text(tmp_path / "data" / "data.yaml", "train: list.txt\nval: ../secret/train.txt\ntest: ../../../etc\nnames: [cat]\n")
    touched.clear()
    found = read(tmp_path / "data")
    assert files_of(found) == [str(inside)] and touched == []
    assert [(name, detail.split(" ")[0]) for name, detail in outside(found)] == [("data.yaml", "2"), ("list.txt", "2")]


def test_label_files_beside_the_data_set_are_not_read(tmp_path, secret):
    """The label files of .../images/x are in .../labels/x, which lies outside where the data set itself is images/."""
    image(tmp_path / "images" / "data" / "0.jpg")
    text(tmp_path / "labels" / "data" / "0.txt", "0 0.5 0.5 0.2 0.2\n")
    text(tmp_path / "images" / "data" / "data.yaml", "train: .\nval: .\nnames: [cat]\n")
    watched[:] = [str(tmp_path / "labels")]
    with pytest.raises(DataError, match=r"'[^']*/labels/data' leads out"):
        read(tmp_path / "images" / "data")
    assert touched == []


def test_masks_of_a_table_are_entries(tmp_path, secret):
    for name in ("0.png", "1.png"):
        mask(tmp_path / "data" / "masks" / name, np.full((80, 120), 255, np.uint8))
        image(tmp_path / "data" / "images" / name)
    text(tmp_path / "data" / "x.csv", f"image,mask\nimages/0.png,masks/0.png\nimages/1.png,{secret}\nimages/1.png,../secret\n")
    touched.clear()
    found = read(tmp_path / "data")
    assert [Path(path).name for path in files_of(found)] == ["0.png", "0.png"] and touched == [] and len(outside(found)) == 1


def test_links_in_the_data_set_are_its_owner_s(tmp_path, secret):
    """An entry may pass through a link, but the parent of a link is that of its own place, not of where it leads."""
    folder = tmp_path / "data"
    image(folder / "here.jpg")
    (folder / "linked").symlink_to(secret.parent / "deep")
    (folder / "one.jpg").symlink_to(secret)
    watched.clear()
    image(secret.parent / "deep" / "0.jpg")
    text(folder / "x.json", tree("linked/0.jpg", "one.jpg", "here.jpg", "linked/../decoy.jpg"))
    found = read(folder)
    assert [Path(path).name for path in files_of(found)] == ["0.jpg", "one.jpg", "here.jpg"]
    assert [problem.kind for problem in found.problems] == ["missing partner"]  # data/decoy.jpg
    notes = check(folder).notes
    assert "2 images are read through links that lead out of the data set's folder" in notes
    assert not any("links" in note for note in check(secret.parent / "deep").notes)


def test_what_a_reader_lets_through_is_dropped_at_the_end(tmp_path, secret):
    watched.clear()
    inside = image(tmp_path / "data" / "0.jpg")
    annotations = (Annotation(), Annotation(mask=str(secret.parent / "mask.png")), Annotation())
    index = Index(("a",), (str(inside), str(inside), str(secret)), np.zeros(3, np.int32), annotations=annotations)
    found = only_inside(DataSet({"train": index}), Boundary(tmp_path / "data"), tmp_path / "data")
    assert found.splits["train"].paths == (str(inside),) and outside(found)[0][1].startswith("2 entries lead out")
    with pytest.raises(DataError, match="no annotated image can be used"):
        only_inside(DataSet({"train": index.take([2])}), Boundary(tmp_path / "data"), tmp_path / "data")


def test_the_union_of_masks_in_the_folder_itself_lies_inside(tmp_path):
    path = str(image(tmp_path / "x" / "0.jpg"))
    masks = [Annotation(mask=Union(str(tmp_path), "0_").path()), Annotation(mask=Union(str(tmp_path.parent), "0_").path())]
    index = Index(("a",), (path, path), np.zeros(2, np.int32), annotations=tuple(masks))
    found = only_inside(DataSet({"train": index}), Boundary(tmp_path), tmp_path)
    assert found.splits["train"].annotations == (masks[0],) and len(found.problems) == 1


def test_a_mask_outside_is_reported_with_the_table_that_names_it(tmp_path):
    for name in "ab":
        image(tmp_path / f"{name}.jpg")
    mask(tmp_path / "m.png", np.eye(8, dtype=np.uint8))
    text(tmp_path / "train.csv", "image,mask\na.jpg,m.png\n")
    text(tmp_path / "val.csv", "image,mask\nb.jpg,../decoy.png\n")
    (problem,) = (problem for problem in read(tmp_path).problems if problem.kind == KIND)
    assert problem.path == str(tmp_path / "val.csv")


def test_check_and_convert_neither_open_nor_copy_what_lies_outside(tmp_path, secret, capsys):
    image(tmp_path / "data" / "0.jpg")
    text(tmp_path / "data" / "x.json", tree("0.jpg", "../secret/decoy.jpg"))
    data = str(tmp_path / "data")
    assert commands.check(data, duplicates="pixels") == 1 and touched == []
    assert "outside the data set (1): entries that lead out" in capsys.readouterr().out
    assert commands.convert(data, tmp_path / "out", to="voc") == 0 and touched == []
    assert [path.name for path in (tmp_path / "out").rglob("*.jpg")] == ["0.jpg"]
    assert "--allow-outside reads such files" in capsys.readouterr().out
    assert commands.convert(data, tmp_path / "all", to="voc", allow_outside=True) == 0
    assert sorted(path.name for path in (tmp_path / "all").rglob("*.jpg")) == ["0.jpg", "decoy.jpg"]
    assert commands.convert(data, tmp_path / "data.json") == 0 and "names images outside" not in capsys.readouterr().out
    assert commands.convert(data, tmp_path / "deep" / "x.json") == 0
    assert "x.json names images outside of its folder; read it with --allow-outside" in capsys.readouterr().out


def test_a_cleaned_index_names_images_where_they_are(tmp_path, capsys):
    for split, place in (("train", "a"), ("val", "b")):
        for label in ("cat", "dog"):
            image(tmp_path / "data" / split / label / f"{place}{label}.jpg")
    commands.check(str(tmp_path / "data"), fix=tmp_path / "fixed", duplicates="pixels")
    assert f"use it: --data {tmp_path / 'fixed'} --allow-outside" in capsys.readouterr().out
    assert len(read(tmp_path / "fixed", allow_outside=True)) == 4


@pytest.mark.parametrize("target", FORMATS)
def test_no_name_leads_out_of_the_target(tmp_path, target):
    """Splits, classes and images are named by strangers."""
    folder = tmp_path / "data"
    names = ["../../up.jpg", "/abs.jpg", "..", "a/../../b.jpg"]
    paths = [image(folder / f"{number}.jpg") for number in range(4)]
    objects = Objects(np.array([[0.1, 0.1, 0.5, 0.5]]), np.zeros(1, np.int32))
    annotations = tuple(Annotation(objects, size=(80, 120), attributes={"file_name": name}) for name in names)
    index = Index(("../../cat/dog",), tuple(map(str, paths)), np.full(4, -1, np.int32), annotations=annotations)
    splits = {"../../train": index, "..": index.take([0]), "/etc": index.take([1]), ".": index.take([2])}
    write(DataSet(splits), tmp_path / "deep" / "er" / "out", target)
    written = {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*") if path.is_file()}
    assert written == {"data", "deep"} and [path.name for path in (tmp_path / "deep").iterdir()] == ["er"]
    assert [path.name for path in (tmp_path / "deep" / "er").iterdir()] == ["out"]
    assert len(list((tmp_path / "deep" / "er" / "out").rglob("*.jpg"))) >= 4
    with pytest.raises(DataError, match="'a/b' and 'a_b' would be written to one place"):
        write(DataSet({"a/b": index, "a_b": index}), tmp_path / "other", target)
