"""Detections of one picture on the host, NumPy and unpadded: the greedy algorithm for tens of thousands, as of tiles."""

import numpy as np

from visionkit.ops.nms import Detections


def merge(boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray, *, iou_threshold: float = 0.6) -> Detections:
    """``class_wise_nms`` for one list of any length: of what overlaps within a class, the best.

    Boxes are compared with their neighbors only, found by their left edges: the time grows with the crowd, not with its square.

    Args:
        boxes: ``(K, 4)``, xyxy, of any unit.
        scores: ``(K,)``.
        classes: int ``(K,)``.
        iou_threshold: a box is dropped by a better one of its class with at least this IoU; more than 0.

    Returns:
        Those that stay, best first: ``(M, 4)``, ``(M,)``, ``(M,)``.

    Raises:
        ValueError: arrays that do not fit.
    """
    boxes, scores, classes = checked(boxes, scores, classes)
    kept = [_kept(rows, boxes, scores, iou_threshold) for rows in of_each_class(classes)]
    return best_first(boxes, scores, classes, np.concatenate([np.zeros(0, int), *kept]))


def _kept(rows: np.ndarray, boxes: np.ndarray, scores: np.ndarray, iou_threshold: float) -> np.ndarray:
    """Which of the ``rows``, all of one class, stay."""
    rows = rows[np.argsort(boxes[rows, 0])]
    own = boxes[rows]
    left, right = own[:, 0], own[:, 2]
    starts, ends = np.searchsorted(left, left - np.max(right - left)), np.searchsorted(left, right)
    alive = np.ones(len(rows), bool)
    for i in np.argsort(-scores[rows], kind="stable"):
        if alive[i]:
            near = slice(starts[i], ends[i])
            alive[near] &= iou_of_one(own[i], own[near]) < iou_threshold
            alive[i] = True
    return rows[alive]


def iou_of_one(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """IoU of a box ``(4,)`` with each of ``(K, 4)``: ``(K,)``; what has no area agrees with nothing."""
    width = np.minimum(box[2], boxes[:, 2]) - np.maximum(box[0], boxes[:, 0])
    height = np.minimum(box[3], boxes[:, 3]) - np.maximum(box[1], boxes[:, 1])
    shared = np.maximum(width, 0) * np.maximum(height, 0)
    return shared / np.maximum(_area(box) + _area(boxes) - shared, 1e-9)


def _area(boxes: np.ndarray) -> np.ndarray:
    return np.maximum(boxes[..., 2] - boxes[..., 0], 0) * np.maximum(boxes[..., 3] - boxes[..., 1], 0)


def of_each_class(classes: np.ndarray) -> list[np.ndarray]:
    """The rows ``(K,)`` of each class that occurs."""
    order = np.argsort(classes, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(classes[order])) + 1) if len(order) else []


def best_first(boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray, rows: np.ndarray) -> Detections:
    """Those ``rows``, by falling scores."""
    rows = rows[np.argsort(-scores[rows], kind="stable")]
    return Detections(boxes[rows], scores[rows], classes[rows])


def checked(boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray) -> Detections:
    """Floats, and int32 classes.

    Raises:
        ValueError: arrays that do not fit.
    """
    boxes, scores, classes = (np.asarray(part) for part in (boxes, scores, classes))
    if boxes.size == 0:
        boxes = boxes.reshape(-1, 4)
    if boxes.shape != (len(boxes), 4) or not scores.shape == classes.shape == (len(boxes),):
        raise ValueError(
            f"boxes {boxes.shape}, scores {scores.shape}, classes {classes.shape}: expected (K, 4), (K,), (K,) of the same K."
        )
    floats = [part if part.dtype.kind == "f" else part.astype(np.float32) for part in (boxes, scores)]
    return Detections(*floats, classes.astype(np.int32))
