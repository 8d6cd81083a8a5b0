"""From files to augmented samples: boxes, mask and keypoints lie where the pixels do, and errors name the file."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.scenes import check_boxes, check_mask, check_none_is_lost, scene, write_scenes
from visionkit.data.augmentation import pixelwise, presets
from visionkit.data.augmentation.parameters import lasting_ratios, sample_params
from visionkit.data.augmentation.presets import A, Augmentation, preset
from visionkit.data.images import crops
from visionkit.data.images.decode import ImageError
from visionkit.data.images.scan import scan
from visionkit.data.index import NO_OBJECTS, Annotation, Index, Objects
from visionkit.data.pipeline.pixel_cache import open_cache
from visionkit.data.pipeline.samples import evaluation_sample, sample_maker

DENSE = [name for name in presets.PRESETS if not name.startswith("classification")]
SHAPES = [(64, 64), (50, 70), (90, 41), (45, 100)]


def plain(name: str) -> Augmentation:
    """A preset that moves pixels and leaves their values."""
    return replace(preset(name), color=0, pca=0, erase=0, mix=None)


def samples_of(index, augmentation, size=64, seed=0, epoch=0, cache=None, on_cpu=True):
    params = sample_params(index, augmentation, size, seed, epoch)
    make = sample_maker(index, size, augmentation, params, cache=cache, on_cpu=on_cpu)
    return make(list(range(len(index)))), params


def write_scaled(folder: Path, suffix: str, times: int = 1) -> Index:
    rng = np.random.default_rng(5)
    return write_scenes(folder, [scene(rng, (height * times, width * times)) for height, width in SHAPES], suffix)


def full_pixels(objects: Objects, info, window_side: int, size: int) -> dict[int, float]:
    """The number of pixels of each object in a square window that shows all of it."""
    areas = np.prod(objects.boxes[:, 2:] - objects.boxes[:, :2], axis=1) * info.height * info.width
    return dict(zip(objects.classes.tolist(), areas * (size / window_side) ** 2, strict=True))


def test_an_empty_index_draws_nothing(tmp_path):
    index = write_scaled(tmp_path, ".png").take([])
    samples, params = samples_of(index, preset("detection-strong"))
    assert samples == [] and params.windows.shape == params.frames.shape == (0, 4)


@pytest.mark.parametrize("name", DENSE)
@pytest.mark.parametrize(("suffix", "times"), [(".png", 1), (".jpg", 5)], ids=["small PNG", "large JPEG"])
def test_every_annotation_lies_where_its_pixels_do(tmp_path, name, suffix, times):
    index = write_scaled(tmp_path, suffix, times)
    for epoch in range(12):
        samples, params = samples_of(index, plain(name), epoch=epoch)
        for position, (image, objects, mask) in enumerate(samples):
            assert image.shape == (64, 64, 3) and image.dtype == np.uint8 and mask.shape == (64, 64) and mask.dtype == np.uint8
            check_boxes(objects, mask, slack=2, spare=2 if "light" in name else None)
            check_mask(image, mask)
            side = params.windows[position, 2]
            full = full_pixels(index.annotations[position].objects, index.infos[position], side, 64)
            check_none_is_lost(objects, mask, full, 0.4)


@pytest.mark.parametrize("name", [name for name in DENSE if "medium" not in name])
def test_keypoints_follow_their_pixels(tmp_path, name):
    """A red dot is a keypoint; where it is out of view, the keypoint is invisible."""
    rng = np.random.default_rng(1)
    scenes = []
    for height, width in [(64, 64), (50, 70), (70, 41)] * 4:
        y, x = rng.integers(2, (height - 2, width - 2))
        image = np.zeros((height, width, 3), np.uint8)
        image[y - 1 : y + 2, x - 1 : x + 2, 0] = 255
        keypoints = np.array([[[0, 0, 0], [(x + 0.5) / width, (y + 0.5) / height, 2]]])
        scenes.append((image, Objects(np.array([[0.0, 0.0, 1.0, 1.0]]), np.array([2]), keypoints=keypoints), None))
    index = write_scenes(tmp_path, scenes)
    num_seen = 0
    for image, objects, _ in samples_of(index, plain(name), size=64)[0]:
        reds = np.clip(image[..., 0].astype(float) - 118, 0, None)
        if len(objects) == 0:
            continue
        assert not objects.keypoints[0, 0].any()
        x, y, visible = objects.keypoints[0, 1]
        if visible and min(x, y, 1 - x, 1 - y) > 3 / 64:
            num_seen += 1
            center = (np.indices(reds.shape) * reds).sum(axis=(1, 2)) / reds.sum() + 0.5
            assert np.abs(center - (y * 64, x * 64)).max() < 1.1
        elif not visible:
            assert (x, y) == (0, 0) and reds.sum() < 8 * 137 * (64 / 50) ** 2
    assert num_seen >= 4


def test_an_image_without_objects_has_none(tmp_path):
    image, _, mask = scene(np.random.default_rng(0))
    index = write_scenes(tmp_path, [(image, NO_OBJECTS, mask)])
    ((_, objects, _),), _ = samples_of(index, preset("detection-strong"))
    assert len(objects) == 0


def test_images_with_labels_have_neither_objects_nor_mask(tmp_path):
    index = replace(write_scaled(tmp_path, ".png"), annotations=())
    for image, objects, mask in samples_of(index, preset("classification-strong"))[0]:
        assert image.shape == (64, 64, 3) and objects is None and mask is None


@pytest.mark.parametrize("name", ["detection-strong", "classification-strong"])
def test_the_seed_decides_in_any_thread_and_order(tmp_path, name):
    index = write_scaled(tmp_path, ".jpg")
    index = index.take([0, 1, 2, 3] * 8)
    alone, params = samples_of(index, preset(name), seed=3, epoch=1)
    make = sample_maker(index, 64, preset(name), params, cache=None, on_cpu=True)
    order = np.random.default_rng(0).permutation(len(index))
    with ThreadPoolExecutor(16) as pool:
        together = {}
        for some, samples in zip(
            np.split(order, 8), pool.map(lambda some: make(some.tolist()), np.split(order, 8)), strict=True
        ):
            together |= dict(zip(some.tolist(), samples, strict=True))
    for position, sample in enumerate(alone):
        np.testing.assert_array_equal(sample.image, together[position].image)
        np.testing.assert_array_equal(sample.mask, together[position].mask)
        np.testing.assert_array_equal(sample.objects.boxes, together[position].objects.boxes)
    for other in ({"seed": 4, "epoch": 1}, {"seed": 3, "epoch": 2}):
        differ = [(a.image != b.image).any() for a, b in zip(alone, samples_of(index, preset(name), **other)[0], strict=True)]
        assert np.mean(differ) > 0.9
    assert len({sample.image.tobytes() for sample in alone}) > 24  # the same file at another place is another sample


def test_the_accelerator_is_left_the_steps_that_would_be_done_here(tmp_path):
    index = write_scaled(tmp_path, ".png")
    augmentation = replace(preset("detection-strong"), flip=1.0)
    here, params = samples_of(index, augmentation)
    there, _ = samples_of(index, augmentation, on_cpu=False)
    for position, (one, other) in enumerate(zip(here, there, strict=True)):
        np.testing.assert_array_equal(one.image, pixelwise.apply(other.image, params.pixelwise, position))
        np.testing.assert_array_equal(one.objects.boxes, other.objects.boxes)
        np.testing.assert_array_equal(one.mask, other.mask)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_requested_share_is_mirrored(tmp_path, share):
    index = write_scaled(tmp_path, ".png").take([0] * 2000)
    flips = sample_params(index, replace(preset("detection-light"), flip=share), 64, 0, 0).pixelwise.flip
    assert flips.mean() == pytest.approx(share, abs=0.04)


def test_without_any_window_the_whole_image_is_stretched(tmp_path):
    index = write_scaled(tmp_path, ".png")
    for image, objects, mask in samples_of(index, Augmentation("nothing"))[0]:
        assert 255 not in mask
        check_boxes(objects, mask, slack=1, spare=1)
        check_mask(image, mask)


# Own compositions, and what the exported model sees


@pytest.mark.parametrize(
    "own",
    [
        A.Compose([]),
        A.Compose([A.RandomCrop(30, 25), A.HorizontalFlip(p=0.5)], bbox_params=A.BboxParams("yolo", label_fields=["x"])),
        A.Compose([A.RandomResizedCrop((100, 20), scale=(0.5, 1.0))], bbox_params=A.BboxParams("coco", min_area=9e9)),
        A.Affine(rotate=(-15, 15), fill=114, fill_mask=255, p=1.0),
    ],
    ids=["nothing", "crop", "resized crop", "one transform"],
)
def test_an_own_composition_takes_everything_along(tmp_path, own):
    index = write_scaled(tmp_path, ".jpg")
    for epoch in range(5):
        for image, objects, mask in samples_of(index, presets.from_compose(own), epoch=epoch)[0]:
            assert image.shape == (64, 64, 3) and mask.shape == (64, 64)
            check_boxes(objects, mask, slack=2)
            check_mask(image, mask)


def test_an_own_composition_of_labelled_images_is_stretched(tmp_path):
    index = replace(write_scaled(tmp_path, ".png"), annotations=())
    samples, _ = samples_of(index, presets.from_compose(A.Compose([])))
    for path, sample in zip(index.paths, samples, strict=True):
        expected = crops.place(np.asarray(Image.open(path)), [0, 0, 64, 64], 64)
        np.testing.assert_array_equal(sample.image, expected)


def test_evaluation_samples_keep_annotations_on_their_objects(tmp_path):
    index = write_scaled(tmp_path, ".png")
    for position in range(len(index)):
        image, objects, mask = evaluation_sample(index, 64, position)
        assert image.dtype == np.float32
        check_boxes(objects, mask, slack=1, spare=1)
        check_mask(image.round().astype(np.uint8), mask)


@pytest.mark.parametrize("shape", [(3, 2), (1, 2), (37, 90), (401, 33), (1, 300)])
def test_training_with_whole_images_and_serving_agree(tmp_path, shape):
    """There is no train/serve skew: both have the same padding, boxes and mask."""
    image = np.full((*shape, 3), 250, np.uint8)
    objects = Objects(np.array([[0.0, 0.0, 1.0, 1.0]]), np.array([1], np.int32))
    index = write_scenes(tmp_path, [(image, objects, np.ones(shape, np.uint8))])
    (trained,), _ = samples_of(index, presets.from_compose(A.Compose([])), size=64)
    served = evaluation_sample(index, 64, 0)
    np.testing.assert_array_equal(trained.image, served.image.round())
    np.testing.assert_array_equal(trained.mask, served.mask)
    np.testing.assert_array_equal(trained.objects.boxes, served.objects.boxes)
    assert ((served.mask == 255) == (served.image[..., 0].round() == 114)).all()
    ys, xs = np.nonzero(served.mask == 1)
    about = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]) / 64
    np.testing.assert_allclose(served.objects.boxes, [about])


# What goes wrong


def two_images(folder: Path, suffix: str = ".png") -> Index:
    rng = np.random.default_rng(0)
    return write_scenes(folder, [scene(rng, (40, 60)), scene(rng, (40, 60))], suffix)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_file_that_vanished_is_named(tmp_path, suffix):
    index = two_images(tmp_path, suffix)
    Path(index.paths[0]).unlink()
    (gone, there), _ = samples_of(index, preset("detection-medium"))
    assert gone is None and there is not None
    assert index.skipped.list() == [(index.paths[0], "unreadable since the check: No such file or directory")]


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_file_that_changed_is_named(tmp_path, suffix):
    index = two_images(tmp_path, suffix)
    length = Path(index.paths[0]).stat().st_size
    Path(index.paths[0]).write_bytes(b"overwritten")
    Path(index.paths[1]).write_bytes(bytes(length) if suffix == ".png" else b"\xff\xd8\xff" + bytes(length))
    assert samples_of(index, preset("detection-medium"))[0] == [None, None]
    assert [path for path, _ in index.skipped.list()] == list(index.paths)
    assert all(reason.startswith("changed since the check: ") for _, reason in index.skipped.list())


@pytest.mark.parametrize("whole_first", [False, True])
def test_a_file_that_was_turned_since_and_is_as_long_is_named(tmp_path, whole_first):
    index = two_images(tmp_path, ".bmp")
    Image.open(index.paths[0]).transpose(Image.Transpose.ROTATE_90).save(index.paths[0])
    assert Path(index.paths[0]).stat().st_size == index.infos[0].num_bytes
    own = replace(preset("detection-light"), whole_first=whole_first)
    assert samples_of(index, own)[0][0] is None
    assert index.skipped.list() == [(index.paths[0], "changed since the check: 40 x 60 pixels, were 60 x 40")]
    with pytest.raises(ImageError, match="40 x 60 pixels"):
        evaluation_sample(index, 32, 0)


def test_a_mask_that_cannot_be_used_is_named(tmp_path):
    index = two_images(tmp_path)
    Path(index.annotations[0].mask).unlink()
    Image.fromarray(np.zeros((40, 59), np.uint8)).save(index.annotations[1].mask)
    assert samples_of(index, preset("segmentation-light"))[0] == [None, None]
    (_, first), (_, second) = index.skipped.list()
    assert "0_mask.png' cannot be used: No such file or directory" in first
    assert second.endswith("its mask has 59 x 40 pixels, the image has 60 x 40")


def broken(image, **_):
    raise ZeroDivisionError("none of your images")


@pytest.mark.parametrize("name", ["plain.png", "späces and # % '.png", os.fsdecode(b"bad\xff.png")])
def test_a_transform_that_fails_names_the_file(tmp_path, name):
    image, objects, _ = scene(np.random.default_rng(0))
    path = tmp_path / name
    Image.fromarray(image).save(path)
    annotations = (Annotation(objects),)
    index = Index(("ground", "a", "b", "c", "d"), (str(path),), np.array([-1], np.int32), annotations=annotations)
    index = scan(index)
    own = presets.from_compose(A.Lambda(image=broken, name="broken", p=1.0), "mine")
    with pytest.raises(RuntimeError, match="'mine' failed: none of your images") as caught:
        samples_of(index, own)
    assert ascii(str(path)) in str(caught.value)
    str(caught.value).encode()  # it can be printed


def test_pixels_that_are_no_bytes_any_more_name_the_file(tmp_path):
    index = two_images(tmp_path)
    with pytest.raises(RuntimeError, match=r"0\.png': augmentation 'own' failed: the image became float32.*Normalize"):
        samples_of(index, presets.from_compose(A.Compose([A.Normalize()])))


@pytest.mark.parametrize("where", ["memory", "disk"])
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_cached_images_make_the_same_samples(tmp_path, where, suffix):
    index = write_scaled(tmp_path, suffix)
    cache = open_cache(index, where)
    for epoch in range(3):
        without, params = samples_of(index, preset("detection-strong"), epoch=epoch)
        cached, _ = samples_of(index, preset("detection-strong"), epoch=epoch, cache=cache)
        for one, other in zip(without, cached, strict=True):
            differences = np.abs(one.image.astype(int) - other.image)
            assert differences.max() <= 2 if (params.ratios == 1).all() else differences.mean() < 3
            np.testing.assert_array_equal(one.objects.boxes, other.objects.boxes)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("name", ["classification-light", "detection-strong", "segmentation-strong"])
def test_shrunken_images_in_the_cache_make_nearly_the_same_samples(tmp_path, name, suffix):
    """Images are shrunk as far as the smallest window allows, so every window still has the pixels that it needs."""
    index = write_scaled(tmp_path, suffix, times=4)
    light = replace(preset(name), transforms=(), erase=0.0, mix=None)
    ratios = lasting_ratios(index, light, 16)
    assert (ratios > 1).any()
    cache = open_cache(index, "memory", ratios=ratios)
    for epoch in range(4):
        without, params = samples_of(index, light, size=16, epoch=epoch)
        cached, _ = samples_of(index, light, size=16, epoch=epoch, cache=cache)
        assert (params.ratios >= ratios).all()
        for one, other in zip(without, cached, strict=True):
            assert np.abs(one.image.astype(int) - other.image).mean() < 4
            np.testing.assert_array_equal(one.objects.boxes, other.objects.boxes)


def test_a_composition_that_crops_by_itself_gets_whole_images_from_the_cache(tmp_path):
    index = write_scaled(tmp_path, ".png")
    assert (lasting_ratios(index, presets.from_compose(A.Compose([A.HorizontalFlip()])), 16) == 1).all()
