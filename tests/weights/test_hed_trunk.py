"""The backbone in the installed package is read completely."""

import sys

import numpy as np
import pytest
from keras import ops

from visionkit.errors import UserError
from visionkit.models.vgg import vgg16, vgg19
from visionkit.weights import hed_trunk


def test_the_published_file_is_read_completely_without_running_its_package():
    weights = hed_trunk.read()
    counts = enumerate(hed_trunk.CONVOLUTIONS, start=1)
    assert list(weights) == [f"block{block}_conv{number}" for block, count in counts for number in range(1, count + 1)]
    assert sum(kernel.size + bias.size for kernel, bias in weights.values()) == 14_714_688
    for kernel, bias in weights.values():
        assert kernel.dtype == bias.dtype == np.float32 and np.isfinite(kernel).all() and kernel.shape[:2] == (3, 3)
        assert bias.shape == kernel.shape[-1:] and kernel.std() > 1e-3
    assert hed_trunk.PACKAGE not in sys.modules


def test_the_first_filters_detect_colors_and_edges():
    """As in ImageNet's VGG, some respond to brightness in all colors alike, some to one color against another."""
    kernel, _ = hed_trunk.read()["block1_conv1"]
    sums = kernel.sum((0, 1))  # (3, 64)
    flat = np.abs(sums).max(0) < 0.5 * np.abs(kernel).sum((0, 1)).max(0)  # edges: what is even gives little
    opposed = (sums.max(0) > 0.3) & (sums.min(0) < -0.3)  # one color against another
    assert flat.sum() > 10 and opposed.sum() > 3


def test_features_of_a_photograph_are_active():
    import skimage.data

    trunk = vgg16((None, None, 3), None, weights="hed")
    assert trunk.count_params() == 14_714_688
    features = trunk(skimage.data.astronaut()[None, :256, 100:356].astype("float32"), training=False)
    assert [features[f"stride_{2**power}"].shape[-1] for power in range(6)] == [64, 128, 256, 512, 512, 512]
    for maps in features.values():
        assert np.isfinite(ops.convert_to_numpy(maps)).all()
    block4 = ops.convert_to_numpy(features["stride_8"])[0]
    assert (block4.max((0, 1)) > 0).mean() > 0.9


def test_the_networks_that_can_use_the_weights():
    for build, num_classes in ((vgg16, 10), (vgg19, None), (vgg19, 10)):
        with pytest.raises(UserError, match="expected vgg16 with num_classes=None"):
            build((64, 64, 3), num_classes, weights="hed")


def test_average_pooling_changes_features_and_no_weights(rng):
    sides = (32, 32, 3)
    by_most, by_mean = (vgg16(sides, None, weights="hed", pooling=pooling) for pooling in ("max", "average"))
    for ours, theirs in zip(by_most.get_weights(), by_mean.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    image = rng.uniform(0, 255, (1, *sides)).astype("float32")
    most, mean = (model(image, training=False) for model in (by_most, by_mean))
    np.testing.assert_array_equal(most["stride_1"], mean["stride_1"])
    ours, theirs = (ops.convert_to_numpy(answer["stride_2"]) for answer in (most, mean))
    assert (ours != theirs)[(ours > 0) | (theirs > 0)].mean() > 0.9
    maps = ops.convert_to_numpy(mean["stride_16"])[0]  # 2 x 2: their pool is one pixel
    np.testing.assert_allclose(ops.convert_to_numpy(mean["stride_32"])[0, 0, 0], maps.mean((0, 1)), rtol=1e-4, atol=1e-5)
    maps = ops.convert_to_numpy(most["stride_16"])[0]
    np.testing.assert_array_equal(ops.convert_to_numpy(most["stride_32"])[0, 0, 0], maps.max((0, 1)))
