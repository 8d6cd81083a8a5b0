"""The report of a run: one HTML file with everything inside, for people to look at."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from visionkit.data.images.decode import ImageError, read_image
from visionkit.viz.page import inline, inline_jpeg

THUMBNAIL = 220  # pixels of the longer side
MAX_SKIPPED = 200
MAX_CLASSES_SHOWN = 60  # in the confusion matrix; beyond, its cells say little


@dataclass(frozen=True)
class Section:
    """A part of the page with a heading of its own, above the training curves.

    Attributes:
        heading: of the part.
        sentence: what is seen below it.
        figure: a PNG.
        columns: heads of a table.
        rows: its cells, as text; the first of each row is a name.
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


def shown_matrix(counts: np.ndarray, truths: Sequence[str], answers: Sequence[str]) -> list[dict] | None:
    """What the page needs to draw a confusion matrix: a row a true class; None of too many classes.

    Args:
        counts: int ``(len(truths), len(answers))``.
        truths: names of the rows.
        answers: names of the columns.
    """
    if len(truths) > MAX_CLASSES_SHOWN:
        return None
    return [
        {"name": name, "sum": int(row.sum()), "cells": list(zip(answers, row.tolist(), strict=True))}
        for name, row in zip(truths, counts, strict=True)
    ]


def thumbnail(image: str | np.ndarray, side: int = THUMBNAIL) -> str | None:
    """A file, or uint8 pixels, as a small image's URL; None if the file cannot be read any more."""
    try:
        shown = Image.fromarray(image if isinstance(image, np.ndarray) else read_image(image))
    except ImageError:
        return None  # it was readable a minute ago; the page shows its name instead
    shown.thumbnail((side, side))
    if (times := side // 2 // max(shown.size)) > 1:  # digits and the like
        shown = shown.resize((times * shown.width, times * shown.height), Image.Resampling.NEAREST)
    return inline_jpeg(shown)
