"""Use a bundle of ``recipes/localization.py`` from Python: one object and its box, or the landmarks of one thing."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from visionkit.data.images.decode import read_image
from visionkit.inference.predictor import Predictor
from visionkit.inference.results import Box, DetectionResult

PRESENT = 0.5  # probability above which there is an object


class LandmarkResult(NamedTuple):
    """Landmarks on one image.

    Attributes:
        path: of the image; empty for pixels.
        points: x and y of each in pixels, in the order of the data that the model was trained on.
    """

    path: str
    points: tuple[tuple[float, float], ...]

    def to_plain(self) -> dict[str, Any]:
        """For a line of JSON; coordinates to a hundredth of a pixel."""
        return {"path": self.path, "points": [[round(x, 2), round(y, 2)] for x, y in self.points]}


class ObjectLocalizer(Predictor[DetectionResult]):
    """A bundle that finds one object or none; made by ``visionkit.load``.

    A score is the probability that there is an object, times that of its class.
    """

    def _answer(self, path: str, pixels: np.ndarray) -> DetectionResult:
        answer = {name: value[0].numpy() for name, value in self._model.serve_images(tf.constant(pixels[None])).items()}
        height, width = pixels.shape[:2]
        if answer["presence"] <= PRESENT:
            return DetectionResult(path, (height, width), (), ())
        label, xyxy = answer["label"].decode(), answer["box"].astype(float) * (width, height, width, height)
        box = Box(label, float(answer["presence"] * answer["score"]), tuple(xyxy.tolist()))
        return DetectionResult(path, (height, width), (box,), (self.labels.index(label),))


class LandmarkPredictor(Predictor[LandmarkResult]):
    """A bundle that finds landmarks; made by ``visionkit.load``."""

    def _answer(self, path: str, pixels: np.ndarray) -> LandmarkResult:
        (points,) = self._model.serve_images(tf.constant(pixels[None]))["points"].numpy()
        return LandmarkResult(path, tuple(map(tuple, (points.astype(float) * pixels.shape[1::-1]).tolist())))


def locate(bundle: str | Path, paths: Iterable[str]) -> dict[str, np.ndarray]:
    """What a bundle says of each image; see ``Locator.serve_images`` for the names. Labels are text.

    Raises:
        ImageError: one cannot be read.
    """
    model = tf.saved_model.load(str(bundle))
    answers = [model.serve_images(read_image(path)[None]) for path in tqdm(paths, "evaluating", leave=False)]
    found = {name: np.concatenate([answer[name].numpy() for answer in answers]) for name in answers[0]}
    return found | ({"label": found["label"].astype(str)} if "label" in found else {})
