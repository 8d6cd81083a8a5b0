"""What works on detections of one image on the host, NumPy and unpadded, has in common."""

import numpy as np

from visionkit.ops.nms import Detections


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
