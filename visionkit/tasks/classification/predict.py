"""Use an exported bundle from Python:

import visionkit
model = visionkit.load("runs/transfer_learning/model")
print(model.predict("cat.jpg").label)
"""

import numpy as np
import tensorflow as tf

from visionkit.inference.predictor import Predictor
from visionkit.inference.results import ClassificationResult


class Classifier(Predictor[ClassificationResult]):
    """A bundle of a classifier in memory; made by ``load``.

    ``predict`` and ``predict_many`` answer with ``ClassificationResult``.
    """

    def _answer(self, path: str, pixels: np.ndarray) -> ClassificationResult:
        answer = self._ask(pixels[None])
        labels = [label.decode() for label in answer["labels"][0].numpy()]
        scores = answer["scores"][0].numpy().tolist()
        return ClassificationResult(path, labels[0], scores[0], tuple(zip(labels, scores, strict=True)))

    def _ask(self, pixels: np.ndarray) -> dict[str, tf.Tensor]:
        return self._model.serve_images(tf.constant(pixels))
