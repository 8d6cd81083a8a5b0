"""The layers of a network that neural style transfer compares, by name (``block4_conv2``) or by stride (``stride_8``)."""

from collections.abc import Collection, Iterable
from typing import NamedTuple

import keras

from visionkit.errors import UserError
from visionkit.models import catalog
from visionkit.models.endpoints import by_stride


class StyleLayers(NamedTuple):
    """The layers of a network that represent content and style.

    Attributes:
        content: the layer whose output represents the content.
        style: layer -> lambda, its weight in the style loss; the weights sum to 1.
    """

    content: str
    style: dict[str, float]

    @property
    def names(self) -> list[str]:
        """All layers, each once."""
        return list(dict.fromkeys([*self.style, self.content]))


# The fine layers carry color and strokes, the coarse ones distort what is shown. With equal shares the coarse ones win, since
# the way there is longer: these are by eye.
SHARES = (0.55, 0.19, 0.19, 0.05, 0.02)
VGG = StyleLayers("block4_conv2", {f"block{n}_conv1": share for n, share in enumerate(SHARES, start=1)})
LIGHT = StyleLayers("stride_8", {"stride_2": 0.5, "stride_4": 0.25, "stride_8": 0.2, "stride_16": 0.05})
PIXELS = (keras.layers.InputLayer, keras.layers.Rescaling, keras.layers.Normalization)
DEFAULT_WEIGHTS = {"vgg16": "hed", "vgg19": "imagenet", "efficientnet_lite0": "imagenet"}


def style_layers(base: str) -> StyleLayers:
    """The layers to compare in a network of the catalogue: the paper's for a VGG, otherwise its maps by stride."""
    return VGG if base.startswith("vgg") else LIGHT


def style_features(base: str, names: Iterable[str], *, weights: str | None = None, pooling: str = "max") -> keras.Model:
    """Build a network that returns the output of some layers; its weights are not trained.

    Args:
        base: a network of the catalogue.
        names: names of layers, or strides: ``stride_8`` is the network's last map at that stride.
        weights: None takes the network's default weights ("hed" for VGG-16, installed with visionkit); or "imagenet" or a path.
        pooling: "max" or "average", for a VGG.

    Returns:
        a model from float32 ``(N, H, W, 3)`` in 0..255, of any size, to ``{name: (N, h, w, C)}``.

    Raises:
        UserError: there is no such network or layer, or the network has no default weights and none were named.
    """
    base = catalog.find(base)
    weights = weights or DEFAULT_WEIGHTS.get(base)
    if weights is None:
        known = ", ".join(DEFAULT_WEIGHTS)
        raise UserError(f"{base} comes without weights, and untrained it represents no style: name --weights, or take {known}.")
    options = {"pooling": pooling} if base.startswith("vgg") else {}
    if pooling != "max" and not options:
        raise UserError(f"pooling={pooling!r} is for VGG, not for {base}.")
    backbone = catalog.CATALOG[base].builder((None, None, 3), None, weights=weights, **options)
    outputs = {name: _output(backbone, name) for name in names}
    features = keras.Model(backbone.input, outputs, name=f"{base}_features")
    features.trainable = False
    return features


def in_half_precision(model: keras.Model, *, but: Collection[str] = ()) -> keras.Model:
    """The same model, computing in bfloat16; layers that scale pixels, and those named in ``but``, stay float32."""
    for layer in model.layers:
        if layer.name not in but and not isinstance(layer, PIXELS):
            layer.dtype_policy = keras.DTypePolicy("mixed_bfloat16")
    return model


def reach(features: keras.Model) -> tuple[int, int]:
    """The stride of the coarsest map, and how far a unit reads beyond its own pixels at most: both in pixels of the image.

    Where branches meet, the one that reads farthest counts.
    """
    reaches = {id(features.inputs[0]): (1, 0)}
    for layer in features.operations[1:]:
        before = [reaches[id(each)] for each in keras.tree.flatten(layer.input)]
        stride, beyond = (max(each) for each in zip(*before, strict=True))
        if hasattr(layer, "kernel_size"):
            beyond += max(layer.kernel_size) // 2 * stride
        if hasattr(layer, "pool_size"):
            beyond += max(0, max(layer.pool_size) - max(layer.strides)) * stride
        if hasattr(layer, "strides"):
            stride *= max(layer.strides)
        reaches |= {id(each): (stride, beyond) for each in keras.tree.flatten(layer.output)}
    strides, margins = zip(*(reaches[id(each)] for each in features.outputs), strict=True)
    return max(strides), max(margins)


def _output(backbone: keras.Model, name: str) -> keras.KerasTensor:
    if name in backbone.output:
        return backbone.output[name]
    if name not in {layer.name for layer in backbone.layers}:
        known = [*by_stride(backbone.output), *(layer.name for layer in backbone.layers if layer.weights)]
        raise UserError(f"{backbone.name} has no layer {name!r}; it has {', '.join(known)}.")
    return backbone.get_layer(name).output
