"""Anchors: the typical widths and heights of a data set's boxes (YOLO9000, https://arxiv.org/abs/1612.08242, section 2)."""

import numpy as np

TRIES, STEPS = 8, 100


def shape_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU of boxes that share a corner: of every one of ``a`` ``(N, 2)`` with every one of ``b`` ``(M, 2)``, ``(N, M)``.

    Args:
        a: widths and heights, above zero.
        b: in the same unit.
    """
    shared = np.minimum(a[:, None], b[None]).prod(axis=2)
    return shared / (a.prod(axis=1)[:, None] + b.prod(axis=1)[None] - shared)


def k_means_anchors(sides: np.ndarray, count: int, *, seed: int = 0) -> np.ndarray:
    """Widths and heights that are nearest to all boxes, by k-means whose distance is ``1 - IoU``.

    Args:
        sides: widths and heights ``(N, 2)``, relative to the network's square input.
        count: how many anchors. Where there are fewer different boxes, the largest is shrunk to fill up.
        seed: draws the beginnings; the best of several is taken.

    Returns:
        float32 ``(count, 2)``, from the smallest area to the largest.

    Raises:
        ValueError: no box, or one without area.
    """
    if len(sides) == 0 or not (sides > 0).all():
        raise ValueError(f"Anchors need boxes with an area; received {len(sides)}.")
    different = np.unique(sides, axis=0)
    rng = np.random.default_rng(seed)
    tried = [_one_k_means(sides, _spread(different, count, rng)) for _ in range(TRIES)]
    best = max(tried, key=lambda centers: shape_iou(sides, centers).max(axis=1).mean())
    largest = best[best.prod(axis=1).argmax()]
    filled = np.concatenate([best, *(largest[None] / 2.0**number for number in range(1, count - len(best) + 1))])
    return filled[filled.prod(axis=1).argsort()].astype(np.float32)


def _spread(different: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Boxes to begin with, each drawn the likelier the farther it is from those before (k-means++)."""
    chosen = [different[rng.integers(len(different))]]
    while len(chosen) < min(count, len(different)):
        apart = (1 - shape_iou(different, np.array(chosen)).max(axis=1)) ** 2
        chosen.append(different[rng.choice(len(different), p=apart / apart.sum())])
    return np.array(chosen)


def _one_k_means(sides: np.ndarray, centers: np.ndarray) -> np.ndarray:
    for _ in range(STEPS):
        nearest = shape_iou(sides, centers).argmax(axis=1)
        moved = np.array(
            [sides[nearest == k].mean(axis=0) if (nearest == k).any() else centers[k] for k in range(len(centers))]
        )
        if np.allclose(moved, centers):
            break
        centers = moved
    return centers
