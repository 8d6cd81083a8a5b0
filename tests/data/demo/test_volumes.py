"""The built-in volumes."""

import numpy as np

from visionkit.data.demo.volumes import SIDE, demo_label_volumes


def test_no_volumes():
    data = demo_label_volumes(num_train=0, num_val=0)
    assert (data.train, data.val) == ((), ()) and data.class_names == ("background", "ellipsoid", "bar")


def test_volumes_are_labelled_reproducible_and_share_nothing():
    data, again, other = (demo_label_volumes(num_train=4, num_val=3, seed=seed) for seed in (5, 5, 6))
    volumes = data.train + data.val
    assert (len(data.train), len(data.val), len({volume.name for volume in volumes})) == (4, 3, 7)
    for volume, same, different in zip(volumes, again.train + again.val, other.train + other.val, strict=True):
        assert volume.values.shape == (SIDE, SIDE, SIDE, 1) and volume.values.dtype == np.float32
        assert volume.labels.dtype == np.uint8 and set(np.unique(volume.labels)) <= {0, 1, 2}
        np.testing.assert_array_equal(volume.values, same.values)
        np.testing.assert_array_equal(volume.labels, same.labels)
        assert (volume.values != different.values).any()
    counts = np.sum([np.bincount(volume.labels.ravel(), minlength=3) for volume in volumes], axis=0)
    assert (counts[1:] > 0.003 * counts.sum()).all()


def test_brightness_alone_does_not_determine_the_class_of_a_voxel():
    data = demo_label_volumes(num_train=8, num_val=0)
    background, ellipsoids, bars = (
        np.concatenate([volume.values[..., 0][volume.labels == label] for volume in data.train]) for label in range(3)
    )
    assert abs(np.median(ellipsoids) - np.median(bars)) < 100
    assert (background > np.median(bars)).sum() > 0.1 * len(bars)
