"""Detectors by name, in the one form that training and export take: visionkit's own, and those of keras-cv."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras


class TrainableDetector(NamedTuple):
    """A detector, ready to be trained.

    Attributes:
        network: float32 pixels ``(N, H, W, 3)`` in 0..255 to what ``losses`` takes.
        losses: ``losses(answers, boxes, classes)`` to the parts of the loss by name, scalars; boxes ``(N, M, 4)``, xyxy,
            relative; classes int32 ``(N, M)``, -1 in padded rows.
        parts: the names.
        at_size: from a side in pixels to a model that shares the network's layers and answers images of this side by
            ``{"boxes": (N, slots, 4), "scores": (N, slots, C)}``, xyxy relative, scores in 0..1.
        any_size: whether the network takes images of other sides, too (multiples of the largest stride).
    """

    network: keras.Model
    losses: Callable[..., dict[str, Any]]
    parts: tuple[str, ...]
    at_size: Callable[[int], keras.Model]
    any_size: bool
