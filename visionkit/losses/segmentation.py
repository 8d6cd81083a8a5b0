"""Losses of segmentation: what a network says of each pixel against what the pixel is.

All take logits ``(N, spatial..., C)`` and labels in one of two forms, and answer with a scalar.

one class a pixel       int ``(N, spatial...)``; of C = 1 logits 0 is background and 1 foreground. ``IGNORE`` does not count.
several at once         float ``(N, spatial..., C)``, 0 or 1 for each class; below zero does not count.
"""

from typing import NamedTuple

import keras
from keras import ops

IGNORE = 255  # as masks have it


class Compared(NamedTuple):
    """Labels and answers in one form, float32 ``(N, spatial..., C)``.

    Attributes:
        truth: 0 or 1.
        logits: as given.
        counts: 1 where a pixel counts, else 0; of one class a pixel ``(N, spatial..., 1)``.
        exclusive: whether the classes of a pixel exclude each other.
    """

    truth: keras.KerasTensor
    logits: keras.KerasTensor
    counts: keras.KerasTensor
    exclusive: bool

    def probabilities(self) -> keras.KerasTensor:
        """Softmax of classes that exclude each other, else sigmoid."""
        return ops.softmax(self.logits) if self.exclusive else ops.sigmoid(self.logits)

    def log_likelihood(self) -> keras.KerasTensor:
        """The logarithm of the probability of what is true; of exclusive classes ``(N, spatial..., 1)``, else of each class."""
        if self.exclusive:
            return ops.sum(self.truth * ops.log_softmax(self.logits), axis=-1, keepdims=True)
        return -ops.softplus(-(2 * self.truth - 1) * self.logits)


def compared(logits: keras.KerasTensor, labels: keras.KerasTensor) -> Compared:
    """Bring labels to the form of the logits.

    Raises:
        ValueError: shapes that do not fit.
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
    """Cross-entropy, the mean of all pixels that count.

    Args:
        logits: ``(N, spatial..., C)``.
        labels: see the module.
        weights: of the pixels, float ``(N, spatial...)``, as U-Net's border weights; a pixel of weight 2 counts as its double.
    """
    return focal(logits, labels, gamma=0.0, weights=weights)


def focal(
    logits: keras.KerasTensor, labels: keras.KerasTensor, *, gamma: float = 2.0, weights: keras.KerasTensor | None = None
) -> keras.KerasTensor:
    """Cross-entropy that looks away from what is right already: ``-(1 - p) ** gamma * log p`` (https://arxiv.org/abs/1708.02002).

    Args:
        logits: ``(N, spatial..., C)``.
        labels: see the module.
        gamma: how far; 0 is cross-entropy.
        weights: see ``cross_entropy``.
    """
    each = compared(logits, labels)
    log_p = each.log_likelihood()
    loss = -log_p if gamma == 0 else -((-ops.expm1(log_p)) ** gamma) * log_p
    loss = loss if weights is None else loss * ops.cast(weights, "float32")[..., None]
    return ops.sum(loss * each.counts) / ops.maximum(ops.sum(each.counts), 1.0)


def tversky(
    logits: keras.KerasTensor, labels: keras.KerasTensor, *, false: float = 0.5, missed: float = 0.5, smooth: float = 1.0
) -> keras.KerasTensor:
    """1 minus Tversky's index, the mean of all classes, each over the whole batch (https://arxiv.org/abs/1706.05721).

        (shared + smooth) / (shared + false * (answered, not true) + missed * (true, not answered) + smooth)

    Args:
        logits: ``(N, spatial..., C)``.
        labels: see the module.
        false: weight of what is answered, and not there.
        missed: weight of what is there, and not answered.
        smooth: pixels; keeps the index of a class that is nowhere, and is answered nowhere, at 1.
    """
    each = compared(logits, labels)
    probabilities, axes = each.probabilities(), tuple(range(len(each.logits.shape) - 1))
    shared = ops.sum(each.counts * probabilities * each.truth, axis=axes)
    answered = ops.sum(each.counts * probabilities, axis=axes)
    there = ops.sum(each.counts * each.truth, axis=axes)
    index = (shared + smooth) / (shared + false * (answered - shared) + missed * (there - shared) + smooth)
    return 1 - ops.mean(index)


def dice(logits: keras.KerasTensor, labels: keras.KerasTensor, *, smooth: float = 1.0) -> keras.KerasTensor:
    """1 minus the soft Dice coefficient (https://arxiv.org/abs/1606.04797); see ``tversky``."""
    return tversky(logits, labels, false=0.5, missed=0.5, smooth=smooth)


def jaccard(logits: keras.KerasTensor, labels: keras.KerasTensor, *, smooth: float = 1.0) -> keras.KerasTensor:
    """1 minus the soft intersection over union; see ``tversky``."""
    return tversky(logits, labels, false=1.0, missed=1.0, smooth=smooth)


def boundary(logits: keras.KerasTensor, labels: keras.KerasTensor, distances: keras.KerasTensor) -> keras.KerasTensor:
    """How far beyond the borders of its class each pixel's probability lies (https://arxiv.org/abs/1812.07032).

    Alone it may end with nothing answered anywhere: take it beside a loss of regions.

    Args:
        logits: ``(N, spatial..., C)``.
        labels: see the module; says what does not count.
        distances: of each class, float ``(N, spatial..., C)``, in pixels: to its border, below zero inside.
    """
    each = compared(logits, labels)
    return ops.sum(each.counts * each.probabilities() * ops.cast(distances, "float32")) / ops.maximum(
        ops.sum(each.counts * ops.ones_like(each.logits)), 1.0
    )
