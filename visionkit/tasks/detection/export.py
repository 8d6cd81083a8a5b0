"""A bundle of a detector: raw images in, boxes on those images out, with TensorFlow alone.

Its files are those that ``visionkit.export.bundle`` lists. Its LiteRT model takes float32 ``(1, size, size, 3)`` pixels in
0..255, letterboxed, and returns the detections with scores above ``LITERT_THRESHOLD``, after non-maximum suppression: ``boxes``
``(1, K, 4)``, relative to that square, ``scores`` and ``classes`` ``(1, K)``; the classes of rows without a detection are -1.
"""

from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from visionkit.data.images.decode import decode_in_graph
from visionkit.data.images.resize import letterbox, letterbox_placement_in_graph
from visionkit.errors import UserError
from visionkit.export.bundle import write_bundle
from visionkit.export.network import Network
from visionkit.ops.detections import Detections
from visionkit.ops.non_max_suppression import nms
from visionkit.tasks.detection.suppression import suppress

MAX_DETECTIONS = 300  # in an image
LITERT_THRESHOLD = 0.001  # the LiteRT model takes no other input: low, so that precision can be measured at every recall
LITERT_CANDIDATES = 2048  # with 1,024 the mAP of blood cells was 0.003 less: an object has dozens above that threshold


class ImageDetector(tf.Module):
    """A detector with its pre- and post-processing inside; see ``export_detector``."""

    def __init__(
        self,
        network: keras.Model,
        class_names: tuple[str, ...],
        *,
        threshold: float,
        iou_threshold: float,
        half_precision: bool = False,
    ):
        super().__init__(name="image_detector")
        self._network = Network(network, half_precision=half_precision)
        self._size = network.input_shape[1]
        self._threshold, self._iou_threshold = threshold, iou_threshold
        self._names = tf.constant([*class_names, ""])  # the last one is for padded rows
        square = tf.TensorSpec([None, self._size, self._size, 3], tf.float32, name="pixels")
        # Traced once, called by the others.
        self.serve_pixels = tf.function(self._network.forward, input_signature=[square], autograph=False)

    def litert_function(self, pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        """What the LiteRT model does with float32 ``(1, size, size, 3)`` letterboxed pixels."""
        predictions = self._network.forward(pixels)
        return nms(
            predictions["boxes"],
            predictions["scores"],
            score_threshold=LITERT_THRESHOLD,
            iou_threshold=self._iou_threshold,
            max_detections=MAX_DETECTIONS,
            num_candidates=LITERT_CANDIDATES,
        )._asdict()

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, None, 3], tf.uint8, name="images"),
            tf.TensorSpec([], tf.float32, name="score_threshold"),
        ],
        autograph=False,
    )
    def detect(self, images: tf.Tensor, score_threshold: tf.Tensor) -> dict[str, tf.Tensor]:
        """Detect objects in images of one size, uint8 RGB ``(N, H, W, 3)``, with scores above ``score_threshold``.

        Returns:
            ``boxes`` ``(N, K, 4)``, xyxy, relative to the image; ``scores`` ``(N, K)``; ``classes`` int32 ``(N, K)``, positions
            in labels.txt; ``labels`` string ``(N, K)``; ``count`` int32 ``(N,)``. The detections of an image come best first; K
            is the largest count. In rows beyond ``count``, boxes and scores are zeros, the class is -1, the label is empty.
        """
        corner, sides = letterbox_placement_in_graph(tf.shape(images)[1:3], self._size)
        detections = self._suppressed(self.serve_pixels(letterbox(images, self._size)), score_threshold)
        return self._on_images(detections, corner, sides)

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")], autograph=False)
    def serve_images(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """``detect`` with the stored threshold: images of one size, uint8 RGB ``(N, H, W, 3)``."""
        return self.detect(images, self._threshold)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")], autograph=False)
    def serve_encoded(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        """``serve_images`` for encoded JPEG, PNG, GIF or BMP files ``(N,)``, each of any size."""

        def decode_and_letterbox(contents):
            image = decode_in_graph(contents)
            return letterbox(image, self._size), *letterbox_placement_in_graph(tf.shape(image)[:2], self._size)

        square = tf.TensorSpec([self._size, self._size, 3], tf.float32)
        lengths = tf.TensorSpec([2], tf.int32)
        pixels, corners, sides = tf.map_fn(decode_and_letterbox, image_bytes, fn_output_signature=(square, lengths, lengths))
        return self._on_images(self._suppressed(self.serve_pixels(pixels), self._threshold), corners, sides)

    def _suppressed(self, predictions: dict[str, tf.Tensor], score_threshold: tf.Tensor | float) -> Detections:
        limits = {"iou_threshold": self._iou_threshold, "max_detections": MAX_DETECTIONS}
        return suppress(predictions["boxes"], predictions["scores"], score_threshold=score_threshold, **limits)

    def _on_images(self, detections: Detections, corners: tf.Tensor, sides: tf.Tensor) -> dict[str, tf.Tensor]:
        """Convert boxes that are relative to letterboxed squares to boxes that are relative to the images in them.

        Args:
            detections: the detections in each square.
            corners: the upper left corner (y, x) of each image in pixels of its square, int32 ``(N, 2)``, or ``(2,)`` for all.
            sides: height and width of each image in the same pixels, likewise.
        """
        corners, sides = (tf.cast(tf.gather(each, [1, 0, 1, 0], axis=-1), tf.float32) for each in (corners, sides))
        boxes = (detections.boxes * self._size - corners[..., None, :]) / sides[..., None, :]
        boxes = tf.clip_by_value(boxes, 0.0, 1.0)
        lies_on_image = tf.reduce_all(boxes[..., 2:] > boxes[..., :2], -1)  # not on the padding alone
        is_valid = (detections.classes >= 0) & lies_on_image
        count = tf.reduce_sum(tf.cast(is_valid, tf.int32), 1)
        first = tf.argsort(tf.cast(is_valid, tf.int32), direction="DESCENDING", stable=True)[
            :, : tf.reduce_max(count, keepdims=True)[0]
        ]
        is_valid, boxes, scores, classes = (
            tf.gather(each, first, batch_dims=1) for each in (is_valid, boxes, detections.scores, detections.classes)
        )
        return {
            "boxes": tf.where(is_valid[..., None], boxes, 0.0),
            "scores": tf.where(is_valid, scores, 0.0),
            "classes": tf.where(is_valid, classes, -1),
            "labels": tf.gather(self._names, tf.where(is_valid, classes, len(self._names) - 1)),
            "count": count,
        }


def export_detector(
    network: keras.Model,
    folder: str | Path,
    *,
    class_names: tuple[str, ...],
    threshold: float,
    metadata: dict[str, Any],
    half_precision: bool = False,
    iou_threshold: float = 0.6,
    trained: keras.Model | None = None,
) -> Path:
    """Write a detector as a bundle; see ``write_bundle``.

    Its signatures are ``serving_default`` (``images``), ``serving_encoded`` (``image_bytes``), and ``serving_threshold``
    (``images`` and ``score_threshold``); all return what ``ImageDetector.detect`` does.

    Args:
        network: float32 pixels ``(N, size, size, 3)`` in 0..255 to ``boxes`` ``(N, A, 4)``, xyxy, relative to that square, and
            ``scores`` ``(N, A, num_classes)`` in 0..1.
        folder: the folder of the bundle.
        class_names: names of the classes, in the order of the scores.
        threshold: score that detections have to exceed, 0..1; it is stored, and callers may pass another.
        metadata: further values for ``bundle.json`` (base, data, ...).
        half_precision: keep the weights as float16.
        iou_threshold: intersection over union from which the lower of two boxes of a class is dropped, 0..1.
        trained: the network that was trained, which the bundle keeps.

    Returns:
        the folder.

    Raises:
        UserError: a threshold lies outside 0..1, or the number of class names is not that of the network's classes.
    """
    for name, value in (("threshold", threshold), ("iou_threshold", iou_threshold)):
        if not 0 <= value <= 1:
            raise UserError(f"{name}={value}: expected 0 to 1.")
    num_classes = network.output["scores"].shape[-1]
    if num_classes != len(class_names):
        raise UserError(f"{len(class_names)} class names for a network that scores {num_classes} classes.")
    module = ImageDetector(
        network, class_names, threshold=threshold, iou_threshold=iou_threshold, half_precision=half_precision
    )
    size = network.input_shape[1]
    return write_bundle(
        module,
        folder,
        task="detection",
        signatures={
            "serving_default": module.serve_images,
            "serving_encoded": module.serve_encoded,
            "serving_threshold": module.detect,
        },
        litert_function=module.litert_function,
        litert_shape=(1, size, size, 3),
        litert_half_precision=False,  # kernels with BatchNorm in them lose too much: the mAP of blood cells moved by 0.005
        class_names=class_names,
        metadata={
            "size": size,
            "whole": True,
            "threshold": threshold,
            "iou_threshold": iou_threshold,
            "litert_threshold": LITERT_THRESHOLD,
            **metadata,
        },
        network=trained,
    )
