"""Folding of batch normalisation into convolutions: in inference mode it only scales and shifts their outputs.

The kernel is scaled instead, and the shift becomes a bias. That saves a pass over the feature map, and the bias can be fused
with the activation. The weights stay in their layers, and are trained as before: each call computes the scaled kernel.
"""

from typing import Any

import keras
from keras import ops

CONVOLUTIONS = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
DEPTHWISE = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)


class FoldedConvolution(keras.layers.Layer):
    """A convolution and the batch normalisation after it, in inference mode.

    Args:
        convolution: a convolution without an activation.
        normalization: the batch normalisation of its channels.
    """

    def __init__(self, convolution: keras.layers.Layer, normalization: keras.layers.BatchNormalization, **options: Any):
        super().__init__(name=f"{convolution.name}_folded", **options)
        self.convolution, self.normalization = convolution, normalization

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """The output of both layers."""
        convolution, normalization = self.convolution, self.normalization
        scale = ops.rsqrt(normalization.moving_variance + normalization.epsilon)
        scale = scale * normalization.gamma if normalization.scale else scale
        shift = -normalization.moving_mean * scale
        shift = shift + normalization.beta if normalization.center else shift
        shift = shift + convolution.bias * scale if convolution.use_bias else shift
        if isinstance(convolution, DEPTHWISE):
            kernel = convolution.kernel * ops.reshape(scale, convolution.kernel.shape[-2:])
            options = (convolution.strides, convolution.padding, convolution.data_format, convolution.dilation_rate)
            return ops.depthwise_conv(x, kernel, *options) + shift
        return convolution.convolution_op(x, convolution.kernel * scale) + shift

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The output shape of the convolution."""
        return self.convolution.compute_output_shape(input_shape)


def folded(network: keras.Model) -> keras.Model:
    """Fold the batch normalisations of a network into its convolutions, for inference; the weights are shared.

    Args:
        network: a functional model. Where other layers than its normalisation use the output of a convolution, both stay
            as they are.
    """
    pairs = {layer.name: _before(layer) for layer in network.layers if _before(layer) is not None}
    convolutions = {convolution.name for convolution in pairs.values()}

    def call(layer: keras.layers.Layer, *arguments: Any, **options: Any) -> Any:
        if layer.name in convolutions:
            return arguments[0]
        if layer.name in pairs:
            return FoldedConvolution(pairs[layer.name], layer)(arguments[0])
        return layer(*arguments, **options)

    return keras.models.clone_model(network, clone_function=lambda layer: layer, call_function=call)


def _before(layer: keras.layers.Layer) -> keras.layers.Layer | None:
    """The convolution before a batch normalisation, if no other layer uses its output."""
    if not isinstance(layer, keras.layers.BatchNormalization) or len(layer._inbound_nodes) != 1:
        return None  # a layer that is shared by several places has no single convolution before it
    if layer.axis not in (-1, len(layer.input.shape) - 1):
        return None
    source = layer.input._keras_history.operation
    plain = isinstance(source, CONVOLUTIONS + DEPTHWISE) and source.activation is keras.activations.linear
    alone = plain and source.data_format == "channels_last" and len(source._inbound_nodes) == 1
    return source if alone and len(source._outbound_nodes) == 1 else None
