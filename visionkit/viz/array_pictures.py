"""Signals and volumes as people look at them: a curve; three slices through the middle."""

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from visionkit.viz.plots import INK, VALIDATION

SLICE = 70  # pixels of the longest side of a drawn slice
GAP = 5


class ArrayPictures:
    """A sequence of pictures, each drawn when it is asked for.

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
    picture = np.full((SLICE, 3 * SLICE + 2 * GAP), 255, np.uint8)
    for axis, side in enumerate(grey.shape):
        shown = np.ascontiguousarray(grey.take(side // 2, axis).T[::-1])  # the last axis points up
        size = [max(1, round(scale * length)) for length in shown.shape[::-1]]
        shown = cv2.resize(shown, size, interpolation=cv2.INTER_NEAREST)
        left = axis * (SLICE + GAP)
        picture[: shown.shape[0], left : left + shown.shape[1]] = shown
    return np.repeat(picture[..., None], 3, axis=2)


def grey_levels(voxels: np.ndarray) -> np.ndarray:
    """Uint8 of any shape: black and white are where 1 per cent of the values lie beyond."""
    low, high = np.percentile(voxels, (1, 99))
    return (np.clip((voxels - low) / max(high - low, 1e-30), 0, 1) * 255).astype(np.uint8)
