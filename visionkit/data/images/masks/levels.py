"""Finds the grey levels that masks had before JPEG, resizing or smoothing put other values between them.

A level fills areas: it is found in squares of 3 x 3 equal pixels, and what lies at edges is not. JPEG of quality 30 to 95 moves
at most a thousandth of such squares, by up to 3 values, whereas a class fills more of them.
"""

from itertools import pairwise

import numpy as np

from visionkit.data.images.masks.histograms import Histogram

NOISE = 3  # values around a level to which compression moves an area
NOISE_SHARE = {True: 0.02, False: 0.3}  # most of a level's areas that it moves to one value: of JPEG, and of other formats
APART = 16  # distance from which two values are two levels
FEWEST = 9  # pixels of a level
RAREST = 2e-5  # share of the areas that a level has
MANY = 64  # more values are no few levels


def clear_levels(total: Histogram, *, blurred: bool) -> tuple[int, ...]:
    """The levels, in ascending order; () where two of them are too close to each other to be told apart.

    Args:
        total: the values from 0 to 255 of all masks.
        blurred: whether the masks are JPEG.
    """
    solid = dict(zip(total.values.tolist(), total.solid.tolist(), strict=True))
    least = max(FEWEST, RAREST * sum(solid.values()))
    levels: list[int] = []
    for value in sorted(solid, key=lambda value: -solid[value]):
        if solid[value] < least:
            break
        nearest = min(levels, key=lambda level: abs(level - value), default=None)
        if nearest is None or abs(nearest - value) >= APART:
            levels.append(value)
        elif abs(nearest - value) > NOISE or solid[value] > NOISE_SHARE[blurred] * solid[nearest]:
            return ()
    return tuple(sorted(levels))


def levels_of_jpeg(total: Histogram) -> tuple[int, ...]:
    """The levels of masks in JPEG files, two or more; () where they cannot be told."""
    levels = clear_levels(total, blurred=True)
    if len(total.values) == 1:
        return (0, 255) if int(total.values[0]) in (0, 255) else ()
    if len(levels) < 2 and _are_thin_lines(total):
        return (0, 255)
    levels = tuple(0 if level <= NOISE else 255 if level >= 255 - NOISE else level for level in levels)
    return levels if len(levels) >= 2 else ()


def _are_thin_lines(total: Histogram) -> bool:
    """Whether masks are black and white, but one of these is nowhere an area."""
    solid, near = (
        [int(counts[abs(total.values - center) < APART].sum()) for center in (0, 128, 255)]
        for counts in (total.solid, total.counts)
    )
    areas = max(1, int(total.solid.sum()))
    only_one = min(solid[0], solid[2]) < 0.02 * areas and areas - solid[0] - solid[2] < 0.01 * areas
    return only_one and min(near[0], near[2]) > near[1]


def levels_of_soft_edges(total: Histogram) -> tuple[int, ...]:
    """The levels of masks whose edges are soft, two or more; () where each value may stand for itself.

    Between two levels, soft edges have values in both halves. Class numbers, which begin at 0, do not.
    """
    values, counts = total.values, total.counts
    if values[0] < 0 or values[-1] > 255 or len(values) < 5:
        return ()
    levels = clear_levels(total, blurred=False)
    if len(levels) >= 2 and total.solid.sum() >= 0.3 * counts.sum():
        between = np.setdiff1d(values, levels)
        halves = [(between[(between > low) & (between < high)] - low) * 2 > high - low for low, high in pairwise(levels)]
        if any(half.any() and not half.all() for half in halves) and len(between) >= 3:
            return tuple(0 if level <= NOISE else 255 if level >= 255 - NOISE else level for level in levels)
    extremes = int(counts[(values == 0) | (values == 255)].sum())
    if len(values) > MANY and {0, 255} <= set(values.tolist()) and extremes >= 0.9 * counts.sum():
        return (0, 255)
    return ()
