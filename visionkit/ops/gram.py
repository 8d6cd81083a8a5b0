"""Gram matrices: which channels of a feature map are active together, wherever in the picture that is.

A Neural Algorithm of Artistic Style, Gatys et al. 2015, https://arxiv.org/abs/1508.06576.
"""

import keras
from keras import ops

TINY = 1e-6  # keeps the mean over no position finite: it is 0


def gram(features: keras.KerasTensor, weights: keras.KerasTensor | None = None) -> keras.KerasTensor:
    """Sums over all positions of the products of channels, as the paper and the course have them: ``A A^T``.

    Args:
        features: float ``(N, H, W, C)``; of half precision they are summed in float32.
        weights: how much each position counts, float ``(N, H, W)`` or ``(1, H, W)``, 0 to 1; None counts all alike. There is no
            gradient by them where features are bfloat16.

    Returns:
        float32 ``(N, C, C)``, symmetric; zeros where there is no position.
    """
    num_pictures, height, width, channels = ops.shape(features)
    flat = ops.reshape(features, (num_pictures, height * width, channels))
    positions = None if weights is None else ops.cast(ops.reshape(weights, (-1, height * width, 1)), "float32")
    return _products(flat, positions)


def _products(flat: keras.KerasTensor, weights: keras.KerasTensor | None) -> keras.KerasTensor:
    """``gram`` of ``(N, positions, C)`` and ``(N, positions, 1)``.

    The matrix is symmetric, so that its gradient by the features takes one product, where the general rule takes two. Of
    bfloat16, which has float32's range, that one is computed in bfloat16: the values come from ``sums``, the gradient from
    ``slope``.
    """
    wide = ops.cast(flat, "float32")
    seen = wide if weights is None else wide * weights
    sums = ops.matmul(ops.transpose(wide, (0, 2, 1)), seen)
    if keras.backend.standardize_dtype(flat.dtype) != "bfloat16":
        return sums
    sums, other = ops.stop_gradient(sums), ops.stop_gradient(ops.cast(seen, flat.dtype))
    half = ops.cast(ops.matmul(ops.transpose(flat, (0, 2, 1)), other), "float32")
    slope = half + ops.transpose(half, (0, 2, 1))
    return sums + (slope - ops.stop_gradient(slope))


def mean_gram(features: keras.KerasTensor, weights: keras.KerasTensor | None = None) -> keras.KerasTensor:
    """``gram`` divided by the number of positions, or by the sum of their weights: of any size comparable."""
    if weights is None:
        _, height, width, _ = ops.shape(features)
        counted = ops.cast(height * width, "float32")
    else:
        counted = ops.sum(ops.cast(weights, "float32"), axis=(1, 2))[:, None, None]
    return gram(features, weights) / ops.maximum(counted, TINY)
