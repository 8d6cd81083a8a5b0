"""Small objects in large images: a detector looks at overlapping tiles and at the whole image, and their boxes are merged.

A network sees all images at one size, so that small objects in a large image are lost. In tiles they are not; but an object may
lie across the border of tiles, and one in their overlap is detected twice. A box that ends at a border of its tile, and not of
the image, is **open** on that side: its object may continue there. The boxes of all views (the tiles, and the whole image) are
merged class by class:

1. Open boxes of neighboring tiles that continue each other are joined.
2. A box that is still open is dropped if a larger one covers it (usually that of the whole image).
3. A small box of the whole image, where positions are coarse, is dropped if a tile has a box there.
4. The remaining boxes go through non-maximum suppression.

In steps 1 to 3, a box has no effect on another one with a much higher score: noise, which a low threshold lets pass, would
otherwise stretch or hide certain detections.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from visionkit.ops.detections import Detections
from visionkit.ops.np_boxes import pairwise_iou

SMALLEST_TILE = 32  # pixels: smaller tiles show nothing
LARGEST_TILE = 16_384  # pixels: a side of the largest images that are read
OVERLAP = 0.2  # of a tile's side
BATCH = 8  # tiles
TOUCHING = 0.02  # of a tile's side: a box that ends so close to a border is taken to end there
ALIKE = 0.5  # two scores are alike if the lower one is at least this share of the higher one
CONTINUING = 0.5  # two boxes side by side continue each other if they share this part of the shorter edge
COVERED = 0.7  # an open box is covered if this share of it lies in the larger one
SMALL = 0.5  # of a tile's side: an object up to this size lies within a tile, or is joined
SHARED = 0.3  # of the smaller of two boxes: low, since a pixel of the network is many pixels of the whole image
SAME = 0.5  # intersection over union of boxes of one object in two views, which agree less than those of one view
NO_VIEW = -1  # the view of joined boxes


class _Views(NamedTuple):
    """Boxes of one class in all views.

    Attributes:
        boxes: ``(K, 4)``, xyxy in pixels of the image.
        scores: ``(K,)``.
        view: int ``(K,)``, the number of the view: 0 is the whole image.
        is_open: bool ``(K, 4)``, whether each side is open.
    """

    boxes: np.ndarray
    scores: np.ndarray
    view: np.ndarray
    is_open: np.ndarray

    def take(self, rows: np.ndarray) -> "_Views":
        return _Views(*(array[rows] for array in self))


def tile_windows(height: int, width: int, tile: int, overlap: float = OVERLAP) -> np.ndarray:
    """Tiles of one size that cover an image: int ``(T, 4)``, top, left, height, width in pixels.

    Args:
        height: height of the image.
        width: width of the image.
        tile: side of a tile; where the image is shorter, so are the tiles.
        overlap: the least overlap of neighbors, as a share of their side, 0..0.9.
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
    detect: Callable[[np.ndarray], list[Detections]],
    *,
    iou_threshold: float,
    overlap: float = OVERLAP,
) -> Detections:
    """Detect the objects in an image, as a whole and in tiles.

    Args:
        pixels: uint8 ``(H, W, 3)``.
        tile: side of the tiles in pixels, at least ``SMALLEST_TILE``.
        detect: detects the objects in each of images of one size, uint8 ``(N, h, w, 3)``.
        iou_threshold: the IoU threshold of the suppression in ``detect``.
        overlap: see ``tile_windows``.

    Returns:
        the detections, with boxes relative to the image, best first.
    """
    height, width = pixels.shape[:2]
    windows = tile_windows(height, width, tile, overlap)
    (whole,) = detect(pixels[None])
    if len(windows) == 1:
        return whole
    detections = [whole]
    for start in range(0, len(windows), BATCH):
        tiles = [pixels[y : y + h, x : x + w] for y, x, h, w in windows[start : start + BATCH]]
        detections += detect(np.stack(tiles))
    windows = np.concatenate([[(0, 0, height, width)], windows])
    frames = np.concatenate([windows[:, 1::-1], windows[:, 1::-1] + windows[:, :1:-1]], axis=1)  # xyxy
    view = np.repeat(np.arange(len(detections)), [len(each.scores) for each in detections])
    corners, sides = frames[view, :2], np.tile(frames[view, 2:] - frames[view, :2], 2)
    boxes = np.concatenate([each.boxes for each in detections]) * sides + np.tile(corners, 2)
    image = np.array([0, 0, width, height])
    is_open = (np.abs(boxes - frames[view]) <= TOUCHING * sides) & (frames[view] != image)
    views = _Views(boxes, np.concatenate([each.scores for each in detections]), view, is_open)
    classes = np.concatenate([each.classes for each in detections])
    merged = {number: _merged(views.take(classes == number), tile, iou_threshold) for number in np.unique(classes).tolist()}
    return _best_first(merged, image)


def _best_first(merged: dict[int, _Views], image: np.ndarray) -> Detections:
    if not merged:
        return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32))
    scores = np.concatenate([each.scores for each in merged.values()])
    boxes = np.concatenate([each.boxes for each in merged.values()]) / image[[2, 3, 2, 3]]
    classes = np.repeat(np.array(list(merged), np.int32), [len(each.scores) for each in merged.values()])
    order = np.argsort(-scores, kind="stable")
    return Detections(boxes[order].astype(np.float32), scores[order].astype(np.float32), classes[order])


def _merged(views: _Views, tile: int, iou_threshold: float) -> _Views:
    return _unsuppressed(_finest(_uncovered(_joined(views), tile), tile), iou_threshold)


def _joined(views: _Views) -> _Views:
    """Step 1. A joined box has the best score of its parts, and is open on a side if its outermost part there is."""
    group = np.arange(len(views.scores))
    for row in np.flatnonzero(views.is_open[:, 2:].any(axis=1)):  # the object may continue to the right, or below
        shared = _shared_sides(views.boxes[row], views.boxes)
        lengths = np.minimum(views.boxes[row, 2:] - views.boxes[row, :2], views.boxes[:, 2:] - views.boxes[:, :2])
        continues = (shared[:, ::-1] >= CONTINUING * lengths[:, ::-1]) & views.is_open[row, 2:] & views.is_open[:, :2]
        meets = (shared > 0).all(axis=1) & (views.view != views.view[row]) & _alike(views.scores[row], views.scores)
        for other in np.flatnonzero(continues.any(axis=1) & meets):
            group[group == group[other]] = group[row]
    numbers, counts = np.unique(group, return_counts=True)
    single = views.take(numbers[counts == 1])  # the number of a group with one row is that row
    unions = [_union(views.take(group == number)) for number in numbers[counts > 1]]
    if not unions:
        return views
    return _Views(
        *(np.concatenate([array, np.stack(more)]) for array, more in zip(single, zip(*unions, strict=True), strict=True))
    )


def _union(parts: _Views) -> tuple[np.ndarray, float, int, np.ndarray]:
    farthest = np.concatenate([parts.boxes[:, :2].argmin(axis=0), parts.boxes[:, 2:].argmax(axis=0)])
    sides = np.arange(4)
    return parts.boxes[farthest, sides], parts.scores.max(), NO_VIEW, parts.is_open[farthest, sides]


def _uncovered(views: _Views, tile: int) -> _Views:
    """Step 2. Boxes cover a little more than their own area, since narrow parts of an object in tiles would stay otherwise."""
    area = _area(views.boxes)
    larger = views.boxes + TOUCHING * tile * np.array([-1, -1, 1, 1])
    dropped = np.zeros(len(area), bool)
    for row in np.flatnonzero(views.is_open.any(axis=1)):
        inside = _shared_sides(views.boxes[row], larger).prod(axis=1) >= COVERED * area[row]
        dropped[row] = (inside & (area > area[row]) & _alike(views.scores[row], views.scores)).any()
    return views.take(~dropped)


def _finest(views: _Views, tile: int) -> _Views:
    """Step 3."""
    area = _area(views.boxes)
    dropped = np.zeros(len(area), bool)
    is_small = (views.boxes[:, 2:] - views.boxes[:, :2]).max(axis=1, initial=0) <= SMALL * tile
    is_closed_in_tile = (views.view != 0) & ~views.is_open.any(axis=1)
    for row in np.flatnonzero(is_small & (views.view == 0)):
        shared = _shared_sides(views.boxes[row], views.boxes).prod(axis=1)
        same = (shared > 0) & (shared >= SHARED * np.minimum(area[row], area))
        dropped[row] = (same & is_closed_in_tile & (views.scores >= ALIKE * views.scores[row])).any()
    return views.take(~dropped)


def _unsuppressed(views: _Views, iou_threshold: float) -> _Views:
    """Step 4; best first."""
    rows, remaining = np.argsort(-views.scores, kind="stable"), []
    while len(rows):
        best, rows = rows[0], rows[1:]
        remaining.append(best)
        overlap = pairwise_iou(views.boxes[best, None], views.boxes[rows])[0]
        limit = np.where(views.view[rows] == views.view[best], iou_threshold, min(SAME, iou_threshold))
        rows = rows[overlap < limit]
    return views.take(np.array(remaining, int))


def _alike(score: float, scores: np.ndarray) -> np.ndarray:
    return np.minimum(score, scores) >= ALIKE * np.maximum(score, scores)


def _shared_sides(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Width and height ``(K, 2)`` of the intersection of a box with each of ``boxes``."""
    return np.maximum(np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2]), 0)


def _area(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
