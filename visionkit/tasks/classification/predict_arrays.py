"""Classification of signals and volumes with an exported bundle, in Python."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from visionkit.data.arrays.files import SHAPES, ArrayError, checked, fitted, list_arrays, read_array
from visionkit.tasks.classification.predict import Classifier
from visionkit.viz.arrays import draw_array


class ArrayClassifier(Classifier):
    """A bundle of a classifier of signals or volumes in memory; made by ``visionkit.load``.

    ``predict`` takes a file, or an array ``(spatial..., channels)`` of any number type and unit, without the last axis where
    there is one channel, and brings it to the model's shape as in training.
    """

    FUNCTIONS = ()  # its signature is called

    def list_files(self, folder: Path) -> list[Path]:
        """All files below a folder that may hold signals, or volumes, by name."""
        return list_arrays(folder, self.metadata["input"])

    def show(self, source: Any) -> np.ndarray:
        """A signal as a curve, or a volume in three slices, from its path or its values: uint8 ``(H, W, 3)``."""
        return draw_array(super().show(source))

    def probabilities(self, values: np.ndarray, *, batch_size: int = 64) -> np.ndarray:
        """Float32 ``(N, spatial..., channels)`` of the model's shape to float32 ``(N, num_classes)``."""
        batches = (values[start : start + batch_size] for start in range(0, len(values), batch_size))
        return np.concatenate([self._serve(batch)["probabilities"].numpy() for batch in batches])

    def explained(self) -> None:
        """None: it does not see images."""
        return

    def _is_one(self, images: Any) -> bool:
        return False  # an array of several signals may have the shape of an image

    def _read(self, path: str | os.PathLike) -> np.ndarray:
        return self._fitted(read_array(path, self.metadata["input"]))

    def _checked(self, image: Any) -> np.ndarray:
        kind = self.metadata["input"]
        if not hasattr(image, "__array__"):
            raise ArrayError(f"received {type(image).__name__}; expected a path, or an array {SHAPES[kind]}")
        return self._fitted(checked(np.asarray(image), kind))

    def _fitted(self, array: np.ndarray) -> np.ndarray:
        return fitted(array, tuple(self.metadata["shape"]), self.metadata["fit"])

    def _serve(self, values: np.ndarray) -> dict[str, tf.Tensor]:
        return self._model.signatures["serving_default"](values=tf.constant(values))
