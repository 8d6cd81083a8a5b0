"""The report of a run whose answers are looked at in images: where something is, not only what."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from visionkit.data.index import Skipped
from visionkit.viz import plots
from visionkit.viz.page import inline, write_page
from visionkit.viz.report import MAX_SKIPPED, thumbnail

SIDE = 320  # pixels of the longer side of an image


class Shown(NamedTuple):
    """An image with what was drawn on it, uint8 ``(H, W, 3)``, and words below it."""

    image: np.ndarray
    caption: str


@dataclass(frozen=True)
class Gallery:
    """Images under a heading."""

    heading: str
    sentence: str
    shown: Sequence[Shown]

    @property
    def items(self) -> list[tuple[str, str]]:
        """Images as URLs, and captions."""
        return [(thumbnail(each.image, SIDE), each.caption) for each in self.shown]


@dataclass(frozen=True)
class GalleryReport:
    """What the page shows.

    Attributes:
        title: of the page.
        sentences: what happened and why, in words.
        metrics: name -> number, as in ``metrics.json``.
        history: rows of ``history.csv``.
        measures: of the history, to be drawn as curves; two or more.
        galleries: images.
        skipped: files that were left out.
        config: the run's configuration.
    """

    title: str
    sentences: list[str]
    metrics: dict[str, float]
    history: list[dict]
    measures: Sequence[str]
    galleries: Sequence[Gallery]
    skipped: list[Skipped]
    config: dict[str, Any]


def write_gallery_report(report: GalleryReport, path: str | Path) -> Path:
    """Write the page, beside and then renamed.

    Returns:
        its path.
    """
    panels = {measure.replace("_", " "): {"training": measure, "validation": f"val_{measure}"} for measure in report.measures}
    return write_page(
        path,
        __package__,
        "report.html.j2",
        report=report,
        curves=inline(plots.curves(report.history, panels)),
        skipped=report.skipped[:MAX_SKIPPED],
    )
