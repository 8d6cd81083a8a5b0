"""Masks that are drawn from the outlines of objects."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from visionkit.data.formats.coco import read_coco
from visionkit.data.images.masks.outlines import NO_OUTLINE, with_masks
from visionkit.data.images.masks.read import read_mask
from visionkit.data.images.scan import scan
from visionkit.data.index import IGNORE, NO_OBJECTS, Annotation, DataError, Index, Objects

SQUARE = (np.array([[0.25, 0.25], [0.75, 0.25], [0.75, 0.75], [0.25, 0.75]]),)  # of an image of 8 x 8: pixels 2 to 5
LEFT = (np.array([[0, 0], [0.5, 0], [0.5, 1], [0, 1]]),)


def objects(*each):
    """Each object is (class, outline or None); its box is the upper half."""
    classes, outlines = zip(*each, strict=True)
    return Objects(np.tile([0, 0, 1, 0.5], (len(each), 1)), np.array(classes, np.int32), outlines)


def scanned(folder, *annotated, names=("ant", "bee")):
    """Different images of 8 x 8 pixels with these objects."""
    for number in range(len(annotated)):
        Image.fromarray(np.full((8, 8, 3), number, np.uint8)).save(folder / f"{number}.png")
    paths = tuple(str(folder / f"{number}.png") for number in range(len(annotated)))
    annotations = tuple(Annotation(each) for each in annotated)
    return scan(Index(names, paths, np.full(len(paths), -1, np.int32), annotations=annotations))


def masks_of(index):
    return [read_mask(annotation.mask, index) for annotation in index.annotations]


def test_without_any_outline_there_is_nothing_to_draw(tmp_path):
    boxes = replace(objects((0, None), (1, None)), outlines=())
    for index in (scanned(tmp_path, boxes, NO_OBJECTS), scanned(tmp_path, objects((0, None), (1, None)))):
        with pytest.raises(DataError, match=r"2 boxes, but no outlines.*`visionkit train detection`"):
            with_masks(index, tmp_path / "masks")
    assert not (tmp_path / "masks").exists()


def test_outlines_are_drawn_and_images_without_objects_are_background(tmp_path):
    index = scanned(tmp_path, objects((1, SQUARE), (0, LEFT)), NO_OBJECTS, objects((0, None)), None)
    found = with_masks(index, tmp_path / "masks")
    assert found.class_names == ("background", "ant", "bee") and found.task == "segmentation" and not found.has_objects
    assert found.paths == tuple(index.paths[i] for i in (0, 1, 3)) and len(found.infos) == 3
    assert index.skipped.list() == [(index.paths[2], NO_OUTLINE)]
    drawn, empty, unannotated = masks_of(found)
    expected = np.zeros((8, 8), np.uint8)
    expected[:, :4], expected[2:6, 2:6] = 1, 2  # the smaller one before the larger
    np.testing.assert_array_equal(drawn, expected)
    assert not empty.any() and not unannotated.any()
    assert len(list((tmp_path / "masks").iterdir())) == 3  # nothing unfinished


@pytest.mark.parametrize("names", [("ant", "bee"), ("foreground",)])
def test_objects_without_outline_or_class_are_ignored_and_not_background(tmp_path, names):
    index = scanned(tmp_path, objects((0, SQUARE), (0, None)), objects((0, SQUARE), (-1, LEFT)), names=names)
    expected = np.zeros((8, 8), np.uint8)
    expected[:4], expected[2:6, 2:6] = IGNORE, 1
    for mask in masks_of(with_masks(index, tmp_path / "masks")):
        np.testing.assert_array_equal(mask, expected)


def test_splits_share_a_folder_and_a_second_call_writes_the_same(tmp_path):
    indexes = []
    for split, outline in (("train", SQUARE), ("val", LEFT)):
        (tmp_path / split).mkdir()
        indexes.append(scanned(tmp_path / split, objects((0, outline))))
    Image.fromarray(np.full((8, 8, 3), 9, np.uint8)).save(tmp_path / "val" / "0.png")
    indexes[1] = scan(indexes[1])
    train, val, again = (with_masks(index, tmp_path / "masks") for index in (*indexes, indexes[0]))
    assert [(masks_of(index)[0] == 1).sum() for index in (train, val)] == [16, 32]
    assert train.annotations[0].mask == again.annotations[0].mask != val.annotations[0].mask


def test_polygons_and_run_lengths_of_coco(tmp_path):
    Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(tmp_path / "a.png")
    common = {"image_id": 1, "iscrowd": 0, "area": 1}
    annotations = [
        {"id": 1, "category_id": 7, "bbox": [1, 1, 2, 2], "segmentation": [[1, 1, 3, 1, 3, 3, 1, 3]], **common},
        {"id": 2, "category_id": 9, "bbox": [4, 0, 1, 4], "segmentation": {"size": [4, 6], "counts": [16, 4, 4]}, **common},
    ]
    content = {
        "images": [{"id": 1, "file_name": "a.png", "width": 6, "height": 4}],
        "categories": [{"id": 7, "name": "ant"}, {"id": 9, "name": "bee"}],
        "annotations": annotations,
    }
    (tmp_path / "a.json").write_text(json.dumps(content))
    (index,) = read_coco(tmp_path / "a.json").splits.values()
    found = with_masks(scan(index), tmp_path / "masks")
    expected = [[0, 0, 0, 0, 2, 0], [0, 1, 1, 0, 2, 0], [0, 1, 1, 0, 2, 0], [0, 0, 0, 0, 2, 0]]
    assert masks_of(found)[0].tolist() == expected
