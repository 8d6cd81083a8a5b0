"""The loss of a YOLO detector: objectness, class and box of each slot."""

from typing import NamedTuple

import keras
from keras import ops

from visionkit.ops import grids, matching
from visionkit.ops.boxes import ciou

BOX_WEIGHT, OBJECT_WEIGHT, CLASS_WEIGHT = 2.0, 1.0, 0.5


class YoloLosses(NamedTuple):
    """The weighted terms of the loss, scalars."""

    box: keras.KerasTensor
    object: keras.KerasTensor
    classes: keras.KerasTensor


def yolo_losses(
    maps: list[keras.KerasTensor],
    anchors: list[keras.KerasTensor],
    boxes: keras.KerasTensor,
    classes: keras.KerasTensor,
    *,
    label_smoothing: float = 0.0,
) -> YoloLosses:
    """Compare the predictions of the grids with the objects of the images.

    Slots that are assigned to an object learn its box by ``1 - CIoU`` and its class by binary cross-entropy; all slots learn,
    by binary cross-entropy, the IoU of their box with their object (0 without an object). All three terms are divided by the
    number of assigned slots.

    Args:
        maps: one per level, ``(N, rows, columns, A * (5 + C))``: offsets, logit of an object, logits of the classes.
        anchors: one per level, ``(A, 2)``, in cells of its grid.
        boxes: ``(N, M, 4)``, xyxy, relative.
        classes: int32 ``(N, M)``, -1 in padded rows.
        label_smoothing: share of the target that is spread over all classes (https://arxiv.org/abs/1512.00567).
    """
    level_grids = [(ops.shape(level)[2], ops.shape(level)[1]) for level in maps]
    relative = [sides / ops.cast(ops.stack(grid), "float32") for sides, grid in zip(anchors, level_grids, strict=True)]
    fits = matching.fitting(boxes, ops.concatenate(relative))
    box_loss, object_loss, class_loss, count, first = 0.0, 0.0, 0.0, 0.0, 0
    for level, level_anchors, grid in zip(maps, anchors, level_grids, strict=True):
        num_anchors = level_anchors.shape[0]
        num_classes = level.shape[-1] // num_anchors - 5
        level_fits = fits[..., first : first + num_anchors]
        first += num_anchors
        assigned = matching.assign(boxes, classes, level_fits, grid)
        logits = ops.reshape(level, (-1, 5 + num_classes))
        predictions = ops.take(logits, assigned.slots, axis=0)
        weight = ops.cast(assigned.filled, "float32")
        assigned_anchors = ops.take(level_anchors, assigned.anchors, axis=0)
        predicted_boxes = grids.decode(predictions[:, :4], assigned.cells, assigned_anchors, grid)
        overlap = ciou(predicted_boxes, assigned.boxes)
        box_loss += ops.sum(weight * (1 - overlap))
        class_targets = ops.one_hot(assigned.classes, num_classes)
        class_targets = class_targets * (1 - label_smoothing) + label_smoothing / num_classes
        class_loss += ops.sum(weight[:, None] * _cross_entropy(predictions[:, 5:], class_targets))
        overlap_target = ops.stop_gradient(weight * ops.clip(overlap, 0.0, 1.0))
        object_targets = ops.segment_max(overlap_target, assigned.slots, num_segments=ops.shape(logits)[0])
        object_targets = ops.maximum(object_targets, 0.0)  # the maximum of an empty segment is -infinity
        object_loss += ops.sum(_cross_entropy(logits[:, 4], object_targets))
        count += ops.sum(weight)
    count = ops.maximum(count, 1.0)
    return YoloLosses(BOX_WEIGHT * box_loss / count, OBJECT_WEIGHT * object_loss / count, CLASS_WEIGHT * class_loss / count)


def _cross_entropy(logits: keras.KerasTensor, targets: keras.KerasTensor) -> keras.KerasTensor:
    """Binary cross-entropy, elementwise."""
    return ops.maximum(logits, 0.0) - logits * targets + ops.softplus(-ops.abs(logits))
