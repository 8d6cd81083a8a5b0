"""Signals and volumes as people look at them: a curve; three slices through the middle."""

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from visionkit.data.index import IGNORE
from visionkit.viz.plots import INK, VALIDATION

SLICE = 70  # pixels of the longest side of a drawn slice
GAP = 5


class ArrayImages:
    """A sequence of images, each drawn when it is asked for.

    Args:
        arrays: ``(N, length, channels)`` or ``(N, depth, height, width, channels)``.
    """

    def __init__(self, arrays: np.ndarray):
        self._arrays = arrays

    def __getitem__(self, place: int) -> np.ndarray:
        """Uint8 ``(H, W, 3)``."""
        return draw_array(self._arrays[place])


def draw_array(array: np.ndarray) -> np.ndarray:
    """A signal ``(length, channels)`` or a volume ``(depth, height, width, channels)`` as uint8 ``(H, W, 3)``."""
    return draw_signal(array) if array.ndim == 2 else draw_volume(array)


def draw_signal(signal: np.ndarray) -> np.ndarray:
    """Curves of all channels over the number of the sample."""
    figure = Figure(figsize=(2.2, 1.5), dpi=100, layout="constrained")
    axes = figure.subplots()
    axes.plot(signal[:, 0], color=VALIDATION, linewidth=1)
    axes.plot(signal[:, 1:], linewidth=0.8, alpha=0.7)
    axes.tick_params(labelsize=6, colors=INK, length=2)
    axes.spines[["top", "right"]].set_visible(False)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def draw_volume(volume: np.ndarray) -> np.ndarray:
    """The central slices across the first, the second and the third axis, side by side; of the first channel."""
    grey = grey_levels(volume[..., 0])
    scale = SLICE / max(grey.shape)
    image = np.full((SLICE, 3 * SLICE + 2 * GAP), 255, np.uint8)
    for axis, side in enumerate(grey.shape):
        shown = np.ascontiguousarray(grey.take(side // 2, axis).T[::-1])  # the last axis points up
        size = [max(1, round(scale * length)) for length in shown.shape[::-1]]
        shown = cv2.resize(shown, size, interpolation=cv2.INTER_NEAREST)
        left = axis * (SLICE + GAP)
        image[: shown.shape[0], left : left + shown.shape[1]] = shown
    return np.repeat(image[..., None], 3, axis=2)


def grey_levels(voxels: np.ndarray) -> np.ndarray:
    """Uint8 of any shape: black and white are where 1 per cent of the values lie beyond."""
    low, high = np.percentile(voxels, (1, 99))
    return (np.clip((voxels - low) / max(high - low, 1e-30), 0, 1) * 255).astype(np.uint8)


SLICE = 160  # pixels of the longest side of a slice, at least half of them
GAP = 8
PAPER, NOTHING = 255, 0  # around slices: as the page, and the background, which is not colored


def slices(volume: np.ndarray, *masks: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """The slices across the first, the second and the third axis in which the masks hold most, side by side.

    Small volumes are enlarged by a whole number, so that voxels can be told from each other. Slices lie as ``draw_volume``
    has them.

    Args:
        volume: float32 ``(D, H, W, C)``; the first channel is drawn.
        masks: uint8 ``(D, H, W)``, a class for each voxel; 0 is the background.

    Returns:
        uint8 ``(h, w, 3)``, and uint8 ``(h, w)`` of each mask; they are 0 between slices.
    """
    grey = grey_levels(volume[..., 0])
    held = np.zeros(grey.shape, np.uint8)
    for mask in masks:
        held += (mask != NOTHING) & (mask != IGNORE)
    places = [_fullest(held.sum(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    times = max(1, SLICE // max(grey.shape))
    montages = [_montage(part, places, times, around) for part, around in [(grey, PAPER), *((mask, NOTHING) for mask in masks)]]
    return np.repeat(montages[0][..., None], 3, axis=2), montages[1:]


def _fullest(counts: np.ndarray) -> int:
    """Where most is; of equals, the one nearest to the middle."""
    most = np.flatnonzero(counts == counts.max())
    return int(most[np.abs(most - len(counts) // 2).argmin()])


def _montage(voxels: np.ndarray, places: list[int], times: int, around: int) -> np.ndarray:
    # The last axis points up.
    shown = [voxels.take(place, axis).T[::-1].repeat(times, 0).repeat(times, 1) for axis, place in enumerate(places)]
    height = max(one.shape[0] for one in shown)
    canvas = np.full((height, sum(one.shape[1] for one in shown) + 2 * GAP), around, voxels.dtype)
    left = 0
    for one in shown:
        top = (height - one.shape[0]) // 2
        canvas[top : top + one.shape[0], left : left + one.shape[1]] = one
        left += one.shape[1] + GAP
    return canvas
