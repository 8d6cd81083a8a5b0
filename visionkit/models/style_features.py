"""The layers of a network that neural style transfer looks at, by name (``block4_conv2``) or by stride (``stride_8``)."""

from collections.abc import Collection, Iterable
from typing import NamedTuple

import keras

from visionkit.errors import UserError
from visionkit.models import catalog
from visionkit.models.endpoints import by_stride


class StyleLayers(NamedTuple):
    """Which layers of a network say what.

    Attributes:
        content: the layer in whose answer the content is.
        style: layer -> lambda, its share in the style; they sum to 1.
    """

    content: str
    style: dict[str, float]

    @property
    def names(self) -> list[str]:
        """All of them, each once."""
        return list(dict.fromkeys([*self.style, self.content]))


# The fine layers carry color and strokes, the coarse ones distort what is shown. With equal shares the coarse ones win, since
# the way there is longer: these are by eye.
SHARES = (0.55, 0.19, 0.19, 0.05, 0.02)
VGG = StyleLayers("block4_conv2", {f"block{n}_conv1": share for n, share in enumerate(SHARES, start=1)})
LIGHT = StyleLayers("stride_8", {"stride_2": 0.5, "stride_4": 0.25, "stride_8": 0.2, "stride_16": 0.05})
PIXELS = (keras.layers.InputLayer, keras.layers.Rescaling, keras.layers.Normalization)
DEFAULT_WEIGHTS = {"vgg16": "hed", "vgg19": "imagenet", "efficientnet_lite0": "imagenet"}


def style_layers(base: str) -> StyleLayers:
    """The layers that are looked at in a network of the catalogue: the paper's of a VGG, else its maps by stride."""
    return VGG if base.startswith("vgg") else LIGHT


def style_features(base: str, names: Iterable[str], *, weights: str | None = None, pooling: str = "max") -> keras.Model:
    """Build the part of a network that answers at some layers; its weights are not trained.

    Args:
        base: a network of the catalogue.
        names: of layers, or strides: ``stride_8`` is the network's last map at that stride.
        weights: None takes what the network is known to have ("hed" for VGG-16, which is installed with visionkit); else
            "imagenet" or a path.
        pooling: of a VGG: "max" or "average".

    Returns:
        a model from float32 ``(N, H, W, 3)`` in 0..255, of any size, to ``{name: (N, h, w, C)}``.

    Raises:
        UserError: no such network or layer; or no weights are given where none are known.
    """
    base = catalog.find(base)
    weights = weights or DEFAULT_WEIGHTS.get(base)
    if weights is None:
        known = ", ".join(DEFAULT_WEIGHTS)
        raise UserError(f"{base} comes without weights here, and untrained it sees no style: name --weights, or take {known}.")
    options = {"pooling": pooling} if base.startswith("vgg") else {}
    if pooling != "max" and not options:
        raise UserError(f"pooling={pooling!r} is for VGG, not for {base}.")
    backbone = catalog.CATALOG[base].builder((None, None, 3), None, weights=weights, **options)
    outputs = {name: _output(backbone, name) for name in names}
    features = keras.Model(backbone.input, outputs, name=f"{base}_features")
    features.trainable = False
    return features


def in_half_precision(model: keras.Model, *, but: Collection[str] = ()) -> keras.Model:
    """The same model, computing in bfloat16; what scales pixels stays float32, and so do the layers named in ``but``."""
    for layer in model.layers:
        if layer.name not in but and not isinstance(layer, PIXELS):
            layer.dtype_policy = keras.DTypePolicy("mixed_bfloat16")
    return model


def reach(features: keras.Model) -> tuple[int, int]:
    """What a unit of the coarsest map stands for, and how far it sees beyond that, at most: both in pixels of the image.

    Of branches that meet, the one that sees farthest counts.
    """
    seen = {id(features.inputs[0]): (1, 0)}
    for layer in features.operations[1:]:
        before = [seen[id(each)] for each in keras.tree.flatten(layer.input)]
        stride, beyond = (max(each) for each in zip(*before, strict=True))
        if hasattr(layer, "kernel_size"):
            beyond += max(layer.kernel_size) // 2 * stride
        if hasattr(layer, "pool_size"):
            beyond += max(0, max(layer.pool_size) - max(layer.strides)) * stride
        if hasattr(layer, "strides"):
            stride *= max(layer.strides)
        seen |= {id(each): (stride, beyond) for each in keras.tree.flatten(layer.output)}
    strides, margins = zip(*(seen[id(each)] for each in features.outputs), strict=True)
    return max(strides), max(margins)


def _output(backbone: keras.Model, name: str) -> keras.KerasTensor:
    if name in backbone.output:
        return backbone.output[name]
    if name not in {layer.name for layer in backbone.layers}:
        known = [*by_stride(backbone.output), *(layer.name for layer in backbone.layers if layer.weights)]
        raise UserError(f"{backbone.name} has no layer {name!r}; it has {', '.join(known)}.")
    return backbone.get_layer(name).output
