"""Things in a mask are separated, measured and counted."""

import cv2
import numpy as np
import pytest

from visionkit.data.index import IGNORE
from visionkit.errors import UserError
from visionkit.tasks.segmentation.instances import find_instances

NAMES = ("background", "coin", "key")


def discs(*rows, shape=(100, 160)):
    """A mask of discs: x, y, radius and class of each."""
    mask = np.zeros(shape, np.uint8)
    for x, y, radius, number in rows:
        cv2.circle(mask, (x, y), radius, number, cv2.FILLED)
    return mask


@pytest.mark.parametrize("split", ["components", "watershed"])
@pytest.mark.parametrize("shape", [(1, 1), (30, 40)])
def test_an_empty_mask_holds_nothing(shape, split):
    for number in (0, IGNORE):
        instances = find_instances(np.full(shape, number, np.uint8), NAMES, split=split)
        assert instances.things == () and not instances.labels.any()
        assert instances.labels.shape == shape and instances.labels.dtype == np.int32


@pytest.mark.parametrize("split", ["components", "watershed"])
def test_two_coins_apart_are_measured(split):
    mask = discs((40, 30, 12, 1), (110, 60, 20, 1))
    instances = find_instances(mask, NAMES, split=split)
    small, large = instances.things
    assert small.label == large.label == "coin"
    assert small.xyxy == (28, 18, 53, 43) and large.xyxy == (90, 40, 131, 81)
    assert small.centroid == pytest.approx((40, 30)) and large.centroid == pytest.approx((110, 60))
    assert (small.area, large.area) == ((instances.labels == 1).sum(), (instances.labels == 2).sum())
    np.testing.assert_array_equal(instances.labels > 0, mask > 0)
    assert small.to_dict() == {"label": "coin", "area": small.area, "xyxy": [28, 18, 53, 43], "centroid": [40.0, 30.0]}


@pytest.mark.parametrize("radius", [6, 20, 80])
def test_touching_discs_are_split_at_their_neck_whatever_their_size(radius):
    near, far = 3 * radius, 3 * radius + round(1.8 * radius)
    mask = discs((near, near, radius, 1), (far, near, radius, 1), shape=(6 * radius, 8 * radius))
    assert len(find_instances(mask, NAMES).things) == 1
    instances = find_instances(mask, NAMES, split="watershed")
    assert len(instances.things) == 2
    np.testing.assert_array_equal(instances.labels > 0, mask > 0)
    assert instances.labels[near, near] != instances.labels[near, far]
    assert abs(instances.things[0].area - instances.things[1].area) < 0.1 * instances.things[0].area


def test_a_chain_beside_other_things_is_split_and_they_are_not():
    mask = discs((20, 20, 10, 1), (38, 20, 10, 1), (56, 20, 10, 1), (30, 70, 10, 1), (100, 70, 10, 2))
    instances = find_instances(mask, NAMES, split="watershed")
    assert [thing.label for thing in instances.things] == ["coin"] * 4 + ["key"]
    assert sorted(thing.xyxy[1] for thing in instances.things) == [10, 10, 10, 60, 60]
    assert np.unique(instances.labels).tolist() == [0, 1, 2, 3, 4, 5]


def test_a_long_bent_or_hollow_thing_is_one_thing():
    drawings = [np.zeros((120, 200), np.uint8) for _ in range(3)]
    cv2.ellipse(drawings[0], (100, 60), (80, 15), 20, 0, 360, 1, cv2.FILLED)
    cv2.polylines(drawings[1], [np.array([[20, 20], [80, 90], [180, 60]])], False, 1, 15)
    cv2.circle(drawings[2], (100, 60), 40, 1, 20)
    assert [len(find_instances(mask, NAMES, split="watershed").things) for mask in drawings] == [1, 1, 1]


def test_a_small_bulge_stays_with_its_thing():
    mask = discs((50, 50, 20, 1), (74, 50, 4, 1))
    assert len(find_instances(mask, NAMES, split="watershed", least=16).things) == 2
    (thing,) = find_instances(mask, NAMES, split="watershed", least=80).things
    assert thing.area == (mask > 0).sum()


@pytest.mark.parametrize("split", ["components", "watershed"])
def test_classes_are_separate_and_ignored_pixels_belong_to_nothing(split):
    mask = np.zeros((20, 40), np.uint8)
    mask[:, :10], mask[:, 10:20], mask[:, 20:25] = 2, 1, IGNORE
    instances = find_instances(mask, NAMES, split=split)
    assert [(thing.label, thing.xyxy) for thing in instances.things] == [("coin", (10, 0, 20, 20)), ("key", (0, 0, 10, 20))]
    assert [thing.label for thing in find_instances(mask, NAMES, split=split, background=1).things] == ["background", "key"]


def test_specks_are_dropped():
    mask = discs((40, 40, 10, 1))
    mask[5:8, 5:10] = mask[90, 150] = 1
    assert len(find_instances(mask, NAMES, least=1).things) == 3
    assert len(find_instances(mask, NAMES, least=15).things) == 2
    (coin,) = find_instances(mask, NAMES).things
    assert coin.centroid == pytest.approx((40, 40))


def test_pixels_that_share_a_corner_are_connected():
    mask = np.kron(np.eye(3, dtype=np.uint8), np.ones((4, 4), np.uint8))
    assert len(find_instances(mask, NAMES).things) == 1
    assert len(find_instances(mask, NAMES, split="watershed").things) == 3


def test_a_large_mask():
    mask = np.kron(np.arange(10_000).reshape(100, 100).astype(np.uint8) % 3, np.ones((40, 40), np.uint8))
    mask[::40] = mask[:, ::40] = 0
    things = find_instances(mask, NAMES).things
    assert len(things) == (np.arange(10_000).astype(np.uint8) % 3 > 0).sum() and {thing.area for thing in things} == {39 * 39}


def test_more_than_a_png_can_number_is_refused():
    mask = np.zeros((600, 600), np.uint8)
    mask[::2, ::2] = 1
    with pytest.raises(UserError, match=r"90,000 things of 1 pixels.*65,535"):
        find_instances(mask, NAMES, least=1)


def test_unknown_splits_and_classes_are_refused():
    with pytest.raises(UserError, match=r"'blobs'.*'watershed'"):
        find_instances(np.zeros((2, 2), np.uint8), NAMES, split="blobs")
    with pytest.raises(UserError, match=r"class 3.*3 classes"):
        find_instances(np.full((2, 2), 3, np.uint8), NAMES)
