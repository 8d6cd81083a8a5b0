"""Variations of signals and volumes for training, drawn by seed and place."""

from typing import NamedTuple

import numpy as np


class Variation(NamedTuple):
    """How far arrays are varied.

    Attributes:
        shift: largest shift along each axis, as a share of its length; the border is repeated.
        stretch: largest change of a signal's length, as a share of it; its middle stays.
        contrast: a value's distance from the mean is raised to a power of up to ``1 + contrast``, or as far below.
        noise: largest deviation of added noise, in deviations of the array.
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
        variation: how far.
        rng: draws it.
    """
    mean, deviation = array.mean(), array.std()
    if array.ndim == 2:
        array = _moved(array, rng.uniform(-1, 1) * variation.shift, 1 + rng.uniform(-1, 1) * variation.stretch)
    else:
        for axis, side in enumerate(array.shape[:-1]):
            by = round(rng.uniform(-1, 1) * variation.shift * side)
            array = array.take(np.clip(np.arange(side) + by, 0, side - 1), axis)
            if variation.flip and rng.random() < 0.5:
                array = np.flip(array, axis)
    if deviation > 0:
        array = with_contrast_and_noise((array - mean) / deviation, variation.contrast, variation.noise, rng) * deviation + mean
    return array.astype(np.float32)


def with_contrast_and_noise(standardized: np.ndarray, contrast: float, noise: float, rng: np.random.Generator) -> np.ndarray:
    """A variation of an array of mean 0 and deviation 1, of any shape; ``contrast`` and ``noise`` as ``Variation`` has them."""
    power = (1 + contrast) ** rng.uniform(-1, 1)
    added = rng.standard_normal(standardized.shape, np.float32) * rng.uniform(0, noise)
    return np.sign(standardized) * np.abs(standardized) ** power + added


def _moved(signal: np.ndarray, shift: float, stretch: float) -> np.ndarray:
    places = np.arange(len(signal))
    middle = (len(signal) - 1) / 2
    sources = (places - middle) / stretch + middle - shift * len(signal)
    return np.stack([np.interp(sources, places, channel) for channel in signal.T], axis=1)
