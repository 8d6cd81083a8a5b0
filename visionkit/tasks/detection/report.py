"""The report of a detector's run: one HTML file with everything inside, for people to look at."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from visionkit.data.images.decode import ImageError, read_image
from visionkit.data.index import Skipped
from visionkit.metrics.detection import Comparison, DetectionMetrics, Detections, GroundTruth, compare
from visionkit.tasks.detection.draw import OUTCOMES, draw_comparison
from visionkit.viz import plots
from visionkit.viz.annotate import PALETTE, color_of
from visionkit.viz.page import inline, inline_jpeg, write_page
from visionkit.viz.report import MAX_SKIPPED, Section, shown_matrix

MAX_WORST, MAX_OTHERS = 12, 6  # images
LONGER_SIDE = 640  # pixels that images are shown in
CURVES = {
    "loss in training": {"all": "loss", "boxes": "box_loss", "objects": "object_loss", "classes": "class_loss"},
    "mAP in validation": {"IoU 0.5": "val_map50", "IoU 0.5 to 0.95": "val_map"},
}


@dataclass(frozen=True)
class AnchorScale:
    """One scale of a network that has anchors.

    Attributes:
        stride: pixels between its cells.
        anchors: ``(A, 2)``, widths and heights in pixels of the network's input.
        objects: training objects that its anchors fit.
        sharing: those of them that share a cell and an anchor with another.
    """

    stride: int
    anchors: np.ndarray
    objects: int
    sharing: int


@dataclass(frozen=True)
class DetectionReport:
    """What a detection report shows.

    Attributes:
        title: of the page.
        sentences: what happened and why, in words.
        metrics: name -> number, as in ``metrics.json``.
        history: rows of ``history.csv``.
        measured: on the validation images.
        paths: validation images ``(N,)``.
        truth: their objects.
        found: the answers, of any score.
        skipped: files that were left out.
        config: the run's configuration.
        train_counts: training objects of each class.
        scales: of a network with anchors.
        sides: ``(N, 2)``, widths and heights of training objects in pixels of the network's input; wanted with ``scales``.
        unmatched: training objects that no anchor fits.
        sections: parts that only this recipe has.
    """

    title: str
    sentences: list[str]
    metrics: dict[str, float]
    history: list[dict]
    measured: DetectionMetrics
    paths: Sequence[str]
    truth: Sequence[GroundTruth]
    found: Sequence[Detections]
    skipped: list[Skipped]
    config: dict[str, Any]
    train_counts: np.ndarray
    scales: tuple[AnchorScale, ...] = ()
    sides: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    unmatched: int = 0
    sections: tuple[Section, ...] = ()

    @property
    def class_names(self) -> list[str]:
        """By number."""
        return [of_class.name for of_class in self.measured.classes]

    @property
    def num_objects(self) -> int:
        """Training objects."""
        return int(self.train_counts.sum())


def write_detection_report(report: DetectionReport, path: str | Path) -> Path:
    """Write the page, beside and then renamed. Only images that it shows are opened.

    Returns:
        its path.
    """
    measured, names = report.measured, [*report.class_names, "background"]
    outcomes = [
        compare(truth, found, measured.threshold, max_detections=measured.max_detections)
        for truth, found in zip(report.truth, report.found, strict=True)
    ]
    faults = np.array([_faults(*one) for one in zip(report.truth, report.found, outcomes, strict=True)])
    order = np.argsort(-faults, kind="stable") if len(faults) else np.zeros(0, int)
    num_wrong = int((faults > 0).sum())
    worst, others = np.split(order, [min(num_wrong, MAX_WORST)])
    others = others[np.unique(np.linspace(0, len(others) - 1, MAX_OTHERS).round().astype(int))] if len(others) else others
    most = max((int(np.bincount(truth.classes[truth.classes >= 0]).max(initial=0)) for truth in report.truth), default=0)
    with_objects = [number for number, of_class in enumerate(measured.classes) if of_class.objects]
    return write_page(
        path,
        __package__,
        "report.html.j2",
        report=report,
        curves=inline(plots.curves(report.history, CURVES)) if report.history else None,
        precision_recall=inline(_precision_recall(measured, with_objects)) if with_objects else None,
        crowded=most if most > measured.max_detections else None,
        classes=_class_rows(report),
        scales=[_scale_row(scale) for scale in report.scales],
        anchors=inline(_anchors(report)) if report.scales else None,
        matrix=shown_matrix(measured.matrix, names, names),
        outcomes=OUTCOMES.items(),
        num_wrong=num_wrong,
        worst=[_image(report, number, outcomes[number]) for number in worst],
        others=[_image(report, number, outcomes[number]) for number in others],
        skipped=report.skipped[:MAX_SKIPPED],
    )


def _precision_recall(measured: DetectionMetrics, with_objects: Sequence[int]) -> bytes:
    few = len(measured.classes) <= len(PALETTE)  # else several would share a color
    curves = np.stack([measured.classes[number].precisions for number in with_objects])
    return plots.precision_recall(curves, [color_of(number) for number in with_objects] if few else ())


def _anchors(report: DetectionReport) -> bytes:
    return plots.anchors([(f"anchors of stride {scale.stride}", scale.anchors) for scale in report.scales], report.sides)


def _class_rows(report: DetectionReport) -> list[dict[str, Any]]:
    """What is not known of a class without objects is None."""
    return [
        {
            "name": one.name,
            "color": color_of(number),
            "train": int(train),
            "val": one.objects,
            "ap50": one.ap50 if one.objects else None,
            "ap": one.ap if one.objects else None,
            "precision": one.precision,
            "recall": one.recall if one.objects else None,
            "f1": one.f1 if one.objects else None,
            "threshold": one.best_threshold if one.objects else None,
        }
        for number, (one, train) in enumerate(zip(report.measured.classes, report.train_counts, strict=True))
    ]


def _scale_row(scale: AnchorScale) -> dict[str, Any]:
    sizes = ", ".join(f"{width:.0f} x {height:.0f}" for width, height in scale.anchors)
    return {"stride": scale.stride, "anchors": sizes, "objects": scale.objects, "sharing": scale.sharing}


def _faults(truth: GroundTruth, found: Detections, outcome: Comparison) -> float:
    """How wrong the answers for an image are: objects that were missed, and scores of what is false or of a wrong class."""
    objects, answers = outcome.pairs.T
    confused = answers[truth.classes[objects] != found.classes[answers]]
    return len(outcome.missed) + len(confused) + found.scores[confused].sum() + found.scores[outcome.false].sum()


def _image(report: DetectionReport, number: int, outcome: Comparison) -> dict[str, Any]:
    truth, found = report.truth[number], report.found[number]
    objects, answers = outcome.pairs.T
    confused = int((truth.classes[objects] != found.classes[answers]).sum())
    counts = {
        "found": len(objects) - confused,
        "missed": len(outcome.missed),
        "of a wrong class": confused,
        "false": len(outcome.false),
    }
    return {
        "image": _drawn(report, number),
        "path": report.paths[number],
        "says": ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "no objects, and none found",
    }


def _drawn(report: DetectionReport, number: int) -> str | None:
    try:
        pixels = read_image(report.paths[number])
    except ImageError:
        return None  # it was readable a minute ago; the page shows its name instead
    if (share := LONGER_SIDE / max(pixels.shape[:2])) < 1:
        sides = [max(1, round(share * side)) for side in pixels.shape[1::-1]]
        pixels = cv2.resize(pixels, sides, interpolation=cv2.INTER_AREA)
    measured = report.measured
    drawn = draw_comparison(
        pixels,
        report.truth[number],
        report.found[number],
        measured.threshold,
        report.class_names,
        max_detections=measured.max_detections,
    )
    return inline_jpeg(Image.fromarray(drawn))
