"""Figures of a report, as PNG bytes."""

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

INK, TRAINING, VALIDATION = "#22252b", "#8a94a6", "#1769d2"


def curves(history: list[dict], measures: Sequence[str] = ("loss", "accuracy")) -> bytes:
    """What was measured over all epochs, the phases side by side and named.

    Args:
        history: rows with ``phase`` and, of each measure, its name for training, ``val_`` and its name for validation, or one.
        measures: two or more.
    """
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    epochs = np.arange(1, len(history) + 1)
    starts = [i for i, row in enumerate(history) if i == 0 or row["phase"] != history[i - 1]["phase"]]
    for axes, measure in zip(figure.subplots(1, len(measures)), measures, strict=True):
        marker = "o" if len(history) < 30 else None
        for key, color, label in ((measure, TRAINING, "training"), (f"val_{measure}", VALIDATION, "validation")):
            if key in history[0]:
                axes.plot(epochs, [row[key] for row in history], color=color, marker=marker, markersize=3, label=label)
        for start in starts:
            axes.axvline(start + 0.5, color="#d5d9e0", linewidth=1, zorder=0)
            axes.text(start + 0.6, 1.02, history[start]["phase"], transform=axes.get_xaxis_transform(), fontsize=8, color=INK)
        axes.set_xlabel("epoch")
        axes.set_ylabel(measure.replace("_", " "))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    return to_png(figure)


def to_png(figure: Figure) -> bytes:
    """Draw a figure without a window system and without pyplot's global state."""
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130)
    return buffer.getvalue()
