"""Endpoints: a backbone's feature maps by the factor they are smaller than the input.

Detection, segmentation and style heads ask for ``stride_8``, never for a layer index.
"""

from collections.abc import Iterable

import keras

STRIDES = (2, 4, 8, 16, 32)
CONVOLUTIONS = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
BEHIND_A_CONVOLUTION = (keras.layers.BatchNormalization, keras.layers.Activation, keras.layers.ReLU)


class Endpoints(dict):
    """Feature maps collected while a builder runs: ``{"stride_4": tensor, ...}``; the deepest of a stride wins."""

    def add(self, stride: int, x: keras.KerasTensor) -> None:
        """Remember ``x`` as the feature map at ``stride``, replacing a shallower one."""
        self[f"stride_{stride}"] = x


def select_endpoints(backbone: keras.Model, strides: tuple[int, ...] = STRIDES) -> keras.Model:
    """The same backbone with only the outputs at ``strides``.

    Args:
        backbone: a model built with ``num_classes=None``, whose outputs are named ``stride_2 ... stride_32``.
        strides: which of them to keep.

    Returns:
        a model that shares the backbone's layers and weights and returns ``{"stride_N": (n, h, w, c)}``.

    Raises:
        ValueError: the backbone has no feature map at one of the strides.
    """
    outputs = _named_outputs(backbone)
    wanted = [f"stride_{stride}" for stride in strides]
    missing = [name for name in wanted if name not in outputs]
    if missing:
        raise ValueError(f"{backbone.name} has no endpoint {missing}; it has {sorted(outputs)}.")
    return keras.Model(backbone.input, {name: outputs[name] for name in wanted}, name=backbone.name)


def by_stride(names: Iterable[str]) -> list[str]:
    """The names of feature maps from the finest to the coarsest; in a dict they may come in any order."""
    return sorted(names, key=lambda name: int(name.removeprefix("stride_")))


def strides_of(backbone: keras.Model) -> list[int]:
    """The strides at which a backbone has feature maps, in rising order."""
    return [int(name.removeprefix("stride_")) for name in by_stride(_named_outputs(backbone))]


def deepest(backbone: keras.Model) -> keras.KerasTensor:
    """The feature map of the largest stride, symbolic: what a classifier pools."""
    return _named_outputs(backbone)[f"stride_{strides_of(backbone)[-1]}"]


def layers_behind(backbone: keras.Model, stride: int) -> list[keras.layers.Layer]:
    """The layers that come after the feature map of ``stride``: the stages in which the image is smaller still."""
    output = _named_outputs(backbone)[f"stride_{stride}"]
    last = next(i for i, layer in enumerate(backbone.layers) if layer.output is output)
    return backbone.layers[last + 1 :]


def without_top(backbone: keras.Model) -> keras.Model:
    """A backbone without the 1x1 convolution by which EfficientNet and MobileNetV2 widen their last map before it is pooled.

    Classifiers want those 1280 channels; a decoder would have to make few of them again. Others stay as they are.
    """
    layers = list(backbone.layers)
    while layers and isinstance(layers[-1], BEHIND_A_CONVOLUTION):
        layers.pop()
    top = layers[-1] if layers else None
    widens = isinstance(top, CONVOLUTIONS) and set(top.kernel_size) == {1} and top.filters > top.input.shape[-1]
    if not widens:
        return backbone
    outputs = _named_outputs(backbone)
    return keras.Model(backbone.input, outputs | {f"stride_{strides_of(backbone)[-1]}": top.input}, name=backbone.name)


def _named_outputs(backbone: keras.Model) -> dict:
    outputs = backbone.output
    if not isinstance(outputs, dict) or not all(name.startswith("stride_") for name in outputs):
        raise ValueError(
            f"{backbone.name!r} is not a backbone: its outputs are not named by stride. "
            "Build it with num_classes=None, for example models.mobilenet_v2((224, 224, 3), None)."
        )
    return outputs
