"""Layers of any spatial rank: the one place that knows whether a tensor is a signal, an image or a volume.

A builder never names ``Conv2D``; ``nd.layer("Conv", x)`` returns the class that matches the rank of ``x``.
"""

import keras

SPATIAL_NAMES = {1: "a signal (length, channels)", 2: "an image (height, width, channels)", 3: "a volume (D, H, W, channels)"}


def rank(x) -> int:
    """Number of spatial dimensions of a batched, channels-last tensor: ``(N, ..., C)`` has ``ndim - 2``."""
    return len(x.shape) - 2


def layer(kind: str, x) -> type[keras.layers.Layer]:
    """The Keras layer class of ``kind`` for the rank of ``x``.

    Args:
        kind: the class name without its rank: ``"Conv"``, ``"GlobalAveragePooling"``, ...
        x: a tensor of shape ``(N, spatial..., C)``.

    Raises:
        ValueError: Keras has no such layer for that rank.
    """
    layer_class = getattr(keras.layers, _class_name(kind, rank(x)), None)
    if layer_class is None:
        raise ValueError(
            f"Keras has no {kind} layer for an input of shape {tuple(x.shape)}; "
            f"expected an input_shape that is {' or '.join(SPATIAL_NAMES[r] for r in ranks_of(kind))}."
        )
    return layer_class


def ranks_of(kind: str) -> list[int]:
    """The spatial ranks for which Keras has ``kind``, e.g. ``[1, 2]`` for ``"DepthwiseConv"``."""
    return [r for r in SPATIAL_NAMES if hasattr(keras.layers, _class_name(kind, r))]


def _class_name(kind: str, spatial_rank: int) -> str:
    return f"{kind}{spatial_rank}D"
