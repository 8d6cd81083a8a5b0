"""A cleaned index can be read again and has no findings; images stay unchanged."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.colored_quadrants import write_quadrants
from tests.data.quality.test_check import boxes_of, classification, detection, image, mask, segmentation
from visionkit.data import sources
from visionkit.data.images.masks.code import find_classes
from visionkit.data.images.masks.names import parse_values
from visionkit.data.images.masks.read import read_mask
from visionkit.data.index import DataError, Index, MaskCode
from visionkit.data.quality.check import check
from visionkit.data.quality.fix import Fixed, check_folder, write_fixed
from visionkit.data.sources import read_classified
from visionkit.data.splits import DataSet


def fixed_and_read(data, folder) -> tuple[Fixed, DataSet]:
    """The cleaned index; read again, it has no findings."""
    fixed = write_fixed(check(data), folder)
    again = sources.read(folder, allow_outside=True)
    assert {finding.kind for finding in check(again).findings} <= {"unmeasurable split"}  # no copy can mend that
    assert [path.name for path in folder.parent.glob(f".{folder.name}*")] == []
    return fixed, again


def names_of(index: Index) -> list[str]:
    return [Path(path).name for path in index.paths]


def test_without_a_sound_sample_no_index_is_written(tmp_path):
    (tmp_path / "0.jpg").touch()
    checked = check(DataSet({"train": classification([str(tmp_path / "0.jpg")], [0])}))
    with pytest.raises(DataError, match="None of the 1 samples is sound"):
        write_fixed(checked, tmp_path / "fixed")
    assert [path.name for path in tmp_path.iterdir()] == ["0.jpg"]


def test_images_without_labels_have_no_index(tmp_path):
    checked = check(DataSet({"all": classification([image(tmp_path / "0.png")], [-1], names=())}))
    with pytest.raises(DataError, match="neither labels nor boxes nor masks"):
        write_fixed(checked, tmp_path / "fixed")
    assert not (tmp_path / "fixed").exists()


def test_a_folder_in_use_is_refused_and_an_empty_one_is_filled(tmp_path):
    data = DataSet({"train": classification([image(tmp_path / "0.png")], [0], names=("a",))})
    for taken in (tmp_path, tmp_path / "0.png"):
        with pytest.raises(DataError, match="exists already"):
            check_folder(taken)
        with pytest.raises(DataError, match="exists already"):
            write_fixed(check(data), taken)
    (tmp_path / "empty").mkdir()
    (tmp_path / ".empty.unfinished").mkdir()
    fixed_and_read(data, tmp_path / "empty")


def test_labels_become_lists_that_a_recipe_reads(tmp_path):
    names = ['a, "b" é.png', "ü 猫 #1 %20.png", "plain.png", " leading.png"]
    labels = ["cat, large", 'the "dog"']
    train = [image(tmp_path / name, seed) for seed, name in enumerate(names)]
    (tmp_path / "broken.jpg").touch()
    copy = tmp_path / "copy.png"
    copy.write_bytes(Path(train[0]).read_bytes())
    val = [image(tmp_path / "val" / f"{i}.png", 10 + i) for i in range(2)] + [str(copy)]
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()}
    data = DataSet(
        {
            "train": classification([*train, str(tmp_path / "broken.jpg")], [0, 1, 0, 1, 0], labels),
            "val": classification(val, [0, 1, 0], labels),
        }
    )
    fixed, again = fixed_and_read(data, tmp_path / "fixed")
    assert names_of(again.splits["train"]) == ["plain.png", "ü 猫 #1 %20.png", " leading.png"]
    assert names_of(again.splits["val"]) == ["0.png", "copy.png", "1.png"]
    assert again.class_names == ("cat, large", 'the "dog"')
    assert [problem.kind for problem in fixed.left_out] == ["broken image", "leakage"]
    assert len(read_classified(tmp_path / "fixed", allow_outside=True).train) == 3
    assert {path: path.read_bytes() for path in before} == before


def test_names_that_no_line_can_hold_are_left_out(tmp_path):
    paths = [image(tmp_path / "a.png", 0), image(tmp_path / "b\nc.png", 1), image(tmp_path / "caf\udce9.png", 2)]
    data = DataSet({"train": classification(paths, [0, 0, 0], names=("a",))})
    fixed, again = fixed_and_read(data, tmp_path / "fixed")
    assert names_of(again.splits["all"]) == ["a.png"] and len(fixed.left_out) == 2


def test_an_unsplit_data_set_stays_unsplit(tmp_path):
    paths = [image(tmp_path / f"{i}.png", i) for i in range(4)]
    _, again = fixed_and_read(DataSet({"all": classification(paths, [0, 1, 0, 1])}), tmp_path / "fixed")
    assert list(again.splits) == ["all"] and len(again) == 4


@pytest.mark.parametrize("split", ["val", "test"])
def test_classes_or_splits_that_lists_cannot_express_become_a_table(tmp_path, split):
    paths = [image(tmp_path / f"{i}, x.png", i) for i in range(4)]
    labels = {"val": [1, 1], "test": [0, 1]}[split]
    data = DataSet({"train": classification(paths[:2], [0, 0]), split: classification(paths[2:], labels)})
    _, again = fixed_and_read(data, tmp_path / "fixed")
    assert again.class_names == ("a", "b") and again.splits[split].labels.tolist() == labels


def test_boxes_are_clipped_and_dropped(tmp_path):
    paths = [image(tmp_path / f"{i}.png", i) for i in range(4)]
    objects = [
        boxes_of((0.5, 0.5, 1.5, 0.75), (0.2, 0.2, 0.1, 0.3), (0.25, 0.25, 0.5, 0.5), label=1),
        boxes_of((0, 0, 0.5, 0.5), label=-1),
        boxes_of(),
        boxes_of((0.1, 0.1, 0.1, 0.2)),
    ]
    data = DataSet({"train": detection(paths[:2], objects[:2]), "val": detection(paths[2:], objects[2:])})
    fixed, again = fixed_and_read(data, tmp_path / "fixed")
    assert names_of(again.splits["train"]) == ["0.png"] and names_of(again.splits["val"]) == ["2.png"]
    kept = again.splits["train"].annotations[0].objects
    assert kept.boxes.tolist() == [[0.5, 0.5, 1.0, 0.75], [0.25, 0.25, 0.5, 0.5]]
    assert [again.class_names[label] for label in kept.classes] == ["dog", "dog"]
    assert (fixed.num_clipped, fixed.num_dropped) == (1, 1)
    assert [problem.kind for problem in fixed.left_out] == ["unknown label", "empty box"]


def test_a_resized_image_gets_its_size_and_boxes_are_turned_with_their_image(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    resized, turned = image(tmp_path / "0.png", 0, size=(128, 96)), image(tmp_path / "1.jpg", 1, exif=exif)
    objects = [boxes_of((0.25, 0, 0.5, 0.5))] * 2
    fixed, again = fixed_and_read(DataSet({"all": detection([resized, turned], objects)}), tmp_path / "fixed")
    assert [one.size for one in again.splits["all"].annotations] == [(96, 128), (64, 48)]
    assert again.splits["all"].annotations[0].objects.boxes.tolist() == [[0.25, 0, 0.5, 0.5]]
    assert again.splits["all"].annotations[1].objects.boxes.tolist() == [[0.5, 0.25, 1, 0.5]]
    assert fixed.num_resized == 1 and fixed.left_out == ()


def test_the_copy_with_valid_annotation_is_kept(tmp_path):
    paths = [image(tmp_path / f"{i}.png", 0) for i in range(2)]
    objects = [boxes_of((0.5, 0.5, 0.4, 0.6)), boxes_of((0.5, 0.5, 0.6, 0.6))]
    _, again = fixed_and_read(DataSet({"all": detection(paths, objects)}), tmp_path / "fixed")
    assert names_of(again.splits["all"]) == ["1.png"]


@pytest.mark.parametrize("colors", [None, np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)], ids=["index", "color"])
def test_masks_become_a_table_with_their_classes(tmp_path, colors):
    paths = [image(tmp_path / f"a, {i}.png", i) for i in range(7)]
    masks = []
    for i in range(7):
        classes = np.zeros((48, 64), np.uint8)
        classes[:20], classes[30:] = 1, 2
        masks.append(str(tmp_path / "masks" / f"a, {i}.png"))
        Path(masks[-1]).parent.mkdir(exist_ok=True)
        Image.fromarray(classes if colors is None else colors[classes]).save(masks[-1])
    wrong = np.full((48, 64), 9, np.uint8) if colors is None else np.full((48, 64, 3), 9, np.uint8)
    Image.fromarray(wrong).save(masks[1])
    mask(Path(masks[2]), [1], size=(24, 32))
    Path(masks[3]).write_bytes(b"broken")
    names = ("sky, blue", "road: wide", "3 cars")
    code = None
    if colors is not None:
        code = MaskCode(np.array([0xFF0000, 0x00FF00, 0x0000FF]), np.arange(3, dtype=np.uint8), "color")
    train = segmentation(paths[:5], masks[:5], names, mask_code=code)
    val = segmentation(paths[5:], masks[5:], names, mask_code=code)
    fixed, again = fixed_and_read(DataSet({"train": train, "val": val}), tmp_path / "fixed")
    assert again.class_names == names
    assert names_of(again.splits["train"]) == ["a, 0.png", "a, 4.png"] and len(again.splits["val"]) == 2
    assert {problem.kind for problem in fixed.left_out} == {"unknown label", "wrong size", "broken image"}


@pytest.mark.parametrize(
    ("rows", "tokens"),
    [
        ([255, 255], ()),
        ([0] * 9 + [128] * 9 + [255] * 9, ()),
        ([0] * 9 + [1] * 9 + [2] * 9 + [255] * 3, ()),
        ([0, 1, 2, 3], ("0=background", "other=foreground")),
        ([0, 1, 2, 3], ("0=ignore", "1=3 2 1 cars", "2=ignore", "3=sky")),
        ([(9, 9, 9), (255, 0, 0)], ("#090909=sky", "#ff0000=ignore")),
    ],
)
def test_the_values_of_masks_keep_their_meaning(tmp_path, rows, tokens):
    paths = [image(tmp_path / f"{i}.png", i) for i in range(2)]
    masks = [mask(tmp_path / "masks" / f"{i}.png", rows) for i in range(2)]
    classes = find_classes(masks, parse_values(tokens))
    index = segmentation(paths, masks, names=classes.names, mask_code=classes.code)
    _, again = fixed_and_read(DataSet({"all": index}), tmp_path / "fixed")
    assert again.class_names == classes.names
    for path in masks:
        np.testing.assert_array_equal(read_mask(path, again.splits["all"]), read_mask(path, index))


XML = (
    "<annotation><filename>{name}</filename><size><width>64</width><height>48</height></size>"
    "<object><name>cat</name><bndbox><xmin>{box[0]}</xmin><ymin>{box[1]}</ymin><xmax>{box[2]}</xmax><ymax>{box[3]}</ymax></bndbox>"
    "</object></annotation>"
)
BOXES = [(4, 4, 20, 20), (4, 4, 80, 20), (30, 4, 20, 20), (5, 5, 5, 20), (8, 8, 30, 30)]


def voc(folder: Path) -> None:
    (folder / "Annotations").mkdir(parents=True)
    for i, box in enumerate(BOXES):
        image(folder / "JPEGImages" / f"{i}.png", i)
        (folder / "Annotations" / f"{i}.xml").write_text(XML.format(name=f"{i}.png", box=box))


def coco(folder: Path) -> None:
    images = [{"id": i, "file_name": f"{i}.png", "width": 64, "height": 48} for i in range(len(BOXES))]
    boxes = [[x1, y1, x2 - x1, y2 - y1] for x1, y1, x2, y2 in BOXES]
    objects = [{"id": i, "image_id": i, "category_id": 3, "bbox": box} for i, box in enumerate(boxes)]
    for i in range(len(BOXES)):
        image(folder / f"{i}.png", i)
    tree = {"images": images, "annotations": objects, "categories": [{"id": 3, "name": "cat"}]}
    (folder / "instances.json").write_text(json.dumps(tree))


def yolo(folder: Path) -> None:
    (folder / "labels").mkdir(parents=True)
    for i, (x1, y1, x2, y2) in enumerate(BOXES):
        image(folder / "images" / f"{i}.png", i)
        numbers = ((x1 + x2) / 128, (y1 + y2) / 96, (x2 - x1) / 64, (y2 - y1) / 48)
        (folder / "labels" / f"{i}.txt").write_text(" ".join(map(str, (0, *numbers))) + "\n")
    (folder / "data.yaml").write_text("train: images\nnames: [cat]\n")


@pytest.mark.parametrize("write", [voc, coco, yolo])
def test_a_data_set_of_any_format_is_checked_and_fixed(tmp_path, write):
    write(tmp_path / "data")
    (next((tmp_path / "data").rglob("4.png"))).write_bytes(b"")
    checked = check(tmp_path / "data")
    found = {(finding.kind, Path(finding.path).stem) for finding in checked.findings}
    assert {("broken image", "4"), ("box outside", "1"), ("empty box", "3")} <= found
    fixed, again = fixed_and_read(sources.read(tmp_path / "data"), tmp_path / "fixed")
    assert [name for index in again.splits.values() for name in names_of(index)] == ["0.png", "1.png"]
    assert fixed.num_clipped == 1


def test_several_labels_become_columns_of_a_table(tmp_path):
    index = write_quadrants(tmp_path / "data", 3)
    index.label_sets[:] = [[1, 0, 1], [0, 0, 0], [0, 1, 0]]
    write_fixed(check(DataSet({"all": index})), tmp_path / "fixed")
    lines = (tmp_path / "fixed" / "index.csv").read_text().splitlines()
    assert lines == ["image,split,red,green,blue"] + [
        f"{path},all,{values}" for path, values in zip(index.paths, ("1,0,1", "0,0,0", "0,1,0"), strict=True)
    ]
