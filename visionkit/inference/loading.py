"""Use an exported bundle from Python:

import visionkit
model = visionkit.load("runs/transfer_learning/model")
print(model.predict("cat.jpg").label)
"""

import glob
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from visionkit.data.folders import list_pictures
from visionkit.errors import UserError
from visionkit.export.bundle import describe, find_bundle
from visionkit.inference.detecting import Detector
from visionkit.inference.embedding import Embedder
from visionkit.inference.locating import LandmarkFinder, ObjectFinder
from visionkit.inference.picture_model import PictureModel
from visionkit.inference.stylizing import PictureStylizer


class Prediction(NamedTuple):
    """What a classifier says of one picture.

    Attributes:
        path: of the picture; empty for pixels.
        label: the best class.
        score: its probability.
        top: all classes with their probabilities, best first.
    """

    path: str
    label: str
    score: float
    top: tuple[tuple[str, float], ...]


class Classifier(PictureModel[Prediction]):
    """A bundle of a classifier in memory; made by ``load``.

    ``predict`` and ``predict_many`` answer with ``Prediction``.
    """

    def _answer(self, path: str, pixels: np.ndarray) -> Prediction:
        answer = self._ask(pixels[None])
        labels = [label.decode() for label in answer["labels"][0].numpy()]
        scores = answer["scores"][0].numpy().tolist()
        return Prediction(path, labels[0], scores[0], tuple(zip(labels, scores, strict=True)))

    def _ask(self, pixels: np.ndarray) -> dict[str, tf.Tensor]:
        return self._model.serve_images(tf.constant(pixels))


MODELS: dict[str, type[PictureModel]] = {
    "classification": Classifier,
    "detection": Detector,
    "localization": ObjectFinder,
    "landmarks": LandmarkFinder,
    "embedding": Embedder,
    "stylization": PictureStylizer,
}


def load(path: str | Path) -> PictureModel:
    """Load an exported model.

    Args:
        path: a bundle (``RUN/model``), or the run folder that holds it.

    Returns:
        by its task: a ``Classifier``, a ``Detector``, a ``PictureSegmenter``, an ``ObjectFinder``, a ``LandmarkFinder``, an
            ``Embedder`` or a ``PictureStylizer``.

    Raises:
        UserError: there is no bundle, or its task is not known to this version.
    """
    folder = find_bundle(path)
    facts = describe(folder)
    if facts.get("task") not in (*MODELS, "segmentation"):
        known = ", ".join((*MODELS, "segmentation"))
        raise UserError(f"{folder} does {facts.get('task')!r}; this version of visionkit runs {known}.")
    if facts["task"] == "segmentation":
        from visionkit.inference.segmenting import PictureSegmenter, VolumeSegmenter  # readers of volumes take a second

        return (VolumeSegmenter if facts.get("input") == "volume" else PictureSegmenter)(folder, facts)
    if "input" in facts:
        from visionkit.inference.array_loading import ArrayClassifier  # as above

        return ArrayClassifier(folder, facts)
    return MODELS[facts["task"]](folder, facts)


def expand(pictures: Iterable[str], list_files: Callable[[Path], list[Path]] | None = None) -> list[str]:
    """Files, folders (all pictures below them, or what ``list_files`` finds there) and globs, as a list of files.

    A name that matches nothing stays in the list: it is then reported as unreadable, not lost.
    """
    list_files = list_files or (lambda folder: list_pictures(folder)[0])
    files = []
    for name in pictures:
        if Path(name).is_dir():
            files += [str(path) for path in list_files(Path(name))]
        elif not Path(name).exists() and glob.has_magic(name):
            files += sorted(glob.glob(name, recursive=True)) or [name]
        else:
            files.append(name)
    return files
