"""Gram matrices: which channels of a feature map are active together, wherever in the image that is.

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
    num_images, height, width, channels = ops.shape(features)
    wide = ops.cast(features, "float32")
    seen = wide if weights is None else wide * ops.cast(weights, "float32")[..., None]
    shape = (num_images, height * width, channels)
    sums = ops.matmul(ops.transpose(ops.reshape(wide, shape), (0, 2, 1)), ops.reshape(seen, shape))
    if keras.backend.standardize_dtype(features.dtype) != "bfloat16":
        return sums
    # The matrix is symmetric, so that its gradient by the features takes one product, where the general rule takes two; and of
    # bfloat16, which has float32's range, it is computed in that. The values are those of ``sums``, the gradient ``slope``'s.
    other = ops.reshape(ops.stop_gradient(ops.cast(seen, features.dtype)), shape)
    half = ops.cast(ops.matmul(ops.transpose(ops.reshape(features, shape), (0, 2, 1)), other), "float32")
    slope = half + ops.transpose(half, (0, 2, 1))
    return ops.stop_gradient(sums) + (slope - ops.stop_gradient(slope))


def mean_gram(features: keras.KerasTensor, weights: keras.KerasTensor | None = None) -> keras.KerasTensor:
    """``gram`` divided by the number of positions, or by the sum of their weights: of any size comparable."""
    if weights is None:
        _, height, width, _ = ops.shape(features)
        counted = ops.cast(height * width, "float32")
    else:
        counted = ops.sum(ops.cast(weights, "float32"), axis=(1, 2))[:, None, None]
    return gram(features, weights) / ops.maximum(counted, TINY)
