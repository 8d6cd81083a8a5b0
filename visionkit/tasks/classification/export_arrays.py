"""A bundle for signals and volumes: a SavedModel from raw values to labels and scores, with TensorFlow alone.

Its files are those of ``export/bundle.py``; its LiteRT model takes float32 ``(1, spatial..., channels)``.
"""

from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from visionkit.data.arrays.files import Fit, Kind
from visionkit.export.bundle import answers, write_bundle
from visionkit.export.network import Network


class ArrayClassifier(tf.Module):
    """A classifier of signals or volumes of one shape.

    Args:
        model: float32 ``(N, spatial..., channels)`` in any unit to logits ``(N, num_classes)``.
        class_names: the classes, in the order of the logits.
    """

    def __init__(self, model: keras.Model, class_names: tuple[str, ...]):
        super().__init__(name="array_classifier")
        self._network = Network(model)
        self._labels = tf.constant(list(class_names))
        raw = tf.TensorSpec([None, *model.input_shape[1:]], tf.float32, name="values")
        self.serve_values = tf.function(self._answers, input_signature=[raw], autograph=False)

    def _answers(self, values: tf.Tensor) -> dict[str, tf.Tensor]:
        return answers(self._labels, self.probabilities(values))

    def probabilities(self, values: tf.Tensor) -> tf.Tensor:
        """Float32 ``(N, spatial..., channels)`` to float32 ``(N, num_classes)``."""
        return tf.nn.softmax(self._network.forward(values))


def export_array_classifier(
    model: keras.Model,
    folder: str | Path,
    *,
    kind: Kind,
    fit: Fit,
    class_names: tuple[str, ...],
    metadata: dict[str, Any],
) -> Path:
    """Write a classifier of signals or volumes as a bundle.

    Its signature takes ``values``, float32 ``(N, spatial..., channels)`` of the model's shape and any unit, and returns what
    ``ImageClassifier.serve_images`` does.

    Args:
        model: float32 ``(N, spatial..., channels)`` to logits.
        folder: where to write it; a bundle there is replaced.
        kind: "signal" or "volume".
        fit: how arrays of another shape are brought to the model's; see ``fitted``.
        class_names: the classes, in the order of the logits.
        metadata: further entries of ``bundle.json``.

    Returns:
        the folder.

    Raises:
        UserError: the folder exists and is no bundle.
    """
    module, shape = ArrayClassifier(model, class_names), model.input_shape[1:]
    return write_bundle(
        module,
        folder,
        task="classification",
        signatures={"serving_default": module.serve_values},
        litert_function=module.probabilities,
        litert_shape=(1, *shape),
        network=model,
        class_names=class_names,
        metadata={"input": kind, "shape": shape, "fit": fit, **metadata},
    )
