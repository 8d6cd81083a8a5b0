"""Layers of any spatial rank: the one place that knows whether a tensor is a signal, an image or a volume.

A builder never names ``Conv2D``; ``nd.layer("Conv", x)`` returns what makes the layer that matches the rank of ``x``.
"""

import functools
import inspect
from collections.abc import Callable

import keras

CHANNELS_LAST = "channels_last"  # all tensors have their channels last; a user's keras.json may name another default
SPATIAL_NAMES = {1: "a signal (length, channels)", 2: "an image (height, width, channels)", 3: "a volume (D, H, W, channels)"}


def rank(x) -> int:
    """Number of spatial dimensions of a batched, channels-last tensor: ``(N, ..., C)`` has ``ndim - 2``."""
    return len(x.shape) - 2


def layer(kind: str, x) -> Callable[..., keras.layers.Layer]:
    """What makes a Keras layer of ``kind`` for the rank of ``x``: its class, with channels last whatever ``keras.json`` says.

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
    has_format = "data_format" in inspect.signature(layer_class).parameters
    return functools.partial(layer_class, data_format=CHANNELS_LAST) if has_format else layer_class


def ranks_of(kind: str) -> list[int]:
    """The spatial ranks for which Keras has ``kind``, e.g. ``[1, 2]`` for ``"DepthwiseConv"``."""
    return [r for r in SPATIAL_NAMES if hasattr(keras.layers, _class_name(kind, r))]


def _class_name(kind: str, spatial_rank: int) -> str:
    return f"{kind}{spatial_rank}D"
