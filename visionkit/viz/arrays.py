"""Draw signals as curves, and volumes as three slices."""

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from visionkit.data.index import IGNORE
from visionkit.viz.plots import INK, VALIDATION

CENTRAL_SLICE, CENTRAL_GAP = 70, 5  # pixels: longest side of a slice of ``draw_volume``, and between slices
SLICE, GAP = 160, 8  # pixels, of ``slices``: the longest side has more than half of these
PAPER, NOTHING = 255, 0  # around slices: the color of the page, and the background class, which is not colored


class ArrayImages:
    """A sequence of images that are drawn on access.

    Args:
        arrays: ``(N, length, channels)`` or ``(N, depth, height, width, channels)``.
    """

    def __init__(self, arrays: np.ndarray):
        self._arrays = arrays

    def __getitem__(self, position: int) -> np.ndarray:
        """Uint8 ``(H, W, 3)``."""
        return draw_array(self._arrays[position])


def draw_array(array: np.ndarray) -> np.ndarray:
    """Draw a signal ``(length, channels)`` or a volume ``(depth, height, width, channels)`` as uint8 ``(H, W, 3)``."""
    return draw_signal(array) if array.ndim == 2 else draw_volume(array)


def draw_signal(signal: np.ndarray) -> np.ndarray:
    """Draw all channels as curves over the sample number."""
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
    """Draw the first channel's central slices across the first, the second and the third axis, side by side."""
    grey = grey_levels(volume[..., 0])
    scale = CENTRAL_SLICE / max(grey.shape)
    image = np.full((CENTRAL_SLICE, 3 * CENTRAL_SLICE + 2 * CENTRAL_GAP), 255, np.uint8)
    for axis, side in enumerate(grey.shape):
        shown = np.ascontiguousarray(grey.take(side // 2, axis).T[::-1])  # the last axis points up
        size = [max(1, round(scale * length)) for length in shown.shape[::-1]]
        shown = cv2.resize(shown, size, interpolation=cv2.INTER_NEAREST)
        left = axis * (CENTRAL_SLICE + CENTRAL_GAP)
        image[: shown.shape[0], left : left + shown.shape[1]] = shown
    return np.repeat(image[..., None], 3, axis=2)


def grey_levels(voxels: np.ndarray) -> np.ndarray:
    """Values of any shape as uint8; the darkest and the brightest 1 per cent are clipped."""
    low, high = np.percentile(voxels, (1, 99))
    return (np.clip((voxels - low) / max(high - low, 1e-30), 0, 1) * 255).astype(np.uint8)


def slices(volume: np.ndarray, *masks: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Slices across the first, the second and the third axis in which the masks have the most voxels, side by side.

    Small volumes are enlarged by a whole number, so that single voxels are visible. Slices are oriented as in ``draw_volume``.

    Args:
        volume: float32 ``(D, H, W, C)``; the first channel is drawn.
        masks: uint8 ``(D, H, W)``, the class of each voxel; 0 is the background.

    Returns:
        the drawing, uint8 ``(h, w, 3)``; and the same slices of each mask, uint8 ``(h, w)``, which are 0 between slices.
    """
    grey = grey_levels(volume[..., 0])
    counts = np.zeros(grey.shape, np.uint8)
    for mask in masks:
        counts += (mask != NOTHING) & (mask != IGNORE)
    places = [_fullest(counts.sum(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    times = max(1, SLICE // max(grey.shape))
    montages = [_montage(part, places, times, around) for part, around in [(grey, PAPER), *((mask, NOTHING) for mask in masks)]]
    return np.repeat(montages[0][..., None], 3, axis=2), montages[1:]


def _fullest(counts: np.ndarray) -> int:
    """The place with the largest count; of equal ones, the one nearest to the middle."""
    most = np.flatnonzero(counts == counts.max())
    return int(most[np.abs(most - len(counts) // 2).argmin()])


def _montage(voxels: np.ndarray, places: list[int], times: int, around: int) -> np.ndarray:
    # The last axis points up, as in ``draw_volume``.
    shown = [voxels.take(place, axis).T[::-1].repeat(times, 0).repeat(times, 1) for axis, place in enumerate(places)]
    height = max(part.shape[0] for part in shown)
    canvas = np.full((height, sum(part.shape[1] for part in shown) + 2 * GAP), around, voxels.dtype)
    left = 0
    for part in shown:
        top = (height - part.shape[0]) // 2
        canvas[top : top + part.shape[0], left : left + part.shape[1]] = part
        left += part.shape[1] + GAP
    return canvas
