"""Presets and custom compositions: boxes, masks and keypoints follow the pixels, and the seed decides everything."""

import copy
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.scenes import check_boxes, check_mask, check_none_is_lost, scene
from visionkit.data.augmentation import geometry, presets
from visionkit.data.augmentation.presets import A, preset, seeded
from visionkit.data.augmentation.warps import BentGrid, Elastic
from visionkit.data.index import NO_OBJECTS, Objects
from visionkit.errors import UserError

SEEDS = st.integers(0, 2**32 - 1)
DENSE = [name for name in presets.PRESETS if not name.startswith("classification")]
WARPS = {
    "elastic": Elastic(p=1.0),
    "strong elastic": Elastic(strength=0.05, p=1.0),
    "bent grid": BentGrid(p=1.0),
    "turn": A.Affine(rotate=(-25, 25), shear=(-8, 8), p=1.0, fill=114, fill_mask=255),
}
NOTHING = Objects(np.zeros((0, 4)), np.zeros(0, np.int32), keypoints=np.zeros((0, 5, 3)))


def always(name: str) -> tuple:
    """The transforms of a preset, or of ``WARPS``, applied to each image."""
    transforms = (WARPS[name],) if name in WARPS else copy.deepcopy(preset(name).transforms)
    for transform in transforms:
        transform.p = 1.0
    return transforms


def test_no_transforms_change_nothing(photograph):
    image, objects, mask = seeded(())(photograph, NOTHING, None, 1)
    assert image is photograph and objects is NOTHING and mask is None


@pytest.mark.parametrize("objects", [None, NO_OBJECTS, NOTHING], ids=["none", "no boxes", "no keypoints"])
@pytest.mark.parametrize("name", DENSE)
def test_an_image_without_objects_passes(name, objects):
    image, after, mask = seeded(always(name))(np.zeros((40, 40, 3), np.uint8), objects, None, 3)
    assert image.shape == (40, 40, 3) and mask is None
    assert after is None if objects is None else len(after) == 0


def test_an_unknown_preset_lists_the_valid_ones():
    with pytest.raises(UserError, match="light, medium, strong, or one of classification-light"):
        preset("wild")


def test_a_strength_means_the_preset_of_the_task():
    for task in presets.TASKS:
        for strength in presets.STRENGTHS:
            assert preset(strength, task=task) is preset(f"{task}-{strength}") is presets.PRESETS[f"{task}-{strength}"]


def test_without_flip_a_preset_has_another_name_and_is_otherwise_the_same():
    plain = preset("strong", flip=False)
    assert plain.flip == 0 and plain.name != preset("strong").name
    assert replace(plain, name="x", flip=0.5) == replace(preset("strong"), name="x")


def test_any_way_up_shows_all_eight_orientations_and_else_the_same():
    plain = preset("medium", task="segmentation")
    assert replace(plain.any_way_up(), name=plain.name, transforms=plain.transforms) == plain
    assert plain.any_way_up().transforms[1:] == plain.transforms and plain.any_way_up().name != plain.name
    image = np.zeros((4, 4, 3), np.uint8)
    image[0, 1] = 255
    apply = seeded(presets.Augmentation("nothing").any_way_up().transforms)
    assert len({apply(image, None, None, seed)[0].tobytes() for seed in range(100)}) == 8


def test_no_keypoint_preset_mirrors():
    assert all(chosen.flip == 0 for name, chosen in presets.PRESETS.items() if name.startswith("keypoints"))


@pytest.mark.parametrize("name", presets.PRESETS)
def test_presets_keep_shape_and_type(photograph, name):
    transform = seeded(preset(name).transforms)
    images = [transform(photograph[:64, :64], None, None, seed)[0] for seed in range(8)]
    assert all(image.shape == (64, 64, 3) and image.dtype == np.uint8 for image in images)


@pytest.mark.parametrize("name", [name for name in presets.PRESETS if "light" not in name])
def test_each_seed_makes_another_image(photograph, name):
    transform = seeded(always(name))
    assert len({transform(photograph[:64, :64], None, None, seed)[0].tobytes() for seed in range(8)}) == 8


def test_the_description_distinguishes_presets():
    descriptions = {preset(name, flip=flip).describe() for name in presets.PRESETS for flip in (True, False)}
    assert len(descriptions) == 2 * len(presets.PRESETS)


def test_a_description_contains_the_strength_of_a_warp():
    one, other = (replace(preset("light"), transforms=(Elastic(strength=s),)).describe() for s in (0.03, 0.04))
    assert one != other


@pytest.mark.filterwarnings("ignore:Using lambda is incompatible")
def test_a_lambda_without_a_name_cannot_be_described():
    own = presets.from_compose(A.Compose([A.Lambda(image=lambda image, **_: image)]))
    with pytest.raises(UserError, match=r"'own' cannot be serialized.*name"):
        own.describe()


def test_presets_are_plain_data():
    for chosen in presets.PRESETS.values():
        json.dumps([A.to_dict(transform) for transform in chosen.transforms])


# Boxes, masks and keypoints


@pytest.mark.parametrize("name", [*DENSE, *WARPS])
@settings(max_examples=25, deadline=None)
@given(seed=SEEDS)
def test_boxes_hold_their_pixels_and_none_is_lost(name, seed):
    image, objects, mask = scene(np.random.default_rng(seed))
    _, after, mask_after = seeded(always(name))(image, objects, mask, seed)
    axis_aligned = name in ("elastic", "strong elastic", "bent grid")
    check_boxes(after, mask_after, slack=2, spare=2 if axis_aligned else None)
    full = {label: np.count_nonzero(mask == label) for label in objects.classes}
    check_none_is_lost(after, mask_after, full, 0.4)
    assert len(set(after.classes)) == len(after)


@pytest.mark.parametrize("name", [*DENSE, *WARPS])
@settings(max_examples=25, deadline=None)
@given(seed=SEEDS)
def test_masks_stay_with_the_image(name, seed):
    image, objects, mask = scene(np.random.default_rng(seed))
    image_after, _, mask_after = seeded(always(name))(image, objects, mask, seed)
    check_mask(image_after, mask_after)


@pytest.mark.parametrize("name", [*(name for name in DENSE if "keypoints" in name), *WARPS])
@settings(max_examples=25, deadline=None)
@given(seed=SEEDS)
def test_keypoints_follow_their_pixels(name, seed):
    rng = np.random.default_rng(seed)
    places = rng.integers(1, 63, (2, 2))  # of a red and a green dot
    image = np.zeros((64, 64, 3), np.uint8)
    for channel, (x, y) in enumerate(places):
        image[y - 1 : y + 2, x - 1 : x + 2, channel] = 255
    keypoints = np.zeros((2, 3, 3))
    keypoints[1, :2] = np.concatenate([(places + 0.5) / 64, [[1], [2]]], axis=1)
    objects = Objects(np.array([[0.4, 0.4, 0.6, 0.6], [0.1, 0.1, 0.9, 0.9]]), np.array([3, 4], np.int32), keypoints=keypoints)
    image_after, after, _ = seeded(always(name))(image, objects, None, seed)
    assert after.classes.tolist() == [3, 4] and not after.keypoints[0].any() and not after.keypoints[1, 2].any()
    for channel, (x, y, visible) in enumerate(after.keypoints[1, :2]):
        weights = np.clip(image_after[..., channel].astype(float) - 120, 0, None)  # brighter than the padding
        if visible:
            assert visible == channel + 1 and weights.sum() > 0
            center = (np.argwhere(weights) * weights[weights > 0][:, None]).sum(axis=0) / weights.sum()
            near_the_rim = min(x, y, 1 - x, 1 - y) < 2.5 / 64  # a part of the dot may be cut off
            assert np.abs(center + 0.5 - (y * 64, x * 64)).max() < (1.5 if near_the_rim else 1)
        else:
            assert (x, y) == (0, 0) and weights.sum() < 9 * 135 * 0.7


@pytest.mark.parametrize("name", WARPS)
def test_keypoints_on_one_place_stay_so(name):
    """If keypoints were drawn as discs, as in albumentations, one would hide the other."""
    keypoints = np.array([[[0.5, 0.5, 2], [0.5, 0.5, 1], [0.51, 0.5, 2]]])
    objects = Objects(np.array([[0.2, 0.2, 0.8, 0.8]]), np.array([0], np.int32), keypoints=keypoints)
    _, after, _ = seeded((WARPS[name],))(np.zeros((64, 64, 3), np.uint8), objects, None, 5)
    assert after.keypoints[0, :, 2].tolist() == [2, 1, 2]
    np.testing.assert_array_equal(after.keypoints[0, 0, :2], after.keypoints[0, 1, :2])


@pytest.mark.parametrize("name", [*(name for name in DENSE if preset(name).transforms), *WARPS])
def test_boxes_and_keypoints_at_the_rim_and_beyond_pass(name):
    boxes = np.array([[0, 0, 1, 1], [0, 0, 2e-6, 2e-6], [1 - 2e-6, 0.5, 1, 0.6], [0.5, 0, 0.500002, 1]])
    keypoints = np.array([[[x, y, 2.0]] for x, y in ((0, 0), (1, 1), (-0.5, 3), (1e6, -1e6))])
    objects = Objects(boxes, np.arange(4, dtype=np.int32), keypoints=keypoints)
    for seed in range(5):
        _, after, _ = seeded(always(name))(np.zeros((32, 32, 3), np.uint8), objects, None, seed)
        assert np.isfinite(after.boxes).all() and np.isfinite(after.keypoints).all()
        assert 0 in after.classes and not after.keypoints[after.classes >= 2].any()


@pytest.mark.parametrize("shape", [(64, 64), (65, 63), (7, 90), (1, 1), (3, 200)])
@pytest.mark.parametrize("warp", [Elastic(strength=0.05), BentGrid(strength=0.5)], ids=["elastic", "bent grid"])
def test_a_warp_does_not_fold_and_keeps_the_rim(warp, shape):
    for seed in range(20):
        warp.set_random_seed(seed)
        maps = warp.get_params_dependent_on_data({"shape": (*shape, 3)}, {})
        assert maps["map_x"].shape == maps["map_y"].shape == shape
        if min(shape) > 3:
            assert (np.diff(maps["map_x"], axis=1) > 0).all() and (np.diff(maps["map_y"], axis=0) > 0).all()
            assert np.abs(maps["map_x"][:, 0]).max() < 0.5 and np.abs(maps["map_y"][-1] - shape[0] + 1).max() < 0.5


# Seeds


def objects_alike(one: Objects, other: Objects) -> bool:
    return one.boxes.tolist() == other.boxes.tolist() and one.classes.tolist() == other.classes.tolist()


@pytest.mark.parametrize("name", [name for name in presets.PRESETS if "strong" in name])
def test_each_sample_is_augmented_from_its_own_seed_in_any_thread_and_order(name):
    scenes = [scene(np.random.default_rng(number)) for number in range(32)]
    transform = seeded(preset(name).transforms)

    def one(number):
        return transform(*scenes[number], 1000 + number)

    alone = [one(number) for number in range(32)]
    order = np.random.default_rng(0).permutation(32)
    with ThreadPoolExecutor(16) as pool:
        together = dict(zip(order.tolist(), pool.map(one, order), strict=True))
    for number, (image, objects, mask) in enumerate(alone):
        np.testing.assert_array_equal(image, together[number][0])
        np.testing.assert_array_equal(mask, together[number][2])
        assert objects_alike(objects, together[number][1])


def test_transforms_draw_independently_of_each_other():
    """If each transform got the seed itself, either both mirrors or none would be applied."""
    transform = seeded((A.HorizontalFlip(p=0.5), A.VerticalFlip(p=0.5)))
    image = np.zeros((2, 2, 3), np.uint8)
    image[0, 0] = 255
    places = [int(transform(image, None, None, seed)[0][..., 0].argmax()) for seed in range(400)]
    assert (np.bincount(places, minlength=4) > 60).all()


def test_parts_of_a_preset_draw_independently_of_each_other(photograph):
    """Half of the images are turned and three tenths are warped: some have both, some one, some none."""
    turn, both = (seeded(preset("classification-strong").transforms[:count]) for count in (1, 2))
    image = photograph[:32, :32].copy()
    drawn = set()
    for seed in range(60):
        turned, warped_too = (transform(image, None, None, seed)[0] for transform in (turn, both))
        drawn.add((bool((turned != image).any()), bool((warped_too != turned).any())))
    assert drawn == {(False, False), (False, True), (True, False), (True, True)}


# Own compositions


BOX_PARAMS = [None, *(A.BboxParams(kind, label_fields=["names"]) for kind in ("coco", "pascal_voc", "yolo", "albumentations"))]


@pytest.mark.parametrize("params", BOX_PARAMS, ids=lambda params: params and params.format)
@pytest.mark.parametrize(
    "transforms",
    [
        [A.RandomCrop(24, 40), A.HorizontalFlip(p=0.5)],
        [A.HorizontalFlip(p=0.5), A.VerticalFlip(p=0.5), A.RandomRotate90(p=0.5), A.Resize(40, 90)],
        [A.RandomResizedCrop((32, 32), scale=(0.3, 1.0)), A.RandomBrightnessContrast(brightness_limit=0, contrast_limit=0)],
        [A.PadIfNeeded(80, 80, fill=114, fill_mask=255), A.Affine(rotate=(-20, 20), fill=114, fill_mask=255, p=0.8)],
        [A.BBoxSafeRandomCrop(p=1.0)],
    ],
    ids=["crop", "mirrors", "resized crop", "pad and turn", "safe crop"],
)
def test_a_custom_composition_transforms_everything(params, transforms):
    own = presets.from_compose(A.Compose(copy.deepcopy(transforms), bbox_params=copy.deepcopy(params)))
    assert own.whole_first
    transform = seeded(own.transforms)
    for seed in range(12):
        image, objects, mask = scene(np.random.default_rng(seed), (64, 48))
        image_after, after, mask_after = transform(image, objects, mask, seed)
        assert image_after.shape[:2] == mask_after.shape
        check_boxes(after, mask_after, slack=1.5)
        check_mask(image_after, mask_after)
        again = transform(image, objects, mask, seed)
        np.testing.assert_array_equal(image_after, again[0])
        assert objects_alike(after, again[1])


def test_a_mirror_in_a_custom_composition_mirrors_keypoints_around_the_middle():
    keypoints = np.array([[[0.25, 0.5, 2], [0.0, 0.0, 2], [1.0, 1.0, 1]]])
    objects = Objects(np.array([[0.0, 0.0, 0.5, 1.0]]), np.array([0], np.int32), keypoints=keypoints)
    _, after, _ = seeded((A.HorizontalFlip(p=1.0),))(np.zeros((8, 10, 3), np.uint8), objects, None, 0)
    np.testing.assert_allclose(after.keypoints, [[[0.75, 0.5, 2], [1, 0, 2], [0, 1, 1]]], atol=1e-6)
    np.testing.assert_allclose(after.boxes, [[0.5, 0, 1, 1]])


def test_one_transform_alone_is_a_composition_too(photograph):
    transform = seeded(presets.from_compose(A.VerticalFlip(p=1.0)).transforms)
    np.testing.assert_array_equal(transform(photograph, None, None, 0)[0], photograph[::-1])


def test_a_composition_of_colors_alone_keeps_boxes_keypoints_and_mask():
    image, objects, mask = scene(np.random.default_rng(3))
    objects = replace(objects, keypoints=np.full((len(objects), 2, 3), 0.5))
    transform = seeded(presets.from_compose(A.Compose([A.InvertImg(p=1.0)])).transforms)
    image_after, after, mask_after = transform(image, objects, mask, 1)
    np.testing.assert_array_equal(image_after, 255 - image)
    np.testing.assert_array_equal(mask_after, mask)
    np.testing.assert_allclose(after.boxes, objects.boxes)
    np.testing.assert_allclose(after.keypoints, objects.keypoints, atol=1e-6)


@pytest.mark.parametrize("last", [A.Normalize(), A.ToFloat()])
def test_a_result_that_is_not_an_image_is_refused(last):
    with pytest.raises(UserError, match=r"the image became float32 \(8, 8, 3\); expected uint8.*Leave out Normalize"):
        seeded((A.Compose([last]),))(np.zeros((8, 8, 3), np.uint8), None, None, 0)


def test_boxes_that_a_crop_leaves_too_little_of_go():
    boxes = np.array([[0.0, 0.0, 0.5, 0.5], [0.4, 0.4, 0.9, 0.9]])
    objects = Objects(boxes, np.array([5, 6], np.int32))
    _, after, _ = seeded((A.Crop(0, 0, 5, 5),))(np.zeros((10, 10, 3), np.uint8), objects, None, 0)
    assert after.classes.tolist() == [5]
    assert geometry.MIN_VISIBLE > 0.04
