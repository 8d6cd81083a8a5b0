"""Use a bundle of signals or volumes from Python, as ``loading.py`` says."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from visionkit.data.arrays.files import checked, fitted, list_arrays, read_array
from visionkit.tasks.classification.predict import Classifier
from visionkit.viz.arrays import draw_array


class ArrayClassifier(Classifier):
    """A bundle of signals or volumes; made by ``load``.

    ``predict`` takes a file, or numbers of any type ``(spatial..., channels)``, the channels left out where there is one, and
    brings them to the model's shape as its training did.
    """

    def list_files(self, folder: Path) -> list[Path]:
        """All files below a folder that may hold signals, or volumes, by name."""
        return list_arrays(folder, self.metadata["input"])

    def show(self, path: str | Path) -> np.ndarray:
        """The signal as a curve, the volume in three slices, uint8 ``(H, W, 3)``."""
        return draw_array(self._read(path))

    def probabilities(self, values: np.ndarray, *, batch_size: int = 64) -> np.ndarray:
        """Float32 ``(N, spatial..., channels)`` of the model's shape to float32 ``(N, num_classes)``."""
        batches = (values[start : start + batch_size] for start in range(0, len(values), batch_size))
        return np.concatenate([self._ask(batch)["probabilities"].numpy() for batch in batches])

    def _read(self, path: str | Path) -> np.ndarray:
        return self._checked(read_array(path, self.metadata["input"]))

    def _checked(self, array: np.ndarray) -> np.ndarray:
        return fitted(checked(array, self.metadata["input"]), tuple(self.metadata["shape"]), self.metadata["fit"])

    def _ask(self, values: np.ndarray) -> dict[str, tf.Tensor]:
        return self._model.signatures["serving_default"](values=tf.constant(values))
