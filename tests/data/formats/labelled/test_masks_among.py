"""Masks that lie where classes are expected are reported, by their contents; ordinary classes are not."""

import numpy as np
import pytest
from PIL import Image

from visionkit.data import sources
from visionkit.data.formats.labelled.masks_among import masks_beside_images, refuse_masks_as_classes
from visionkit.data.index import DataError


def photograph(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(list(str(path).encode())).integers(0, 256, (20, 30, 3), np.uint8)).save(path)


def mask(path, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.zeros((20, 30), np.uint8)
    values[seed : seed + 6, 3:11] = 255
    Image.fromarray(values).save(path)


def files_of(folder):
    return {each.name: sorted(path for path in each.rglob("*") if path.is_file()) for each in sorted(folder.iterdir())}


def test_without_images_there_are_no_masks(tmp_path):
    assert refuse_masks_as_classes(tmp_path, {}) == [] and masks_beside_images(tmp_path, []) is None


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("image_2/um_{}.png", "gt_image_2/um_lane_{}.png"),
        ("CXR_png/{}.png", "ManualMask/left/a{}.png"),
        ("CelebA-HQ-img/{}.jpg", "CelebAMask-HQ-mask-anno/0/0{}_hair.png"),
        ("1. Original Images/{}.jpg", "2. All Segmentation Groundtruths/MA/{}_MA.png"),
    ],
)
def test_a_folder_of_masks_is_no_class(tmp_path, images, masks):
    for number in range(4):
        photograph(tmp_path / images.format(number))
        mask(tmp_path / masks.format(number), number)
    files = files_of(tmp_path)
    name = masks.partition("/")[0]
    with pytest.raises(DataError, match=rf"the files in {name}/ have few values, .* images and masks, not two classes"):
        refuse_masks_as_classes(tmp_path, files)
    del files[name]
    assert refuse_masks_as_classes(tmp_path, files) == []


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("Rural{0}/images_png/{1}.png", "Rural{0}/masks_png/{1}.png"),
        ("DUTS-T{0}/DUTS-T{0}-Image/a{1}.jpg", "DUTS-T{0}/DUTS-T{0}-Mask/{1}a.png"),
        ("room{0}/ADE_{1}.jpg", "room{0}/ADE_{1}_parts_1.png"),
    ],
)
def test_masks_among_the_images_of_classes_are_reported(tmp_path, images, masks):
    for group in range(2):
        for number in range(4):
            photograph(tmp_path / images.format(group, number))
            mask(tmp_path / masks.format(group, number), number)
    files = files_of(tmp_path)
    (problem,) = refuse_masks_as_classes(tmp_path, files)
    assert problem.kind == "unclear layout" and problem.path == str(tmp_path / sorted(files)[0])
    first = (tmp_path / masks.format(0, 0)).relative_to(problem.path)
    assert f"files such as {first} have few values" in problem.detail


def test_an_image_and_its_label_in_each_folder_are_reported(tmp_path):
    for number in range(4):
        photograph(tmp_path / f"p{number}_json" / "img.png")
        mask(tmp_path / f"p{number}_json" / "label.png", number)
    problems = [problem for problem in sources.read(tmp_path).problems if problem.kind == "unclear layout"]
    assert len(problems) == 1 and "p0_json/label.png have few values" in problems[0].detail


def test_images_and_masks_that_are_not_paired_are_reported_among_images_without_labels(tmp_path):
    for number in range(4):
        photograph(tmp_path / f"p{number}.jpg")
        for name in ("car", "tree"):
            mask(tmp_path / f"p{number}_mask_{name}.png", number)
    found = sources.read(tmp_path)
    assert [problem.kind for problem in found.problems] == ["unclear layout"] and found.format == "images without labels"
    assert "files such as p0_mask_car.png have few values" in found.problems[0].detail


@pytest.mark.parametrize("kind", ["photographs", "drawings", "masks worn", "one blank"])
def test_ordinary_classes_are_no_masks(tmp_path, kind):
    for number in range(6):
        for name in ("with_mask", "without_mask"):
            path = tmp_path / name / f"{name}_{number}.png"
            (mask if kind == "drawings" else photograph)(path)
    if kind == "one blank":
        Image.new("L", (30, 20)).save(tmp_path / "with_mask" / "with_mask_1_2.png")
    found = sources.read(tmp_path)
    assert found.class_names == ("with_mask", "without_mask") and found.problems == ()
