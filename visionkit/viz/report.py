"""The report of a run as one self-contained HTML file: what the reports of all tasks share."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from visionkit.data.images.decode import ImageError, read_image
from visionkit.data.index import Skipped
from visionkit.printable import metric_text
from visionkit.viz import plots
from visionkit.viz.page import inline, inline_jpeg, write_page

THUMBNAIL = 220  # pixels of the longer side
MAX_SKIPPED = 200
MAX_NAMES = 6  # in the title
MAX_WORST, MAX_OTHERS = 12, 6  # images that are shown
MAX_PANELS = 4  # measures whose curves a page of a run shows before the recipe's own choice of them is known
MAX_CLASSES_SHOWN = 60  # in the confusion matrix; the cells of a larger one are too small to read


def class_list(class_names: Sequence[str], separator: str = ", ") -> str:
    """The first class names, for a title."""
    return separator.join([*class_names[:MAX_NAMES], "..."] if len(class_names) > MAX_NAMES else class_names)


def worst_and_others(faults: np.ndarray) -> tuple[int, list[int], list[int]]:
    """Which images a report shows: those with the largest faults, and some of the others, from worse to better.

    Args:
        faults: float ``(N,)``: how wrong the prediction for each image is; 0 is right.

    Returns:
        how many are wrong, and the numbers of the images of both kinds.
    """
    order = np.argsort(-np.asarray(faults, float), kind="stable")
    num_wrong = int((np.asarray(faults) > 0).sum())
    worst, others = np.split(order, [min(num_wrong, MAX_WORST)])
    if len(others):
        others = others[np.unique(np.linspace(0, len(others) - 1, MAX_OTHERS).round().astype(int))]
    return num_wrong, worst.tolist(), others.tolist()


@dataclass(frozen=True)
class Section:
    """A part of the page with a heading of its own, above the training curves.

    Attributes:
        heading: heading of the part.
        sentence: explanation of the figure and the table.
        figure: a PNG.
        columns: names of the columns of the table.
        rows: cells of the table, as text; the first of each row is a name.
    """

    heading: str
    sentence: str
    figure: bytes
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]

    @property
    def inline(self) -> str:
        """The figure as a URL."""
        return inline(self.figure)


@dataclass(frozen=True)
class Status:
    """The state of a run that is not finished.

    Attributes:
        sentence: what is going on.
        written: date and time of the page.
        resume: the command that continues the run.
        reload: seconds after which the page loads itself again; None where the run has ended.
    """

    sentence: str
    written: str
    resume: str
    reload: int | None


@dataclass(frozen=True)
class Report:
    """The contents of a report; ``Run.finish`` adds the notes, the metrics, the options and what else is known of the run.

    Attributes:
        title: title of the page.
        package: the package whose ``report.html.j2`` fills the page; it extends ``base.html.j2``. None: that one alone.
        shown: the variables of that template, by name.
        history: rows of ``history.csv``.
        skipped: files that were left out.
        curves: which columns of the history are drawn together; see ``plots.curves``. Default: loss and accuracy.
        sections: parts that only this recipe has.
    """

    title: str
    package: str | None
    shown: dict[str, Any]
    history: list[dict[str, Any]]
    skipped: Sequence[Skipped]
    curves: dict[str, dict[str, str]] | None = None
    sections: tuple[Section, ...] = field(default=())

    def write(
        self,
        path: str | Path,
        *,
        notes: list[str],
        metrics: dict[str, float],
        config: dict[str, Any],
        facts: dict[str, str] | None = None,
        phases: dict[str, dict[str, Any]] | None = None,
        status: Status | None = None,
        warning: str | None = None,
    ) -> Path:
        """Write the page atomically.

        Args:
            path: path of the page.
            notes: sentences on what happened and why.
            metrics: name -> number, as in ``metrics.json``; None where it was not measured.
            config: the run's options.
            facts: what else is known of the run, by name: the command line, the device, versions.
            phases: facts of the phases of training, by name.
            status: of a run that is not finished.
            warning: stands at the top of the page.

        Returns:
            the path of the page.
        """
        curves = () if self.curves is None else (self.curves,)
        common = {
            "which": "validation",  # the images of the page; "measured" where there was no training
            "title": self.title,
            "notes": notes,
            "metrics": {_titled(name): metric_text(name, value) for name, value in metrics.items()},
            "config": config,
            "facts": facts or {},
            "phases": phases or {},
            "trained": Counter(row["phase"] for row in self.history),
            "status": status,
            "warning": warning,
            "sections": self.sections,
            "skipped": self.skipped[:MAX_SKIPPED],
            "num_skipped": len(self.skipped),
            "curves": inline(plots.curves(self.history, *curves)) if self.history else None,
        }
        template = "report.html.j2" if self.package else "base.html.j2"
        return write_page(path, self.package or __package__, template, **common | self.shown)


def _titled(name: str) -> str:
    return "time in all" if name == "seconds" else name.replace("_", " ")


def measure_panels(history: list[dict[str, Any]]) -> dict[str, dict[str, str]] | None:
    """Which columns of a history are drawn together, where no recipe has chosen them: each measure with that of validation.

    Returns:
        as ``plots.curves`` takes them; None for the default, where there are no measures.
    """
    columns = dict.fromkeys(name for row in history for name in row if name not in ("phase", "epoch", "seconds"))
    measures = sorted(dict.fromkeys(name.removeprefix("val_") for name in columns), key=lambda name: name != "loss")
    panels = {}
    for measure in measures[:MAX_PANELS]:
        lines = {"training": measure, "validation": f"val_{measure}"}
        panels[measure.replace("_", " ")] = {label: column for label, column in lines.items() if column in columns}
    return panels or None


def shown_matrix(counts: np.ndarray, truths: Sequence[str], predictions: Sequence[str]) -> list[dict] | None:
    """The rows of a confusion matrix for the page, one per true class; None for too many classes.

    Args:
        counts: int ``(len(truths), len(predictions))``.
        truths: names of the rows.
        predictions: names of the columns.
    """
    if len(truths) > MAX_CLASSES_SHOWN:
        return None
    return [
        {"name": name, "sum": int(row.sum()), "cells": list(zip(predictions, row.tolist(), strict=True))}
        for name, row in zip(truths, counts, strict=True)
    ]


def thumbnail(image: str | np.ndarray, side: int = THUMBNAIL) -> str | None:
    """The URL of a small version of an image, a file or uint8 pixels; None if the file cannot be read any more."""
    try:
        shown = Image.fromarray(image if isinstance(image, np.ndarray) else read_image(image))
    except ImageError:
        return None  # it was readable a minute ago; the page shows its name instead
    shown.thumbnail((side, side))
    if (times := side // 2 // max(shown.size)) > 1:  # digits and the like
        shown = shown.resize((times * shown.width, times * shown.height), Image.Resampling.NEAREST)
    return inline_jpeg(shown)
