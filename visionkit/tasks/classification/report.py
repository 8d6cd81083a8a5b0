"""The report of a run: one HTML file with everything inside, for people to look at."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from visionkit.data.index import Skipped
from visionkit.viz import plots
from visionkit.viz.arrays import ArrayImages
from visionkit.viz.page import inline, write_page
from visionkit.viz.report import MAX_SKIPPED, Section, shown_matrix, thumbnail

MAX_WRONG = 24


@dataclass(frozen=True)
class ClassificationReport:
    """What a classification report shows.

    Attributes:
        title: of the page.
        sentences: what happened and why, in words.
        metrics: name -> number, as in ``metrics.json``.
        history: rows of ``history.csv``.
        class_names: by label.
        paths: validation images ``(N,)``.
        images: their pixels, uint8 ``(N, H, W)`` or ``(N, H, W, 3)``, where they are no files; ``paths`` are names.
        truth: their labels, int ``(N,)``.
        probabilities: answers, ``(N, num_classes)``.
        skipped: files that were left out.
        config: the run's configuration.
        train_counts: training images of each class.
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
    images: np.ndarray | ArrayImages | None = None
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
        __package__,
        "report.html.j2",
        report=report,
        classes=rows,
        curves=inline(plots.curves(report.history)) if report.history else None,
        matrix=shown_matrix(matrix, report.class_names, report.class_names),
        wrong=_worst(report, answers),
        num_wrong=int((answers != report.truth).sum()),
        skipped=report.skipped[:MAX_SKIPPED],
    )


def _worst(report: ClassificationReport, answers: np.ndarray) -> list[dict]:
    """The wrong answers, those first in which the truth was given the least probability."""
    of_truth = report.probabilities[np.arange(len(answers)), report.truth]
    wrong = [i for i in np.argsort(of_truth) if answers[i] != report.truth[i]]
    return [
        {
            "image": thumbnail(report.paths[i] if report.images is None else report.images[i]),
            "path": report.paths[i],
            "truth": report.class_names[report.truth[i]],
            "truth_score": of_truth[i],
            "answer": report.class_names[answers[i]],
            "answer_score": report.probabilities[i, answers[i]],
        }
        for i in wrong[:MAX_WRONG]
    ]
