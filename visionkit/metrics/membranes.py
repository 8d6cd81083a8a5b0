"""How well membranes part cells, as the ISBI 2012 challenge asks (https://www.frontiersin.org/articles/10.3389/fnana.2015.00142).

Masks are 2-D ``(H, W)``: ``CELL`` is 1, membrane 0; ``IGNORE`` in the truth does not count. Cells are 4-connected, membranes
8-connected, so that a thin oblique membrane parts. Errors are those of one image at the threshold that made the answer.
"""

import numpy as np
from scipy import ndimage

from visionkit.errors import UserError
from visionkit.metrics.segmentation import IGNORE

CELL = 1
AROUND = ((0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1))  # the neighbors, from the east, in order


def pixel_error(truth: np.ndarray, answer: np.ndarray) -> float:
    """The share of the pixels that differ; nan where none counts.

    Args:
        truth: ``(H, W)``: 1 cell, 0 membrane, ``IGNORE``.
        answer: ``(H, W)``: 1 cell, 0 membrane.

    Raises:
        UserError: masks of other shapes or values, as of the two below.
    """
    cells, answered, counts = _compared(truth, answer)
    return _share(np.count_nonzero((cells != answered) & counts), np.count_nonzero(counts))


def rand_error(truth: np.ndarray, answer: np.ndarray) -> float:
    """1 minus the F-score of pairs of pixels: of those in one true cell, and those in one answered cell, how many are in both.

    The challenge's foreground-restricted (adapted) Rand error: pixels of the true membrane are left out; where the answer has a
    membrane within a true cell, each pixel stands alone. A single pixel of membrane that is missed may join two cells, and
    costs as much as they are large.

    Args:
        truth: see ``pixel_error``.
        answer: see ``pixel_error``.

    Returns:
        0..1; nan where no two pixels are in one cell, true or answered.
    """
    cells, answered, _ = _compared(truth, answer)
    true, said = (ndimage.label(mask)[0][cells].astype(np.int64) for mask in (cells, answered))
    in_true_cell = _pairs(true)
    true, said = true[said > 0], said[said > 0]
    in_both = _pairs(true * (said.max(initial=0) + 1) + said)
    in_either = in_true_cell + _pairs(said)  # those in both counted twice
    return _share(in_either - 2 * in_both, in_either)


def warping_error(truth: np.ndarray, answer: np.ndarray) -> float:
    """The share of the pixels that still differ once the truth was warped toward the answer; nan where none counts.

    So boundaries may lie somewhat beside the true ones at no cost, and what costs are cells that merge, split, appear or vanish
    (Jain et al. 2010, "Boundary learning by optimization with topological constraints"; see ``warped``).

    Args:
        truth: see ``pixel_error``.
        answer: see ``pixel_error``.
    """
    _, answered, counts = _compared(truth, answer)
    return _share(np.count_nonzero((warped(truth, answer) != answered) & counts), np.count_nonzero(counts))


def warped(truth: np.ndarray, answer: np.ndarray) -> np.ndarray:
    """Change pixels of the truth to the answer's as long as cells and membranes keep their topology.

    Only simple points that differ change, one after the other until there is none: a descent. Where it ends depends on the
    order, so the number of pixels left is a bound from above of the least possible. A membrane that was shifted by more than
    its own width does not arrive: what lies between the two would have to change and change back. Outside the image is
    membrane.

    Args:
        truth: see ``pixel_error``. What is ignored is taken for membrane, and stays.
        answer: see ``pixel_error``.

    Returns:
        bool ``(H, W)``: true where there is a cell.
    """
    cells, answered, counts = _compared(truth, answer)
    padded, goal = np.pad(cells, 1), np.pad(np.where(counts, answered, cells), 1)
    # Membranes grow first, over the old and the new place, and then leave the old one. Both at once make combs, and get stuck.
    while _change_to(False, padded, goal) | _change_to(True, padded, goal):
        pass
    return padded[1:-1, 1:-1]


def _change_to(wanted: bool, padded: np.ndarray, goal: np.ndarray) -> bool:
    """Make cell, or membrane, of all that can become it, in place; whether anything did."""
    changed, more = False, True
    while more:
        more = False
        # No two of these are neighbors, so that a change of one leaves the others simple: they may all change at once.
        for row, column in ((1, 1), (2, 2), (1, 2), (2, 1)):
            here = np.s_[row:-1:2, column:-1:2]
            flips = (padded[here] != wanted) & (goal[here] == wanted) & _are_simple(padded, row, column)
            padded[here] ^= flips
            more |= bool(flips.any())
        changed |= more
    return changed


def _are_simple(padded: np.ndarray, row: int, column: int) -> np.ndarray:
    """Whether changing a pixel keeps the topology, for every other pixel of every other row from here on.

    It does where the cells around it are, next to the pixel, in one piece, and the membranes too: where Yokoi's connectivity
    number for 4-connected cells is 1.
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


def _compared(truth: np.ndarray, answer: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where there are cells, where they are answered, and what counts: bool ``(H, W)``."""
    truth, answer = np.asarray(truth), np.asarray(answer)
    if truth.ndim != 2 or truth.shape != answer.shape:
        raise UserError(
            f"A truth of shape {truth.shape} and an answer of shape {answer.shape}; expected twice the same (H, W)."
        )
    counts = truth != IGNORE
    for name, values in (("truth", truth[counts]), ("answer", answer)):
        if not np.isin(values, (0, CELL)).all():
            raise UserError(f"The {name} holds {values.max()}; expected 0 (membrane) and {CELL} (cell).")
    return truth == CELL, answer == CELL, counts


def _pairs(labels: np.ndarray) -> int:
    """How many ordered pairs of pixels have the same label."""
    sizes = np.unique(labels, return_counts=True)[1]
    return int((sizes * (sizes - 1)).sum())


def _share(part: int, whole: int) -> float:
    return float(part / whole) if whole else float("nan")
