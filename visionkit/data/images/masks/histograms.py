"""How often each value occurs in each mask of a data set: all masks are opened, on all cores, and no pixels are kept."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scipy import ndimage

from visionkit.data.images.decode import ImageError
from visionkit.data.images.masks.read import ALPHA_MODES, OpenedMask, grey_values, open_mask, values_of
from visionkit.data.index import DataError
from visionkit.progress import bar

MOST_COLORS = 2048  # colors of a file that are kept: a file with more is a photograph
AT_ONCE = 256  # masks whose objects are counted before it is asked whether more of them can change the result
LARGEST_PART = 0.9  # share of the pixels of an object that its largest part has: annotators leave specks


@dataclass(frozen=True, eq=False, slots=True)
class Histogram:
    """The values of one mask in one channel.

    Attributes:
        values: int64 ``(K,)``, those that occur, in ascending order.
        counts: int64 ``(K,)``, pixels of each.
        solid: int64 ``(K,)``, pixels of each that lie in a square of 3 x 3 pixels of this value; zeros for colors.
    """

    values: np.ndarray
    counts: np.ndarray
    solid: np.ndarray


@dataclass(frozen=True, eq=False, slots=True)
class MaskFile:
    """What is known of one mask.

    Attributes:
        path: the file.
        blurred: whether its format changes values, as JPEG does.
        grey: its grey values or the numbers of its palette; None where it has colors.
        colors: its packed colors, in the order of ``grey.values`` where it has a palette; None where they are plain greys.
        alpha: the values of its alpha channel; None where it has none.
    """

    path: str
    blurred: bool
    grey: Histogram | None
    colors: Histogram | None
    alpha: Histogram | None

    @property
    def in_color(self) -> Histogram:
        """Its packed colors; a grey value is a color, too."""
        if self.colors is not None:
            return self.colors
        return Histogram(self.grey.values.clip(0, 255) * 0x010101, self.grey.counts, self.grey.solid)


def open_masks(masks: Sequence[str | Path]) -> list[MaskFile]:
    """Open all masks; broken ones are left out, since they are reported when they are read.

    Raises:
        DataError: no mask can be read.
    """
    reasons: list[str] = []

    def open_one(path):
        try:
            return _file_of(str(path), open_mask(path))
        except ImageError as error:
            reasons.append(f"{path}: {error}")
            return None

    files = [file for file in in_threads(open_one, masks, "reading mask values") if file is not None]
    if not files:
        raise DataError(f"None of {len(masks)} masks can be read{f'; {min(reasons)}' if reasons else ''}.")
    return files


def in_threads(function: Callable[[Any], Any], items: Sequence[Any], description: str) -> Iterator[Any]:
    """The results of a function for each item, in order, from all cores; a progress bar is shown if it takes long."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from bar(pool.map(function, items), description, total=len(items), unit=" masks", delay=1)


def _file_of(path: str, opened: OpenedMask) -> MaskFile:
    image = opened.image
    grey = grey_values(opened)
    histogram = None if grey is None else histogram_of(grey)
    colors = alpha = None
    if grey is None:
        values, counts = _by_runs(values_of(opened, "color"))
        colors = Histogram(values[:MOST_COLORS], counts[:MOST_COLORS], np.zeros(len(values[:MOST_COLORS]), np.int64))
    elif image.mode in ("P", "PA"):
        palette = np.array(image.getpalette("RGB") or [], np.int64).reshape(-1, 3) @ [65536, 256, 1]
        known = histogram.values[histogram.values < len(palette)]
        packed = np.zeros(len(histogram.values), np.int64)
        packed[: len(known)] = palette[known]
        colors = Histogram(packed, histogram.counts, histogram.solid)
    if image.mode in ALPHA_MODES:
        alpha = histogram_of(values_of(opened, "alpha"))
    return MaskFile(path, opened.blurred, histogram, colors, alpha)


def histogram_of(values: np.ndarray) -> Histogram:
    """Count the values of one mask, ``(H, W)`` of integers."""
    if values.dtype not in (np.uint8, np.uint16):
        distinct, where = np.unique(values, return_inverse=True)
        if len(distinct) > 65536:
            raise ImageError(f"the mask has {len(distinct):,} values; expected classes")
        found = histogram_of(where.reshape(values.shape).astype(np.uint16))
        return Histogram(distinct.astype(np.int64), found.counts, found.solid)
    square, size = np.ones((3, 3), np.uint8), 256 if values.dtype == np.uint8 else 65536
    is_solid = cv2.compare(cv2.erode(values, square), cv2.dilate(values, square), cv2.CMP_EQ) > 0
    pairs, times = _by_runs(values + is_solid * np.array(size, np.uint16 if size == 256 else np.int32))
    distinct, where = np.unique(pairs % size, return_inverse=True)
    counts = np.bincount(where, times, minlength=len(distinct)).astype(np.int64)
    return Histogram(distinct, counts, np.bincount(where, times * (pairs >= size), minlength=len(distinct)).astype(np.int64))


def _by_runs(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct values and their counts. Masks consist of long runs, and these are far fewer than the pixels."""
    flat = values.ravel()
    starts = np.flatnonzero(np.concatenate([[True], flat[1:] != flat[:-1]]))[: flat.size]
    lengths = np.diff(starts, append=flat.size)
    distinct, where = np.unique(flat[starts], return_inverse=True)
    return distinct.astype(np.int64), np.bincount(where, lengths, minlength=len(distinct)).astype(np.int64)


def total_of(histograms: Sequence[Histogram]) -> Histogram:
    """The sum of histograms."""
    values = np.concatenate([np.zeros(0, np.int64), *(each.values for each in histograms)])
    distinct, where = np.unique(values, return_inverse=True)
    sums = []
    for name in ("counts", "solid"):
        weights = np.concatenate([np.zeros(0, np.int64), *(getattr(each, name) for each in histograms)])
        sums.append(np.bincount(where, weights, minlength=len(distinct)).astype(np.int64))
    return Histogram(distinct, *sums)


def are_single_regions(paths: Sequence[str], channel: str, background: int, share: float) -> bool:
    """Whether nearly every value in nearly every mask is one connected region, as the number of an object is.

    Args:
        paths: the masks.
        channel: where the values are, as in ``MaskCode``.
        background: the value that is not looked at.
        share: of the pairs of mask and value that must be one region.
    """

    def count(path):
        try:
            return _num_single(values_of(open_mask(path), channel), background)
        except ImageError:
            return 0, 0

    single = pairs = 0
    for start in range(0, len(paths), AT_ONCE):
        for one, of in in_threads(count, paths[start : start + AT_ONCE], "looking for objects"):
            single, pairs = single + one, pairs + of
        if single < 0.8 * share * pairs:  # the masks that remain are not of another kind
            return False
    return pairs > 0 and single >= share * pairs


def _num_single(values: np.ndarray, background: int) -> tuple[int, int]:
    """How many values are one connected region, and how many there are."""
    distinct, where = np.unique(values, return_inverse=True) if values.dtype == np.int32 else (None, values)
    numbers = where.reshape(values.shape).astype(np.int32) + (distinct is not None)  # from 1 on; of others, 0 is left out
    single = of = 0
    for number, extent in enumerate(ndimage.find_objects(numbers), start=1):
        if extent is None or (distinct is not None and distinct[number - 1] == background):
            continue
        inside = (numbers[extent] == number).astype(np.uint8)
        count, parts = cv2.connectedComponents(inside, connectivity=8)
        is_single = count == 2 or np.bincount(parts[inside > 0]).max() >= LARGEST_PART * np.count_nonzero(inside)
        single, of = single + bool(is_single), of + 1
    return single, of
