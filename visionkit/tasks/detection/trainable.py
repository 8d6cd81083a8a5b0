"""The form of a detector that training and export take, whichever library it comes from."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras


class TrainableDetector(NamedTuple):
    """A detector, ready to be trained.

    Attributes:
        network: a model from float32 pixels ``(N, H, W, 3)`` in 0..255 to the predictions that ``losses`` takes.
        losses: ``losses(predictions, boxes, classes)`` returns the parts of the loss by name, scalars; boxes ``(N, M, 4)``,
            xyxy, relative; classes int32 ``(N, M)``, -1 in padded rows.
        parts: names of the parts of the loss.
        at_size: from a side in pixels to a model that shares the network's layers and returns, for images of this side,
            ``{"boxes": (N, slots, 4), "scores": (N, slots, C)}``, xyxy relative, scores in 0..1.
        any_size: whether the network also takes images of other sides (multiples of the largest stride).
        base: the pretrained backbone, whose layers may be frozen; None where all weights are random.
    """

    network: keras.Model
    losses: Callable[..., dict[str, Any]]
    parts: tuple[str, ...]
    at_size: Callable[[int], keras.Model]
    any_size: bool
    base: keras.Model | None = None
