"""Non-maximum suppression in the graph: of the boxes that a detector predicts for one object, the best remains.

It is exact and has static shapes, so it runs in ``tf.function``, under XLA, on JAX and in LiteRT.
"""

import keras
import numpy as np
from keras import ops

from visionkit.ops.boxes import pairwise_iou
from visionkit.ops.detections import Detections

LEADERS = 32  # candidates that are decided at once; XLA is faster with more, plain graphs with fewer


def nms(
    boxes: keras.KerasTensor,
    scores: keras.KerasTensor,
    *,
    score_threshold: float | keras.KerasTensor,
    iou_threshold: float = 0.6,
    max_detections: int = 300,
    num_candidates: int = 1024,
) -> Detections:
    """Greedy non-maximum suppression, class by class: keep the best candidate, drop those that overlap it, repeat.

    A candidate is an anchor with one class; an anchor may have several candidates. Empty images cost little: the loop ends with
    the last candidate above the threshold, or when every image has ``max_detections``.

    Args:
        boxes: float ``(N, A, 4)``, xyxy. ``N`` may be unknown while a graph is traced, ``A`` and ``C`` may not.
        scores: float ``(N, A, C)``.
        score_threshold: candidates need a higher score than this.
        iou_threshold: a better candidate of the same class drops those that overlap it by at least this IoU.
        max_detections: K, rows of the result.
        num_candidates: number of best candidates of an image that are considered; ties at the end are broken arbitrarily.

    Raises:
        ValueError: the shapes do not match.
    """
    boxes, scores = ops.convert_to_tensor(boxes, "float32"), ops.convert_to_tensor(scores, "float32")
    _check(boxes.shape, scores.shape)
    if 0 in scores.shape[1:]:
        boxes, scores = (ops.zeros((ops.shape(boxes)[0], 1, width)) for width in (4, 1))
        score_threshold = np.inf
    candidates, valid = _best_candidates(boxes, scores, score_threshold, num_candidates)
    is_kept = _greedy(candidates, valid, iou_threshold, max_detections) > 0
    exists, positions = _first(is_kept, max_detections)
    rows = ops.where(exists[..., None], _rows(candidates, positions), 0.0)
    missing = max_detections - rows.shape[1]
    rows, exists = ops.pad(rows, ((0, 0), (0, missing), (0, 0))), ops.pad(exists, ((0, 0), (0, missing)))
    return Detections(rows[..., :4], rows[..., 4], ops.where(exists, ops.cast(rows[..., 5], "int32"), -1))


def _check(boxes: tuple[int | None, ...], scores: tuple[int | None, ...]) -> None:
    fits = len(boxes) == len(scores) == 3 and boxes[2] == 4 and boxes[1] == scores[1] and None not in scores[1:]
    if not fits:
        raise ValueError(
            f"boxes {tuple(boxes)}, scores {tuple(scores)}: expected (N, A, 4) and (N, A, C) of the same A, with A and C known."
        )


def _best_candidates(boxes, scores, score_threshold, num_candidates: int):
    """Rows (box, score, class) ``(N, K, 6)``, best first, and which of them are above the threshold ``(N, K)``.

    The best K candidates belong to the K anchors with the best maxima, so of most scores only the maximum is taken. Scores that
    are not above the threshold are made equal before sorting, which halves its time.
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
    """Which of the ``valid`` candidates ``(N, K)`` are kept: 1 or 0, int32 ``(N, K)``, complete up to ``max_detections``.

    Each turn decides the first few undecided candidates, the leaders, among themselves, and drops the others that they overlap.
    """
    batch, num_candidates = ops.shape(candidates)[0], candidates.shape[1]
    num_leaders = min(LEADERS, num_candidates)
    images = ops.broadcast_to(ops.arange(batch, dtype="int32")[:, None], (batch, num_leaders))
    earlier = np.tri(num_leaders, k=-1, dtype=bool)

    def overlap(a, b):
        return (pairwise_iou(a[..., :4], b[..., :4]) >= iou_threshold) & (a[..., :, None, 5] == b[..., None, :, 5])

    def goes_on(undecided, kept):
        return ops.any((ops.sum(kept, axis=-1) < max_detections) & ops.any(undecided, axis=-1))

    def turn(undecided, kept):
        exists, leaders = _first(undecided, num_leaders)
        rows = _rows(candidates, leaders)
        staying = _settle(exists, overlap(rows, rows) & earlier)
        dropped = ops.any(overlap(rows, candidates) & staying[..., None], axis=1)
        kept = kept + ops.scatter(ops.stack([images, leaders], axis=-1), ops.cast(staying, "int32"), ops.shape(kept))
        last = ops.max(ops.where(exists, leaders, -1), axis=-1, keepdims=True, initial=-1)
        return undecided & ~dropped & (np.arange(num_candidates, dtype="int32") > last), kept

    return ops.while_loop(goes_on, turn, (valid, ops.zeros_like(valid, dtype="int32")))[1]


def _settle(free, dropping):
    """Which ``free`` leaders ``(N, L)`` stay; ``dropping`` ``(N, L, L)`` marks the earlier leaders that drop it if they stay.

    After i turns every leader is right that depends on a chain of at most i others, so the loop ends with the greedy result.
    """

    def goes_on(staying, before):
        return ops.any(staying != before)

    def turn(staying, before):
        return free & ~ops.any(dropping & staying[:, None, :], axis=-1), staying

    return ops.while_loop(goes_on, turn, turn(free, free))[0]


def _first(mask, k: int):
    """The first ``k`` true positions in each row of ``(N, M)``: whether each exists and where it is, both ``(N, k)``."""
    length = mask.shape[1]
    rank, positions = ops.top_k(ops.where(mask, np.arange(length, 0, -1, dtype="int32"), 0), min(k, length))
    return rank > 0, positions


def _rows(table, positions):
    """The rows of tables ``(N, A, C)`` at positions ``(N, K)``: ``(N, K, C)``."""
    num_rows, width = table.shape[1:]
    starts = ops.arange(ops.shape(table)[0], dtype="int32")[:, None] * num_rows
    return ops.take(ops.reshape(table, (-1, width)), positions + starts, axis=0)
