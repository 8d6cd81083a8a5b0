"""Boxes in the graph: intersection over union, its variants, and other box formats.

Boxes are float ``(..., 4)``, xyxy, half-open, in any unit that both share. A box without area has an IoU of 0 with every box.
"""

import math

import keras
from keras import ops

TINY = 1e-9  # keeps quotients of empty boxes finite


def cxcywh_of(boxes: keras.KerasTensor) -> keras.KerasTensor:
    """Centers and sides ``(..., 4)``: x, y, width, height."""
    low, high = boxes[..., :2], boxes[..., 2:]
    return ops.concatenate([(low + high) / 2, high - low], axis=-1)


def xyxy_of(cxcywh: keras.KerasTensor) -> keras.KerasTensor:
    """Corners ``(..., 4)`` from centers and sides."""
    center, half = cxcywh[..., :2], cxcywh[..., 2:] / 2
    return ops.concatenate([center - half, center + half], axis=-1)


def area(boxes: keras.KerasTensor) -> keras.KerasTensor:
    """Areas ``(...)``; an inverted box has area 0."""
    sides = ops.maximum(boxes[..., 2:] - boxes[..., :2], 0.0)
    return sides[..., 0] * sides[..., 1]


def iou(a: keras.KerasTensor, b: keras.KerasTensor) -> keras.KerasTensor:
    """Intersection over union of boxes, elementwise: ``(..., 4)`` and ``(..., 4)``, broadcast, to ``(...)`` in 0..1."""
    shared = _intersection(a, b)
    return shared / ops.maximum(area(a) + area(b) - shared, TINY)


def pairwise_iou(a: keras.KerasTensor, b: keras.KerasTensor) -> keras.KerasTensor:
    """IoU of every box of ``a`` ``(..., N, 4)`` with every box of ``b`` ``(..., M, 4)``: ``(..., N, M)``."""
    return iou(a[..., :, None, :], b[..., None, :, :])


def giou(a: keras.KerasTensor, b: keras.KerasTensor) -> keras.KerasTensor:
    """Generalized IoU, -1..1: IoU minus the share of the enclosing box outside the union (https://arxiv.org/abs/1902.09630)."""
    shared = _intersection(a, b)
    union = area(a) + area(b) - shared
    enclosing = area(_enclosing(a, b))
    return shared / ops.maximum(union, TINY) - (enclosing - union) / ops.maximum(enclosing, TINY)


def diou(a: keras.KerasTensor, b: keras.KerasTensor) -> keras.KerasTensor:
    """Distance-IoU, -1..1: IoU minus the squared distance of the centers, in diagonals of the enclosing box.

    https://arxiv.org/abs/1911.08287.
    """
    enclosing = _enclosing(a, b)
    diagonal = ops.sum(ops.square(enclosing[..., 2:] - enclosing[..., :2]), axis=-1)
    distance = ops.sum(ops.square(cxcywh_of(a)[..., :2] - cxcywh_of(b)[..., :2]), axis=-1)
    return iou(a, b) - distance / ops.maximum(ops.maximum(diagonal, distance), TINY)  # an inverted box may lie outside


def ciou(a: keras.KerasTensor, b: keras.KerasTensor) -> keras.KerasTensor:
    """Complete IoU: DIoU minus a penalty for different aspect ratios, which weighs more the better two boxes overlap.

    https://arxiv.org/abs/1911.08287. No gradient flows through that weight, as in the paper's own code.
    """
    difference = ops.square((_angle(a) - _angle(b)) * (2 / math.pi))
    weight = ops.stop_gradient(difference / ops.maximum(1 - iou(a, b) + difference, TINY))
    return diou(a, b) - weight * difference


def _angle(boxes: keras.KerasTensor) -> keras.KerasTensor:
    """The arc tangent of width over height, by which CIoU compares aspect ratios."""
    sides = ops.maximum(boxes[..., 2:] - boxes[..., :2], TINY)
    return ops.arctan2(sides[..., 0], sides[..., 1])


def _intersection(a: keras.KerasTensor, b: keras.KerasTensor) -> keras.KerasTensor:
    """Computes width and height separately: broadcasting along a last axis of two is many times slower."""
    width, height = (ops.minimum(a[..., i + 2], b[..., i + 2]) - ops.maximum(a[..., i], b[..., i]) for i in range(2))
    return ops.maximum(width, 0.0) * ops.maximum(height, 0.0)


def _enclosing(a: keras.KerasTensor, b: keras.KerasTensor) -> keras.KerasTensor:
    return ops.concatenate([ops.minimum(a[..., :2], b[..., :2]), ops.maximum(a[..., 2:], b[..., 2:])], axis=-1)
