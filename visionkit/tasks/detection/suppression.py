"""Class-wise non-max suppression by TensorFlow's own kernels.

The same answers as ``ops.nms.class_wise_nms``, which LiteRT and other backends take, in less time. The order of equal scores of
different classes is that of the kernel.
"""

import math

import numpy as np
import tensorflow as tf

from visionkit.ops.nms import Detections

FEW = 800  # anchors of one image that speak: one sorted list of so many is faster than a list a class


def suppress(
    boxes: tf.Tensor,
    scores: tf.Tensor,
    *,
    score_threshold: float | tf.Tensor,
    iou_threshold: float,
    max_detections: int,
) -> Detections:
    """Take the best of each class, drop what overlaps it, repeat.

    Args:
        boxes: ``(N, A, 4)``, xyxy.
        scores: ``(N, A, C)``.
        score_threshold: candidates have more than this.
        iou_threshold: a candidate is dropped by a better one of its class with at least this IoU.
        max_detections: rows of the answer.
    """
    iou_threshold = float(np.nextafter(np.float32(iou_threshold), np.float32(0)))  # the kernels drop what overlaps by more
    # The kernels look at every class of every anchor: they are given those anchors alone that have something to say.
    rows = tf.where(tf.reduce_any(tf.reduce_max(scores, axis=2) > score_threshold, axis=0))[:, 0]

    def of_a_few() -> tuple[tf.Tensor, ...]:
        speaking = tf.gather(scores[0], rows)
        candidates = tf.where(speaking > score_threshold)  # anchor, class
        classes, sure = tf.cast(candidates[:, 1], tf.int32), tf.gather_nd(speaking, candidates)
        found = tf.gather(boxes[0], tf.gather(rows, candidates[:, 0]))
        kept = tf.image.non_max_suppression(_set_apart(found, classes, scores.shape[2]), sure, max_detections, iou_threshold)
        missing = [0, max_detections - tf.size(kept)]
        return (
            tf.pad(tf.gather(found, kept), [missing, [0, 0]])[None],
            tf.pad(tf.gather(sure, kept), [missing])[None],
            tf.pad(tf.gather(classes, kept), [missing], constant_values=-1)[None],
        )

    def of_each_class() -> tuple[tf.Tensor, ...]:
        found = tf.image.combined_non_max_suppression(
            tf.gather(boxes, rows, axis=1)[:, :, None],
            tf.gather(scores, rows, axis=1),
            max_output_size_per_class=max_detections,
            max_total_size=max_detections,
            iou_threshold=iou_threshold,
            score_threshold=score_threshold,
            clip_boxes=False,
        )
        there = tf.range(max_detections)[None] < found.valid_detections[:, None]
        return found.nmsed_boxes, found.nmsed_scores, tf.where(there, tf.cast(found.nmsed_classes, tf.int32), -1)

    is_one_of_few = (tf.shape(boxes)[0] == 1) & (tf.size(rows) <= FEW)
    found = Detections(*tf.cond(is_one_of_few, of_a_few, of_each_class))
    return Detections(*(tf.ensure_shape(part, [None, max_detections, *part.shape[2:]]) for part in found))


def _set_apart(boxes: tf.Tensor, classes: tf.Tensor, num_classes: int) -> tf.Tensor:
    """Boxes ``(K, 4)`` moved so that those of different classes do not meet: one list can be suppressed as if it were many.

    Classes lie in a square, a power of two apart, which rounds coordinates least: with 80 classes, a box of a fortieth of the
    image has its IoU to 0.001, with three to 0.0001.
    """
    columns = math.ceil(math.sqrt(num_classes))
    extent = tf.reduce_max(tf.abs(boxes)) * 2 + 1e-6
    step = tf.pow(2.0, tf.math.ceil(tf.math.log(extent) / math.log(2)))
    places = tf.cast(tf.stack([classes % columns, classes // columns], axis=1), tf.float32)
    return boxes + step * tf.tile(places, [1, 2])
