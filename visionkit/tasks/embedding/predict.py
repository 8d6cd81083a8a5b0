"""Use an exported embedder from Python:

import visionkit
model = visionkit.load("runs/facenet_verification/model")
print(model.distance("anna_1.jpg", "anna_2.jpg"), model.metadata["threshold"])
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from visionkit.data.images.resize import letterbox
from visionkit.errors import UserError
from visionkit.inference.output import OutputLine, PredictOptions
from visionkit.inference.predictor import AnyImage, Explainable, Predictor
from visionkit.inference.results import Result
from visionkit.tasks.embedding import output


@dataclass(frozen=True, repr=False, eq=False)
class EmbeddingResult(Result):
    """The embedding of one image.

    Attributes:
        embedding: float32 ``(D,)``.
    """

    embedding: np.ndarray

    def to_dict(self) -> dict[str, Any]:
        """All numbers of the embedding."""
        return {"path": self.path, "embedding": self.embedding.tolist()}

    def summary(self) -> str:
        """How many numbers, and the first of them."""
        first = " ".join(f"{value:.3f}" for value in self.embedding[:4])
        return f"{len(self.embedding)} numbers: {first} ..."


class Embedder(Predictor[EmbeddingResult]):
    """A bundle of an embedder in memory; made by ``visionkit.load``. It takes images that one thing fills, such as a face."""

    TASK = "embedding"

    def embed(self, pixels: np.ndarray) -> np.ndarray:
        """The embeddings of images of one size, uint8 RGB ``(N, H, W, 3)``: float32 ``(N, D)``."""
        return self._model.serve_images(tf.constant(pixels))["embedding"].numpy()

    def distance(self, one: AnyImage, other: AnyImage) -> float:
        """The Euclidean distance of two images; up to ``metadata["threshold"]`` they are taken for the same.

        Raises:
            ImageError: one of them cannot be read.
        """
        return float(np.linalg.norm(self.predict(one).embedding - self.predict(other).embedding))

    def check(self, options: PredictOptions) -> None:
        """See ``Predictor.check``."""
        super().check(options)
        if options.draw is not None:
            raise UserError("--draw: an embedding cannot be drawn; visionkit faces identify and verify draw what they find.")

    def line(self, result: EmbeddingResult, options: PredictOptions) -> OutputLine:
        """See ``Predictor.line``."""
        return output.line(result)

    def explained(self) -> Explainable:
        """See ``Predictor.explained``."""
        return Explainable("features", (), self.metadata["size"], letterbox, self._model.serve_pixels)

    def _predict(self, path: str, values: np.ndarray) -> EmbeddingResult:
        return EmbeddingResult(path, self.embed(values[None])[0])
