"""Use a bundle of ``recipes/localization.py`` from Python: one object and its box, or the landmarks of one thing.

import visionkit
model = visionkit.load("runs/localization/model")
print(model.predict("cup.jpg").boxes)
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

from visionkit.data.images.resize import letterbox
from visionkit.inference.output import OutputLine, PredictOptions, boxes_line
from visionkit.inference.predictor import AnyResult, Explainable, Predictor
from visionkit.inference.results import Box, DetectionResult, Result
from visionkit.losses.localization import CLASSES
from visionkit.tasks.localization import output

PRESENT = 0.5  # probability above which there is an object
VISIBLE = 2  # visibility of a landmark, as in COCO


@dataclass(frozen=True, repr=False, eq=False)
class LandmarkResult(Result):
    """The landmarks in one image.

    Attributes:
        points: x and y of each in pixels, in the order of the data that the model was trained on.
    """

    points: tuple[tuple[float, float], ...]

    def to_dict(self) -> dict[str, Any]:
        """The points; coordinates to a hundredth of a pixel."""
        return {"path": self.path, "points": [[round(x, 2), round(y, 2)] for x, y in self.points]}

    def summary(self) -> str:
        """How many landmarks."""
        return f"{len(self.points)} landmarks"


class Locator(Predictor[AnyResult]):
    """What both kinds of models of one thing share."""

    def serve(self, images: np.ndarray) -> dict[str, tf.Tensor]:
        """The outputs for images of one size, uint8 RGB ``(N, H, W, 3)``; see ``export.Locator.serve_images``."""
        return self._model.serve_images(tf.constant(images))


class ObjectLocalizer(Locator[DetectionResult]):
    """A bundle that finds one object or none; made by ``visionkit.load``.

    A score is the probability that there is an object, times that of its class.
    """

    TASK = "localization"

    def draw(self, result: DetectionResult) -> Image.Image:
        """The box with its class and score; small images are enlarged, so that the name can be read."""
        from visionkit.viz.boxes import draw_boxes  # supervision takes a second to import

        classes, scores = np.array(result.classes, int), np.array([box.score for box in result.boxes])
        pixels = self.show(result.source)
        return Image.fromarray(draw_boxes(pixels, result.relative_boxes(), classes, self.labels, scores))

    def line(self, result: DetectionResult, options: PredictOptions) -> OutputLine:
        """See ``Predictor.line``."""
        return boxes_line(result)

    def explained(self) -> Explainable:
        """See ``Predictor.explained``."""

        def probabilities(pixels: tf.Tensor) -> tf.Tensor:
            return tf.nn.softmax(self._model.serve_pixels(pixels)[:, CLASSES])

        return Explainable("classes", self.labels, self.metadata["size"], letterbox, probabilities)

    def _predict(self, path: str, values: np.ndarray) -> DetectionResult:
        outputs = {name: value[0].numpy() for name, value in self._model.serve_images(tf.constant(values[None])).items()}
        height, width = values.shape[:2]
        if outputs["presence"] <= PRESENT:
            return DetectionResult(path, (height, width), (), ())
        label, xyxy = outputs["label"].decode(), outputs["box"].astype(float) * (width, height, width, height)
        box = Box(label, float(outputs["presence"] * outputs["score"]), tuple(xyxy.tolist()))
        return DetectionResult(path, (height, width), (box,), (self.labels.index(label),))


class LandmarkPredictor(Locator[LandmarkResult]):
    """A bundle that finds landmarks; made by ``visionkit.load``."""

    TASK = "landmarks"

    def draw(self, result: LandmarkResult) -> Image.Image:
        """The landmarks as dots."""
        from visionkit.viz.annotate import draw_keypoints  # matplotlib takes half a second to import

        pixels = self.show(result.source)
        relative = np.array(result.points) / pixels.shape[1::-1]
        return Image.fromarray(draw_keypoints(pixels, np.insert(relative, 2, VISIBLE, axis=1)[None]))

    def line(self, result: LandmarkResult, options: PredictOptions) -> OutputLine:
        """See ``Predictor.line``."""
        return output.landmark_line(result)

    def explained(self) -> Explainable:
        """See ``Predictor.explained``."""
        return Explainable("features", (), self.metadata["size"], letterbox, self._model.serve_pixels)

    def _predict(self, path: str, values: np.ndarray) -> LandmarkResult:
        (points,) = self._model.serve_images(tf.constant(values[None]))["points"].numpy()
        return LandmarkResult(path, tuple(map(tuple, (points.astype(float) * values.shape[1::-1]).tolist())))
