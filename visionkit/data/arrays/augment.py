"""Random variations of signals and volumes for training."""

from typing import NamedTuple

import numpy as np


class Variation(NamedTuple):
    """How far arrays are varied.

    Attributes:
        shift: largest shift along each axis, as a share of the axis' length; the border is repeated.
        stretch: largest change of a signal's scale, as a share of it; the middle stays in place.
        contrast: each value's distance from the mean is raised to a power between ``1 / (1 + contrast)`` and ``1 + contrast``.
        noise: largest standard deviation of added noise, in standard deviations of the array.
        flip: whether each axis of a volume may be mirrored.
    """

    shift: float = 0.0
    stretch: float = 0.0
    contrast: float = 0.0
    noise: float = 0.0
    flip: bool = False


def varied(array: np.ndarray, variation: Variation, rng: np.random.Generator) -> np.ndarray:
    """A variation of one array.

    Args:
        array: float32 ``(spatial..., channels)``.
        variation: how far it is varied.
        rng: draws the variation.
    """
    mean, deviation = array.mean(), array.std()
    if array.ndim == 2:
        array = _moved(array, rng.uniform(-1, 1) * variation.shift, 1 + rng.uniform(-1, 1) * variation.stretch)
    else:
        for axis, side in enumerate(array.shape[:-1]):
            offset = round(rng.uniform(-1, 1) * variation.shift * side)
            array = array.take(np.clip(np.arange(side) + offset, 0, side - 1), axis)
            if variation.flip and rng.random() < 0.5:
                array = np.flip(array, axis)
    if deviation > 0:
        array = with_contrast_and_noise((array - mean) / deviation, variation.contrast, variation.noise, rng) * deviation + mean
    return array.astype(np.float32)


def with_contrast_and_noise(standardized: np.ndarray, contrast: float, noise: float, rng: np.random.Generator) -> np.ndarray:
    """A variation of an array of any shape, with mean 0 and deviation 1; see ``Variation`` for ``contrast`` and ``noise``."""
    power = (1 + contrast) ** rng.uniform(-1, 1)
    added = rng.standard_normal(standardized.shape, np.float32) * rng.uniform(0, noise)
    return np.sign(standardized) * np.abs(standardized) ** power + added


def _moved(signal: np.ndarray, shift: float, stretch: float) -> np.ndarray:
    places = np.arange(len(signal))
    middle = (len(signal) - 1) / 2
    sources = (places - middle) / stretch + middle - shift * len(signal)
    return np.stack([np.interp(sources, places, channel) for channel in signal.T], axis=1)
