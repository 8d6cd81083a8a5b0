"""Use an exported embedder from Python:

import visionkit
model = visionkit.load("runs/facenet_verification/model")
print(model.distance("anna_1.jpg", "anna_2.jpg"), model.metadata["threshold"])
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from visionkit.inference.predictor import Predictor


class EmbeddingResult(NamedTuple):
    """One image as numbers.

    Attributes:
        path: of the image; empty for pixels.
        embedding: float32 ``(D,)``.
    """

    path: str
    embedding: np.ndarray

    def to_plain(self) -> dict[str, Any]:
        """For a line of JSON."""
        return {"path": self.path, "embedding": self.embedding.tolist()}


class Embedder(Predictor[EmbeddingResult]):
    """A bundle that embeds images; made by ``visionkit.load``. What it is shown fills the image: a face, cut out."""

    def embed(self, pixels: np.ndarray) -> np.ndarray:
        """Uint8 RGB ``(N, H, W, 3)`` to float32 ``(N, D)``."""
        return self._model.serve_images(tf.constant(pixels))["embedding"].numpy()

    def distance(self, one: str | Path | np.ndarray, other: str | Path | np.ndarray) -> float:
        """The Euclidean distance of two images; up to ``metadata["threshold"]`` they are taken for the same.

        Raises:
            ImageError: one of them cannot be read.
        """
        return float(np.linalg.norm(self.predict(one).embedding - self.predict(other).embedding))

    def _answer(self, path: str, pixels: np.ndarray) -> EmbeddingResult:
        return EmbeddingResult(path, self.embed(pixels[None])[0])
