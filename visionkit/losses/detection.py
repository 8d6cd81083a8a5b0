"""The loss of a YOLO grid: is there an object, which class has it, where is it?"""

from typing import NamedTuple

import keras
from keras import ops

from visionkit.ops import grids, matching
from visionkit.ops.boxes import ciou

BOX_WEIGHT, OBJECT_WEIGHT, CLASS_WEIGHT = 2.0, 1.0, 0.5


class YoloLosses(NamedTuple):
    """The parts of the loss, scalars, weighted."""

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
    """Compare what the grids say with the objects of the images.

    The slots that answer for an object learn its box by ``1 - CIoU`` and its class by binary cross-entropy; all slots learn, by
    binary cross-entropy, how well their box fits an object (0 where they answer for none). All three are divided by the number
    of slots that answer for one.

    Args:
        maps: of each scale, ``(N, rows, columns, A * (5 + C))``: offsets, logit of an object, logits of the classes.
        anchors: of each scale ``(A, 2)``, in cells of its grid.
        boxes: ``(N, M, 4)``, xyxy, relative.
        classes: int32 ``(N, M)``, -1 in padded rows.
        label_smoothing: share of a class that is spread over all (https://arxiv.org/abs/1512.00567).
    """
    grids_of = [(ops.shape(scale)[2], ops.shape(scale)[1]) for scale in maps]
    relative = [its / ops.cast(ops.stack(grid), "float32") for its, grid in zip(anchors, grids_of, strict=True)]
    fits = matching.fitting(boxes, ops.concatenate(relative))
    box_loss, object_loss, class_loss, count, first = 0.0, 0.0, 0.0, 0.0, 0
    for scale, its_anchors, grid in zip(maps, anchors, grids_of, strict=True):
        num_anchors = its_anchors.shape[0]
        num_classes = scale.shape[-1] // num_anchors - 5
        its_fits = fits[..., first : first + num_anchors]
        first += num_anchors
        given = matching.assign(boxes, classes, its_fits, grid)
        flat = ops.reshape(scale, (-1, 5 + num_classes))
        said = ops.take(flat, given.slots, axis=0)
        weight = ops.cast(given.filled, "float32")
        found = grids.decode(said[:, :4], given.cells, ops.take(its_anchors, given.anchors, axis=0), grid)
        overlap = ciou(found, given.boxes)
        box_loss += ops.sum(weight * (1 - overlap))
        truth = ops.one_hot(given.classes, num_classes)
        truth = truth * (1 - label_smoothing) + label_smoothing / num_classes
        class_loss += ops.sum(weight[:, None] * _cross_entropy(said[:, 5:], truth))
        fitted = ops.stop_gradient(weight * ops.clip(overlap, 0.0, 1.0))
        target = ops.segment_max(fitted, given.slots, num_segments=ops.shape(flat)[0])
        object_loss += ops.sum(_cross_entropy(flat[:, 4], ops.maximum(target, 0.0)))  # of an empty segment it is -infinity
        count += ops.sum(weight)
    count = ops.maximum(count, 1.0)
    return YoloLosses(BOX_WEIGHT * box_loss / count, OBJECT_WEIGHT * object_loss / count, CLASS_WEIGHT * class_loss / count)


def _cross_entropy(logits: keras.KerasTensor, targets: keras.KerasTensor) -> keras.KerasTensor:
    """Binary, elementwise."""
    return ops.maximum(logits, 0.0) - logits * targets + ops.softplus(-ops.abs(logits))
