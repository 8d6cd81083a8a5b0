"""A Keras network inside a bundle: its weights are stored once, and the Keras model itself is not."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

LARGEST_IN_GRAPH = 2**25  # bytes of weights: with more, folding takes longer than reading them as variables


class Network(tf.Module):
    """A network as part of a bundle, always in inference mode.

    Its weights are constants of the graph: TensorFlow then folds what depends on them alone, such as BatchNorm in convolutions,
    when a bundle is loaded, and not in each call. Only those of large networks are kept as variables. A function that is
    traced twice has its constants twice: let one ``tf.function`` call ``forward``, and the others call that.

    Args:
        model: a model with one input, or a list of inputs.
        half_precision: whether kernels are stored as float16; computations use float32.
    """

    def __init__(self, model: keras.Model, *, half_precision: bool = False):
        super().__init__(name="network")
        self._model = _Untracked(model)
        weights = [_stored(variable, half_precision=half_precision) for variable in _variables(model)]
        is_small = sum(weight.nbytes for weight in weights) <= LARGEST_IN_GRAPH
        self._weights = _Untracked(weights) if is_small else [tf.Variable(weight, trainable=False) for weight in weights]

    def forward(self, inputs: tf.Tensor | list[tf.Tensor]) -> tf.Tensor | dict[str, tf.Tensor]:
        """The outputs of the model."""
        model = self._model.value
        stored = self._weights.value if isinstance(self._weights, _Untracked) else self._weights
        weights = [tf.cast(weight, variable.dtype) for weight, variable in zip(stored, _variables(model), strict=True)]
        split = len(model.trainable_variables)
        return model.stateless_call(weights[:split], weights[split:], inputs, training=False)[0]


class _Untracked:
    """Hides a value from a module's own tracking, which would save it with the module."""

    def __init__(self, value: Any):
        self.value = value


def _variables(model: keras.Model) -> list:
    return [*model.trainable_variables, *model.non_trainable_variables]


def _stored(variable: keras.Variable, *, half_precision: bool) -> np.ndarray:
    """The weight as it is stored. Vectors stay float32: they are few bytes, and BatchNorm's statistics exceed 16 bits."""
    array = keras.ops.convert_to_numpy(variable)
    return array.astype(np.float16) if half_precision and array.ndim > 1 and array.dtype == np.float32 else array
