"""A check opens every file once, reports whatever is wrong, and neither crashes nor hangs on hostile files."""

import json
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import write_classes
from visionkit.cli.check import check as cli_check
from visionkit.data.formats.class_folders import find_class_folders
from visionkit.data.index import IGNORE, PROBLEM_KINDS, Annotation, DataError, Index, MaskCode, Objects, Problem
from visionkit.data.quality.check import Checked, check
from visionkit.data.quality.findings import SAME_BOX, doubled_boxes
from visionkit.data.quality.fix import without_problems
from visionkit.data.splits import DataSet
from visionkit.errors import UserError
from visionkit.ops.np_boxes import pairwise_iou
from visionkit.viz.check_table import check_lines


def image(path: Path, seed: int = 0, size=(64, 48), **options) -> str:
    """An image that resembles no image of another seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize(size).save(os.fspath(path), **options)
    return str(path)


def boxes_of(*boxes, label=0) -> Objects:
    return Objects(np.array(boxes, np.float64).reshape(-1, 4), np.full(len(boxes), label, np.int32))


def detection(paths, objects, size=(48, 64), names=("cat", "dog")) -> Index:
    annotations = tuple(Annotation(one, size=size) for one in objects)
    return Index(names, tuple(paths), np.full(len(paths), -1, np.int32), annotations=annotations)


def segmentation(paths, masks, names=("sky", "road", "car"), **more) -> Index:
    annotations = tuple(Annotation(mask=mask) for mask in masks)
    return Index(names, tuple(paths), np.full(len(paths), -1, np.int32), annotations=annotations, **more)


def classification(paths, labels, names=("a", "b")) -> Index:
    return Index(names, tuple(paths), np.array(labels, np.int32))


def mask(path: Path, values, size=(48, 64)) -> str:
    pixels = np.zeros(size + np.shape(values)[1:], np.uint8)  # colors have three channels
    for column, value in enumerate(values):
        pixels[:, column] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return str(path)


def kinds(checked: Checked) -> list[str]:
    return [finding.kind for finding in checked.findings]


def test_an_empty_data_set_cannot_be_checked(tmp_path):
    with pytest.raises(DataError, match="no images in it"):
        check(DataSet({"all": classification([], [])}))
    with pytest.raises(DataError, match="no layout"):
        check(tmp_path)


def test_sound_images_have_no_findings(tmp_path):
    paths = [image(tmp_path / f"{i}.jpg", i) for i in range(6)]
    found = check(DataSet({"train": classification(paths[:4], [0, 0, 1, 1]), "val": classification(paths[4:], [0, 1])}))
    assert found.findings == () and found.summary["problems"] == {}
    assert found.summary["images"] == 6 and found.summary["splits"] == {"train": 4, "val": 2}
    assert found.summary["classes"] == {"a": {"train": 2, "val": 1}, "b": {"train": 2, "val": 1}}
    assert found.summary["sizes"] == {"width": [64, 64, 64], "height": [48, 48, 48]}
    assert check_lines(found)[-1] == "Nothing is wrong with these 6 images."


def test_a_data_set_of_nothing_but_problems_is_reported(tmp_path):
    checked = check(DataSet({"all": detection([], [])}, problems=(Problem("missing partner", "x.xml", "no image"),)))
    assert kinds(checked) == ["missing partner"] and checked.summary["images"] == 0
    assert check_lines(checked)[-1].startswith("Something is wrong with 1 file: missing partner (1)")


def chunk(name: bytes, contents: bytes) -> bytes:
    return struct.pack(">I", len(contents)) + name + contents + struct.pack(">I", zlib.crc32(name + contents))


def hostile_folder(folder: Path) -> dict[str, str]:
    """Class folders with every kind of broken image; name -> a part of the detail."""
    image(folder / "b" / "0.png", 0)
    image(folder / "a" / "whole.jpg", 1)
    contents = (folder / "a" / "whole.jpg").read_bytes()
    (folder / "a" / "cut.jpg").write_bytes(contents[: len(contents) // 2])
    (folder / "a" / "empty.jpg").touch()
    (folder / "a" / "text.jpg").write_text("hello")
    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    bomb = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(999))) + chunk(b"IEND", b"")
    (folder / "a" / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bomb)
    (folder / "a" / "nowhere.jpg").symlink_to("gone.jpg")
    (folder / "a" / "loop.jpg").symlink_to("loop.jpg")
    (folder / "a" / "endless.jpg").symlink_to("/dev/zero")
    os.mkfifo(folder / "a" / "pipe.jpg")
    image(folder / "a" / "thin.png", 2, size=(5000, 1))
    image(folder / "a" / "misnamed.jpg", 3, format="PNG")
    image(folder / "a" / "ü 猫 #1 %20.png", 4)
    image(Path(os.fsdecode(os.fsencode(folder / "a") + b"/caf\xe9.png")), 5)
    (folder / "a" / "folder.jpg").mkdir()
    return {
        "cut.jpg": "damaged JPEG",
        "empty.jpg": "empty file",
        "text.jpg": "not an image",
        "bomb.png": "more than 178,956,970 pixels",
        "nowhere.jpg": "link that leads nowhere",
        "loop.jpg": "link that leads nowhere",
        "endless.jpg": "is a device, not a file",
        "pipe.jpg": "is a named pipe, not a file",
    }


def test_hostile_files_are_named_or_read_right(tmp_path):
    expected = hostile_folder(tmp_path)
    checked = check(find_class_folders(tmp_path))
    assert set(kinds(checked)) == {"broken image"}
    details = {Path(finding.path).name: finding.detail for finding in checked.findings}
    assert details.keys() == expected.keys()
    assert all(expected[name] in detail for name, detail in details.items())
    assert any("misnamed.jpg (PNG)" in note for note in checked.notes)
    assert any("thin.png" in note for note in checked.notes)


def test_a_folder_or_an_impossible_name_in_an_index_is_broken(tmp_path):
    (tmp_path / "x.jpg").mkdir()
    paths = [str(tmp_path / "x.jpg"), str(tmp_path / "gone.jpg"), "null\0.jpg", "n" * 5000]
    checked = check(DataSet({"all": classification(paths, [0, 0, 1, 1])}))
    assert kinds(checked) == ["broken image"] * 4
    assert [finding.detail for finding in checked.findings][:2] == ["is a folder, not a file", "No such file or directory"]


def test_an_annotated_image_that_does_not_exist_is_a_missing_partner(tmp_path):
    checked = check(DataSet({"all": detection([str(tmp_path / "gone.jpg")], [boxes_of((0, 0, 1, 1))])}))
    assert kinds(checked) == ["missing partner"]


def test_problems_of_the_reader_are_not_reported_twice(tmp_path):
    gone = str(tmp_path / "gone.jpg")
    problem = Problem("missing partner", gone, "the reader says so")
    checked = check(DataSet({"all": detection([gone], [boxes_of()])}, problems=(problem,)))
    assert [finding.detail for finding in checked.findings] == ["the reader says so"]


def test_each_kind_of_wrong_box_is_named_with_its_number_and_label(tmp_path):
    path = image(tmp_path / "0.png")
    objects = boxes_of((0.1, 0.1, 0.5, 0.5), (0.5, 0.5, 1.2, 0.9), (0.6, 0.1, 0.2, 0.5), (0.3, 0.3, 0.3, 0.6), label=1)
    checked = check(DataSet({"train": detection([path], [objects])}))
    plain = [finding.to_plain() for finding in checked.findings]
    assert [(one["problem"], one["box"], one["label"], one["split"]) for one in plain] == [
        ("box outside", 1, "dog", "train"),
        ("inverted box", 2, "dog", "train"),
        ("empty box", 3, "dog", "train"),
    ]
    assert plain[0]["detail"] == "x 32 to 76.8, y 24 to 43.2 pixels; the image has 64x48"


def test_objects_without_a_class_are_left_to_the_reader(tmp_path):
    checked = check(DataSet({"all": detection([image(tmp_path / "0.png")], [boxes_of((0, 0, 1, 1), label=-1)])}))
    assert checked.findings == () and checked.summary["classes"]["cat"] == {"all": 0}


def test_a_wrong_declared_size_is_named(tmp_path):
    checked = check(DataSet({"all": detection([image(tmp_path / "0.png")], [boxes_of()], size=(48, 65))}))
    assert kinds(checked) == ["wrong size"] and checked.findings[0].detail == "the declared size is 65x48, the image has 64x48"


def turned_image(path: Path, orientation: int, seed=0, size=(64, 48)) -> str:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return image(path, seed, size, exif=exif)


def test_boxes_are_turned_where_the_size_before_exif_rotation_is_declared(tmp_path):
    path = turned_image(tmp_path / "turned.jpg", 6)
    data = DataSet({"all": detection([path], [boxes_of((0.25, 0, 0.5, 0.125))], size=(48, 64))})
    checked = check(data)
    assert kinds(checked) == ["image rotation"] and "declared size 64x48 is that before" in checked.findings[0].detail
    (annotation,) = checked.data.splits["all"].annotations
    assert annotation.size == (64, 48) and annotation.objects.boxes.tolist() == [[0.875, 0.25, 1.0, 0.5]]
    assert data.splits["all"].annotations[0].size == (48, 64)
    assert check(DataSet({"all": detection([path], [boxes_of((0, 0, 1, 1))], size=(64, 48))})).findings == ()
    empty = check(DataSet({"all": detection([path], [boxes_of()], size=(48, 64))}))
    assert empty.findings == () and empty.data.splits["all"].annotations[0].size == (64, 48)


UNCLEAR = [
    (6, (64, 48), None, "no size"),
    (2, (64, 48), None, "no size"),
    (3, (64, 48), (48, 64), "the same"),
    (8, (64, 64), (64, 64), "the same"),
]


@pytest.mark.parametrize(("orientation", "sides", "size", "word"), UNCLEAR)
def test_a_rotation_is_reported_where_no_size_says_what_the_boxes_fit(tmp_path, orientation, sides, size, word):
    path = turned_image(tmp_path / "turned.jpg", orientation, size=sides)
    checked = check(DataSet({"all": detection([path], [boxes_of((0, 0, 0.5, 0.5))], size=size)}))
    assert kinds(checked) == ["image rotation"] and word in checked.findings[0].detail
    assert checked.data.splits["all"].annotations[0].objects.boxes.tolist() == [[0, 0, 0.5, 0.5]]
    assert check(DataSet({"all": detection([path], [boxes_of()], size=size)})).findings == ()


@pytest.mark.parametrize(
    ("orientation", "sides", "count"), [(3, (64, 48), 1), (6, (64, 64), 1), (1, (64, 64), 0), (6, (48, 64), 0)]
)
def test_a_rotation_is_reported_where_a_mask_would_fit_before_and_after_it(tmp_path, orientation, sides, count):
    path = turned_image(tmp_path / "turned.jpg", orientation, size=sides)
    shown = sides[::-1] if orientation == 6 else sides
    fitting = mask(tmp_path / "masks" / "turned.png", [0, 1, 2], size=shown[::-1])
    findings = check(DataSet({"all": segmentation([path], [fitting])})).findings
    assert [finding.kind for finding in findings] == ["image rotation"] * count
    assert all("its size is the same before and after" in finding.detail for finding in findings)


def test_objects_are_counted_tiny_and_doubled(tmp_path):
    paths = [image(tmp_path / f"{i}.png", i) for i in range(2)]
    many = boxes_of((0, 0, 0.01, 0.5), (0.2, 0.2, 0.8, 0.8), (0.2, 0.2, 0.801, 0.8))
    checked = check(DataSet({"train": detection(paths, [many, boxes_of()])}))
    summary = checked.summary
    assert (summary["objects"], summary["tiny_objects"], summary["images_without_objects"]) == (3, 1, 1)
    assert summary["objects_per_image"] == [0, 1.5, 3]
    assert any("1 object is boxed twice, in 1 image: 0.png" in note for note in checked.notes)


def test_imbalance_absent_classes_and_missing_validation_are_notes(tmp_path):
    paths = [image(tmp_path / f"{i}.png", i) for i in range(14)]
    splits = {"train": [0] * 10 + [1], "val": [0, 0, 1]}
    names = {"train": paths[:11], "val": paths[11:]}
    checked = check(DataSet({name: classification(names[name], splits[name], ("a", "b", "c")) for name in splits}))
    assert checked.findings == ()
    assert "there are no images of c" in checked.notes
    checked = check(DataSet({"all": classification(paths, [0] * 13 + [1])}))
    assert any("imbalance: there are 13 times" in note for note in checked.notes)
    assert (
        "there is no validation split: recipes hold out a part of the data"
        in check(DataSet({"all": classification(paths, [0] * 14)})).notes
    )


def test_grey_images_are_a_note(tmp_path):
    paths = [image(tmp_path / f"{i}.png", i) for i in range(2)]
    Image.open(paths[0]).convert("L").save(paths[0])
    assert "1 of 2 images are grey" in check(DataSet({"all": classification(paths, [0, 1])})).notes


def test_copies_within_a_split_are_duplicates_and_name_the_first(tmp_path):
    first = image(tmp_path / "0.png", 1)
    copy = tmp_path / "1.png"
    copy.write_bytes(Path(first).read_bytes())
    near = tmp_path / "2.jpg"
    Image.open(first).resize((128, 96)).save(near, quality=50)
    checked = check(DataSet({"train": classification([first, str(copy), str(near)], [0, 0, 1])}))
    assert [(one.kind, one.path, one.other) for one in checked.findings] == [
        ("exact duplicate", str(copy), first),
        ("near duplicate", str(near), first),
    ]
    assert "but" not in checked.findings[0].detail and "labelled b, the other a" in checked.findings[1].detail


def test_copies_in_two_splits_are_leakage_and_no_duplicates(tmp_path):
    first = image(tmp_path / "0.png", 1, size=(256, 192))
    near = tmp_path / "1.jpg"
    Image.open(first).resize((128, 96)).save(near, quality=50)
    checked = check(DataSet({"train": classification([first], [0]), "val": classification([str(near)], [0])}))
    assert [(one.kind, one.path, one.other, one.split) for one in checked.findings] == [
        ("leakage", first, str(near), "train"),
    ]


def test_one_file_in_two_splits_is_opened_once_and_leaks(tmp_path, monkeypatch):
    from visionkit.data.quality import inspect

    opened = []
    monkeypatch.setattr(inspect, "read_contents", lambda path: opened.append(path) or Path(path).read_bytes())
    path = image(tmp_path / "0.png")
    checked = check(DataSet({"train": classification([path, path], [0, 0]), "val": classification([path], [0])}))
    assert kinds(checked) == ["leakage", "leakage"] and opened == [path]
    assert checked.findings[0].detail == "is the same file as one of val"
    checked = check(DataSet({"train": classification([path, path], [0, 1])}))
    detail = "is the same file as another sample: it is listed twice, but it is labelled b, the other a"
    assert checked.findings[0].detail == detail


def test_copies_that_are_boxed_differently_say_so(tmp_path):
    paths = [image(tmp_path / f"{i}.png") for i in range(4)]
    same, moved, more = boxes_of((0, 0, 0.5, 0.5)), boxes_of((0.2, 0, 0.7, 0.5)), boxes_of((0, 0, 0.5, 0.5), (0, 0, 1, 1))
    checked = check(DataSet({"train": detection(paths, [same, same, moved, more])}))
    details = [finding.detail for finding in checked.findings]
    assert "but" not in details[0]
    assert "the boxes differ" in details[1] and "annotated with 2 objects, the other with 1" in details[2]


def test_masks_are_opened(tmp_path):
    paths = [image(tmp_path / f"{i}.png", i) for i in range(6)]
    masks = [mask(tmp_path / "masks" / f"{i}.png", [0, 1, 2, 255]) for i in range(6)]
    mask(Path(masks[1]), [0, 1, 7, 7, 9])
    mask(Path(masks[2]), [1], size=(24, 32))
    Path(masks[3]).write_bytes(b"broken")
    Path(masks[4]).unlink()
    checked = check(DataSet({"train": segmentation(paths[:5], masks[:5]), "val": segmentation(paths[5:], masks[5:])}))
    found = [(one.kind, one.path, one.detail) for one in checked.findings]
    assert found[0][:2] == ("broken image", masks[3])
    assert found[1] == ("unknown label", masks[1], "values without a class: 7 (96 pixels), 9 (48 pixels)")
    assert found[2] == ("missing partner", paths[4], f"its mask {masks[4]} does not exist")
    assert found[3] == ("wrong size", paths[2], f"the mask {masks[2]} has 32x24 pixels; the image has 64x48")
    assert checked.summary["counted"] == "pixels" and checked.summary["classes"]["car"] == {"train": 48, "val": 48}


@pytest.mark.parametrize(("rows", "is_wrong"), [([0, 1, 2, 2, 3], False), ([0, 1, 3, 3, 3], True)])
def test_a_value_that_most_masks_hold_in_few_pixels_means_to_be_ignored(tmp_path, rows, is_wrong):
    paths = [image(tmp_path / f"{i}.png", i) for i in range(3)]
    masks = [mask(tmp_path / "masks" / f"{i}.png", np.repeat(rows, 9)) for i in range(3)]
    checked = check(DataSet({"train": segmentation(paths, masks)}))
    assert kinds(checked) == ["unknown label"] * 3 * is_wrong
    assert any("the mask value 3, in 3 of 3 masks" in note for note in checked.notes) != is_wrong
    assert checked.summary["ignored_pixels"] == 3 * 9 * 48 * rows.count(3)


def test_colors_without_a_class_are_unknown(tmp_path):
    paths = [image(tmp_path / f"{i}.png", i) for i in range(2)]
    code = MaskCode(np.array([0xFF0000, 0x00FF00, 0]), np.array([0, 1, IGNORE], np.uint8), "color")
    masks = []
    for i, extra in enumerate([(255, 0, 0), (1, 2, 3)]):
        pixels = np.full((48, 64, 3), [0, 255, 0], np.uint8)
        pixels[:2], pixels[2] = extra, 0
        masks.append(str(tmp_path / f"mask{i}.png"))
        Image.fromarray(pixels).save(masks[-1])
    checked = check(DataSet({"train": segmentation(paths, masks, names=("a", "b"), mask_code=code)}))
    assert [(one.kind, one.path, one.detail) for one in checked.findings] == [
        ("unknown label", masks[1], "values without a class: #010203 (128 pixels)")
    ]


def test_findings_come_in_the_order_of_the_kinds(tmp_path):
    problems = tuple(Problem(kind, f"{number}.txt", "") for number, kind in enumerate(reversed(PROBLEM_KINDS)))
    path = image(tmp_path / "0.png")
    assert kinds(check(DataSet({"all": classification([path], [0])}, problems=problems))) == list(PROBLEM_KINDS)


def run(*arguments, capsys):
    status = cli_check(*arguments)
    return status, capsys.readouterr()


def test_the_command_prints_json_and_nothing_else(tmp_path, capsys):
    hostile_folder(tmp_path)
    status, streams = run(str(tmp_path), True, capsys=capsys)
    lines = [json.loads(line) for line in streams.out.splitlines()]
    assert status == 1 and len(lines) == 9
    assert set(lines[0]) == {"problem", "path", "detail", "label", "split"}
    assert lines[-1]["summary"]["problems"] == {"broken image": 8}


def test_the_command_says_that_nothing_is_wrong(tmp_path, capsys):
    for i in range(4):
        image(tmp_path / "data" / "ab"[i % 2] / f"{i}.png", i)
    status, streams = run(str(tmp_path / "data"), capsys=capsys)
    assert status == 0 and streams.out.splitlines()[-1] == "Nothing is wrong with these 4 images."
    status, streams = run(str(tmp_path / "data"), True, tmp_path / "p.html", tmp_path / "fixed", capsys=capsys)
    assert status == 0 and len(streams.out.splitlines()) == 1 and (tmp_path / "p.html").is_file()
    assert f"--data {tmp_path / 'fixed'}" in streams.err


def test_the_table_shows_ten_of_a_kind(tmp_path):
    write_classes(tmp_path, {"a": 1})
    for i in range(22):
        (tmp_path / "a" / f"x{i}.jpg").touch()
    lines = check_lines(check(find_class_folders(tmp_path)))
    assert "  ... and 12 more" in lines and sum("empty file" in line for line in lines) == 10
    assert lines[-1] == "Something is wrong with 23 files: broken image (22), unclear layout (1)."


def deep_image(path: Path, seed: int, bits: int) -> str:
    values = np.random.default_rng(seed).integers(0, 2**bits, (8, 8), dtype=np.uint16)
    values[0, 0] = 2**bits - 1
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values.repeat(6, 0).repeat(6, 1)).save(path)
    return str(path)


def test_unused_bits_are_one_finding_of_the_data_set_and_nothing_is_left_out(tmp_path):
    paths = [image(tmp_path / "0.png")] + [deep_image(tmp_path / f"{n}.png", n, 12) for n in (1, 2)]
    checked = check(DataSet({"all": classification(paths, [0, 1, 1])}))
    assert [(finding.kind, finding.path, finding.split) for finding in checked.findings] == [("bit depth", paths[1], None)]
    assert checked.findings[0].detail.startswith("2 of 3 images hold 16 bits and use 12 of them (no value above 4095 of 65535)")
    assert len(without_problems(checked.data, checked.opened).data) == 3


def test_images_of_16_bits_in_use_are_no_finding(tmp_path):
    paths = [deep_image(tmp_path / f"{n}.png", n, 16) for n in range(3)]
    assert check(DataSet({"all": classification(paths, [0, 0, 1])})).findings == ()


def test_the_scale_of_floats_is_a_note_and_no_scale_is_a_broken_image(tmp_path):
    values = np.random.default_rng(0).random((40, 40), np.float32)
    for name, factor in (("a", 1), ("b", 1000)):
        Image.fromarray(values * factor).save(tmp_path / f"{name}.tif")
    checked = check(DataSet({"all": classification([str(tmp_path / "a.tif"), str(tmp_path / "b.tif")], [0, 1])}))
    assert kinds(checked) == ["broken image"] and "floating-point pixels from" in checked.findings[0].detail
    assert any("1 images hold floating-point numbers" in note for note in checked.notes)


def test_the_command_takes_the_meaning_of_mask_values_and_counts_what_is_ignored(tmp_path, capsys):
    for i in range(2):
        image(tmp_path / "images" / f"{i}.png", i)
        mask(tmp_path / "masks" / f"{i}.png", [128] * 32 + [255] * 16)
    status = cli_check(str(tmp_path), mask_values=("0=sky", "128=tree", "255=ignore"))
    lines = capsys.readouterr().out.splitlines()
    assert status == 0 and ["tree", "3,072"] in map(str.split, lines) and "ignored: 1,536 pixels of masks (25.0%)" in lines
    assert "note: mask values as --mask-values names them: 0 is sky, 128 is tree and 255 is ignore" in lines
    with pytest.raises(UserError, match="'tree' is none"):
        cli_check(str(tmp_path), mask_values=("tree",))


@pytest.mark.parametrize("spread", [0.01, 0.5])
def test_boxes_that_coincide_are_counted_among_any_number(spread):
    rng = np.random.default_rng(0)
    centers, sides = rng.random((300, 2)), rng.random((300, 2)) * spread + 0.005
    boxes = np.hstack([centers - sides / 2, centers + sides / 2])
    shifted = boxes[::3] + rng.normal(0, 0.01, (100, 1)) * np.tile(sides[::3], 2)
    boxes, classes = np.vstack([boxes, shifted, boxes[::7]]), np.arange(443) % 2
    alike = (pairwise_iou(boxes, boxes) > SAME_BOX) & (classes[:, None] == classes[None])
    assert doubled_boxes(boxes, classes) == np.tril(alike, -1).any(axis=1).sum() > 30


def test_boxes_without_area_or_of_other_classes_do_not_coincide():
    box = [0.1, 0.1, 0.5, 0.5]
    assert doubled_boxes(np.zeros((0, 4)), np.zeros(0, int)) == 0
    assert doubled_boxes(np.array([box, box, box]), np.array([0, 1, 0])) == 1
    useless = [[0.1, 0.1, 0.1, 0.5]] * 2 + [[0.5, 0.5, 0.1, 0.1]] * 2 + [[np.nan] * 4] * 2
    assert doubled_boxes(np.array(useless), np.zeros(6, int)) == 0
