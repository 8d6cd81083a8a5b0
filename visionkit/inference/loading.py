"""Use an exported bundle from Python:

import visionkit
model = visionkit.load("runs/transfer_learning/model")
print(model.predict("cat.jpg").label)
"""

import glob
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from visionkit.data.decode import PictureError, read_picture
from visionkit.data.folders import list_pictures
from visionkit.errors import UserError
from visionkit.export.bundle import describe, find_bundle

TASKS = ("classification",)


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


class Unreadable(NamedTuple):
    """A picture that could not be read, and why."""

    path: str
    error: str


class Classifier:
    """A bundle in memory; made by ``load``.

    Attributes:
        labels: the classes, in the order of the training folders.
        facts: the bundle's description: base, size, metrics, ...
    """

    def __init__(self, folder: Path, facts: dict):
        self.facts = facts
        self.labels = tuple(facts["labels"])
        self._model = tf.saved_model.load(str(folder))

    def predict(self, picture: str | Path | np.ndarray) -> Prediction:
        """Classify one picture.

        Args:
            picture: a file, or uint8 RGB pixels ``(H, W, 3)``.

        Raises:
            PictureError, ArrayError: the file cannot be read.
            ValueError: pixels of another shape or type.
        """
        if not isinstance(picture, np.ndarray):
            return self._classify(str(picture), self._read(picture))
        return self._classify("", self._checked(picture))

    def list_files(self, folder: Path) -> list[Path]:
        """All files below a folder that this model may read, by name."""
        return list_pictures(folder)[0]

    def show(self, path: str | Path) -> np.ndarray:
        """A file as people look at it, uint8 RGB ``(H, W, 3)``."""
        return self._read(path)

    def _read(self, path: str | Path) -> np.ndarray:
        return read_picture(path)

    def _checked(self, picture: np.ndarray) -> np.ndarray:
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[-1] != 3:
            raise ValueError(f"Expected uint8 pixels (H, W, 3), received {picture.dtype} {picture.shape}.")
        return picture

    def predict_many(self, paths: Iterable[str | Path]) -> Iterator[Prediction | Unreadable]:
        """Classify files on all cores; yields in order, an ``Unreadable`` for each that cannot be read."""

        def classify(path):
            try:
                return self._classify(str(path), self._read(path))
            except (PictureError, UserError) as error:
                return Unreadable(str(path), str(error))

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            yield from pool.map(classify, paths)

    def _classify(self, path: str, pixels: np.ndarray) -> Prediction:
        answer = self._ask(pixels[None])
        labels = [label.decode() for label in answer["labels"][0].numpy()]
        scores = answer["scores"][0].numpy().tolist()
        return Prediction(path, labels[0], scores[0], tuple(zip(labels, scores, strict=True)))

    def _ask(self, pixels: np.ndarray) -> dict[str, tf.Tensor]:
        return self._model.serve_images(tf.constant(pixels))


def load(path: str | Path) -> Classifier:
    """Load an exported model.

    Args:
        path: a bundle (``RUN/model``), or the run folder that holds it.

    Raises:
        UserError: there is no bundle, or its task is not known to this version.
    """
    folder = find_bundle(path)
    facts = describe(folder)
    if facts.get("task") not in TASKS:
        raise UserError(f"{folder} does {facts.get('task')!r}; this version of visionkit runs {', '.join(TASKS)}.")
    if "input" in facts:
        from visionkit.inference.array_loading import ArrayClassifier  # its readers take a second to import

        return ArrayClassifier(folder, facts)
    return Classifier(folder, facts)


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
