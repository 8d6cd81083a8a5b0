"""Soft-NMS: what overlaps a better box loses score instead of being dropped."""

from typing import Literal

import numpy as np

from visionkit.ops.nms import Detections
from visionkit.ops.np_boxes import best_first, checked, iou_of_one, of_each_class


def soft_nms(
    boxes: np.ndarray,
    scores: np.ndarray,
    classes: np.ndarray,
    *,
    decay: Literal["gaussian", "linear"] = "gaussian",
    sigma: float = 0.5,
    iou_threshold: float = 0.3,
    score_threshold: float = 0.001,
) -> Detections:
    """Soft-NMS, class by class (https://arxiv.org/abs/1704.04503): take the best, lower what overlaps it, repeat.

    Args:
        boxes: of one image, ``(K, 4)``, xyxy, of any unit.
        scores: ``(K,)``.
        classes: int ``(K,)``.
        decay: a score is multiplied by ``exp(-IoU^2 / sigma)`` ("gaussian"), or by ``1 - IoU`` from a threshold on ("linear").
        sigma: of the Gaussian.
        iou_threshold: of the linear decay.
        score_threshold: what has no more than this in the end is left out.

    Returns:
        What remains, with its lowered scores, best first: ``(M, 4)``, ``(M,)``, ``(M,)``.

    Raises:
        ValueError: an unknown decay, or arrays that do not fit.
    """
    if decay not in ("gaussian", "linear"):
        raise ValueError(f"decay={decay!r}: expected 'gaussian' or 'linear'.")
    boxes, scores, classes = checked(boxes, scores, classes)
    scores = scores.copy()
    for left in of_each_class(classes):
        while len(left):
            best = np.argmax(scores[left])
            box, left = boxes[left[best]], np.delete(left, best)
            iou = iou_of_one(box, boxes[left])
            scores[left] *= np.exp(-(iou**2) / sigma) if decay == "gaussian" else np.where(iou < iou_threshold, 1, 1 - iou)
            left = left[scores[left] > score_threshold]
    return best_first(boxes, scores, classes, np.flatnonzero(scores > score_threshold))
