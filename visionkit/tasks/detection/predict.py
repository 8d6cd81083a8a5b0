"""Use an exported detector from Python:

import visionkit
model = visionkit.load("runs/yolo_detection/model")
for label, score, (x1, y1, x2, y2) in model.predict("street.jpg").boxes:
    print(label, score, x1, y1, x2, y2)
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from visionkit.errors import UserError
from visionkit.inference.predictor import Predictor, Unreadable
from visionkit.metrics.detection import Detections
from visionkit.tasks.detection.tiles import SMALLEST_TILE, find_in_tiles

if TYPE_CHECKING:
    pass
from typing import TYPE_CHECKING

from visionkit.inference.results import Box, DetectionResult

if TYPE_CHECKING:
    pass


class Detector(Predictor[DetectionResult]):
    """A bundle of a detector in memory; made by ``visionkit.load``.

    Attributes:
        threshold: what scores no more is not answered, unless a call names another threshold.
    """

    def __init__(self, folder: Path, metadata: dict):
        super().__init__(folder, metadata)
        self.threshold: float = metadata["threshold"]

    def predict(
        self, image: str | Path | np.ndarray, *, threshold: float | None = None, tile: int | None = None
    ) -> DetectionResult:
        """The objects on one image.

        Args:
            image: a file, or uint8 RGB pixels ``(H, W, 3)``.
            threshold: only what scores more, 0..1. Default: the bundle's.
            tile: look also at overlapping tiles of so many pixels a side, for small objects on large images; see ``tiles``.

        Raises:
            UserError: a threshold or a tile that cannot be.
            ImageError: the file cannot be read.
            ValueError: pixels of another shape or type.
        """
        return super().predict(image, **self.checked_options(threshold, tile))

    def predict_many(
        self, paths: Iterable[str | Path], *, threshold: float | None = None, tile: int | None = None
    ) -> Iterator[DetectionResult | Unreadable]:
        """The objects on images in files, on all cores; yields in order, an ``Unreadable`` for each that cannot be read.

        Args:
            paths: the files.
            threshold: see ``predict``.
            tile: see ``predict``.
        """
        return super().predict_many(paths, **self.checked_options(threshold, tile))

    def found(self, pixels: np.ndarray, threshold: float | None = None, tile: int | None = None) -> Detections:
        """The objects on an image, uint8 RGB ``(H, W, 3)``, as arrays: boxes relative to it, scores and classes."""
        threshold = self.threshold if threshold is None else threshold
        if tile is None:
            return self._found_on_each(pixels[None], threshold)[0]
        return find_in_tiles(
            pixels, tile, lambda images: self._found_on_each(images, threshold), iou_threshold=self.metadata["iou_threshold"]
        )

    def checked_options(self, threshold: float | None, tile: int | None) -> dict[str, Any]:
        """The two, if they can be.

        Raises:
            UserError: they cannot.
        """
        if threshold is not None and not 0 <= threshold <= 1:
            raise UserError(f"A threshold of {threshold}: expected 0 to 1, the score that a box is to exceed.")
        if tile is not None and tile < SMALLEST_TILE:
            raise UserError(f"Tiles of {tile} pixels: expected at least {SMALLEST_TILE} a side.")
        return {"threshold": threshold, "tile": tile}

    def _answer(self, path: str, pixels: np.ndarray, **options: Any) -> DetectionResult:
        found, (height, width) = self.found(pixels, **options), pixels.shape[:2]
        corners = (found.boxes.astype(np.float64) * (width, height, width, height)).tolist()
        classes = found.classes.tolist()
        boxes = (
            Box(self.labels[number], score, tuple(xyxy))
            for number, score, xyxy in zip(classes, found.scores.tolist(), corners, strict=True)
        )
        return DetectionResult(path, (height, width), tuple(boxes), tuple(classes))

    def _found_on_each(self, images: np.ndarray, threshold: float) -> list[Detections]:
        """Of uint8 ``(N, H, W, 3)``."""
        answer = self._model.detect(tf.constant(images), tf.constant(threshold, tf.float32))
        boxes, scores, classes, counts = (answer[name].numpy() for name in ("boxes", "scores", "classes", "count"))
        return [Detections(boxes[row, :count], scores[row, :count], classes[row, :count]) for row, count in enumerate(counts)]
