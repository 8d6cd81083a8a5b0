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
        weights: how much each position counts, float ``(N, H, W)`` or ``(1, H, W)``, 0 to 1; None counts all alike.

    Returns:
        float32 ``(N, C, C)``, symmetric; zeros where there is no position.
    """
    num_pictures, height, width, channels = ops.shape(features)
    flat = ops.reshape(features, (num_pictures, height * width, channels))
    return _products(flat, None if weights is None else ops.reshape(weights, (-1, height * width, 1)))


def _products(flat: keras.KerasTensor, weights: keras.KerasTensor | None) -> keras.KerasTensor:
    """``gram`` of ``(N, positions, C)`` and ``(N, positions, 1)``.

    The matrix is symmetric: its gradient by the features takes one product, where the general rule takes two, and in half
    precision it is computed in that.
    """

    @ops.custom_gradient
    def products(flat):
        wide = ops.cast(flat, "float32")
        seen = wide if weights is None else wide * ops.cast(weights, "float32")

        def gradient(*arguments, upstream=None):
            upstream = arguments[0] if upstream is None else upstream
            both = ops.cast(upstream + ops.transpose(upstream, (0, 2, 1)), flat.dtype)
            by_features = ops.matmul(flat, both)
            return by_features if weights is None else by_features * ops.cast(weights, flat.dtype)

        return ops.matmul(ops.transpose(wide, (0, 2, 1)), seen), gradient

    return products(flat)


def mean_gram(features: keras.KerasTensor, weights: keras.KerasTensor | None = None) -> keras.KerasTensor:
    """``gram`` divided by the number of positions, or by the sum of their weights: of any size comparable."""
    if weights is None:
        _, height, width, _ = ops.shape(features)
        counted = ops.cast(height * width, "float32")
    else:
        counted = ops.sum(ops.cast(weights, "float32"), axis=(1, 2))[:, None, None]
    return gram(features, weights) / ops.maximum(counted, TINY)
