"""Detectors by name: which are known, and what can be frozen."""

import numpy as np
import pytest

from visionkit import models
from visionkit.errors import UserError
from visionkit.tasks.detection import detectors
from visionkit.training import freezing

ANCHORS = [np.array([[0.05, 0.05], [0.1, 0.05]], "float32")] * 2


def test_an_unknown_detector_gets_the_nearest_name():
    with pytest.raises(UserError, match="did you mean 'yolo_nano'"):
        detectors.find("yolo_nona")


@pytest.mark.parametrize("is_pretrained", [True, False])
def test_a_detector_by_name(is_pretrained, tmp_path):
    """Only a pretrained base can be frozen."""
    weights = None
    if is_pretrained:
        weights = str(tmp_path / "base.weights.h5")
        models.build("mobilenet", (64, 64, 3), None).save_weights(weights)
    built = detectors.build("yolo_nano", 2, ANCHORS, base="mobilenet", weights=weights, size=64)
    assert (built.base is not None) == is_pretrained
    count = len(built.network.trainable_variables)
    if is_pretrained:
        freezing.freeze_base(built.base, "8")
        assert len(built.base.trainable_variables) > 0 and len(built.network.trainable_variables) < count
    maps = built.network(np.zeros((1, 64, 64, 3), "float32"))
    parts = built.losses(maps, np.array([[[0.1, 0.1, 0.4, 0.4]]], "float32"), np.array([[1]], "int32"))
    assert tuple(parts) == built.parts == ("box", "object", "class")
    assert built.at_size(64).output["boxes"].shape == (None, 2 * (64 + 16), 4)
