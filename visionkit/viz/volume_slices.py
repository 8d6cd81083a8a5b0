"""A volume and its masks as flat pictures: the slices that show most."""

import numpy as np

from visionkit.data.sample import IGNORE
from visionkit.viz.array_pictures import grey_levels

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
