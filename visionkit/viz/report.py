"""The report of a run: one HTML file with everything inside, for people to look at."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from visionkit.data.decode import PictureError, read_picture
from visionkit.data.sample import Skipped
from visionkit.viz import plots
from visionkit.viz.array_pictures import ArrayPictures
from visionkit.viz.page import inline, inline_jpeg, write_page

THUMBNAIL = 220  # pixels of the longer side
MAX_WRONG = 24
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


@dataclass(frozen=True)
class ClassificationReport:
    """What a classification report shows.

    Attributes:
        title: of the page.
        sentences: what happened and why, in words.
        metrics: name -> number, as in ``metrics.json``.
        history: rows of ``history.csv``.
        class_names: by label.
        paths: validation pictures ``(N,)``.
        pictures: their pixels, uint8 ``(N, H, W)`` or ``(N, H, W, 3)``, where they are no files; ``paths`` are names.
        truth: their labels, int ``(N,)``.
        probabilities: answers, ``(N, num_classes)``.
        skipped: files that were left out.
        config: the run's configuration.
        train_counts: training pictures of each class.
        sections: parts that only this recipe has.
    """

    title: str
    sentences: list[str]
    metrics: dict[str, float]
    history: list[dict]
    class_names: tuple[str, ...]
    paths: list[str]
    truth: np.ndarray
    probabilities: np.ndarray
    skipped: list[Skipped]
    config: dict[str, Any]
    train_counts: np.ndarray
    pictures: np.ndarray | ArrayPictures | None = None
    sections: tuple[Section, ...] = ()


def write_report(report: ClassificationReport, path: str | Path) -> Path:
    """Write the page, beside and then renamed.

    Returns:
        its path.
    """
    answers = report.probabilities.argmax(axis=1)
    labels = np.arange(len(report.class_names))
    matrix = confusion_matrix(report.truth, answers, labels=labels)
    scores = precision_recall_fscore_support(report.truth, answers, labels=labels, zero_division=0)
    rows = [
        {"name": name, "train": int(train), "val": int(val), "precision": p, "recall": r, "f1": f}
        for name, train, p, r, f, val in zip(report.class_names, report.train_counts, *scores, strict=True)
    ]
    return write_page(
        path,
        "report.html.j2",
        report=report,
        classes=rows,
        curves=inline(plots.curves(report.history)) if report.history else None,
        matrix=shown_matrix(matrix, report.class_names, report.class_names),
        wrong=_worst(report, answers),
        num_wrong=int((answers != report.truth).sum()),
        skipped=report.skipped[:MAX_SKIPPED],
    )


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


def _worst(report: ClassificationReport, answers: np.ndarray) -> list[dict]:
    """The wrong answers, those first in which the truth was given the least probability."""
    of_truth = report.probabilities[np.arange(len(answers)), report.truth]
    wrong = [i for i in np.argsort(of_truth) if answers[i] != report.truth[i]]
    return [
        {
            "picture": thumbnail(report.paths[i] if report.pictures is None else report.pictures[i]),
            "path": report.paths[i],
            "truth": report.class_names[report.truth[i]],
            "truth_score": of_truth[i],
            "answer": report.class_names[answers[i]],
            "answer_score": report.probabilities[i, answers[i]],
        }
        for i in wrong[:MAX_WRONG]
    ]


def thumbnail(picture: str | np.ndarray, side: int = THUMBNAIL) -> str | None:
    """A file, or uint8 pixels, as a small picture's URL; None if the file cannot be read any more."""
    try:
        image = Image.fromarray(picture if isinstance(picture, np.ndarray) else read_picture(picture))
    except PictureError:
        return None  # it was readable a minute ago; the page shows its name instead
    image.thumbnail((side, side))
    if (times := side // 2 // max(image.size)) > 1:  # digits and the like
        image = image.resize((times * image.width, times * image.height), Image.Resampling.NEAREST)
    return inline_jpeg(image)
