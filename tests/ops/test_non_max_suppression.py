"""Greedy suppression in the graph: by hand, against plain NumPy, in a traced graph, and in LiteRT."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from visionkit.export import litert
from visionkit.ops.detections import Detections
from visionkit.ops.non_max_suppression import nms


def detect(boxes, scores, **options) -> list[list[tuple]]:
    """The rows (box, score, class) of each image that are not padding."""
    detections = Detections(*map(ops.convert_to_numpy, nms(boxes, scores, **options)))
    assert detections.classes.dtype == np.int32 and detections.boxes.dtype == detections.scores.dtype == np.float32
    rows = options.get("max_detections", 300)
    assert [part.shape for part in detections] == [(len(boxes), rows, 4), (len(boxes), rows), (len(boxes), rows)]
    padding = detections.classes < 0
    assert (
        not detections.boxes[padding].any()
        and not detections.scores[padding].any()
        and np.all(detections.classes[padding] == -1)
    )
    assert np.all(np.diff(padding.astype(int), axis=1) >= 0)
    images = zip(*detections, ~padding, strict=True)
    return [[(tuple(b), s, c) for b, s, c in zip(*(part[keep] for part in parts), strict=True)] for *parts, keep in images]


def reference(boxes, scores, score_threshold, iou_threshold=0.6, max_detections=300) -> list[tuple]:
    """The textbook algorithm for one image."""
    left = [(float(s), a, c) for (a, c), s in np.ndenumerate(scores) if s > score_threshold]
    left.sort(key=lambda candidate: -candidate[0])
    rows = []
    while left and len(rows) < max_detections:
        score, anchor, label = left.pop(0)
        rows.append((tuple(boxes[anchor]), np.float32(score), label))
        left = [other for other in left if other[2] != label or plain_iou(boxes[anchor], boxes[other[1]]) < iou_threshold]
    return rows


def plain_iou(a, b) -> np.float32:
    sides = np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0)
    areas = [np.prod(np.maximum(box[2:] - box[:2], 0)) for box in (a, b)]
    shared = np.prod(sides)
    return shared / np.maximum(areas[0] + areas[1] - shared, np.float32(1e-9))


def crowd(rng, num_images=2, num_anchors=40, num_classes=3):
    """Boxes that overlap a lot, with distinct scores of all sizes."""
    low = rng.uniform(0, 0.5, (num_images, num_anchors, 2))
    boxes = np.concatenate([low, low + rng.uniform(0.1, 0.5, low.shape)], axis=-1).astype("float32")
    shape = (num_images, num_anchors, num_classes)
    return boxes, (rng.permutation(np.prod(shape)).reshape(shape) / np.prod(shape)).astype("float32")


@pytest.mark.parametrize("shape", [(0, 5, 2), (2, 0, 3), (2, 3, 0), (0, 0, 0)])
def test_no_candidates_give_no_detections(shape):
    boxes = np.zeros((*shape[:2], 4), "float32")
    assert detect(boxes, np.ones(shape, "float32"), score_threshold=0.1, max_detections=7) == [[] for _ in range(shape[0])]


def test_all_below_the_threshold(rng):
    boxes, scores = crowd(rng)
    assert detect(boxes, scores, score_threshold=1.0) == [[], []]


def test_by_hand_with_equality_at_both_thresholds():
    """Unit: the first box is 4 x 1; what covers half of it has an IoU of exactly 0.5 with it."""
    boxes = np.array([[[0, 0, 4, 1], [0, 0, 2, 1], [0, 0, 1.875, 1], [0, 0, 4, 1], [9, 9, 10, 10]]], "float32")
    scores = np.array([[[1, 0], [0.875, 0], [0.75, 0], [0, 0.625], [0.25, 0.5]]], "float32")
    whole, half, less, _, far = (tuple(box) for box in boxes[0])
    kept = detect(boxes, scores, score_threshold=0.25, iou_threshold=0.5)[
        0
    ]  # 0.5 is enough to be dropped, 0.25 not above the threshold
    assert kept == [(whole, 1, 0), (less, 0.75, 0), (whole, 0.625, 1), (far, 0.5, 1)]
    kept = detect(boxes, scores, score_threshold=0.2499, iou_threshold=0.5001)[0]  # now half drops less
    assert kept == [(whole, 1, 0), (half, 0.875, 0), (whole, 0.625, 1), (far, 0.5, 1), (far, 0.25, 0)]


def test_a_dropped_box_drops_no_other():
    """A chain: each overlaps the next, so every other one stays, whoever else is a leader in the same turn."""
    low = np.arange(50, dtype="float32") * 0.25
    boxes = np.stack([low, 0 * low, low + 1, 0 * low + 1], axis=-1)[None]
    scores = np.linspace(0.9, 0.1, 50, dtype="float32")[None, :, None]
    kept = detect(boxes, scores, score_threshold=0.0, iou_threshold=0.6)[0]
    assert [box[0] for box, _, _ in kept] == list(low[::2])


def test_300_objects_are_all_found_and_the_best_come_first(rng):
    y, x = np.divmod(rng.permutation(400), 20)
    boxes = np.stack([x, y, x + 1, y + 1], axis=-1)[None].astype("float32") / 20
    scores = rng.uniform(0.3, 1, (1, 400, 1)).astype("float32")
    kept = detect(boxes, scores, score_threshold=0.25)[0]
    assert [score for _, score, _ in kept] == sorted(scores.ravel(), reverse=True)[:300]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.1, 0.3, 0.6, 0.9]), st.sampled_from([3, 20, 300]), st.sampled_from([1, 4]))
def test_detections_are_those_of_the_textbook_algorithm(seed, iou_threshold, max_detections, num_classes):
    boxes, scores = crowd(np.random.default_rng(seed), num_classes=num_classes)
    options = {"score_threshold": 0.2, "iou_threshold": iou_threshold, "max_detections": max_detections}
    expected = [reference(*image, **options) for image in zip(boxes, scores, strict=True)]
    assert detect(boxes, scores, **options) == expected


def test_only_the_best_candidates_are_considered(rng):
    boxes, scores = crowd(rng, num_images=1)
    twenty = np.sort(scores.ravel())[-21]
    expected = detect(boxes, scores, score_threshold=twenty)
    assert detect(boxes, scores, score_threshold=0.0, num_candidates=20) == expected
    assert detect(boxes, scores, score_threshold=0.5, num_candidates=10**6) == detect(boxes, scores, score_threshold=0.5)


def test_degenerate_boxes_give_no_nan(rng):
    boxes, scores = crowd(rng)
    boxes[:, ::2, 2:] = boxes[:, ::2, :2]
    boxes[:, 1::4] = boxes[:, 1::4, [2, 3, 0, 1]]
    scores[0, 3] = np.nan
    kept = detect(boxes, scores, score_threshold=0.1)
    assert np.isfinite([(*box, score) for image in kept for box, score, _ in image]).all()


def test_a_graph_of_an_unknown_number_of_images(rng):
    boxes, scores = crowd(rng, num_images=3)
    signature = [tf.TensorSpec((None, 40, 4)), tf.TensorSpec((None, 40, 3)), tf.TensorSpec(())]
    traced = tf.function(lambda b, s, t: nms(b, s, score_threshold=t, max_detections=9), signature)
    assert [tuple(part.shape) for part in traced.get_concrete_function().outputs] == [(None, 9, 4), (None, 9), (None, 9)]
    for threshold in (0.3, 0.95):
        for part, expected in zip(
            traced(boxes, scores, threshold),
            nms(boxes, scores, score_threshold=threshold, max_detections=9),
            strict=True,
        ):
            np.testing.assert_array_equal(part, expected)


def test_it_converts_to_litert(rng, tmp_path):
    boxes, scores = crowd(rng, num_images=2)

    def as_one(both: tf.Tensor) -> tf.Tensor:
        detections = nms(both[..., :4], both[..., 4:], score_threshold=0.2, max_detections=25)
        return tf.concat(
            [detections.boxes, detections.scores[..., None], tf.cast(detections.classes, tf.float32)[..., None]], -1
        )

    both = np.concatenate([boxes, scores], axis=-1)
    (tmp_path / "nms.tflite").write_bytes(litert.convert(as_one, (1, *both.shape[1:])))
    np.testing.assert_allclose(litert.run(tmp_path / "nms.tflite", both), as_one(both), atol=1e-6)


@pytest.mark.parametrize("shapes", [((1, 5, 4), (1, 6, 2)), ((5, 4), (5, 2)), ((1, 5, 5), (1, 5, 2))])
def test_mismatched_shapes_are_an_error(shapes):
    with pytest.raises(ValueError, match=r"expected \(N, A, 4\)"):
        nms(*map(np.zeros, shapes), score_threshold=0.5)


def test_unknown_sides_are_an_error():
    with pytest.raises(ValueError, match="A and C known"):
        nms(keras.Input((None, 4)), keras.Input((None, 2)), score_threshold=0.5)
