"""Layouts of folders with masks, and how masks are paired with images."""

import pytest

from tests.data.images.test_masks import image, pairs, save
from visionkit.data.formats.mask_folders import looks_like_masks, read_masks
from visionkit.data.index import DataError
from visionkit.data.splits import WHOLE


def test_a_folder_without_pairs_is_no_mask_folder(tmp_path):
    assert not looks_like_masks(tmp_path)
    with pytest.raises(DataError, match="no image has a mask"):
        read_masks(tmp_path)


def test_empty_folders_of_both_kinds_are_no_mask_folder(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    assert not looks_like_masks(tmp_path)


def test_images_and_text_labels_are_no_mask_folder(tmp_path):
    image(tmp_path / "images" / "a.jpg")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text("0 0.5 0.5 1 1")
    assert not looks_like_masks(tmp_path)


def test_images_and_masks_without_a_partner_are_reported(tmp_path):
    folder = pairs(tmp_path, [[[0, 1]]])
    image(folder / "images" / "alone.jpg")
    save(folder / "masks" / "lone.png", [[0, 1]])
    found = read_masks(folder)
    assert len(found) == 1
    assert [(problem.kind, problem.path) for problem in found.problems] == [
        ("missing partner", str(folder / "images" / "alone.jpg")),
        ("missing partner", str(folder / "masks" / "lone.png")),
    ]


def test_names_that_do_not_match_are_an_error_that_shows_them(tmp_path):
    image(tmp_path / "images" / "a.jpg")
    save(tmp_path / "masks" / "1.png", [[0, 1]])
    assert looks_like_masks(tmp_path)
    with pytest.raises(DataError, match=r"a\.jpg.*1\.png"):
        read_masks(tmp_path)


@pytest.mark.parametrize("name", ["a_mask.png", "a_L.png", "a-mask.png", "a.jpg.png", "a_gt.png", "a_MASK.png", "a.PNG"])
def test_a_mask_may_have_a_suffix(tmp_path, name):
    image(tmp_path / "images" / "a.jpg")
    save(tmp_path / "masks" / name, [[0, 1]])
    assert read_masks(tmp_path).splits[WHOLE].annotations[0].mask == str(tmp_path / "masks" / name)


@pytest.mark.parametrize(
    ("images", "masks", "split"),
    [
        ("Images", "Masks", WHOLE),
        ("JPEGImages", "SegmentationClass", WHOLE),
        ("images", "annotations", WHOLE),
        ("imgs", "gt", WHOLE),
        ("images/train", "masks/train", "train"),
        ("images/training", "annotations/training", "train"),
        ("images/north", "masks/north", WHOLE),
        ("train/images", "train/masks", "train"),
        ("valid/image", "valid/label", "val"),
        ("Test/images", "Test/labels", "test"),
        ("train", "train_masks", "train"),
        ("val", "valannot", "val"),
        (".", ".", WHOLE),
        ("train", "train", "train"),
        ("patient 1 #å", "patient 1 #å", WHOLE),
    ],
)
def test_layouts(tmp_path, images, masks, split):
    suffix = "_mask" if images == masks else ""
    for name in ("a", "b 1"):
        image(tmp_path / images / f"{name}.jpg")
        save(tmp_path / masks / f"{name}{suffix}.png", [[0, 1]])
    assert looks_like_masks(tmp_path)
    found = read_masks(tmp_path)
    assert list(found.splits) == [split] and len(found) == 2 and found.problems == ()
    assert found.splits[split].paths[1] == str(tmp_path / images / "b 1.jpg")
    assert found.splits[split].annotations[1].mask == str(tmp_path / masks / f"b 1{suffix}.png")


def test_splits_are_in_order_and_share_their_classes(tmp_path):
    pairs(tmp_path / "val", [[[0, 1]]])
    pairs(tmp_path / "train", [[[0, 2]], [[1, 0]]])
    found = read_masks(tmp_path)
    assert list(found.splits) == ["train", "val"] and [len(index) for index in found.splits.values()] == [2, 1]
    assert all(index.class_names == ("0", "1", "2") for index in found.splits.values())


def test_lists_split_the_images(tmp_path):
    for name in ("a", "b c", "d"):
        image(tmp_path / "JPEGImages" / f"{name}.jpg")
        if name != "d":
            save(tmp_path / "SegmentationClass" / f"{name}.png", [[0, 1]])
    lists = tmp_path / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("a\n")
    (lists / "val.txt").write_text("\nb c\nx\n")
    found = read_masks(tmp_path)
    assert [index.paths for index in found.splits.values()] == [
        (str(tmp_path / "JPEGImages" / "a.jpg"),),
        (str(tmp_path / "JPEGImages" / "b c.jpg"),),
    ]
    assert [problem.path for problem in found.problems] == ["x"]  # but not d, which is in no list


def test_a_few_images_with_a_partner_next_to_them_make_no_mask_folder(tmp_path):
    for name in ("a", "b", "c", "d_mask", "d"):
        image(tmp_path / "cats" / f"{name}.jpg")
    assert not looks_like_masks(tmp_path)
