"""Anchors: the typical widths and heights of a data set's boxes (YOLO9000, https://arxiv.org/abs/1612.08242, section 2)."""

import numpy as np

TRIES, STEPS = 8, 100


def shape_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU of every box of ``a`` ``(N, 2)`` with every box of ``b`` ``(M, 2)`` when they share a corner: ``(N, M)``.

    Args:
        a: widths and heights, above zero.
        b: the same, in the same unit.
    """
    shared = np.minimum(a[:, None], b[None]).prod(axis=2)
    return shared / (a.prod(axis=1)[:, None] + b.prod(axis=1)[None] - shared)


def k_means_anchors(sides: np.ndarray, count: int, *, seed: int = 0) -> np.ndarray:
    """Find typical widths and heights of boxes by k-means with the distance ``1 - IoU``.

    Args:
        sides: widths and heights ``(N, 2)``, relative to the network's square input.
        count: number of anchors. Where there are fewer distinct boxes, shrunk copies of the largest fill up.
        seed: seeds the initial centers; the best of ``TRIES`` runs is returned.

    Returns:
        float32 ``(count, 2)``, from the smallest area to the largest.

    Raises:
        ValueError: there is no box, or a box has no area.
    """
    if len(sides) == 0 or not (sides > 0).all():
        raise ValueError(f"Anchors need at least one box, and boxes with an area; received {len(sides)} boxes.")
    distinct = np.unique(sides, axis=0)
    rng = np.random.default_rng(seed)
    runs = [_one_k_means(sides, _initial_centers(distinct, count, rng)) for _ in range(TRIES)]
    best = max(runs, key=lambda centers: shape_iou(sides, centers).max(axis=1).mean())
    largest = best[best.prod(axis=1).argmax()]
    filled = np.concatenate([best, *(largest[None] / 2.0**number for number in range(1, count - len(best) + 1))])
    return filled[filled.prod(axis=1).argsort()].astype(np.float32)


def _initial_centers(distinct: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw initial centers; a box is likelier to be drawn the farther it is from the centers before it (k-means++)."""
    centers = [distinct[rng.integers(len(distinct))]]
    while len(centers) < min(count, len(distinct)):
        distances = (1 - shape_iou(distinct, np.array(centers)).max(axis=1)) ** 2
        centers.append(distinct[rng.choice(len(distinct), p=distances / distances.sum())])
    return np.array(centers)


def _one_k_means(sides: np.ndarray, centers: np.ndarray) -> np.ndarray:
    for _ in range(STEPS):
        nearest = shape_iou(sides, centers).argmax(axis=1)
        means = np.array(
            [sides[nearest == k].mean(axis=0) if (nearest == k).any() else centers[k] for k in range(len(centers))]
        )
        if np.allclose(means, centers):
            break
        centers = means
    return centers
