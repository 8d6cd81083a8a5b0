"""The scan turns objects with their images, and says what remains doubtful."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from visionkit.data.images.decode import decode
from visionkit.data.images.scan import scan, size_notes
from visionkit.data.index import Annotation, DataError, Index, Objects
from visionkit.data.quality.check import check
from visionkit.data.splits import DataSet, Splits


def stored_image(path, orientation, size=(12, 8)):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", size).save(path, exif=exif)
    return str(path)


def index_of(paths, *annotations):
    return Index(("a",), tuple(paths), np.full(len(paths), -1, np.int32), annotations=annotations)


def one_box(**more):
    return Annotation(Objects(np.array([[0.25, 0.0, 0.5, 0.125]]), np.zeros(1, np.int32)), **more)


def test_an_empty_index_cannot_be_scanned():
    with pytest.raises(DataError, match="None of 0 images"):
        scan(index_of([]))
    assert size_notes([]) == []


def test_boxes_are_turned_with_their_images(tmp_path):
    paths = [stored_image(tmp_path / f"{n}.jpg", n) for n in (1, 6, 8, 3)]
    found = scan(index_of(paths, *(one_box(size=(8, 12)) for _ in paths)))
    assert [annotation.size for annotation in found.annotations] == [(8, 12), (12, 8), (12, 8), (8, 12)]
    boxes = [annotation.objects.boxes.tolist() for annotation in found.annotations]
    assert boxes == [[[0.25, 0, 0.5, 0.125]], [[0.875, 0.25, 1, 0.5]], [[0, 0.5, 0.125, 0.75]], [[0.25, 0, 0.5, 0.125]]]
    assert [info.rotation for info in found.infos] == ["", "turned", "turned", "unclear"]
    turned, unclear = size_notes([found])
    assert turned.startswith("2 images") and "are turned, too" in turned
    assert unclear.startswith("1 image is turned by its EXIF header")
    again = scan(found)
    assert [annotation.objects.boxes.tolist() for annotation in again.annotations] == boxes


def test_images_whose_sizes_differ_from_the_declared_ones_are_noted(tmp_path):
    paths = [stored_image(tmp_path / f"{n}.png", 1) for n in range(3)]
    found = scan(index_of(paths, one_box(size=(12, 8)), one_box(size=(80, 120)), one_box()))
    assert size_notes([found, found])[0].startswith("2 images have another shape")


def test_a_resumed_run_turns_the_same_boxes(tmp_path):
    index = index_of(
        [stored_image(tmp_path / "1.jpg", 6)] * 3, one_box(size=(8, 12)), one_box(size=(12, 8), measured=True), one_box()
    )
    again = Splits.from_plain(Splits(index, index.take([])).to_plain()).train
    assert [annotation.size for annotation in again.annotations] == [(8, 12), None, None]
    assert scan(again).annotations[0].objects.boxes.tolist() == [[0.875, 0.25, 1, 0.5]]
    assert [info.rotation for info in scan(again).infos] == [info.rotation for info in scan(index).infos]
    classified = replace(index, annotations=())
    assert scan(classified).infos[0].rotation == "" and size_notes([scan(classified)]) == []


def test_of_images_with_several_pages_or_frames_the_first_is_used_and_that_is_said(tmp_path):
    frames = [Image.new("RGB", (12, 8), color) for color in ("red", "blue")]
    names = ("0.tif", "1.gif", "2.webp", "3.png")
    for name in names:
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        frames[0].save(tmp_path / f"one_{name}")
    thumbnail = Image.new("RGB", (6, 4))
    frames[0].save(tmp_path / "thumbnail.tif", save_all=True, append_images=[thumbnail])
    frames[0].save(tmp_path / "plain.jpg")
    paths = sorted(map(str, tmp_path.iterdir()))
    found = scan(Index(("a",), tuple(paths), np.zeros(len(paths), np.int32)))
    several = [Path(path).name for path, info in zip(found.paths, found.infos, strict=True) if info.has_more_pages]
    assert several == list(names)
    assert size_notes([found]) == [f"4 images hold several pages or frames (such as {paths[0]}): the first is used"]
    assert size_notes([found])[0] in check(DataSet({"train": found})).notes
    for name in names:
        red, _, blue = decode((tmp_path / name).read_bytes())[4, 6]
        assert red > 200 and blue < 50
