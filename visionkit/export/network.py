"""A Keras network inside a bundle: its weights are stored once, and the Keras model itself is not."""

import keras
import numpy as np
import tensorflow as tf


class Network(tf.Module):
    """A network as a module of a bundle computes with it, always as in inference.

    Args:
        model: of one input.
        half_precision: keep kernels as float16 (they are computed with as float32).
    """

    def __init__(self, model: keras.Model, *, half_precision: bool = False):
        super().__init__(name="network")
        self._model = _Untracked(model)
        self._weights = [
            tf.Variable(_stored(v, half_precision=half_precision), trainable=False, name="weight") for v in _variables(model)
        ]

    def forward(self, inputs: tf.Tensor) -> tf.Tensor | dict[str, tf.Tensor]:
        """What the model answers."""
        model = self._model.value
        weights = [tf.cast(w, v.dtype) for w, v in zip(self._weights, _variables(model), strict=True)]
        split = len(model.trainable_variables)
        return model.stateless_call(weights[:split], weights[split:], inputs, training=False)[0]


class _Untracked:
    """Hides a Keras model from a module's own tracking: the bundle saves ``_weights``, and once."""

    def __init__(self, value: keras.Model):
        self.value = value


def _variables(model: keras.Model) -> list:
    return [*model.trainable_variables, *model.non_trainable_variables]


def _stored(variable: keras.Variable, *, half_precision: bool) -> np.ndarray:
    """As it is kept. Vectors stay whole: they are few bytes, and BatchNorm's statistics reach too far for 16 bits."""
    array = keras.ops.convert_to_numpy(variable)
    return array.astype(np.float16) if half_precision and array.ndim > 1 and array.dtype == np.float32 else array
