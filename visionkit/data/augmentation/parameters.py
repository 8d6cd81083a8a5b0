"""One training sample: from a window of a file to the small augmented image, with all that is annotated on it."""

from typing import NamedTuple

import numpy as np

from visionkit.data.augmentation import pixelwise, windows
from visionkit.data.augmentation.presets import Augmentation
from visionkit.data.index import Index


class EpochParams(NamedTuple):
    """What was drawn for the samples of an epoch, a row a place of the index.

    Attributes:
        windows: int ``(N, 4)``; they may reach beyond the image.
        parts: int ``(N, 4)``, what of the windows lies in the image.
        frames: int ``(N, 4)``, where these parts come to lie in the network's input.
        ratios: int ``(N,)``, by which a JPEG is shrunk while it is decoded.
        seeds: of what albumentations draws.
        batchwise: see ``pixelwise.sample_params``; carried out here unless the accelerator does it.
    """

    windows: np.ndarray
    parts: np.ndarray
    frames: np.ndarray
    ratios: np.ndarray
    seeds: np.ndarray
    pixelwise: pixelwise.PixelParams


def sample_params(index: Index, augmentation: Augmentation, size: int, seed: int, epoch: int) -> EpochParams:
    """Draw an epoch's windows, colors and seeds in one go: neither threads nor batches can change them."""
    rng = np.random.default_rng([seed, epoch, 1])
    shapes = index.shapes
    drawn = rng.random((len(index), 2 * windows.TRIES + 2))
    if augmentation.area is not None:
        chosen = windows.random_windows(shapes, drawn, augmentation.area)
    elif augmentation.zoom is not None:
        chosen = windows.random_squares(shapes, drawn[:, -3:], augmentation.zoom)
    elif augmentation.scale is not None:
        chosen = windows.random_squares(shapes, drawn[:, -3:], augmentation.scale, size)
    else:
        chosen = np.concatenate([np.zeros_like(shapes), shapes], axis=1).astype(np.int32)
    ratios = windows.decoding_ratios(chosen, size)
    if augmentation.whole_first:
        ratios[:] = 1
    numbers = pixelwise.pixel_params(rng.random((len(index), pixelwise.NUM_DRAWN)), augmentation)
    chosen = windows.snapped(chosen, ratios)
    parts = windows.inside(chosen, shapes)
    frames = windows.frames(chosen, parts, size)
    return EpochParams(chosen, parts, frames, ratios, rng.integers(2**32, size=len(index)), numbers)


def lasting_ratios(index: Index, augmentation: Augmentation, size: int) -> np.ndarray:
    """By how much each image may be shrunk for all epochs, int32 ``(N,)``: by what its smallest window still does with."""
    if augmentation.whole_first:
        return np.ones(len(index), np.int32)
    if augmentation.scale is not None:
        return windows.ratios_for(np.full(len(index), int(augmentation.scale[0] * size)), size)
    sides = windows.smallest_sides(index.shapes, augmentation.area, augmentation.zoom)
    return windows.ratios_for(sides, size)
