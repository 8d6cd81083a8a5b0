"""Weighted boxes fusion: one list of detections from those of several models, views or tiles of an image."""

from collections.abc import Sequence

import numpy as np

from visionkit.ops.nms import Detections
from visionkit.ops.np_boxes import best_first, checked, iou_of_one, of_each_class


def weighted_boxes_fusion(
    boxes: Sequence[np.ndarray],
    scores: Sequence[np.ndarray],
    classes: Sequence[np.ndarray],
    *,
    weights: Sequence[float] | None = None,
    iou_threshold: float = 0.55,
    score_threshold: float = 0.0,
) -> Detections:
    """Weighted boxes fusion, class by class (https://arxiv.org/abs/1910.13302): what agrees is averaged, not chosen from.

    Best first, each box joins the fused box that it overlaps most, or begins one. A fused box is the mean of its members, by
    their scores. Its score is their mean, and the lower the fewer of the lists have found it.

    Args:
        boxes: T lists for one image, each ``(K, 4)``, xyxy, of any unit; K may differ.
        scores: T lists, ``(K,)``.
        classes: T lists, int ``(K,)``.
        weights: how much each list is trusted; all the same, if not given.
        iou_threshold: a box joins one that it overlaps by at least this IoU.
        score_threshold: boxes with no more than this take no part.

    Returns:
        The fused boxes, best first: ``(M, 4)``, ``(M,)``, ``(M,)``.

    Raises:
        ValueError: lists that do not fit, or weights that are not positive.
    """
    weights = np.ones(len(boxes), np.float32) if weights is None else np.asarray(weights, np.float32)
    if not len(boxes) == len(scores) == len(classes) == len(weights) > 0 or not np.all(weights > 0):
        raise ValueError(
            f"{len(boxes)} lists of boxes, {len(scores)} of scores, {len(classes)} of classes, weights {weights.tolist()}: "
            "expected as many of each, at least one, and positive weights."
        )
    lists = [checked(*parts) for parts in zip(boxes, scores, classes, strict=True)]
    boxes, scores, classes = (np.concatenate(parts) for parts in zip(*lists, strict=True))
    trusted = scores * np.repeat(weights, [len(one.scores) for one in lists])
    seen = scores > score_threshold
    boxes, trusted, classes = boxes[seen], trusted[seen], classes[seen]
    joined = [_fused(boxes[rows], trusted[rows], weights, iou_threshold, classes[rows[0]]) for rows in of_each_class(classes)]
    parts = [np.concatenate(parts) for parts in zip(checked([], [], []), *joined, strict=True)]
    return best_first(*parts, np.arange(len(parts[1])))


def _fused(boxes: np.ndarray, scores: np.ndarray, weights: np.ndarray, iou_threshold: float, label: int) -> Detections:
    """The fused boxes of one class; ``scores`` are weighted."""
    fused = np.zeros_like(boxes)  # more rows than are needed; so are these
    total, members, count = np.zeros_like(scores), np.zeros(len(boxes), int), 0
    for i in np.argsort(-scores, kind="stable"):
        iou = iou_of_one(boxes[i], fused[:count])
        best = np.argmax(iou) if count else 0
        if not count or iou[best] < iou_threshold:
            best, count = count, count + 1
        fused[best] = (fused[best] * total[best] + boxes[i] * scores[i]) / (total[best] + scores[i])
        total[best] += scores[i]
        members[best] += 1
    total, members = total[:count], members[:count]
    agreed = np.minimum(members, len(weights)) / weights.sum()
    return Detections(fused[:count], (total / members * agreed).astype(scores.dtype), np.full(count, label, np.int32))
