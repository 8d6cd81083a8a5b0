"""Classification with an exported bundle, in Python:

import visionkit
model = visionkit.load("runs/transfer_learning/model")
print(model.predict("cat.jpg").label)
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

from visionkit.data.images.resize import center_crop, letterbox
from visionkit.errors import UserError
from visionkit.export.bundle import answers
from visionkit.inference.output import OutputLine, PredictOptions
from visionkit.inference.predictor import Explainable, Predictor
from visionkit.inference.results import ClassificationResult, MultiLabelResult
from visionkit.metrics.multi_label import NO_THRESHOLD
from visionkit.tasks.classification.output import drawn_lines, output_line
from visionkit.viz.labels import draw_label

LARGE = 2**26  # bytes of an image, from which it is cut and resized before it enters the graph


class Classifier(Predictor[ClassificationResult]):
    """A bundle of a classifier in memory; ``predict`` returns a ``ClassificationResult``.

    Of a model of several labels an image, it is a ``MultiLabelResult``.
    """

    TASK = "classification"

    @classmethod
    def open(cls, folder: Path, metadata: dict[str, Any], *, trust: bool = False) -> "Classifier":
        """A classifier of images, or an ``ArrayClassifier`` of signals or volumes."""
        if "input" in metadata:
            from visionkit.tasks.classification.predict_arrays import ArrayClassifier  # readers of volumes take a second

            return ArrayClassifier(folder, metadata, trust=trust)
        return cls(folder, metadata, trust=trust)

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Images of one size, uint8 ``(N, H, W, 3)``, to float32 ``(N, num_classes)`` in the order of ``labels``."""
        return self._serve(images)["probabilities"].numpy()

    def draw(self, result: ClassificationResult, *, top: int = 5) -> Image.Image:
        """The image with its ``top`` best classes written below."""
        return draw_label(self.show(result.source), drawn_lines(result, top))

    def line(self, result: ClassificationResult, options: PredictOptions) -> OutputLine:
        """See ``Predictor.line``."""
        return output_line(result, options.top)

    def explained(self) -> Explainable:
        """See ``Predictor.explained``."""
        if "members" in self.metadata:
            count = len(self.metadata["members"])
            raise UserError(f"{self.folder} is an ensemble of {count} models; look into one of those it was made of.")
        takes_images = not hasattr(self._model, "serve_pixels")  # exported by an older version
        outputs = (lambda images: self._serve(images)["probabilities"]) if takes_images else self._model.serve_pixels
        return Explainable("classes", self.labels, self.metadata["size"], self._see(), outputs, takes_images)

    def _drawn(self, result: ClassificationResult, options: PredictOptions) -> Image.Image:
        return self.draw(result, top=options.top)

    def _predict(self, path: str, values: np.ndarray) -> ClassificationResult:
        outputs = self._answers(values)
        labels = [label.decode() for label in outputs["labels"][0].numpy()]
        scores = outputs["scores"][0].numpy().tolist()
        top = tuple(zip(labels, scores, strict=True))
        if not self.metadata.get("multi_label"):
            return ClassificationResult(path, labels[0], scores[0], top)
        thresholds = self.metadata.get("thresholds", {})
        reached = tuple((label, score) for label, score in top if score >= thresholds.get(label, NO_THRESHOLD))
        return MultiLabelResult(path, *(reached[0] if reached else (None, None)), top, reached)

    def _see(self) -> Callable[..., tf.Tensor]:
        """The function by which the bundle makes an image its network's input."""
        return letterbox if self.metadata.get("whole") else center_crop

    def _answers(self, image: np.ndarray) -> dict[str, tf.Tensor]:
        """What the bundle answers for one image."""
        if image.nbytes < LARGE or "members" in self.metadata or not hasattr(self._model, "serve_pixels"):
            return self._serve(image[None])
        # The graph would copy the whole image several times before it does what this function does.
        pixels = self._see()(image, self.metadata["size"])
        return answers(tf.constant(self.labels), self._model.serve_pixels(pixels[None]))

    def _serve(self, images: np.ndarray | tf.Tensor) -> dict[str, tf.Tensor]:
        return self._model.serve_images(tf.convert_to_tensor(images))
