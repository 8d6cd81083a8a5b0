"""The random parameters of an epoch: windows, colors and seeds of all samples, drawn by position in the index."""

from typing import NamedTuple

import numpy as np

from visionkit.data.augmentation import pixelwise, windows
from visionkit.data.augmentation.presets import Augmentation
from visionkit.data.index import Index


class EpochParams(NamedTuple):
    """The random parameters of the samples of an epoch, one row per position in the index.

    Attributes:
        windows: int ``(N, 4)``, the windows; they may reach beyond the image.
        parts: int ``(N, 4)``, the parts of the windows that lie in the image.
        frames: int ``(N, 4)``, the position of these parts in the network's input.
        ratios: int ``(N,)``, the factors by which a JPEG is shrunk while it is decoded.
        seeds: int ``(N,)``, the seeds of albumentations' random numbers.
        pixelwise: see ``pixelwise.pixel_params``; applied on the processor unless the accelerator does it.
    """

    windows: np.ndarray
    parts: np.ndarray
    frames: np.ndarray
    ratios: np.ndarray
    seeds: np.ndarray
    pixelwise: pixelwise.PixelParams


def sample_params(index: Index, augmentation: Augmentation, size: int, seed: int, epoch: int) -> EpochParams:
    """Draw the windows, colors and seeds of an epoch at once, so that neither threads nor batches can change them."""
    rng = np.random.default_rng([seed, epoch, 1])
    shapes = index.shapes
    uniform = rng.random((len(index), 2 * windows.TRIES + 2))
    if augmentation.area is not None:
        sample_windows = windows.random_windows(shapes, uniform, augmentation.area)
    elif augmentation.zoom is not None:
        sample_windows = windows.random_squares(shapes, uniform[:, -3:], augmentation.zoom)
    elif augmentation.scale is not None:
        sample_windows = windows.random_squares(shapes, uniform[:, -3:], augmentation.scale, size)
    else:
        sample_windows = np.concatenate([np.zeros_like(shapes), shapes], axis=1).astype(np.int32)
    ratios = windows.decoding_ratios(sample_windows, size)
    if augmentation.whole_first:
        ratios[:] = 1
    pixel_params = pixelwise.pixel_params(rng.random((len(index), pixelwise.NUM_DRAWN)), augmentation)
    sample_windows = windows.snapped(sample_windows, ratios)
    parts = windows.inside(sample_windows, shapes)
    frames = windows.frames(sample_windows, parts, size)
    return EpochParams(sample_windows, parts, frames, ratios, rng.integers(2**32, size=len(index)), pixel_params)


def lasting_ratios(index: Index, augmentation: Augmentation, size: int) -> np.ndarray:
    """The factor by which each image may be shrunk for all epochs, int32 ``(N,)``: what its smallest window allows."""
    if augmentation.whole_first:
        return np.ones(len(index), np.int32)
    if augmentation.scale is not None:
        return windows.ratios_for(np.full(len(index), int(augmentation.scale[0] * size)), size)
    sides = windows.smallest_sides(index.shapes, augmentation.area, augmentation.zoom)
    return windows.ratios_for(sides, size)
