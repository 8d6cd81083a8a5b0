"""Embeddings: distances, normalization, and ArcFace's angular margin.

Embeddings are float ``(N, D)``. All gradients are finite, also where two embeddings are equal, and where one is zero.
"""

import math

import keras
from keras import ops

TINY = 1e-12  # keeps the normalized zero embedding finite


def squared_distances(a: keras.KerasTensor, b: keras.KerasTensor) -> keras.KerasTensor:
    """Squared Euclidean distances of every row of ``a`` ``(N, D)`` to every row of ``b`` ``(M, D)``: ``(N, M)``, none negative.

    They take one matrix product: memory grows with N * M, not with N * M * D. The mean of ``b`` is subtracted from both first,
    which changes no distance, and keeps the precision of embeddings that lie close together and far from zero.
    """
    mean = ops.stop_gradient(ops.sum(b, axis=0, keepdims=True) / ops.cast(ops.maximum(ops.shape(b)[0], 1), b.dtype))
    a, b = a - mean, b - mean
    squares = ops.sum(ops.square(a), axis=-1)[:, None] + ops.sum(ops.square(b), axis=-1)[None]
    return ops.maximum(squares - 2 * ops.matmul(a, ops.transpose(b)), 0.0)


def pair_distances(a: keras.KerasTensor, b: keras.KerasTensor) -> keras.KerasTensor:
    """Euclidean distances, row by row: ``(N, D)`` and ``(N, D)`` to ``(N,)``; the gradient at distance 0 is 0."""
    return root(ops.sum(ops.square(a - b), axis=-1))


def root(squared: keras.KerasTensor) -> keras.KerasTensor:
    """The square root of nonnegative numbers, whose gradient at 0 is 0, where that of ``ops.sqrt`` is infinite."""
    positive = squared > 0
    return ops.where(positive, ops.sqrt(ops.where(positive, squared, 1.0)), 0.0)


def unit(embeddings: keras.KerasTensor, axis: int = -1) -> keras.KerasTensor:
    """Divide embeddings by their Euclidean norms along an axis; zero stays zero."""
    squared = ops.sum(ops.square(embeddings), axis=axis, keepdims=True)
    return embeddings * ops.rsqrt(ops.maximum(squared, TINY))


def arcface_logits(
    cosines: keras.KerasTensor, labels: keras.KerasTensor, margin: float = 0.5, scale: float = 64.0
) -> keras.KerasTensor:
    """ArcFace's logits for cross-entropy (Deng et al. 2019, https://arxiv.org/abs/1801.07698).

    The margin is added to the angle between an embedding and the center of its own class: ``scale * cos(angle + margin)``.
    Beyond ``angle + margin = pi`` that would rise again, and reward embeddings that lie farther off; there, as in the authors'
    code, the logit is ``scale * (cos(angle) - margin * sin(margin))``, which keeps falling. (That code's easy margin is another
    rule: no margin at all beyond 90 degrees.)

    Args:
        cosines: float ``(N, num_classes)``, of each embedding with the center of each class.
        labels: int ``(N,)``; a negative label gets no margin.
        margin: radians, 0 to pi.
        scale: factor of the cosines.

    Returns:
        float32 ``(N, num_classes)``.
    """
    cosines = ops.clip(ops.cast(cosines, "float32"), -1.0, 1.0)
    sines = root((1 - cosines) * (1 + cosines))
    with_margin = cosines * math.cos(margin) - sines * math.sin(margin)
    with_margin = ops.where(cosines > -math.cos(margin), with_margin, cosines - margin * math.sin(margin))
    own = ops.cast(labels, "int32")[:, None] == ops.arange(cosines.shape[-1], dtype="int32")[None]
    return scale * ops.where(own, with_margin, cosines)
