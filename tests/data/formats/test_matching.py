"""Names are matched where they are unique, and otherwise named."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visionkit.data.formats.matching import pair_by_name, without_mask_suffix
from visionkit.data.images.finder import find_by_stem, image_finder

IMAGES, MASKS = Path("/data/images"), Path("/data/masks")


def files(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def paired(images, masks):
    """Pairs by name, the names left, and the rule."""
    pairing = pair_by_name([IMAGES / name for name in images], [MASKS / name for name in masks], IMAGES, MASKS)
    pairs = {str(image.relative_to(IMAGES)): str(mask.relative_to(MASKS)) for image, mask in pairing.pairs}
    left = {str(path.relative_to(side)) for side, rest in zip((IMAGES, MASKS), pairing[1:3], strict=True) for path in rest}
    return pairs, left, pairing.rule


def test_nothing_is_found_in_no_folder_and_in_an_empty_one(tmp_path):
    find = image_finder()
    assert find((), "a.jpg") is None and find((tmp_path,), "a.jpg") is None and find((tmp_path / "gone",), "a.jpg") is None
    assert (
        find((tmp_path,), "") is None and find((tmp_path,), "a\0.jpg") is None and find_by_stem(find, (tmp_path,), "") is None
    )
    assert find.problem("a.jpg") == "does not exist"


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("0.jpg", "images/0.jpg"),
        ("./sub/1.JPG", "images/sub/1.JPG"),
        ("sub\\1.JPG", "images/sub/1.JPG"),
        ("../images/0.jpg", "images/0.jpg"),
        ("0.JPG", "images/0.jpg"),
        ("SUB/1.jpg", "images/sub/1.JPG"),
        ("..\\..\\label-studio\\media\\upload\\4\\2.jpg", "images/upload/4/2.jpg"),
        ("../../elsewhere/upload/4/2.jpg", "images/upload/4/2.jpg"),
        ("C:\\Users\\bob\\data\\images\\0.jpg", "images/0.jpg"),
        ("/home/bob/data/images/0.jpg", "images/0.jpg"),
        ("file:///home/bob/sub/1.JPG", "images/sub/1.JPG"),
        ("https://host.example/data/upload/4/2.jpg", "images/upload/4/2.jpg"),
        ("2.jpg", None),
        ("upload/5/2.jpg", None),
        ("..", None),
        ("../secret.jpg", "secret.jpg"),
        ("../../secret.jpg", None),
    ],
)
def test_a_file_is_found_by_what_others_wrote_of_its_path(tmp_path, name, found):
    files(tmp_path / "data", "images/0.jpg", "images/sub/1.JPG", "images/upload/4/2.jpg", "secret.jpg")
    path = image_finder()((tmp_path / "data" / "images",), name)
    assert path is None if found is None else Path(path).samefile(tmp_path / "data" / found)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_the_unicode_form_does_not_count(tmp_path, form):
    other = {"NFC": "NFD", "NFD": "NFC"}[form]
    name = unicodedata.normalize(form, "Zoé/café.jpg")
    files(tmp_path, name)
    assert image_finder()((tmp_path,), unicodedata.normalize(other, "Zoé/café.jpg")) == str(tmp_path / name)


def test_an_exact_name_goes_before_another_letter_case(tmp_path):
    files(tmp_path, "a.jpg", "A.jpg", "b.jpg", "B.JPG")
    find = image_finder()
    assert find((tmp_path,), "A.jpg") == str(tmp_path / "A.jpg")
    assert find((tmp_path,), "b.JPG") is None
    assert find.problem("b.JPG").startswith("may be any of several files")


def test_the_end_of_a_path_that_two_files_have_finds_none(tmp_path):
    files(tmp_path, "train/0.jpg", "val/0.jpg", "val/1.jpg")
    folders = (tmp_path / "train", tmp_path / "val")
    find = image_finder()
    assert find(folders, "D:/photos/0.jpg") is None and "train/0.jpg" in find.problem("D:/photos/0.jpg")
    assert find(folders, "D:/photos/1.jpg") == str(tmp_path / "val" / "1.jpg")
    assert find((*folders, tmp_path / "val" / ".." / "val"), "E:/1.jpg") is None  # one file is not taken for two
    assert "but D:/photos/1.jpg may be, too" in find.problem("E:/1.jpg")
    assert find((*folders, tmp_path), "D:/old/val/0.jpg") == str(tmp_path / "val" / "0.jpg")  # a longer end


def test_an_image_is_found_by_its_stem(tmp_path):
    files(tmp_path, "a.JPG", "b.png", "b.txt", "c.png", "c.jpg", "d.txt", "x.y.webp")
    find = image_finder()
    found = [find_by_stem(find, (tmp_path,), stem) for stem in ("a", "b", "c", "d", "x.y", "B", "C:\\photos\\a")]
    assert [path and Path(path).name for path in found] == ["a.JPG", "b.png", "c.jpg", None, "x.y.webp", "b.png", "a.JPG"]


def test_nothing_pairs_with_nothing():
    assert paired([], []) == ({}, set(), "")
    assert paired(["a.jpg"], []) == ({}, {"a.jpg"}, "")
    assert paired(["a.jpg"], ["1.png"]) == ({}, {"a.jpg", "1.png"}, "")


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("{}.jpg", "{}.png"),
        ("{}.JPG", "{}.png"),
        ("{}.jpg", "{}.jpg.png"),
        ("{}.jpg", "{}_mask.PNG"),
        ("image_{}.png", "mask_{}.png"),
        ("img-{}.png", "label-{}.png"),
        ("{}_training.tif", "{}_manual1.gif"),
        ("ISIC_00{}.jpg", "ISIC_00{}_segmentation.png"),
        ("{}_sat.jpg", "{}_mask.png"),
        ("aachen/aachen_{}_000019_leftImg8bit.png", "aachen/aachen_{}_000019_gtFine_labelIds.png"),
        ("case{}.png", "case{}_L.png"),
        ("IMG{}.png", "img{}.png"),
        ("img{}.png", "trimaps/img{}.png"),
        ("north/{}.png", "north/{}_gt.png"),
        ("2021_{}_a.png", "2021_{}_b.png"),
        ("scan{}.image.png", "scan{}.label.png"),
    ],
)
def test_one_rule_pairs_all_names(image, mask):
    numbers = [0, 1, 2, 10, 11, 20, 100]
    pairs, left, _ = paired([image.format(k) for k in numbers], [mask.format(k) for k in reversed(numbers)])
    assert pairs == {image.format(k): mask.format(k) for k in numbers} and left == set()


def test_the_rule_is_told():
    assert paired(["image_0.png", "image_1.png"], ["mask_0.png", "mask_1.png"])[2] == "image_0 with mask_0"
    assert paired(["a.jpg"], ["a.png"])[2] == ""


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        (["s1_0.png", "s1_1.png"], ["s2_0.png", "s2_1.png"]),  # two subjects
        (["cat.png", "dog.png"], ["1.png", "2.png"]),
        (["x/1.png", "y/2.png"], ["x/2.png", "y/1.png"]),
        (["a.jpg", "a.png"], ["a.png"]),  # two images of one name
        (["a.png"], ["x/a.png", "y/a.png"]),
        (["1.png", "01.png"], ["001.png", "2.png"]),
        (["image_1.png"], ["mask_2.png"]),
    ],
)
def test_what_is_not_unique_is_left(images, masks):
    assert paired(images, masks) == ({}, {*images, *masks}, "")


def test_files_without_a_partner_are_left():
    pairs, left, _ = paired(["a.jpg", "b.jpg", "c.jpg"], ["a.png", "c_mask.png", "d.png"])
    assert pairs == {"a.jpg": "a.png", "c.jpg": "c_mask.png"} and left == {"b.jpg", "d.png"}
    pairs, left, _ = paired(["img_1.jpg", "img_2.jpg", "img_3.jpg"], ["seg_2.png", "seg_3.png", "overview.png"])
    assert pairs == {"img_2.jpg": "seg_2.png", "img_3.jpg": "seg_3.png"} and left == {"img_1.jpg", "overview.png"}


def test_leading_zeros_may_differ_where_every_file_has_a_partner():
    images, masks = [f"image_{k}.png" for k in (1, 2, 10)], [f"mask_{k:03}.png" for k in (1, 2, 10)]
    assert paired(images, masks) == (
        dict(zip(images, masks, strict=True)),
        set(),
        "image_1 with mask_001, where leading zeros do not count",
    )
    assert paired(images, [*masks[:2], "mask_007.png"])[0] == {}


def test_a_known_suffix_is_cut_off_in_any_letter_case():
    assert [without_mask_suffix(stem) for stem in ("a_mask", "a_MASK", "a-mask", "a", "a_L", "mask")] == [
        "a",
        "a",
        "a",
        "a",
        "a",
        "mask",
    ]


LETTERS = st.text("abxy", min_size=1, max_size=4)
AFFIXES = st.one_of(st.just(""), LETTERS.map("{}_".format), LETTERS.map("{}-".format), LETTERS)
CORES = st.one_of(
    st.integers(0, 300).map(str),
    st.integers(0, 300).map("{:04}".format),
    st.tuples(LETTERS, st.integers(0, 20)).map("{0[0]}{0[1]}".format),
    st.tuples(st.integers(0, 20), st.integers(0, 20)).map("{0[0]}_{0[1]}".format),
)


@given(
    cores=st.lists(CORES, min_size=3, max_size=12, unique_by=lambda core: core.lstrip("0")),
    affixes=st.tuples(AFFIXES, AFFIXES, AFFIXES, AFFIXES),
    without=st.tuples(st.sets(st.integers(0, 11)), st.sets(st.integers(0, 11))),
    order=st.randoms(use_true_random=False),
)
@settings(max_examples=600, deadline=None)
def test_no_pair_is_wrong(cores, affixes, without, order):
    """Whatever the names have in common, and however many files have no partner, no image gets the mask of another."""
    before, after, mask_before, mask_after = affixes
    images = {f"{before}{core}{after}.jpg": core for i, core in enumerate(cores) if i not in without[0]}
    masks = {f"{mask_before}{core}{mask_after}.png": core for i, core in enumerate(cores) if i not in without[1]}
    shuffled = list(masks)
    order.shuffle(shuffled)
    pairs, left, _ = paired(list(images), shuffled)
    assert {images[image]: masks[mask] for image, mask in pairs.items()} == {images[image]: images[image] for image in pairs}
    assert left == (images.keys() | masks.keys()) - pairs.keys() - set(pairs.values())


@given(
    numbers=st.sets(st.integers(0, 3000), min_size=3, max_size=40),
    prefixes=st.tuples(*2 * [st.sampled_from(["", "image_", "mask_", "img-", "label", "x.", "a_b_"])]),
    suffixes=st.tuples(*2 * [st.sampled_from(["", "_sat", "_mask", "-x", "_L", ".label", "_gt_fine"])]),
)
@settings(max_examples=200, deadline=None)
def test_usual_names_are_paired(numbers, prefixes, suffixes):
    images, masks = (
        [f"{prefix}{number}{suffix}.png" for number in sorted(numbers)]
        for prefix, suffix in zip(prefixes, suffixes, strict=True)
    )
    assert paired(images, masks[::-1])[0] == dict(zip(images, masks, strict=True))
