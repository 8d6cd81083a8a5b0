"""Layouts of folders with masks, and how masks are paired with images."""

import unicodedata

import numpy as np
import pytest

from tests.data.images.masks.test_read import image, pairs, save
from visionkit.data import sources
from visionkit.data.formats.mask_folders import looks_like_masks, read_masks
from visionkit.data.images.masks.meaning import BINARY_NAMES
from visionkit.data.images.masks.read import read_mask
from visionkit.data.index import DataError
from visionkit.data.split_names import WHOLE


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


def test_images_and_masks_of_another_split_beside_the_folders_are_named(tmp_path):
    for sides in (("images", "masks"), ("test_images", "test_masks")):
        for name in "ab":
            photograph(tmp_path / sides[0] / f"{sides[0]}_{name}.jpg")
            save(tmp_path / sides[1] / f"{sides[0]}_{name}.png", shape(0, 0))
    found = sources.read(tmp_path)
    (problem,) = found.problems
    assert problem.kind == "unclear layout" and problem.path == str(tmp_path / "test_images")
    assert problem.detail.startswith("images and masks lie in test_images/, test_masks/ too, and are not read")


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
    (problem,) = found.problems  # but not d, which is in no list
    assert problem.path.endswith("val.txt") and "there is no image 'x' with a mask" in problem.detail


def test_a_few_images_with_a_partner_next_to_them_make_no_mask_folder(tmp_path):
    for name in ("a", "b", "c", "d_mask", "d"):
        image(tmp_path / "cats" / f"{name}.jpg")
    assert not looks_like_masks(tmp_path)


def photograph(path):
    """An image with many colors."""
    return save(path, np.random.default_rng(list(path.name.encode())).integers(0, 256, (20, 30, 3), np.uint8))


def shape(*corner, value=255):
    """A mask with a square."""
    values = np.zeros((20, 30), np.uint8)
    values[corner[0] : corner[0] + 5, corner[1] : corner[1] + 5] = value
    return values


def test_masks_in_a_subfolder_of_another_unicode_form_and_letter_case(tmp_path):
    photograph(tmp_path / "Images" / (unicodedata.normalize("NFC", "Zoé") + ".JPG"))
    mask = save(tmp_path / "Annotations" / "trimaps" / (unicodedata.normalize("NFD", "zoé") + ".PNG"), shape(1, 2))
    assert read_masks(tmp_path).splits[WHOLE].annotations[0].mask == str(mask)


@pytest.mark.parametrize(
    ("folders", "chosen"),
    [
        (("mask", "1st_manual"), "1st_manual"),
        (("mask", "2nd_manual"), "2nd_manual"),
        (("mask", "1st_manual", "2nd_manual"), "1st_manual"),
        (("masks", "overlay"), "masks"),
        (("SegmentationClass", "SegmentationObject"), "SegmentationClass"),
        (("gtFine", "gtCoarse"), "gtFine"),
    ],
)
def test_of_several_folders_of_masks_the_preferred_one_is_read_and_the_others_are_named(tmp_path, folders, chosen):
    for name in ("1", "2"):
        photograph(tmp_path / "images" / f"{name}.png")
        for number, folder in enumerate(folders):
            save(tmp_path / folder / f"{name}.png", shape(number, number))
    found = sources.read(tmp_path)
    assert {annotation.mask for annotation in found.splits[WHOLE].annotations} == {
        str(tmp_path / chosen / f"{name}.png") for name in "12"
    }
    others = [f"{folder}/" for folder in folders if folder != chosen]
    assert any(note.startswith(f"the masks are those of {chosen}/; not used: ") for note in found.notes)
    assert all(any(other in note for note in found.notes) for other in others)


@pytest.mark.parametrize("folders", [("masks", "labels"), ("masks/left", "masks/right")])
def test_where_no_rule_prefers_a_folder_the_error_names_them(tmp_path, folders):
    for name in ("1", "2"):
        photograph(tmp_path / "images" / f"{name}.png")
        for folder in folders:
            save(tmp_path / folder / f"{name}.png", shape(1, 2))
    with pytest.raises(DataError, match=r"may both hold the masks of images/.*columns image and mask") as error:
        sources.read(tmp_path)
    assert all(f"{folder}/" in str(error.value) for folder in folders)


def test_of_two_folders_of_masks_the_one_that_has_partners_is_read(tmp_path):
    for name in ("cat", "dog"):
        photograph(tmp_path / "images" / f"{name}.png")
        save(tmp_path / "labels" / f"{name}.png", shape(1, 2))
    save(tmp_path / "masks" / "of something else.png", shape(1, 2))
    assert read_masks(tmp_path).splits[WHOLE].annotations[0].mask == str(tmp_path / "labels" / "cat.png")


def test_two_folders_of_one_split_are_both_named(tmp_path):
    for split in ("train", "val", "valid"):
        pairs(tmp_path / split, [[[0, 1]]])
    found = read_masks(tmp_path)
    assert found.splits["val"].paths == (str(tmp_path / "val" / "images" / "a.jpg"),)
    (problem,) = found.problems
    assert problem.detail.startswith(f"{tmp_path / 'valid'} is not used: val/ is the val split, too")


@pytest.mark.parametrize("layout", ["{split}/images", "images/{split}", "{split}"])
def test_a_split_without_masks_is_named(tmp_path, layout):
    for split in ("train", "val", "test"):
        for number in range(2):
            photograph(tmp_path / layout.format(split=split) / f"{split}{number}.jpg")
            if split != "test":
                masks = "{split}_masks" if layout == "{split}" else layout.replace("images", "masks")
                save(tmp_path / masks.format(split=split) / f"{split}{number}.png", shape(number, 1))
    found = sources.read(tmp_path)
    assert list(found.splits) == ["train", "val"] and found.problems == ()
    assert any(note.startswith("2 images in ") and note.endswith("test have no masks and are not used") for note in found.notes)


def test_if_most_images_have_no_mask_a_note_counts_them(tmp_path):
    folder = pairs(tmp_path, [[[0, 1]]])
    for name in ("x", "y"):
        image(folder / "images" / f"{name}.jpg")
    found = read_masks(folder)
    assert f"2 of 3 images in {folder / 'images'} have no mask" in found.notes and len(found.problems) == 2


def test_the_rule_of_pairing_and_the_layout_are_told(tmp_path):
    for number in (0, 1, 10):
        image(tmp_path / "images" / f"image_{number}.png")
        save(tmp_path / "masks" / f"mask_{number}.png", [[0, 1]])
    (tmp_path / "classes.txt").write_text("sky\nroad\n")
    found = read_masks(tmp_path)
    assert "masks are paired by name: image_0 with mask_0" in found.notes
    assert found.format == "images and masks (images/, masks/)" and found.class_names == ("sky", "road")
    assert found.annotation_files == {str(tmp_path / "classes.txt")}
    masks = {
        path.rpartition("_")[2]: one.mask
        for path, one in zip(found.splits[WHOLE].paths, found.splits[WHOLE].annotations, strict=True)
    }
    assert masks == {f"{number}.png": str(tmp_path / "masks" / f"mask_{number}.png") for number in (0, 1, 10)}


@pytest.mark.parametrize("name", ["{image}_{number}.png", "{image} ({number}).png", "{image}/{number}.png"])
def test_masks_of_single_objects_are_read_as_their_union(tmp_path, name):
    for stem in ("1", "10"):
        photograph(tmp_path / "images" / f"{stem}.png")
        for number in range(2):
            save(tmp_path / "masks" / name.format(image=stem, number=number), shape(2 * len(stem), 10 * number))
    found = sources.read(tmp_path)
    index = found.splits[WHOLE]
    assert found.class_names == BINARY_NAMES and found.problems == () and "union" in found.notes[0]
    for path, annotation in zip(index.paths, index.annotations, strict=True):
        top = 2 * len(path.rpartition("/")[2].removesuffix(".png"))
        np.testing.assert_array_equal(read_mask(annotation.mask, index), (shape(top, 0) | shape(top, 10)) // 255)


@pytest.mark.parametrize(
    "names",
    [
        ("cats/{}.png", "dogs/{}.png"),
        ("with_mask/with_mask_{}.png", "without_mask/without_mask_{}.png"),
        ("mask/{}.png", "face/{}.png"),
        ("train/cats/{}.png", "train/dogs/{}.png"),
        ("{}_l.png", "{}_r.png"),
        ("all/{}.jpg", "all/{}.png"),
    ],
)
def test_two_photographs_of_corresponding_names_are_no_image_and_mask(tmp_path, names):
    for name in names:
        for number in range(4):
            photograph(tmp_path / name.format(number))
    assert not looks_like_masks(tmp_path)


def test_two_folders_of_drawings_are_no_images_and_masks(tmp_path):
    for folder in ("one", "two"):
        for number in range(4):
            save(tmp_path / folder / f"{number}.png", shape(number, len(folder)))
    assert not looks_like_masks(tmp_path)


def test_the_boxes_of_voc_are_read_unless_masks_are_preferred(tmp_path):
    box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>"
    for name in ("a", "b"):
        photograph(tmp_path / "JPEGImages" / f"{name}.png")
        save(tmp_path / "SegmentationClass" / f"{name}.png", shape(1, 2, value=8))
        (tmp_path / "Annotations").mkdir(exist_ok=True)
        text = f"<annotation><filename>{name}.png</filename><object><name>cat</name>{box}</object></annotation>"
        (tmp_path / "Annotations" / f"{name}.xml").write_text(text)
    boxes, masks = sources.read(tmp_path), sources.read(tmp_path, prefer="masks")
    assert boxes.splits[WHOLE].task == "detection" and any("SegmentationClass holds 2 masks" in note for note in boxes.notes)
    index = masks.splits[WHOLE]
    assert index.task == "segmentation" and index.class_names[8] == "cat" and len(index.class_names) == 21
    np.testing.assert_array_equal(read_mask(index.annotations[0].mask, index), shape(1, 2, value=8))


def test_published_names_are_not_given_to_other_values(tmp_path):
    for name in ("a", "b"):
        photograph(tmp_path / "JPEGImages" / f"{name}.png")
        save(tmp_path / "SegmentationClass" / f"{name}.png", shape(1, 2, value=255))
    assert read_masks(tmp_path).class_names == BINARY_NAMES


def test_without_a_list_for_training_it_has_the_rest(tmp_path):
    folder = pairs(tmp_path, [[[0, 1]], [[1, 0]], [[1, 1]]])
    (folder / "valid.txt").write_text("b.jpg\n")
    found = read_masks(folder)
    assert {name: [path[-5:] for path in index.paths] for name, index in found.splits.items()} == {
        "train": ["a.jpg", "c.jpg"],
        "val": ["b.jpg"],
    }
    assert str(folder / "valid.txt") in found.annotation_files


def test_the_format_names_the_folders_of_training_first(tmp_path):
    for split in ("Test", "Training"):
        for number in range(2):
            photograph(tmp_path / f"ISIC_{split}_Data" / f"{split}{number}.jpg")
            save(tmp_path / f"ISIC_{split}_GroundTruth" / f"{split}{number}_mask.png", shape(number, 1))
    assert sources.read(tmp_path).format == "images and masks (ISIC_Training_Data/, ISIC_Training_GroundTruth/)"


@pytest.mark.parametrize(
    ("listed", "note"),
    [
        ("sky, road", "classes.txt: its only line is taken as 2 names"),
        ("id,name\n0,sky\n1,road\n", "classes.txt: its first line, 'id,name', is taken for a header"),
        ("sky\nroad\n", None),
    ],
)
def test_what_was_made_of_a_list_of_names_is_said(tmp_path, listed, note):
    for number in range(2):
        photograph(tmp_path / "images" / f"{number}.png")
        save(tmp_path / "masks" / f"{number}.png", shape(number, 1))
    (tmp_path / "classes.txt").write_text(listed)
    found = sources.read(tmp_path)
    assert found.class_names == ("sky", "road")
    assert [each for each in found.notes if each.startswith("classes.txt: its")] == ([note] if note else [])
