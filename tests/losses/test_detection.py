import numpy as np
import pytest
from keras import ops

from visionkit.losses.detection import BOX_WEIGHT, CLASS_WEIGHT, OBJECT_WEIGHT, yolo_losses
from visionkit.ops import grids
from visionkit.ops.matching import assign, fitting

ANCHORS = [np.array([[0.2, 0.2]], "float32"), np.array([[0.5, 0.5], [0.8, 0.4]], "float32")]
SIDES = (4, 2)
IN_CELLS = [its * side for its, side in zip(ANCHORS, SIDES, strict=True)]


def maps_of(value=0.0, num_classes=3, batch=2):
    return [np.full((batch, s, s, len(a) * (5 + num_classes)), value, "float32") for s, a in zip(SIDES, ANCHORS, strict=True)]


def cross_entropy(logit, target):
    p = 1 / (1 + np.exp(-logit))
    return -(target * np.log(p) + (1 - target) * np.log(1 - p))


def test_images_without_objects_only_have_an_objectness_loss():
    losses = yolo_losses(maps_of(), IN_CELLS, np.zeros((2, 8, 4), "float32"), np.full((2, 8), -1, "int32"))
    num_slots = 2 * (16 + 4 * 2)
    assert float(losses.box) == float(losses.classes) == 0
    assert float(losses.object) == pytest.approx(OBJECT_WEIGHT * num_slots * np.log(2), rel=1e-5)


@pytest.mark.parametrize("num_classes", [1, 3])
def test_perfect_predictions_cost_nothing(num_classes):
    boxes = np.array([[[0.1, 0.2, 0.35, 0.4]], [[0.3, 0.1, 0.9, 0.6]]], "float32")
    classes = np.array([[0], [num_classes - 1]], "int32")
    maps = [value.reshape(*value.shape[:3], -1, 5 + num_classes) for value in maps_of(-20.0, num_classes)]
    fits, first = fitting(boxes, np.concatenate(ANCHORS)), 0
    for scale, anchors, side in zip(maps, ANCHORS, SIDES, strict=True):
        assigned = assign(boxes, classes, fits[..., first : first + len(anchors)], (side, side))
        first += len(anchors)
        flat = scale.reshape(-1, 5 + num_classes)
        offsets = np.asarray(
            grids.encode(assigned.boxes, assigned.cells, anchors[np.asarray(assigned.anchors)] * side, (side, side))
        )
        for place in np.flatnonzero(assigned.filled):
            row = flat[np.asarray(assigned.slots)[place]]
            row[:4], row[4], row[5 + int(assigned.classes[place])] = offsets[place], 20, 20
    maps = [scale.reshape(*scale.shape[:3], -1) for scale in maps]
    losses = yolo_losses(maps, IN_CELLS, boxes, classes)
    assert max(map(float, losses)) < 2e-3


def test_one_object_by_hand():
    """One slot is assigned, the anchor in the center of the first cell: there is no cell to its left, none above it."""
    boxes = np.array([[[0.0, 0.0, 0.25, 0.25]]], "float32")
    losses = yolo_losses([maps_of(batch=1)[0]], IN_CELLS[:1], boxes, np.array([[2]], "int32"))
    overlap = 0.2**2 / 0.25**2  # concentric squares: CIoU is IoU
    assert float(losses.box) == pytest.approx(BOX_WEIGHT * (1 - overlap), rel=1e-4)
    assert float(losses.classes) == pytest.approx(CLASS_WEIGHT * 3 * np.log(2), rel=1e-5)
    expected = 15 * np.log(2) + cross_entropy(0.0, overlap)
    assert float(losses.object) == pytest.approx(OBJECT_WEIGHT * expected, rel=1e-4)


def test_label_smoothing_spreads_a_share_over_all_classes():
    maps = [maps_of(batch=1)[0].copy()]
    maps[0][..., 5] = 3.0
    boxes, classes = np.array([[[0.0, 0.0, 0.25, 0.25]]], "float32"), np.array([[0]], "int32")
    smoothed = yolo_losses(maps, IN_CELLS[:1], boxes, classes, label_smoothing=0.3).classes
    expected = cross_entropy(3.0, 0.7 + 0.1) + 2 * cross_entropy(0.0, 0.1)
    assert float(smoothed) == pytest.approx(CLASS_WEIGHT * expected, rel=1e-5)


def test_padded_rows_change_nothing_but_shapes():
    boxes, classes = np.array([[[0.1, 0.1, 0.4, 0.5]]], "float32"), np.array([[1]], "int32")
    padded = np.concatenate([boxes, np.zeros((1, 7, 4), "float32")], axis=1)
    more = np.concatenate([classes, np.full((1, 7), -1, "int32")], axis=1)
    few = yolo_losses(maps_of(0.3, batch=1), IN_CELLS, boxes, classes)
    many = yolo_losses(maps_of(0.3, batch=1), IN_CELLS, padded, more)
    np.testing.assert_allclose([float(part) for part in few], [float(part) for part in many], rtol=1e-5)


@pytest.mark.parametrize(
    "box", [[0.5, 0.5, 0.5001, 0.5001], [0, 0, 1, 1], [0.99, 0.99, 1, 1]], ids=["tiny", "all of it", "in the corner"]
)
def test_gradients_are_finite(box):
    import tensorflow as tf

    maps = [tf.Variable(value) for value in maps_of(0.1, batch=1)]
    with tf.GradientTape() as tape:
        loss = sum(yolo_losses(maps, IN_CELLS, np.array([[box] * 300], "float32"), np.zeros((1, 300), "int32")))
    for gradient in tape.gradient(loss, maps):
        assert np.isfinite(ops.convert_to_numpy(gradient)).all()
