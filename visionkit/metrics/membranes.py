"""How well predicted membranes separate cells, by the errors of the ISBI 2012 challenge
(https://www.frontiersin.org/articles/10.3389/fnana.2015.00142).

Masks are 2-D ``(H, W)``: ``CELL`` is 1, membrane 0; ``IGNORE`` in the ground truth does not count. Cells are 4-connected,
membranes 8-connected, so that a thin oblique membrane separates. Errors refer to one image and one binary prediction.
"""

import numpy as np
from scipy import ndimage

from visionkit.errors import UserError
from visionkit.ops.colors import IGNORE

CELL = 1
AROUND = ((0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1))  # the neighbors, counterclockwise from the east


def pixel_error(truth: np.ndarray, prediction: np.ndarray) -> float:
    """The share of the pixels that differ; nan where no pixel counts.

    Args:
        truth: ``(H, W)``: 1 cell, 0 membrane, ``IGNORE``.
        prediction: ``(H, W)``: 1 cell, 0 membrane.

    Raises:
        UserError: the masks have other shapes or values; so do the two functions below.
    """
    cells, predicted, counts = _compared(truth, prediction)
    return _share(np.count_nonzero((cells != predicted) & counts), np.count_nonzero(counts))


def rand_error(truth: np.ndarray, prediction: np.ndarray) -> float:
    """1 minus the F-score of pairs of pixels that lie in the same cell, in the ground truth and in the prediction.

    This is the challenge's foreground-restricted (adapted) Rand error: pixels of the true membrane are left out; where a
    membrane is predicted within a true cell, each of its pixels is a segment of its own. A single missed membrane pixel may
    merge two cells, which costs the more the larger they are.

    Args:
        truth: see ``pixel_error``.
        prediction: see ``pixel_error``.

    Returns:
        0..1; nan where no two pixels lie in the same cell, true or predicted.
    """
    cells, predicted, _ = _compared(truth, prediction)
    true_labels, labels = (ndimage.label(mask)[0][cells].astype(np.int64) for mask in (cells, predicted))
    in_true_cell = _pairs(true_labels)
    true_labels, labels = true_labels[labels > 0], labels[labels > 0]
    in_both = _pairs(true_labels * (labels.max(initial=0) + 1) + labels)
    in_either = in_true_cell + _pairs(labels)  # counts pairs that are in both twice
    return _share(in_either - 2 * in_both, in_either)


def warping_error(truth: np.ndarray, prediction: np.ndarray) -> float:
    """The share of the pixels that still differ after warping the ground truth toward the prediction; nan where none counts.

    So boundaries may be slightly displaced at no cost; the error counts cells that merge, split, appear or vanish (Jain
    et al. 2010, "Boundary learning by optimization with topological constraints"; see ``warped``).

    Args:
        truth: see ``pixel_error``.
        prediction: see ``pixel_error``.
    """
    _, predicted, counts = _compared(truth, prediction)
    return _share(np.count_nonzero((warped(truth, prediction) != predicted) & counts), np.count_nonzero(counts))


def warped(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Warp the ground truth toward the prediction as far as cells and membranes keep their topology.

    Simple points that differ are flipped one after another until there are none left, which is a descent. Its result depends on
    the order, so the number of remaining pixels is an upper bound of the least possible. A membrane that is displaced by more
    than its own width does not get there: the pixels in between would have to change and change back. Everything outside the
    image is membrane.

    Args:
        truth: see ``pixel_error``. Ignored pixels are treated as membrane, and stay.
        prediction: see ``pixel_error``.

    Returns:
        bool ``(H, W)``: True for cells.
    """
    cells, predicted, counts = _compared(truth, prediction)
    padded, goal = np.pad(cells, 1), np.pad(np.where(counts, predicted, cells), 1)
    # Membranes first grow over the old and the new position, then leave the old one. Doing both at once gets stuck in combs.
    while _change_to(False, padded, goal) | _change_to(True, padded, goal):
        pass
    return padded[1:-1, 1:-1]


def _change_to(wanted: bool, padded: np.ndarray, goal: np.ndarray) -> bool:
    """Turn all pixels that can change into cell (True) or membrane (False), in place; return whether any did."""
    changed, more = False, True
    while more:
        more = False
        # No two of these pixels are neighbors, so a change of one leaves the others simple: they may all change at once.
        for row, column in ((1, 1), (2, 2), (1, 2), (2, 1)):
            here = np.s_[row:-1:2, column:-1:2]
            flips = (padded[here] != wanted) & (goal[here] == wanted) & _are_simple(padded, row, column)
            padded[here] ^= flips
            more |= bool(flips.any())
        changed |= more
    return changed


def _are_simple(padded: np.ndarray, row: int, column: int) -> np.ndarray:
    """Whether flipping a pixel keeps the topology, for every second pixel of every second row from ``row`` and ``column`` on.

    It does where the cells around the pixel form one piece next to it, and the membranes too: where Yokoi's connectivity number
    for 4-connected cells is 1.
    """
    height, width = padded.shape
    east, northeast, north, northwest, west, southwest, south, southeast = (
        padded[row + down : height - 1 + down : 2, column + right : width - 1 + right : 2] for down, right in AROUND
    )
    pieces = np.zeros(east.shape, np.uint8)
    for side, corner, next_side in (
        (east, northeast, north),
        (north, northwest, west),
        (west, southwest, south),
        (south, southeast, east),
    ):
        pieces += side & ~(corner & next_side)
    return pieces == 1


def _compared(truth: np.ndarray, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True cells, predicted cells, and the pixels that count, bool ``(H, W)``."""
    truth, prediction = np.asarray(truth), np.asarray(prediction)
    if truth.ndim != 2 or truth.shape != prediction.shape:
        raise UserError(
            f"Ground truth of shape {truth.shape}, but a prediction of shape {prediction.shape}; expected the same (H, W)."
        )
    counts = truth != IGNORE
    for name, values in (("ground truth", truth[counts]), ("prediction", prediction)):
        if not np.isin(values, (0, CELL)).all():
            raise UserError(f"The {name} holds {values.max()}; expected 0 (membrane) and {CELL} (cell).")
    return truth == CELL, prediction == CELL, counts


def _pairs(labels: np.ndarray) -> int:
    """The number of ordered pairs of pixels with the same label."""
    sizes = np.unique(labels, return_counts=True)[1]
    return int((sizes * (sizes - 1)).sum())


def _share(part: int, whole: int) -> float:
    return float(part / whole) if whole else float("nan")
