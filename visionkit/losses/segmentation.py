"""Losses of segmentation, which compare the logits of each pixel with its label.

All take logits ``(N, spatial..., C)`` and labels in one of two forms, and return a scalar.

one class per pixel     int ``(N, spatial...)``; for C = 1, 0 is background and 1 foreground. ``IGNORE`` does not count.
several classes         float ``(N, spatial..., C)``, 0 or 1 for each class; a label below zero does not count.
"""

from typing import NamedTuple

import keras
from keras import ops

from visionkit.ops.colors import IGNORE


class Compared(NamedTuple):
    """Labels and logits in one form, float32 ``(N, spatial..., C)``.

    Attributes:
        truth: 0 or 1.
        logits: the logits.
        counts: 1 where a pixel counts, else 0; ``(N, spatial..., 1)`` where a pixel has one class.
        exclusive: whether the classes of a pixel exclude each other.
    """

    truth: keras.KerasTensor
    logits: keras.KerasTensor
    counts: keras.KerasTensor
    exclusive: bool

    def probabilities(self) -> keras.KerasTensor:
        """Softmax if the classes exclude each other, else sigmoid."""
        return ops.softmax(self.logits) if self.exclusive else ops.sigmoid(self.logits)

    def log_likelihood(self) -> keras.KerasTensor:
        """The log probability of the label: ``(N, spatial..., 1)`` of exclusive classes, else one value per class."""
        if self.exclusive:
            return ops.sum(self.truth * ops.log_softmax(self.logits), axis=-1, keepdims=True)
        return -ops.softplus(-(2 * self.truth - 1) * self.logits)


def compared(logits: keras.KerasTensor, labels: keras.KerasTensor) -> Compared:
    """Bring labels to the form of the logits.

    Raises:
        ValueError: the shapes do not match.
    """
    logits, num_classes = ops.cast(logits, "float32"), logits.shape[-1]
    if len(labels.shape) == len(logits.shape):
        labels = ops.cast(labels, "float32")
        counts = ops.cast(labels >= 0, "float32")
        return Compared(ops.maximum(labels, 0.0), logits, counts, exclusive=False)
    if len(labels.shape) != len(logits.shape) - 1:
        raise ValueError(
            f"labels {tuple(labels.shape)} for logits {tuple(logits.shape)}: expected (N, spatial...) or the logits' shape."
        )
    labels = ops.cast(labels, "int32")
    counts = labels != IGNORE
    labels = ops.where(counts, labels, 0)
    counts = ops.cast(counts, "float32")[..., None]
    if num_classes == 1:
        return Compared(ops.cast(labels, "float32")[..., None], logits, counts, exclusive=False)
    return Compared(ops.one_hot(labels, num_classes), logits, counts, exclusive=True)


def cross_entropy(
    logits: keras.KerasTensor, labels: keras.KerasTensor, weights: keras.KerasTensor | None = None
) -> keras.KerasTensor:
    """Cross-entropy, averaged over all pixels that count.

    Args:
        logits: ``(N, spatial..., C)``.
        labels: see the module.
        weights: weight of each pixel, float ``(N, spatial...)``, like U-Net's border weights; weight 2 counts a pixel twice.
    """
    return focal(logits, labels, gamma=0.0, weights=weights)


def focal(
    logits: keras.KerasTensor, labels: keras.KerasTensor, *, gamma: float = 2.0, weights: keras.KerasTensor | None = None
) -> keras.KerasTensor:
    """Focal loss, which down-weights easy pixels: ``-(1 - p) ** gamma * log p`` (https://arxiv.org/abs/1708.02002).

    Args:
        logits: ``(N, spatial..., C)``.
        labels: see the module.
        gamma: strength of the down-weighting; 0 is cross-entropy.
        weights: see ``cross_entropy``.
    """
    pixels = compared(logits, labels)
    log_p = pixels.log_likelihood()
    loss = -log_p if gamma == 0 else -((-ops.expm1(log_p)) ** gamma) * log_p
    loss = loss if weights is None else loss * ops.cast(weights, "float32")[..., None]
    return ops.sum(loss * pixels.counts) / ops.maximum(ops.sum(pixels.counts), 1.0)


def tversky(
    logits: keras.KerasTensor, labels: keras.KerasTensor, *, false: float = 0.5, missed: float = 0.5, smooth: float = 1.0
) -> keras.KerasTensor:
    """1 minus Tversky's index, averaged over the classes, each over the whole batch (https://arxiv.org/abs/1706.05721).

        (shared + smooth) / (shared + false * (predicted, not true) + missed * (true, not predicted) + smooth)

    Args:
        logits: ``(N, spatial..., C)``.
        labels: see the module.
        false: weight of false positives.
        missed: weight of false negatives.
        smooth: pixels; keeps the index of a class that is neither present nor predicted at 1.
    """
    pixels = compared(logits, labels)
    probabilities, axes = pixels.probabilities(), tuple(range(len(pixels.logits.shape) - 1))
    shared = ops.sum(pixels.counts * probabilities * pixels.truth, axis=axes)
    predicted = ops.sum(pixels.counts * probabilities, axis=axes)
    true = ops.sum(pixels.counts * pixels.truth, axis=axes)
    index = (shared + smooth) / (shared + false * (predicted - shared) + missed * (true - shared) + smooth)
    return 1 - ops.mean(index)


def dice(logits: keras.KerasTensor, labels: keras.KerasTensor, *, smooth: float = 1.0) -> keras.KerasTensor:
    """1 minus the soft Dice coefficient (https://arxiv.org/abs/1606.04797); see ``tversky``."""
    return tversky(logits, labels, false=0.5, missed=0.5, smooth=smooth)


def jaccard(logits: keras.KerasTensor, labels: keras.KerasTensor, *, smooth: float = 1.0) -> keras.KerasTensor:
    """1 minus the soft intersection over union; see ``tversky``."""
    return tversky(logits, labels, false=1.0, missed=1.0, smooth=smooth)


def boundary(logits: keras.KerasTensor, labels: keras.KerasTensor, distances: keras.KerasTensor) -> keras.KerasTensor:
    """Boundary loss: the probabilities, weighted by the distance to the border of their class (https://arxiv.org/abs/1812.07032).

    On its own it may converge to an empty prediction, so combine it with a region loss.

    Args:
        logits: ``(N, spatial..., C)``.
        labels: see the module; they only determine which pixels count.
        distances: float ``(N, spatial..., C)``, in pixels: distance to the border of each class, negative inside.
    """
    pixels = compared(logits, labels)
    return ops.sum(pixels.counts * pixels.probabilities() * ops.cast(distances, "float32")) / ops.maximum(
        ops.sum(pixels.counts * ops.ones_like(pixels.logits)), 1.0
    )
