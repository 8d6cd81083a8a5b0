"""Gram matrices: which channels of a feature map are active together, wherever in the image.

A Neural Algorithm of Artistic Style, Gatys et al. 2015, https://arxiv.org/abs/1508.06576.
"""

import keras
from keras import ops

TINY = 1e-6  # keeps the mean over no positions finite: it is 0


def gram_matrix(features: keras.KerasTensor, weights: keras.KerasTensor | None = None) -> keras.KerasTensor:
    """Sum the products of channels over all positions, as the paper and the course do: ``A A^T``.

    Args:
        features: float ``(N, H, W, C)``; half precision is summed in float32.
        weights: weight of each position, float ``(N, H, W)`` or ``(1, H, W)``, 0 to 1; None weighs all alike. They get no
            gradient where the features are bfloat16.

    Returns:
        float32 ``(N, C, C)``, symmetric; zeros where there are no positions.
    """
    num_images, height, width, channels = ops.shape(features)
    wide = ops.cast(features, "float32")
    weighted = wide if weights is None else wide * ops.cast(weights, "float32")[..., None]
    shape = (num_images, height * width, channels)
    sums = ops.matmul(ops.transpose(ops.reshape(wide, shape), (0, 2, 1)), ops.reshape(weighted, shape))
    if keras.backend.standardize_dtype(features.dtype) != "bfloat16":
        return sums
    # The matrix is symmetric, so its gradient takes one product where the general rule takes two; and since bfloat16 has the
    # range of float32, it is computed in bfloat16. The result has the value of ``sums`` and the gradient of ``slope``.
    constant = ops.reshape(ops.stop_gradient(ops.cast(weighted, features.dtype)), shape)
    half = ops.cast(ops.matmul(ops.transpose(ops.reshape(features, shape), (0, 2, 1)), constant), "float32")
    slope = half + ops.transpose(half, (0, 2, 1))
    return ops.stop_gradient(sums) + (slope - ops.stop_gradient(slope))


def mean_gram(features: keras.KerasTensor, weights: keras.KerasTensor | None = None) -> keras.KerasTensor:
    """``gram_matrix`` divided by the number of positions, or by the sum of their weights: comparable between image sizes."""
    if weights is None:
        _, height, width, _ = ops.shape(features)
        count = ops.cast(height * width, "float32")
    else:
        count = ops.sum(ops.cast(weights, "float32"), axis=(1, 2))[:, None, None]
    return gram_matrix(features, weights) / ops.maximum(count, TINY)
