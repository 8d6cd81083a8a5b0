"""Class-wise non-max suppression by TensorFlow's own kernel, which works class by class on all cores.

The same answers as ``ops.nms.class_wise_nms``, which LiteRT and other backends take, in less time.
"""

import numpy as np
import tensorflow as tf

from visionkit.ops.nms import Detections


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
    # The kernel looks at every class of every anchor: it is given those anchors alone that have something to say.
    speaking = tf.reduce_any(tf.reduce_max(scores, axis=2) > score_threshold, axis=0)
    rows = tf.where(speaking)[:, 0]
    found = tf.image.combined_non_max_suppression(
        tf.gather(boxes, rows, axis=1)[:, :, None],
        tf.gather(scores, rows, axis=1),
        max_output_size_per_class=max_detections,
        max_total_size=max_detections,
        iou_threshold=float(np.nextafter(np.float32(iou_threshold), np.float32(0))),  # it drops what overlaps by more
        score_threshold=score_threshold,
        clip_boxes=False,
    )
    places = tf.range(max_detections)[None] < found.valid_detections[:, None]
    return Detections(found.nmsed_boxes, found.nmsed_scores, tf.where(places, tf.cast(found.nmsed_classes, tf.int32), -1))
