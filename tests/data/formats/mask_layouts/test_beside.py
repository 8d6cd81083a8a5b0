"""Masks next to their images: the endings and beginnings of their names."""

import pytest

from tests.data.formats.test_mask_folders import photograph, shape
from tests.data.images.masks.test_read import save
from visionkit.data import sources
from visionkit.data.formats.mask_layouts.beside import find_beside
from visionkit.data.formats.mask_layouts.tree import Tree


def pairs_of(data_set):
    return [
        (path.rpartition("/")[2], annotation.mask.rpartition("/")[2])
        for index in data_set.splits.values()
        for path, annotation in zip(index.paths, index.annotations, strict=True)
    ]


def test_an_empty_folder_has_no_masks(tmp_path):
    assert find_beside(Tree(tmp_path)) is None


@pytest.mark.parametrize(
    "name",
    ["{}_anno", "{}_1stHO", "{}_cp_masks", "{}_lesion", "{}_trimap", "{}.mask", "mask_{}", "Mask-{}", "gt_{}"],
)
def test_names_of_masks(tmp_path, name):
    for number in range(2):
        photograph(tmp_path / f"im{number}.png")
        save(tmp_path / (name.format(f"im{number}") + ".png"), shape(number, 1))
    found = sources.read(tmp_path)
    assert pairs_of(found) == [(f"im{number}.png", name.format(f"im{number}") + ".png") for number in range(2)]
    assert found.problems == ()


def test_mask_1_belongs_to_img_1(tmp_path):
    for number in range(2):
        photograph(tmp_path / f"img_{number}.png")
        save(tmp_path / f"mask_{number}.png", shape(number, 1))
    assert pairs_of(sources.read(tmp_path)) == [("img_0.png", "mask_0.png"), ("img_1.png", "mask_1.png")]


def test_masks_of_a_second_expert_are_named_and_not_used(tmp_path):
    for number in range(2):
        photograph(tmp_path / f"Image_0{number}L.jpg")
        for expert in ("1stHO", "2ndHO"):
            save(tmp_path / f"Image_0{number}L_{expert}.png", shape(number, 1))
    found = sources.read(tmp_path)
    assert [mask for _, mask in pairs_of(found)] == ["Image_00L_1stHO.png", "Image_01L_1stHO.png"]
    assert "2 masks of a second expert, such as Image_00L_2ndHO.png, are not used" in found.notes and found.problems == ()
