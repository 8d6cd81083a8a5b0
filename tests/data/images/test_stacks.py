"""TIFF files of several pages: each page is an image, with a mask if there is a stack of masks."""

import shutil

import numpy as np
import pytest
from PIL import Image

from visionkit.data.formats.mask_folders import looks_like_masks, read_masks
from visionkit.data.images import records
from visionkit.data.images.contents import file_of, read_contents
from visionkit.data.images.decode import ImageError, read_image, read_size
from visionkit.data.images.masks.meaning import BINARY_NAMES
from visionkit.data.images.masks.read import read_mask
from visionkit.data.images.scan import scan
from visionkit.data.images.stacks import Page, num_pages, parse_path, read_page
from visionkit.data.index import DataError
from visionkit.data.pipeline.pixel_cache import open_cache
from visionkit.data.quality.check import check
from visionkit.data.quality.fix import write_fixed
from visionkit.data.sources import read
from visionkit.data.split_names import WHOLE

RNG = np.random.default_rng(0)


def save_stack(file, pages, **options):
    """Pages are arrays ``(H, W)`` or ``(H, W, 3)``, or Pillow's."""
    file.parent.mkdir(parents=True, exist_ok=True)
    images = [page if isinstance(page, Image.Image) else Image.fromarray(page) for page in pages]
    images[0].save(file, save_all=True, append_images=images[1:], **options)
    return file


def cells(count, seed=0):
    """Noisy grey pages ``(20, 30)`` and their masks of 0 and 255, all different."""
    rng = np.random.default_rng(seed)
    masks = [np.where(rng.random((4, 6)) < 0.5, 255, 0).astype(np.uint8).repeat(5, 0).repeat(5, 1) for _ in range(count)]
    return [(mask // 2 + rng.integers(0, 60, mask.shape)).astype(np.uint8) for mask in masks], masks


def isbi(folder, count=4):
    pages, masks = cells(count)
    save_stack(folder / "train-volume.tif", pages)
    save_stack(folder / "train-labels.tif", masks)
    save_stack(folder / "test-volume.tif", cells(count, seed=1)[0])
    return pages, masks


@pytest.mark.parametrize("contents", [b"", b"II*\0", b"II*\0\xff\xff\0\0", b"no image"])
def test_other_files_have_one_page_and_none_can_be_read(tmp_path, contents):
    file = tmp_path / "x.tif"
    assert num_pages(file) == 1  # it does not exist
    file.write_bytes(contents)
    assert num_pages(file) == 1
    with pytest.raises(OSError, match=r"image|image|file"):
        read_contents(f"{file}@page=1")
    with pytest.raises(ImageError):
        read_image(f"{file}@page=1")


def test_a_page_beyond_the_last_is_reported(tmp_path):
    file = save_stack(tmp_path / "x.tif", cells(2)[0])
    with pytest.raises(OSError, match="no page 3"):
        read_contents(f"{file}@page=3")


def test_paths_of_pages_records_and_files_are_distinguished(tmp_path):
    file = save_stack(tmp_path / "a@1#b.TIF", cells(2)[0])
    page = Page(str(file), 2)
    assert parse_path(page.path()) == page and records.parse_path(page.path()) is None
    assert file_of(page.path()) == str(file) == file_of(file)
    for other in ("@page=0", "@page=-1", "@page=1x", "@page=", ""):
        assert parse_path(f"{file}{other}") is None
    shard = tmp_path / "x.tfrecord-0"
    shard.write_bytes(b"")
    record = f"{shard}@5#a.tif@page=1"
    assert parse_path(record) is None and records.parse_path(record).feature == "a.tif@page=1"
    assert file_of(record) == str(shard)
    odd = tmp_path / "y.tif@page=1"  # a plain file, because there is no y.tif
    odd.write_bytes(b"contents")
    assert read_contents(odd) == b"contents" and file_of(odd) == str(odd)


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate"])
@pytest.mark.parametrize("mode", ["1", "L", "P", "I;16", "I", "F", "RGB", "RGBA"])
def test_each_page_is_read_as_it_is(tmp_path, mode, compression):
    grey = [RNG.integers(0, 255, (7, 9), np.uint8) for _ in range(3)]
    if mode in ("I;16", "I", "F"):
        factor, dtype = {"I;16": (200, "u2"), "I": (200, "i4"), "F": (1, "f4")}[mode]
        pages = [Image.fromarray((page * float(factor)).astype(dtype)) for page in grey]
    else:
        pages = [Image.fromarray(page).convert(mode) for page in grey]
    file = save_stack(tmp_path / "x.tif", pages, compression=compression)
    assert num_pages(file) == 3
    for number, page in enumerate(pages, 1):
        alone = tmp_path / "alone.tif"
        alone.write_bytes(read_page(Page(str(file), number)))
        assert num_pages(alone) == 1 and alone.read_bytes() == read_page(Page(str(file), number))
        with Image.open(alone) as found:
            assert found.mode == mode
            np.testing.assert_array_equal(np.asarray(found), np.asarray(page))
        assert read_image(f"{file}@page={number}").shape == (7, 9, 3) and read_size(f"{file}@page={number}") == (7, 9)


def test_an_image_with_its_thumbnail_is_no_stack(tmp_path):
    pages, masks = cells(1)
    assert num_pages(save_stack(tmp_path / "images" / "x.tif", [pages[0], pages[0][::2, ::2]])) == 1
    save_stack(tmp_path / "masks" / "x.tif", masks)
    assert read_masks(tmp_path).splits[WHOLE].paths == (str(tmp_path / "images" / "x.tif"),)


def test_the_membranes_of_isbi_2012(tmp_path):
    pages, masks = isbi(tmp_path, 12)
    assert looks_like_masks(tmp_path)
    found = read(tmp_path)
    assert list(found.splits) == ["train"] and found.class_names == BINARY_NAMES
    assert [(problem.kind, problem.path) for problem in found.problems] == [
        ("missing partner", str(tmp_path / "test-volume.tif"))
    ]
    index = found.splits["train"]
    assert index.paths == tuple(f"{tmp_path / 'train-volume.tif'}@page={number}" for number in range(1, 13))  # 10 after 9
    for path, annotation, page, mask in zip(index.paths, index.annotations, pages, masks, strict=True):
        np.testing.assert_array_equal(read_image(path), np.repeat(page[..., None], 3, axis=2))
        np.testing.assert_array_equal(read_mask(annotation.mask, index), mask // 255)


@pytest.mark.parametrize(
    ("image", "mask", "split"),
    [
        ("val_images.tif", "val_masks.tiff", "val"),
        ("Test-Volume.TIF", "test_labels.tif", "test"),
        ("mitochondria-images.tif", "mitochondria-masks.tif", WHOLE),
        ("a/volume.tif", "a/labels.tif", WHOLE),
        ("train/a_volume.tif", "train/a_labels.tif", "train"),
        ("a/training-volume.tif", "a/training-labels.tif", "train"),
        ("images/x.tif", "masks/x.tif", WHOLE),
        ("train/images/x.tif", "train/masks/x.tif", "train"),
        ("train/x.tif", "train/x_mask.tif", "train"),
    ],
)
def test_layouts_of_stacks(tmp_path, image, mask, split):
    pages, masks = cells(3)
    save_stack(tmp_path / image, pages)
    save_stack(tmp_path / mask, masks)
    assert looks_like_masks(tmp_path)
    found = read(tmp_path)
    assert found.problems == () and list(found.splits) == [split]
    assert found.splits[split].paths == tuple(f"{tmp_path / image}@page={number}" for number in (1, 2, 3))
    assert found.splits[split].annotations[2].mask == f"{tmp_path / mask}@page=3"


def test_single_pages_stay_as_they_are_and_stacks_of_other_lengths_are_reported(tmp_path):
    pages, masks = cells(3)
    for name, count in (("one", 1), ("three", 3), ("two", 2)):
        save_stack(tmp_path / "images" / f"{name}.tif", pages[:count])
        save_stack(tmp_path / "masks" / f"{name}.tif", masks[: min(count, 2)] if name == "three" else masks[:count])
    found = read_masks(tmp_path)
    assert [path.rpartition("/")[2] for path in found.splits[WHOLE].paths] == ["one.tif", "two.tif@page=1", "two.tif@page=2"]
    assert [problem.path for problem in found.problems] == [str(tmp_path / "images" / "three.tif")]
    assert found.problems[0].detail == f"the image has 3 pages, its mask {tmp_path / 'masks' / 'three.tif'} has 2"
    for name in ("one", "two"):
        (tmp_path / "images" / f"{name}.tif").unlink()
    with pytest.raises(DataError, match=r"as many pages as its mask.*3 pages"):
        read_masks(tmp_path)


def test_stacks_next_to_each_other_among_few_other_images(tmp_path):
    pages, masks = cells(2)
    save_stack(tmp_path / "train-volume.tif", pages[:1])
    save_stack(tmp_path / "train-labels.tif", masks[:1])
    for name in ("a.png", "b.png"):
        save_stack(tmp_path / name, pages[:1])
    assert not looks_like_masks(tmp_path)  # with one page each, the layout is not clear enough


def test_scanned_pages_are_the_same_each_time_and_fit_a_cache(tmp_path):
    isbi(tmp_path)
    index = read(tmp_path).splits["train"]
    first, again = (scan(index) for _ in range(2))
    assert first.infos == again.infos and len({info.digest for info in first.infos}) == 4
    assert first.shapes.tolist() == 4 * [[20, 30]] and first.infos[0].num_bytes == len(read_contents(index.paths[0]))
    cache = open_cache(first, "memory")
    cache.keep(1, read_image(index.paths[1]))
    np.testing.assert_array_equal(cache.get(1), read_image(index.paths[1]))


def test_check_counts_pages_and_reports_the_damaged_one(tmp_path):
    isbi(tmp_path)
    (tmp_path / "test-volume.tif").unlink()
    data = read(tmp_path)
    checked = check(data)
    assert checked.findings == () and checked.summary["splits"] == {"train": 4}
    contents = bytearray((tmp_path / "train-volume.tif").read_bytes())
    last = contents.rfind(cells(4)[0][3].tobytes())
    (tmp_path / "train-volume.tif").write_bytes(contents[: last + 50])
    found = [(finding.kind, finding.path) for finding in check(data).findings]
    assert found == [("broken image", f"{tmp_path / 'train-volume.tif'}@page=4")]


def test_a_cleaned_index_names_pages(tmp_path):
    isbi(tmp_path / "set")
    write_fixed(check(tmp_path / "set"), tmp_path / "fixed")
    found = read(tmp_path / "fixed", allow_outside=True)
    assert found.problems == () and found.splits["train"].paths == read(tmp_path / "set").splits["train"].paths
    shutil.rmtree(tmp_path / "set")
    with pytest.raises(DataError, match="none of its 4 images exists"):
        read(tmp_path / "fixed", allow_outside=True)
