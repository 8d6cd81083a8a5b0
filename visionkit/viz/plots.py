"""Figures of a report, as PNG bytes."""

import io
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from visionkit.metrics.calibration import Calibration
from visionkit.viz.annotate import Color

INK, TRAINING, VALIDATION = "#22252b", "#8a94a6", "#1769d2"
LINES = (TRAINING, VALIDATION, "#d97706", "#7c3aed")
MOST_POINTS = 4000  # of a scatter plot
FEW_IN_A_BIN = 10  # predictions of which the share that is right says little
Panels = Mapping[str, Mapping[str, str]]
CLASSIFICATION: Panels = {
    "loss": {"training": "loss", "validation": "val_loss"},
    "accuracy": {"training": "accuracy", "validation": "val_accuracy"},
}


def curves(history: list[dict], panels: Panels = CLASSIFICATION) -> bytes:
    """Plot measurements over all epochs, a panel for each measure, with the names of the phases.

    Args:
        history: rows with ``phase`` and the columns that the panels name; missing values and None are left out.
        panels: measure -> {label of a line: column}.
    """
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    starts = [i for i, row in enumerate(history) if i == 0 or row["phase"] != history[i - 1]["phase"]]
    for axes, (measure, lines) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        for color, (label, column) in zip(LINES, lines.items(), strict=False):
            known = [(epoch, row[column]) for epoch, row in enumerate(history, start=1) if row.get(column) is not None]
            epochs, values = zip(*known, strict=True) if known else ((), ())
            axes.plot(epochs, values, color=color, label=label, **_markers(len(known)))
            if len(known) == 1:  # the axis has no scale to read a single value by
                axes.annotate(f"{values[0]:.3g}", (epochs[0], values[0]), (9, -3), textcoords="offset points", color=color)
        if len(history) == 1:
            axes.margins(y=0.4)
        for start in starts:
            axes.axvline(start + 0.5, color="#d5d9e0", linewidth=1, zorder=0)
            axes.text(start + 0.6, 1.02, history[start]["phase"], transform=axes.get_xaxis_transform(), fontsize=8, color=INK)
        axes.set_xlabel("epoch")
        axes.set_ylabel(measure)
        axes.set_xlim(0.5, len(history) + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    return to_png(figure)


def _markers(num_points: int) -> dict[str, Any]:
    """How points are marked: one alone makes no line."""
    if num_points == 1:
        return {"marker": "o", "markersize": 8}
    return {"marker": "o", "markersize": 3} if num_points < 30 else {}


def precision_recall(precisions: np.ndarray, colors: Sequence[Color]) -> bytes:
    """Plot precision over recall for each class, and the mean of all classes.

    Args:
        precisions: ``(C, R)``, at R evenly spaced recalls from 0 to 1.
        colors: colors of the classes, 0..255; further classes are gray.
    """
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axes = figure.subplots()
    recalls = np.linspace(0, 1, precisions.shape[1])
    for number, class_precisions in enumerate(precisions):
        color = np.divide(colors[number], 255) if number < len(colors) else "#d5d9e0"
        axes.plot(recalls, class_precisions, color=color, linewidth=1.4)
    axes.plot(recalls, precisions.mean(axis=0), color=INK, linewidth=2, linestyle="--", label="mean of the classes")
    axes.set_xlabel("recall")
    axes.set_ylabel("precision")
    axes.set_xlim(0, 1.01)
    axes.set_ylim(0, 1.03)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower left")
    return to_png(figure)


def threshold_curves(curves: np.ndarray, chosen: float, colors: Sequence[Color]) -> bytes:
    """Plot precision, recall and F1 over the score threshold, a panel each.

    Args:
        curves: ``(C + 1, 3, T)``: precision, recall and F1 of each class, and last of all together, at T evenly spaced
            thresholds from 0 to 1; nan where there is none.
        chosen: the threshold that is marked.
        colors: colors of the classes, 0..255; none where they are too many to be drawn.
    """
    figure = Figure(figsize=(10, 3.2), layout="constrained")
    thresholds = np.linspace(0, 1, curves.shape[2])
    for number, (axes, name) in enumerate(zip(figure.subplots(1, 3), ("precision", "recall", "F1"), strict=True)):
        for values, color in zip(curves[:-1], colors, strict=False):
            axes.plot(thresholds, values[number], color=np.divide(color, 255), linewidth=1.3)
        axes.plot(thresholds, curves[-1, number], color=INK, linewidth=2, linestyle="--", label="all classes")
        axes.axvline(chosen, color=TRAINING, linewidth=1, linestyle=":", label=f"threshold {chosen:.2f}")
        axes.set(xlim=(0, 1), ylim=(0, 1.03), xlabel="score threshold", ylabel=name)
        axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower left", fontsize=8)
    return to_png(figure)


def reliability(measured: Calibration) -> bytes:
    """Plot the accuracy over the probability of predictions, and how many there are in each bin."""
    figure = Figure(figsize=(6, 4.4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    edges = np.linspace(0, 1, len(measured.counts) + 1)
    width, known = edges[1], measured.counts > 0
    middles = (edges[:-1] + width / 2)[known]
    strength = np.where(measured.counts[known] >= FEW_IN_A_BIN, 0.85, 0.35)
    for middle, accuracy, alpha in zip(middles, measured.accuracy[known], strength, strict=True):
        above.bar(middle, accuracy, 0.92 * width, color=VALIDATION, alpha=alpha, linewidth=0)
    above.plot(measured.confidence[known], measured.accuracy[known], color=INK, linewidth=0, marker="o", markersize=4)
    above.plot((0, 1), (0, 1), color=TRAINING, linewidth=1, linestyle="--", label="as often right as it says")
    above.set(xlim=(0, 1), ylim=(0, 1.04), ylabel="share that is right")
    above.legend(frameon=False, loc="upper left")
    below.bar(middles, measured.counts[known], 0.92 * width, color=TRAINING, linewidth=0)
    below.set(xlabel="probability of the predicted class", ylabel="images")
    below.yaxis.set_major_locator(MaxNLocator(3, integer=True, min_n_ticks=1))
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
    return to_png(figure)


def anchors(scales: Sequence[tuple[str, np.ndarray]], sides: np.ndarray) -> bytes:
    """Plot the anchors of each scale: among the boxes of the data, and as rectangles.

    Args:
        scales: names, and ``(A, 2)`` widths and heights of anchors in pixels of the network's input.
        sides: ``(N, 2)`` widths and heights of boxes in the same pixels.
    """
    figure = Figure(figsize=(10, 4), layout="constrained")
    among, alone = figure.subplots(1, 2)
    shown = sides[:: -(-len(sides) // MOST_POINTS) or 1]
    among.scatter(shown[:, 0], shown[:, 1], s=5, color=TRAINING, alpha=0.35, linewidths=0)
    for (name, scale_anchors), color in zip(scales, itertools.cycle(LINES[1:])):
        among.scatter(*scale_anchors.T, s=60, marker="X", color=color, edgecolors="white", label=name, zorder=3)
        for width, height in scale_anchors:
            alone.add_patch(Rectangle((-width / 2, -height / 2), width, height, fill=False, edgecolor=color, linewidth=1.6))
    every = np.concatenate([shown, *(scale_anchors for _, scale_anchors in scales)])
    ticks = 2.0 ** np.arange(np.floor(np.log2(max(every.min(), 1))), np.ceil(np.log2(every.max())) + 1)
    for axis, scale in ((among.xaxis, among.set_xscale), (among.yaxis, among.set_yscale)):
        scale("log", base=2)
        axis.set_ticks(ticks, [f"{tick:.0f}" for tick in ticks])
    among.set_xlabel("width of boxes and anchors in pixels of the input")
    among.set_ylabel("height")
    among.legend(frameon=False)
    largest = max(scale_anchors.max() for _, scale_anchors in scales)
    alone.set(xlim=(-0.55 * largest, 0.55 * largest), ylim=(-0.55 * largest, 0.55 * largest), aspect="equal")
    alone.set_xlabel("the anchors, centered on one point")
    for axes in (among, alone):
        axes.spines[["top", "right"]].set_visible(False)
    return to_png(figure)


def to_png(figure: Figure) -> bytes:
    """Draw a figure without a window system and without pyplot's global state."""
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130)
    return buffer.getvalue()
