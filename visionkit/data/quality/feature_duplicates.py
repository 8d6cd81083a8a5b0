"""Finds photographs that occur twice with a caption, a border, mirrored, or cut: copies that ``duplicates`` does not see.

The features of a network suggest, for each image, the most similar image of its own split and of the others. Keypoints confirm
that they show one photograph: an affine map takes the one to the other, and what the two have in common looks the same.

Chosen on 910 images (raccoons, flowers, insects, blood cells, faces) and six copies of each: a caption over a ninth of the
height, a border of 7 %, a crop to 80 % of the area, mirrored, both, JPEG quality 40. With EfficientNet-Lite0 at 128 pixels, a
copy has its original as the nearest image in 92 to 100 % of cases among raccoons, flowers and insects, and keypoints confirm 93
to 100 %. Cells and faces look so much alike that copies with a border (12 %, 18 %) or cut (60 %, 34 %) often have another
nearest image; if compared, 97 to 100 % are confirmed. Of the originals' own nearest pairs, none of 794 of flowers, insects and
cells was confirmed, and 5 of 249 of raccoons, all of them one photograph; of 304 pairs of faces 11 were: one person twice in
one pose, within moments.
"""

import functools
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import cv2
import numpy as np

from visionkit.data.images.decode import ImageError, read_image
from visionkit.progress import bar

SIDE = 128  # pixels of the square that features are taken from
BATCH = 32
SAMPLE = 4 * BATCH  # images by which the time is estimated
MIN_AGREEMENT = 0.5  # cosine similarity of features from which two images are compared by keypoints
KEYPOINT_SIDE = 256  # pixels of the longer side
KEYPOINTS = 400
SHORTEST = 40  # pixels of the shorter side, below which there is no room for keypoints
MIN_INLIERS = 40  # keypoints on one affine map
CLEAR_MATCH = 0.8  # ratio of the distances of the nearest and the second nearest descriptor, below which a match is clear
MAX_DISTANCE = 3.0  # pixels from the affine map
WINDOW = 17  # side in pixels of the windows whose correlation is measured
MIN_VARIANCE = 25.0  # of the grey levels of a window; flatter ones say nothing
ALIKE, MIN_SHARE = 0.97, 0.65  # correlation of two windows that look the same, and the share of windows that have to
ROWS_AT_ONCE = 512
KEPT = 256  # images whose keypoints are kept while pairs are confirmed

Extract = Callable[[np.ndarray], np.ndarray]
"""Features of a batch: uint8 ``(BATCH, SIDE, SIDE, 3)`` to float32 ``(BATCH, D)``."""


class Pair(NamedTuple):
    """Two files that show one photograph.

    Attributes:
        path, other: the files.
        agreement: cosine similarity of their features.
        mirrored: whether one is the mirror image of the other.
    """

    path: str
    other: str
    agreement: float
    mirrored: bool


class Keypoints(NamedTuple):
    """A grey image uint8 ``(H, W)``, and its keypoints: float32 ``(N, 2)`` x and y, and their descriptors uint8 ``(N, 32)``."""

    grey: np.ndarray
    points: np.ndarray
    descriptors: np.ndarray


def seconds_needed(paths: Sequence[str], splits: Sequence[int], extract: Extract) -> float:
    """An estimate of the time that ``find_pairs`` takes, from the first images; 0 for so few that estimating takes as long."""
    if len(paths) <= SAMPLE:
        return 0.0
    extract(np.zeros((BATCH, SIDE, SIDE, 3), np.uint8))  # compiles it
    start = time.perf_counter()
    find_pairs(paths[:SAMPLE], splits[:SAMPLE], extract)
    return (time.perf_counter() - start) * len(paths) / SAMPLE


def find_pairs(paths: Sequence[str], splits: Sequence[int], extract: Extract) -> list[Pair]:
    """Find the images that show one photograph.

    Args:
        paths: files that can be read, each once.
        splits: the split of each, as a number.
        extract: the features of a batch.

    Returns:
        pairs of files, the earlier one last, by the row of the later one.
    """
    if len(paths) < 2:
        return []
    features = _features(paths, extract)
    candidates = _candidates(features, np.asarray(splits))
    found = _map(lambda pair: _confirmed(paths[pair[0]], paths[pair[1]]), candidates, "comparing photographs")
    return [
        Pair(paths[row], paths[other], float(features[row] @ features[other]), mirrored)
        for (row, other), mirrored in zip(candidates, found, strict=True)
        if mirrored is not None
    ]


def keypoints_of(pixels: np.ndarray) -> Keypoints:
    """The keypoints of an image uint8 ``(H, W, 3)``, at ``KEYPOINT_SIDE``."""
    scale = KEYPOINT_SIDE / max(pixels.shape[:2])
    size = [max(1, round(side * scale)) for side in pixels.shape[1::-1]]
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return _detected(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY))


def same_photograph(one: Keypoints, other: Keypoints) -> bool:
    """Whether an affine map takes one image to the other, and both look the same where they overlap."""
    if min(len(one.points), len(other.points)) < MIN_INLIERS:
        return False
    matches = [
        pair[0]
        for pair in cv2.BFMatcher(cv2.NORM_HAMMING).knnMatch(one.descriptors, other.descriptors, k=2)
        if len(pair) == 2 and pair[0].distance < CLEAR_MATCH * pair[1].distance
    ]
    if len(matches) < MIN_INLIERS:
        return False
    start = one.points[[match.queryIdx for match in matches]]
    end = other.points[[match.trainIdx for match in matches]]
    affine, inliers = cv2.estimateAffine2D(start, end, method=cv2.RANSAC, ransacReprojThreshold=MAX_DISTANCE, maxIters=500)
    if affine is None or inliers.sum() < MIN_INLIERS:
        return False
    size = other.grey.shape[::-1]
    covered = cv2.warpAffine(np.full_like(one.grey, 255), affine, size)
    correlations = _correlations(cv2.warpAffine(one.grey, affine, size), other.grey, covered)
    return len(correlations) > 0 and bool((correlations >= ALIKE).mean() >= MIN_SHARE)


def _features(paths: Sequence[str], extract: Extract) -> np.ndarray:
    """Features of length 1, float32 ``(N, D)``; zeros for files that can no longer be read."""

    def of_batch(start: int) -> np.ndarray:
        batch = np.zeros((BATCH, SIDE, SIDE, 3), np.uint8)  # of one size, so that the network is traced once
        part = paths[start : start + BATCH]
        sound = np.zeros(len(part), bool)
        for row, path in enumerate(part):
            try:
                batch[row] = cv2.resize(read_image(path), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
                sound[row] = True
            except ImageError:
                continue
        features = extract(batch)[: len(part)] * sound[:, None]
        return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-6)

    return np.concatenate(_map(of_batch, range(0, len(paths), BATCH), "searching copies"))


def _candidates(features: np.ndarray, splits: np.ndarray) -> list[tuple[int, int]]:
    """Each row with its most similar row of the same split and of another one, the later row first; each pair once."""
    pairs = set()
    for start in range(0, len(features), ROWS_AT_ONCE):
        rows = np.arange(start, min(start + ROWS_AT_ONCE, len(features)))
        agreement = features[rows] @ features.T
        agreement[np.arange(len(rows)), rows] = -1
        same = splits[rows, None] == splits[None]
        for allowed in (same, ~same):
            of_these = np.where(allowed, agreement, -1)
            best = of_these.argmax(axis=1)
            close = of_these[np.arange(len(rows)), best] >= MIN_AGREEMENT
            pairs.update((int(max(pair)), int(min(pair))) for pair in zip(rows[close], best[close], strict=True))
    return sorted(pairs)


def _confirmed(path: str, other: str) -> bool | None:
    """Whether a file is the mirror image of another; None if they show different photographs."""
    try:
        one, two = _keypoints_in(path), _keypoints_in(other)
    except ImageError:
        return None
    if same_photograph(one, two):
        return False
    return True if same_photograph(_detected(cv2.flip(one.grey, 1)), two) else None


@functools.lru_cache(maxsize=KEPT)
def _keypoints_in(path: str) -> Keypoints:
    return keypoints_of(read_image(path))


def _detected(grey: np.ndarray) -> Keypoints:
    if min(grey.shape) < SHORTEST:
        return Keypoints(grey, np.zeros((0, 2), np.float32), np.zeros((0, 32), np.uint8))
    found, descriptors = cv2.ORB_create(KEYPOINTS, edgeThreshold=16, patchSize=24, fastThreshold=8).detectAndCompute(grey, None)
    points = np.array([point.pt for point in found], np.float32).reshape(-1, 2)
    return Keypoints(grey, points, np.zeros((0, 32), np.uint8) if descriptors is None else descriptors)


def _correlations(one: np.ndarray, other: np.ndarray, covered: np.ndarray) -> np.ndarray:
    """Correlations of all windows that are not flat and lie wholly in the covered part: float32 ``(K,)``."""
    one, other = (cv2.GaussianBlur(grey.astype(np.float32), (0, 0), 1.5) for grey in (one, other))
    mean, mean_other, both = (cv2.blur(values, (WINDOW, WINDOW)) for values in (one, other, one * other))
    variance = cv2.blur(one * one, (WINDOW, WINDOW)) - mean**2
    variance_other = cv2.blur(other * other, (WINDOW, WINDOW)) - mean_other**2
    inside = cv2.erode(covered, np.ones((WINDOW, WINDOW), np.uint8), borderValue=0) == 255
    used = inside & (np.maximum(variance, variance_other) > MIN_VARIANCE)
    spread = np.sqrt(np.maximum(variance, 1) * np.maximum(variance_other, 1))
    return ((both - mean * mean_other) / spread)[used]


def _map(function: Callable, items: Sequence, description: str) -> list:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(bar(pool.map(function, items), description, total=len(items), unit=" images"))
