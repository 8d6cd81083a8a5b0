"""Boxes in NumPy, for what runs on the host: the functions of ``ops.boxes`` by the same names."""

import numpy as np


def pairwise_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU of every box of ``a`` ``(N, 4)`` with every box of ``b`` ``(M, 4)``, xyxy: ``(N, M)``; 0 for boxes without area."""
    width, height = (
        np.minimum(a[:, None, i + 2], b[None, :, i + 2]) - np.maximum(a[:, None, i], b[None, :, i]) for i in range(2)
    )
    shared = np.maximum(width, 0) * np.maximum(height, 0)
    union = _area(a)[:, None] + _area(b)[None] - shared
    return np.divide(shared, union, out=np.zeros(shared.shape, np.result_type(shared, np.float32)), where=union > 0)


def paired_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU of each box of ``a`` ``(N, 4)`` with the box of ``b`` in the same row, xyxy: ``(N,)``; 0 for boxes without area."""
    shared = np.maximum(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0).prod(axis=1)
    union = _area(a) + _area(b) - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def _area(boxes: np.ndarray) -> np.ndarray:
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    return sides[:, 0] * sides[:, 1]
