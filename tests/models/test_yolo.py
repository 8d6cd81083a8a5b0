"""YOLO: grids of every scale, the feature pyramid, and decoded boxes."""

import keras
import numpy as np
import pytest

from tests.models.small_backbones import small_backbone
from visionkit import models
from visionkit.errors import UserError
from visionkit.models import fpn, yolo
from visionkit.models.endpoints import by_stride

ANCHORS = [np.array([[1.0, 1.0], [2.0, 1.0]], "float32")] * 3
TINY = yolo.Variant("small", 8, 1, True)


@pytest.mark.parametrize("strides", [(8,), (8, 16), (8, 16, 32)])
@pytest.mark.parametrize("num_classes", [1, 3])
def test_each_scale_has_a_grid(strides, num_classes):
    network = yolo.yolo(small_backbone(), num_classes, ANCHORS[: len(strides)], variant=TINY, strides=strides)
    maps = network(np.zeros((2, 64, 96, 3), "float32"))
    shapes = [tuple(maps[name].shape) for name in by_stride(maps)]
    assert shapes == [(2, 64 // s, 96 // s, 2 * (5 + num_classes)) for s in strides]


def test_a_backbone_without_padding_is_an_error():
    with pytest.raises(UserError, match="'nin' does not pad its maps"):
        yolo.yolo(models.build("nin", (None, None, 3), None), 3, ANCHORS[:1], strides=(16,))


def test_an_untrained_network_finds_nothing():
    network = yolo.yolo(small_backbone(), 3, ANCHORS, variant=TINY)
    scores = yolo.detector(network, ANCHORS)(np.full((1, 64, 64, 3), 128, "float32"))["scores"]
    assert float(keras.ops.max(scores)) < 0.05


def test_the_detector_returns_the_slots_of_all_scales_in_one_list():
    pixels = keras.Input((64, 64, 3))
    network = yolo.yolo(small_backbone(), 3, ANCHORS, variant=TINY)
    model = yolo.detector(keras.Model(pixels, network(pixels)), ANCHORS)
    assert {name: part.shape for name, part in model.output.items()} == {
        "boxes": (None, 2 * (64 + 16 + 4), 4),
        "scores": (None, 2 * (64 + 16 + 4), 3),
    }
    boxes = np.asarray(model(np.zeros((1, 64, 64, 3), "float32"))["boxes"])[0]
    # Offsets are nearly 0: the first slot is the anchor of 1 x 1 cells in the middle of the first of 8 x 8 cells.
    np.testing.assert_allclose(boxes[0], [0, 0, 1 / 8, 1 / 8], atol=0.03)
    np.testing.assert_allclose(boxes[-1], [0.25, 0.5, 1.25, 1.0], atol=0.2)


def test_the_pyramid_connects_scales_in_both_directions():
    """The finest map depends on the coarsest, and with path aggregation the coarsest on the finest."""
    inputs = {f"stride_{s}": keras.Input((64 // s, 64 // s, 4), name=f"stride_{s}") for s in (8, 16, 32)}
    for aggregate in (False, True):
        model = keras.Model(inputs, fpn.feature_pyramid(inputs, 6, aggregate=aggregate, name=f"fpn_{aggregate}"))
        zeros = {name: np.zeros((1, *part.shape[1:]), "float32") for name, part in inputs.items()}
        before = model(zeros)
        for changed, output, depends in (("stride_32", "stride_8", True), ("stride_8", "stride_32", aggregate)):
            after = model(zeros | {changed: np.ones_like(zeros[changed])})
            assert (np.abs(np.asarray(after[output]) - np.asarray(before[output])).max() > 1e-6) == depends
        assert [before[name].shape for name in by_stride(before)] == [(1, 64 // s, 64 // s, 6) for s in (8, 16, 32)]
