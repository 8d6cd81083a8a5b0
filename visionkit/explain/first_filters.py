"""The filters of the first layer, as image patterns."""

import numpy as np

from visionkit.explain.probe import Probe

MOST = 128  # filters
AT_ONCE = 16  # filters in a batch


def first_filters(probe: Probe) -> np.ndarray:
    """Compute the filters of a network's first convolution in the colors of images, whatever order and scale its weights have.

    A filter is the gradient of a unit with respect to the pixels, through normalization and BatchNorm, which are linear.

    Returns:
        float32 ``(N, height, width, 3)``, red first, the first ``MOST`` of them.
    """
    layer = probe.first
    side = min(probe.size, 2 * max(layer.place.field) + 2 * layer.stride)
    smaller = probe.at_side(layer, side)
    layer, side = (layer, probe.size) if smaller is None else (smaller, side)
    place = tuple(length // 2 for length in layer.place.sides)
    units, gradients = list(range(min(MOST, layer.channels))), []
    for start in range(0, len(units), AT_ONCE):
        batch = units[start : start + AT_ONCE]
        pixels = np.zeros((len(batch), side, side, 3), np.float32)
        gradients.append(probe.excitation_gradient(pixels, layer, batch, place)[1])
    (top, left), (height, width) = layer.window(*place)
    top, left = max(top, 0), max(left, 0)
    return np.concatenate(gradients)[:, top : top + height, left : left + width]


def as_images(filters: np.ndarray) -> np.ndarray:
    """Scale each filter to its own range: gray is 0; uint8 of the same shape."""
    strongest = np.maximum(np.abs(filters).max(axis=(1, 2, 3), keepdims=True), np.finfo(np.float32).tiny)
    return np.round(127.5 + 127.5 * filters / strongest).astype(np.uint8)
