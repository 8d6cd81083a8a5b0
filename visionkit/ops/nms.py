"""Non-maximum suppression in the graph: of the boxes that a detector answers for one object, the best.

Exact, and static in shape: it runs in ``tf.function``, under XLA, on JAX and in LiteRT.
"""

from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from visionkit.ops import boxes as box_ops

LEADERS = 32  # decided at once; XLA is faster with more, plain graphs with fewer of them


class Detections(NamedTuple):
    """What is found in each image, best first; rows after the last are zeros, of class -1.

    Attributes:
        boxes: float32 ``(N, K, 4)``, xyxy, in the unit in which they came.
        scores: float32 ``(N, K)``.
        classes: int32 ``(N, K)``.
    """

    boxes: keras.KerasTensor
    scores: keras.KerasTensor
    classes: keras.KerasTensor


def class_wise_nms(
    boxes: keras.KerasTensor,
    scores: keras.KerasTensor,
    *,
    score_threshold: float | keras.KerasTensor,
    iou_threshold: float = 0.6,
    max_detections: int = 300,
    num_candidates: int = 1024,
) -> Detections:
    """The greedy algorithm, class by class: take the best, drop what overlaps it, repeat.

    A candidate is an anchor with one class; an anchor may answer with several. What is not there costs little: the work ends
    with the last candidate above the threshold, or when every image has ``max_detections``.

    Args:
        boxes: float ``(N, A, 4)``, xyxy. ``N`` may be unknown while a graph is made, ``A`` and ``C`` may not.
        scores: float ``(N, A, C)``.
        score_threshold: a candidate has more than this.
        iou_threshold: a candidate is dropped by a better one of its class with at least this IoU.
        max_detections: rows of the answer.
        num_candidates: so many of an image's best candidates are looked at; of equal ones at the end any.

    Raises:
        ValueError: shapes that do not fit.
    """
    boxes, scores = ops.convert_to_tensor(boxes, "float32"), ops.convert_to_tensor(scores, "float32")
    _check(boxes.shape, scores.shape)
    if 0 in scores.shape[1:]:
        boxes, scores = (ops.zeros((ops.shape(boxes)[0], 1, width)) for width in (4, 1))
        score_threshold = np.inf
    candidates, valid = _best_candidates(boxes, scores, score_threshold, num_candidates)
    kept = _greedy(candidates, valid, iou_threshold, max_detections)
    there, places = _first(kept > 0, max_detections)
    rows = ops.where(there[..., None], _rows(candidates, places), 0.0)
    missing = max_detections - rows.shape[1]
    rows, there = ops.pad(rows, ((0, 0), (0, missing), (0, 0))), ops.pad(there, ((0, 0), (0, missing)))
    return Detections(rows[..., :4], rows[..., 4], ops.where(there, ops.cast(rows[..., 5], "int32"), -1))


def _check(boxes: tuple[int | None, ...], scores: tuple[int | None, ...]) -> None:
    fits = len(boxes) == len(scores) == 3 and boxes[2] == 4 and boxes[1] == scores[1] and None not in scores[1:]
    if not fits:
        raise ValueError(
            f"boxes {tuple(boxes)}, scores {tuple(scores)}: expected (N, A, 4) and (N, A, C) of the same A, with A and C known."
        )


def _best_candidates(boxes, scores, score_threshold, num_candidates: int):
    """Rows (box, score, class) ``(N, K, 6)``, best first, and which are above the threshold ``(N, K)``.

    The best K candidates belong to the K anchors with the best maxima, so most scores are only looked at for a maximum. What is
    not above the threshold is made equal before it is sorted, which then takes half the time.
    """

    def best(values, k: int):
        return ops.top_k(ops.where(values > score_threshold, values, -np.inf), min(k, values.shape[1]))

    num_classes = scores.shape[2]
    _, anchors = best(ops.max(scores, axis=-1, initial=-np.inf), num_candidates)
    boxes, scores = _rows(boxes, anchors), _rows(scores, anchors)
    scores, pairs = best(ops.reshape(scores, (-1, anchors.shape[1] * num_classes)), num_candidates)
    classes = ops.cast(pairs % num_classes, "float32")
    rows = ops.concatenate([_rows(boxes, pairs // num_classes), scores[..., None], classes[..., None]], axis=-1)
    return rows, scores > score_threshold


def _greedy(candidates, valid, iou_threshold: float, max_detections: int):
    """Which of the ``valid`` ``(N, K)`` are kept: 1 or 0, int32 ``(N, K)``, at least up to the ``max_detections``-th.

    Each turn takes the first few that are undecided, the leaders, decides them among themselves, and drops what they overlap.
    """
    batch, num_candidates = ops.shape(candidates)[0], candidates.shape[1]
    num_leaders = min(LEADERS, num_candidates)
    images = ops.broadcast_to(ops.arange(batch, dtype="int32")[:, None], (batch, num_leaders))
    earlier = np.tri(num_leaders, k=-1, dtype=bool)

    def overlap(a, b):
        return (box_ops.pairwise_iou(a[..., :4], b[..., :4]) >= iou_threshold) & (a[..., :, None, 5] == b[..., None, :, 5])

    def goes_on(undecided, kept):
        return ops.any((ops.sum(kept, axis=-1) < max_detections) & ops.any(undecided, axis=-1))

    def turn(undecided, kept):
        there, leaders = _first(undecided, num_leaders)
        rows = _rows(candidates, leaders)
        staying = _settle(there, overlap(rows, rows) & earlier)
        dropped = ops.any(overlap(rows, candidates) & staying[..., None], axis=1)
        kept = kept + ops.scatter(ops.stack([images, leaders], axis=-1), ops.cast(staying, "int32"), ops.shape(kept))
        last = ops.max(ops.where(there, leaders, -1), axis=-1, keepdims=True, initial=-1)
        return undecided & ~dropped & (np.arange(num_candidates, dtype="int32") > last), kept

    return ops.while_loop(goes_on, turn, (valid, ops.zeros_like(valid, dtype="int32")))[1]


def _settle(free, dropping):
    """Who of ``free`` ``(N, L)`` stays; ``dropping`` ``(N, L, L)`` says by which earlier ones each is dropped, if those stay.

    After i turns all are right that hang on chains of i others at most: it ends, and with the greedy answer.
    """

    def goes_on(staying, before):
        return ops.any(staying != before)

    def turn(staying, before):
        return free & ~ops.any(dropping & staying[:, None, :], axis=-1), staying

    return ops.while_loop(goes_on, turn, turn(free, free))[0]


def _first(mask, k: int):
    """The places of the first ``k`` that are true in each row of ``(N, M)``: ``(N, k)``, and whether there are so many."""
    length = mask.shape[1]
    left, places = ops.top_k(ops.where(mask, np.arange(length, 0, -1, dtype="int32"), 0), min(k, length))
    return left > 0, places


def _rows(table, places):
    """Of tables ``(N, A, C)`` the rows at ``(N, K)``: ``(N, K, C)``."""
    num_rows, width = table.shape[1:]
    starts = ops.arange(ops.shape(table)[0], dtype="int32")[:, None] * num_rows
    return ops.take(ops.reshape(table, (-1, width)), places + starts, axis=0)
