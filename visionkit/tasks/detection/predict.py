"""Use an exported detector from Python:

import visionkit
model = visionkit.load("runs/yolo_detection/model")
for label, score, (x1, y1, x2, y2) in model.predict("street.jpg").boxes:
    print(label, score, x1, y1, x2, y2)
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

from visionkit.data.images.resize import letterbox
from visionkit.errors import UserError
from visionkit.inference.output import OutputLine, PredictOptions, boxes_line
from visionkit.inference.predictor import AnyImage, Explainable, Predictor, Unreadable
from visionkit.inference.results import Box, DetectionResult
from visionkit.ops.detections import Detections
from visionkit.tasks.detection import output
from visionkit.tasks.detection.tiles import LARGEST_TILE, SMALLEST_TILE, find_in_tiles


class Detector(Predictor[DetectionResult]):
    """A bundle of a detector in memory; made by ``visionkit.load``.

    Attributes:
        threshold: only boxes with higher scores are returned, unless a call passes another threshold.
    """

    TASK = "detection"
    OPTIONS = frozenset({"threshold", "tile", "coco", "annotations"})
    VIDEOS = True
    FUNCTIONS = ("detect",)

    def __init__(self, folder: Path, metadata: dict[str, Any], *, trust: bool = False):
        super().__init__(folder, metadata, trust=trust)
        self.threshold: float = metadata["threshold"]

    def predict(self, image: AnyImage, *, threshold: float | None = None, tile: int | None = None) -> DetectionResult:
        """The objects in one image.

        Args:
            image: see ``Predictor.predict``.
            threshold: score that a box has to exceed, 0..1. Default: the bundle's.
            tile: side in pixels of overlapping tiles that are searched as well, for small objects in large images; see
                ``tiles``.

        Raises:
            UserError: the threshold lies outside 0..1, or the tiles are too small.
            ImageError: the image cannot be read, or is empty, or has another shape or dtype.
        """
        check_options(threshold, tile)
        return super().predict(image, threshold=threshold, tile=tile)

    def predict_many(
        self,
        images: str | os.PathLike | Iterable[AnyImage],
        *,
        threshold: float | None = None,
        tile: int | None = None,
    ) -> Iterator[DetectionResult | Unreadable]:
        """The objects in many images, on all cores and in order; an ``Unreadable`` for each that cannot be read.

        Args:
            images: a folder, or an iterable of what ``predict`` takes.
            threshold: see ``predict``.
            tile: see ``predict``.

        Raises:
            UserError: the threshold lies outside 0..1, or the tiles are too small.
        """
        check_options(threshold, tile)
        return super().predict_many(images, threshold=threshold, tile=tile)

    def detect(self, pixels: np.ndarray, threshold: float | None = None, tile: int | None = None) -> Detections:
        """The objects in an image, uint8 RGB ``(H, W, 3)``, as arrays; boxes are relative to the image."""
        threshold = self.threshold if threshold is None else threshold
        if tile is None:
            return self._detect_each(pixels[None], threshold)[0]
        return find_in_tiles(
            pixels, tile, lambda images: self._detect_each(images, threshold), iou_threshold=self.metadata["iou_threshold"]
        )

    def draw(self, result: DetectionResult) -> Image.Image:
        """The boxes with their classes and scores; small images are enlarged, so that the names can be read."""
        from visionkit.viz.boxes import draw_boxes  # supervision takes a second to import

        scores = np.array([box.score for box in result.boxes])
        classes = np.array(result.classes, int)
        pixels = self.show(result.source)
        return Image.fromarray(draw_boxes(pixels, result.relative_boxes(), classes, self.labels, scores))

    def check(self, options: PredictOptions) -> None:
        """See ``Predictor.check``."""
        super().check(options)
        if options.annotations is not None and options.coco is None:
            raise UserError("--annotations says how --coco is to number images and classes; name a file with --coco, too.")
        check_options(options.threshold, options.tile)

    def arguments(self, options: PredictOptions) -> dict[str, Any]:
        """See ``Predictor.arguments``."""
        return {"threshold": options.threshold, "tile": options.tile}

    def outputs(self, files: list[str], options: PredictOptions) -> Iterator[OutputLine]:
        """See ``Predictor.outputs``; files may be videos and cameras, too."""
        return output.outputs(self, files, options)

    def line(self, result: DetectionResult, options: PredictOptions) -> OutputLine:
        """See ``Predictor.line``."""
        return boxes_line(result)

    def explained(self) -> Explainable:
        """See ``Predictor.explained``."""

        def boxes_and_scores(pixels: tf.Tensor) -> list[tf.Tensor]:
            predictions = self._model.serve_pixels(pixels)
            return [predictions["boxes"], predictions["scores"]]

        return Explainable("boxes", self.labels, self.metadata["size"], letterbox, boxes_and_scores)

    def _predict(self, path: str, values: np.ndarray, **options: Any) -> DetectionResult:
        detections, (height, width) = self.detect(values, **options), values.shape[:2]
        corners = (detections.boxes.astype(np.float64) * (width, height, width, height)).tolist()
        classes = detections.classes.tolist()
        boxes = (
            Box(self.labels[number], score, tuple(xyxy))
            for number, score, xyxy in zip(classes, detections.scores.tolist(), corners, strict=True)
        )
        return DetectionResult(path, (height, width), tuple(boxes), tuple(classes))

    def _detect_each(self, images: np.ndarray, threshold: float) -> list[Detections]:
        """The objects in each of images of one size, uint8 ``(N, H, W, 3)``."""
        batch = self._model.detect(tf.constant(images), tf.constant(threshold, tf.float32))
        boxes, scores, classes, counts = (batch[name].numpy() for name in ("boxes", "scores", "classes", "count"))
        return [Detections(boxes[row, :count], scores[row, :count], classes[row, :count]) for row, count in enumerate(counts)]


def check_options(threshold: float | None, tile: int | None) -> None:
    """Check the options of ``Detector.predict``.

    Raises:
        UserError: the threshold lies outside 0..1, or the tiles are too small.
    """
    if threshold is not None and not 0 <= threshold <= 1:
        raise UserError(f"A threshold of {threshold}: expected 0 to 1, the score that a box has to exceed.")
    if tile is not None and tile > LARGEST_TILE:
        raise UserError(f"Tiles of {tile} pixels: expected at most {LARGEST_TILE} a side.")
    if tile is not None and tile < SMALLEST_TILE:
        raise UserError(f"Tiles of {tile} pixels: expected at least {SMALLEST_TILE} a side.")
