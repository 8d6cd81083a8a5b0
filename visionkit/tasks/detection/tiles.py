"""Small objects on large images: a detector looks at overlapping tiles and at the whole image; one answer is made of it.

A network sees all images at one size, so that what is small on a large one is lost. In tiles it is not; but an object may lie
across the border of tiles, and one in their overlap is found twice. A box that ends at a border of its tile, and not of the
image, is **open** on that side: there, more of its object may follow. Of all views' boxes, class by class:

1. open boxes of neighbors that continue each other are joined;
2. a box that is still open gives way to a larger one that covers it (the whole image's, as a rule);
3. what is small on the whole image, where places are coarse, gives way to what a tile shows there;
4. what is left is suppressed as ever, the lower score by the higher.

A box whose score is much lower does nothing to another in steps 1 to 3: else noise, which a low threshold lets pass, would
stretch or hide what is sure.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from visionkit.metrics.detection import Detections

SMALLEST_TILE = 32  # pixels: less shows nothing
OVERLAP = 0.2  # of a tile's side
BATCH = 8  # tiles
TOUCHING = 0.02  # of a tile's side: a box that ends so near to a border may as well end there
ALIKE = 0.5  # the lower score is at least that share of the higher
CONTINUING = 0.5  # of the shorter edge of two boxes that lie side by side must be common
COVERED = 0.7  # of an open box must be in the larger one
SMALL = 0.5  # of a tile's side: so large an object lies within a tile, or is joined
SHARED = 0.3  # of the smaller of two boxes: on the whole image, a pixel of the network is many
SAME = 0.5  # intersection over union of boxes of one object in two views, which agree less than those of one view
OF_NO_VIEW = -1


class _Views(NamedTuple):
    """Boxes of one class: xyxy in pixels ``(K, 4)``, scores, the view of each, and bool ``(K, 4)``: which sides are open."""

    boxes: np.ndarray
    scores: np.ndarray
    view: np.ndarray
    is_open: np.ndarray

    def take(self, rows: np.ndarray) -> "_Views":
        return _Views(*(array[rows] for array in self))


def tile_windows(height: int, width: int, tile: int, overlap: float = OVERLAP) -> np.ndarray:
    """Tiles of one size that cover an image: int ``(T, 4)``, top, left, height, width in pixels.

    Args:
        height, width: of the image.
        tile: side of a tile; where the image is shorter, so are the tiles.
        overlap: of neighbors, at least, as a share of their side, 0..0.9.
    """
    sides = min(tile, height), min(tile, width)
    tops, lefts = (_starts(length, side, overlap) for length, side in zip((height, width), sides, strict=True))
    return np.array([(top, left, *sides) for top in tops for left in lefts])


def _starts(length: int, side: int, overlap: float) -> list[int]:
    steps = math.ceil((length - side) / (side * (1 - overlap)))
    return np.linspace(0, length - side, steps + 1).round().astype(int).tolist()


def find_in_tiles(
    pixels: np.ndarray,
    tile: int,
    find: Callable[[np.ndarray], list[Detections]],
    *,
    iou_threshold: float,
    overlap: float = OVERLAP,
) -> Detections:
    """The objects on an image, seen whole and in tiles.

    Args:
        pixels: uint8 ``(H, W, 3)``.
        tile: side of the tiles in pixels, at least ``SMALLEST_TILE``.
        find: the objects on each of images of one size, uint8 ``(N, h, w, 3)``.
        iou_threshold: at which ``find`` suppresses.
        overlap: see ``tile_windows``.

    Returns:
        relative to the image, best first.
    """
    height, width = pixels.shape[:2]
    windows = tile_windows(height, width, tile, overlap)
    (whole,) = find(pixels[None])
    if len(windows) == 1:
        return whole
    found = [whole]
    for start in range(0, len(windows), BATCH):
        cut = [pixels[y : y + h, x : x + w] for y, x, h, w in windows[start : start + BATCH]]
        found += find(np.stack(cut))
    windows = np.concatenate([[(0, 0, height, width)], windows])
    frames = np.concatenate([windows[:, 1::-1], windows[:, 1::-1] + windows[:, :1:-1]], axis=1)  # xyxy
    view = np.repeat(np.arange(len(found)), [len(each.scores) for each in found])
    corners, sides = frames[view, :2], np.tile(frames[view, 2:] - frames[view, :2], 2)
    boxes = np.concatenate([each.boxes for each in found]) * sides + np.tile(corners, 2)
    image = np.array([0, 0, width, height])
    is_open = (np.abs(boxes - frames[view]) <= TOUCHING * sides) & (frames[view] != image)
    seen = _Views(boxes, np.concatenate([each.scores for each in found]), view, is_open)
    classes = np.concatenate([each.classes for each in found])
    merged = {number: _merged(seen.take(classes == number), tile, iou_threshold) for number in np.unique(classes).tolist()}
    return _best_first(merged, image)


def _best_first(merged: dict[int, _Views], image: np.ndarray) -> Detections:
    if not merged:
        return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32))
    scores = np.concatenate([each.scores for each in merged.values()])
    boxes = np.concatenate([each.boxes for each in merged.values()]) / image[[2, 3, 2, 3]]
    classes = np.repeat(np.array(list(merged), np.int32), [len(each.scores) for each in merged.values()])
    order = np.argsort(-scores, kind="stable")
    return Detections(boxes[order].astype(np.float32), scores[order].astype(np.float32), classes[order])


def _merged(seen: _Views, tile: int, iou_threshold: float) -> _Views:
    return _unsuppressed(_finest(_uncovered(_joined(seen), tile), tile), iou_threshold)


def _joined(seen: _Views) -> _Views:
    """Step 1. A joined box has the best score of its parts, and is open where the part that reaches farthest is."""
    group = np.arange(len(seen.scores))
    for row in np.flatnonzero(seen.is_open[:, 2:].any(axis=1)):  # something may follow to the right, or below
        shared = _shared_sides(seen.boxes[row], seen.boxes)
        lengths = np.minimum(seen.boxes[row, 2:] - seen.boxes[row, :2], seen.boxes[:, 2:] - seen.boxes[:, :2])
        continues = (shared[:, ::-1] >= CONTINUING * lengths[:, ::-1]) & seen.is_open[row, 2:] & seen.is_open[:, :2]
        meets = (shared > 0).all(axis=1) & (seen.view != seen.view[row]) & _alike(seen.scores[row], seen.scores)
        for other in np.flatnonzero(continues.any(axis=1) & meets):
            group[group == group[other]] = group[row]
    numbers, counts = np.unique(group, return_counts=True)
    single = seen.take(numbers[counts == 1])  # a group that nothing joined has its own row's number
    unions = [_union(seen.take(group == number)) for number in numbers[counts > 1]]
    if not unions:
        return seen
    return _Views(
        *(np.concatenate([array, np.stack(more)]) for array, more in zip(single, zip(*unions, strict=True), strict=True))
    )


def _union(parts: _Views) -> tuple[np.ndarray, float, int, np.ndarray]:
    farthest = np.concatenate([parts.boxes[:, :2].argmin(axis=0), parts.boxes[:, 2:].argmax(axis=0)])
    sides = np.arange(4)
    return parts.boxes[farthest, sides], parts.scores.max(), OF_NO_VIEW, parts.is_open[farthest, sides]


def _uncovered(seen: _Views, tile: int) -> _Views:
    """Step 2. Boxes cover a little more than themselves, else the slivers that tiles have of an object would stay."""
    area = _area(seen.boxes)
    larger = seen.boxes + TOUCHING * tile * np.array([-1, -1, 1, 1])
    gone = np.zeros(len(area), bool)
    for row in np.flatnonzero(seen.is_open.any(axis=1)):
        inside = _shared_sides(seen.boxes[row], larger).prod(axis=1) >= COVERED * area[row]
        gone[row] = (inside & (area > area[row]) & _alike(seen.scores[row], seen.scores)).any()
    return seen.take(~gone)


def _finest(seen: _Views, tile: int) -> _Views:
    """Step 3."""
    area = _area(seen.boxes)
    gone = np.zeros(len(area), bool)
    is_small = (seen.boxes[:, 2:] - seen.boxes[:, :2]).max(axis=1, initial=0) <= SMALL * tile
    of_tile = (seen.view != 0) & ~seen.is_open.any(axis=1)
    for row in np.flatnonzero(is_small & (seen.view == 0)):
        shared = _shared_sides(seen.boxes[row], seen.boxes).prod(axis=1)
        same = (shared > 0) & (shared >= SHARED * np.minimum(area[row], area))
        gone[row] = (same & of_tile & (seen.scores >= ALIKE * seen.scores[row])).any()
    return seen.take(~gone)


def _unsuppressed(seen: _Views, iou_threshold: float) -> _Views:
    """Step 4; best first."""
    area = _area(seen.boxes)
    rows, kept = np.argsort(-seen.scores, kind="stable"), []
    while len(rows):
        best, rows = rows[0], rows[1:]
        kept.append(best)
        shared = _shared_sides(seen.boxes[best], seen.boxes[rows]).prod(axis=1)
        overlap = shared / np.maximum(area[best] + area[rows] - shared, 1e-9)
        limit = np.where(seen.view[rows] == seen.view[best], iou_threshold, min(SAME, iou_threshold))
        rows = rows[overlap < limit]
    return seen.take(np.array(kept, int))


def _alike(score: float, scores: np.ndarray) -> np.ndarray:
    return np.minimum(score, scores) >= ALIKE * np.maximum(score, scores)


def _shared_sides(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Width and height ``(K, 2)`` of what a box shares with each of others."""
    return np.maximum(np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2]), 0)


def _area(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
