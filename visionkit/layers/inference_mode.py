"""A network that always runs in inference mode, even while its weights are trained."""

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
        network: a model of one input; its output may also be a dict or a list.
    """

    def __init__(self, network: keras.Model, **options: Any):
        super().__init__(**options)
        self.network = network
        model = folded(network) if hasattr(network, "operations") else network  # only a functional model has a known graph
        self._predict = lambda x: model(x, training=False)  # hides it from Keras: its weights are the network's

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """The network's output in inference mode."""
        return self._predict(x)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The output shape of the network."""
        return self.network.compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        """For ``.keras`` files."""
        return super().get_config() | {"network": keras.saving.serialize_keras_object(self.network)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "InferenceMode":
        """Rebuild the layer from a ``.keras`` file."""
        return cls(keras.saving.deserialize_keras_object(config.pop("network")), **config)
