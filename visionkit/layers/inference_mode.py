"""A network that always runs in inference mode, while its weights may be trained."""

from typing import Any

import keras

from visionkit.layers.folding import folded


@keras.saving.register_keras_serializable("visionkit")
class InferenceMode(keras.layers.Layer):
    """Calls ``network`` with ``training=False``, whatever the model around it does.

    Calling a functional model with ``training=False`` inside another one is not enough: ``fit`` calls the outer model with
    ``training=True``, which Keras (3.15) hands down to every inner layer, the ``False`` notwithstanding. BatchNorm would
    drift as soon as it is unfrozen.

    Args:
        network: a model of one input and one output.
    """

    def __init__(self, network: keras.Model, **options: Any):
        super().__init__(**options)
        self.network = network
        whole = folded(network) if hasattr(network, "operations") else network  # of a functional model the graph is known
        self._answer = lambda x: whole(x, training=False)  # hides it from Keras: its weights are the network's

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """The network's output in inference mode."""
        return self._answer(x)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The network's own."""
        return self.network.compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        """For ``.keras`` files."""
        return super().get_config() | {"network": keras.saving.serialize_keras_object(self.network)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "InferenceMode":
        """From a ``.keras`` file."""
        return cls(keras.saving.deserialize_keras_object(config.pop("network")), **config)
