"""Early stopping: a phase ends when validation has not improved for a while, and leaves its best weights.

Which epoch was best, and whether the phase is over, follows from the rows of the history alone, and the best weights lie in the
checkpoint: a run that is killed and resumed decides alike.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

BEST = "best/"  # what the names of the best weights in a checkpoint begin with
LOWER_IS_BETTER = ("loss", "error")  # the ends of such names of metrics


def score(row: Mapping[str, Any], monitor: str) -> tuple[float, float] | None:
    """How good the weights after an epoch are; None where they were not measured. Of equal weights, those of less loss win.

    Args:
        row: of the history.
        monitor: the name of a metric, as validation returns it.
    """
    value = row.get(f"val_{monitor}")
    if value is None:
        return None
    return -value if monitor.endswith(LOWER_IS_BETTER) else value, -row.get("val_loss", 0.0)


def best_row(history: list[dict[str, Any]], phase: str, monitor: str) -> dict[str, Any] | None:
    """The first of the best epochs of a phase; None if none was measured."""
    measured = [row for row in history if row["phase"] == phase and score(row, monitor) is not None]
    return max(measured, key=lambda row: score(row, monitor), default=None)


def is_over(history: list[dict[str, Any]], phase: str, monitor: str, patience: int) -> bool:
    """Whether a phase has been validated ``patience`` times since its best epoch."""
    best = best_row(history, phase, monitor)
    later = [row for row in history if row["phase"] == phase and best is not None and row["epoch"] > best["epoch"]]
    return sum(score(row, monitor) is not None for row in later) >= patience


def kept_rows(history: list[dict[str, Any]], monitor: str | None, *, stops_early: bool) -> dict[str, dict[str, Any]]:
    """The epoch whose weights are kept of each phase: the best with early stopping, else the last."""
    last = {row["phase"]: row for row in history}
    if not stops_early or monitor is None:
        return last
    return {phase: best_row(history, phase, monitor) or row for phase, row in last.items()}


def split(arrays: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The arrays of a checkpoint without the best weights, and those."""
    best = {name: array for name, array in arrays.items() if name.startswith(BEST)}
    return {name: array for name, array in arrays.items() if name not in best}, best


def best_of(snapshot: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The model's part of a snapshot, as the best weights are kept in a checkpoint."""
    return {f"{BEST}{name}": array for name, array in snapshot.items() if name.startswith("model/")}


def put_back(variables: list[Any], best: Mapping[str, np.ndarray]) -> None:
    """Give a model its best weights; nothing happens where there are none."""
    for position, variable in enumerate(variables if best else ()):
        variable.assign(best[f"{BEST}model/{position}"])


def sentence(history: list[dict[str, Any]], phase: str, monitor: str, patience: int) -> str:
    """What early stopping did to a phase."""
    best, rows = best_row(history, phase, monitor), [row for row in history if row["phase"] == phase]
    if best is None:
        return f"'{phase}': validation could not measure {monitor}: the last weights are kept."
    kept = f"the weights after epoch {best['epoch']} are kept, with a validation {monitor} of {best[f'val_{monitor}']:g}"
    if is_over(history, phase, monitor, patience):
        return f"'{phase}' ended early, after epoch {rows[-1]['epoch']}: {patience} validations brought no improvement; {kept}."
    return f"'{phase}': {kept}."
