"""The page of a search for hyperparameters: the best trial, all trials, and what mattered."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from visionkit.viz.page import inline, write_page
from visionkit.viz.plots import INK, TRAINING, VALIDATION, to_png

PRUNED = "#d97706"


def write_study_page(
    path: Path,
    *,
    title: str,
    command: str | None,
    model: str | None,
    searched: str,
    caution: str | None,
    trials: Sequence[dict[str, Any]],
    is_maximized: bool,
    importances: dict[str, float],
) -> Path:
    """Write the page atomically.

    Args:
        path: the page.
        title: its title.
        command: the command of the best trial; None if none has finished.
        model: where its model is, relative to the page.
        searched: the options and their values, in words.
        caution: how its value is to be understood.
        trials: rows with number, values (in words), state, value, metric, epochs, seconds, error and is_best, by number.
        is_maximized: whether larger values are better.
        importances: option -> the share of the variance that it explains; empty where that is not known.

    Returns:
        its path.
    """
    figures = [inline(history_figure(trials, is_maximized=is_maximized))] if trials else []
    figures += [inline(importance_figure(importances))] if importances else []
    best = next((trial for trial in trials if trial["is_best"]), None)
    states = [trial["state"] for trial in trials]
    return write_page(
        path,
        __package__,
        "study.html.j2",
        title=title,
        command=command,
        model=model,
        searched=searched,
        caution=caution,
        trials=trials,
        best=best,
        counts={state: states.count(state) for state in ("finished", "pruned", "failed", "interrupted") if state in states},
        figures=figures,
        has_importances=bool(importances),
    )


def history_figure(trials: Sequence[dict[str, Any]], *, is_maximized: bool) -> bytes:
    """Plot the values of finished and pruned trials over their numbers, and the best value so far, as PNG."""
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    axes = figure.subplots()
    for state, color, marker in (("finished", VALIDATION, "o"), ("pruned", PRUNED, "x")):
        points = [
            (trial["number"], trial["value"]) for trial in trials if trial["state"] == state and trial["value"] is not None
        ]
        if points:
            axes.scatter(*zip(*points, strict=True), color=color, marker=marker, s=26, label=state, zorder=3)
    numbers, values = best_so_far(trials, is_maximized=is_maximized)
    if numbers:
        axes.step(numbers, values, where="post", color=INK, linewidth=1.2, label="best so far")
    metrics = [trial["metric"] for trial in trials if trial["metric"]]
    axes.set_xlabel("trial")
    axes.set_ylabel((metrics or ["metric"])[-1].replace("_", " "))
    axes.set_xlim(0.5, max(len(trials), 1) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.spines[["top", "right"]].set_visible(False)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False)
    return to_png(figure)


def best_so_far(trials: Sequence[dict[str, Any]], *, is_maximized: bool) -> tuple[list[int], list[float]]:
    """The numbers of the finished trials and the best value up to each, drawn on to the last trial."""
    better = max if is_maximized else min
    numbers, values = [], []
    for trial in trials:
        if trial["state"] == "finished":
            numbers.append(trial["number"])
            values.append(better([*values[-1:], trial["value"]]))
    return ([*numbers, trials[-1]["number"]], values + values[-1:]) if numbers else ([], [])


def importance_figure(importances: dict[str, float]) -> bytes:
    """Plot how much each option matters, the most important at the top, as PNG."""
    figure = Figure(figsize=(8, 0.9 + 0.4 * len(importances)), layout="constrained")
    axes = figure.subplots()
    names = sorted(importances, key=importances.get)
    bars = axes.barh(names, [importances[name] for name in names], color=TRAINING, height=0.6)
    axes.bar_label(bars, fmt="%.2f", padding=4)
    axes.set_xlabel("share of the variance")
    axes.set_xlim(0, 1.08)
    axes.spines[["top", "right"]].set_visible(False)
    return to_png(figure)
