"""Figures of a report, as PNG bytes."""

import io

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

INK, TRAINING, VALIDATION = "#22252b", "#8a94a6", "#1769d2"


def curves(history: list[dict]) -> bytes:
    """Loss and accuracy over all epochs, the phases side by side and named.

    Args:
        history: rows with ``phase``, ``loss``, ``val_loss``, ``accuracy``, ``val_accuracy``.
    """
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    epochs = np.arange(1, len(history) + 1)
    starts = [i for i, row in enumerate(history) if i == 0 or row["phase"] != history[i - 1]["phase"]]
    for axes, measure in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        marker = "o" if len(history) < 30 else None
        axes.plot(epochs, [row[measure] for row in history], color=TRAINING, marker=marker, markersize=3, label="training")
        axes.plot(
            epochs,
            [row[f"val_{measure}"] for row in history],
            color=VALIDATION,
            marker=marker,
            markersize=3,
            label="validation",
        )
        for start in starts:
            axes.axvline(start + 0.5, color="#d5d9e0", linewidth=1, zorder=0)
            axes.text(start + 0.6, 1.02, history[start]["phase"], transform=axes.get_xaxis_transform(), fontsize=8, color=INK)
        axes.set_xlabel("epoch")
        axes.set_ylabel(measure)
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
