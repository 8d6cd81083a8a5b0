"""The report of neural style transfer: one HTML file with everything inside, for people to look at."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from visionkit.data.index import Skipped
from visionkit.viz import plots
from visionkit.viz.page import inline, inline_jpeg, write_page
from visionkit.viz.report import MAX_SKIPPED, Section, thumbnail

WIDE, MIDDLE = 1000, 420  # pixels of the longer side
MOST_FRAMES = 8  # of the way
MOST_PAINTED = 8  # images that the network painted
LINES = {"loss": plots.INK, "content_loss": plots.VALIDATION, "style_loss": "#d97706"}
NAMES = {"loss": "in all", "content_loss": "content", "style_loss": "style"}
FAST = {
    "style, as it counts": {"training": "weighted_style_loss"},
    "style loss": {"validation": "val_style_loss"},
    "content loss": {"validation": "val_content_loss"},
}


@dataclass(frozen=True)
class Painted:
    """An image that was not trained on, and what the network made of it in each style, all uint8 ``(h, w, 3)``."""

    path: str
    image: np.ndarray
    painted: Sequence[np.ndarray]


@dataclass(frozen=True)
class StyleReport:
    """What a report on style transfer shows.

    Attributes:
        title: of the page.
        sentences: what happened and why, in words.
        metrics: name -> number, as in ``metrics.json``.
        painting: a row a step of the descent, with ``phase``, ``loss``, ``content_loss`` and ``style_loss``.
        history: a row an epoch of the network's training; empty where none was trained.
        content: uint8 ``(H, W, 3)``.
        styles: name -> uint8 ``(h, w, 3)``.
        masks: float32 ``(H, W)``, one a style; or empty.
        result: uint8 ``(h, w, 3)``.
        frames: images of the way.
        fast: the same image by the network; None where none was trained.
        painted: other images by the network.
        skipped: files that were left out.
        config: the run's configuration.
        sections: parts that only this recipe has.
    """

    title: str
    sentences: list[str]
    metrics: dict[str, float]
    painting: list[dict]
    content: np.ndarray
    styles: dict[str, np.ndarray]
    masks: Sequence[np.ndarray]
    result: np.ndarray
    frames: Sequence[np.ndarray]
    skipped: list[Skipped]
    config: dict[str, Any]
    history: list[dict] = field(default_factory=list)
    fast: np.ndarray | None = None
    painted: Sequence[Painted] = ()
    sections: tuple[Section, ...] = ()


def write_style_report(report: StyleReport, path: str | Path) -> Path:
    """Write the page, beside and then renamed.

    Returns:
        its path.
    """
    masks = [None] * len(report.styles) if not report.masks else [_grey(mask) for mask in report.masks]
    chosen = np.unique(np.linspace(0, len(report.frames) - 1, MOST_FRAMES).round().astype(int)) if report.frames else []
    return write_page(
        path,
        __package__,
        "report.html.j2",
        report=report,
        result=_large(report.result),
        content=thumbnail(report.content, MIDDLE),
        styles=[
            {"name": name, "image": thumbnail(style, MIDDLE), "mask": None if mask is None else thumbnail(mask, MIDDLE)}
            for (name, style), mask in zip(report.styles.items(), masks, strict=True)
        ],
        frames=[thumbnail(report.frames[number]) for number in chosen],
        descent=inline(descent(report.painting)) if report.painting else None,
        curves=inline(plots.curves(report.history, FAST)) if report.history else None,
        fast=None if report.fast is None else _large(report.fast),
        painted=[
            {"path": each.path, "images": [thumbnail(image, MIDDLE) for image in (each.image, *each.painted)]}
            for each in report.painted[:MOST_PAINTED]
        ],
        skipped=report.skipped[:MAX_SKIPPED],
    )


def descent(painting: list[dict]) -> bytes:
    """The losses over the steps, on a logarithmic scale, the sizes of the image named: a PNG."""
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    axes = figure.subplots()
    steps = np.arange(len(painting))
    for column, color in LINES.items():
        values = np.array([row[column] for row in painting], float)
        axes.plot(steps, np.where(values > 0, values, np.nan), color=color, linewidth=1.4, label=NAMES[column])
    for number, row in enumerate(painting):
        if number == 0 or row["phase"] != painting[number - 1]["phase"]:
            axes.axvline(number, color="#d5d9e0", linewidth=1, zorder=0)
            axes.text(number, 1.02, row["phase"], transform=axes.get_xaxis_transform(), fontsize=8, color=plots.INK)
    if any(row[column] > 0 for row in painting for column in LINES):
        axes.set_yscale("log")
    axes.set_xlim(0, max(len(painting) - 1, 1))
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return plots.to_png(figure)


def _large(image: np.ndarray) -> str:
    shown = Image.fromarray(image)
    shown.thumbnail((WIDE, WIDE))
    return inline_jpeg(shown)


def _grey(mask: np.ndarray) -> np.ndarray:
    return np.repeat((255 * mask).round().astype(np.uint8)[..., None], 3, axis=2)
