"""The report of a detector's run: its precision, its anchors, and the images with the most mistakes."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from PIL import Image

from visionkit.data.images.decode import ImageError, read_image
from visionkit.data.splits import Splits
from visionkit.inference.measuring import Measured
from visionkit.metrics.detection import THRESHOLDS, DetectionMetrics, GroundTruth, Matches, match_detections
from visionkit.ops.detections import Detections
from visionkit.tasks.detection.detectors import STRIDES
from visionkit.tasks.detection.draw import OUTCOMES, draw_comparison
from visionkit.tasks.detection.evaluate import Evaluation
from visionkit.tasks.detection.plan import AnchorFit, Plan, box_sides, letterboxed, object_counts
from visionkit.viz import plots
from visionkit.viz.annotate import PALETTE, color_of
from visionkit.viz.page import inline, inline_jpeg
from visionkit.viz.report import Report, class_list, shown_matrix, worst_and_others

LONGER_SIDE = 640  # pixels of the images on the page
CURVES = {
    "loss in training": {"all": "loss", "boxes": "box_loss", "objects": "object_loss", "classes": "class_loss"},
    "mAP in validation": {"IoU 0.5": "val_map50", "IoU 0.5 to 0.95": "val_map"},
}


def report(
    evaluation: Evaluation, data: Splits, plan: Plan, history: list[dict[str, Any]], fit: AnchorFit | None = None
) -> Report:
    """The report of a run. Only images that it shows are opened.

    Args:
        evaluation: of the bundle, on the validation images.
        data: the images that were trained on and validated with.
        plan: how the detector was trained.
        history: rows of ``history.csv``.
        fit: how the training objects fit the anchors; None for a network that has its own anchors.
    """
    names = data.val.class_names
    title = f"Detection: {class_list(names)}"
    counts = object_counts(data.train)
    shown = _classes(evaluation, counts) | _images(evaluation) | {"num_objects": int(counts.sum())}
    if fit is not None:
        shown |= _anchors(data, plan, fit)
    return Report(title, __package__, shown, history, data.skipped, curves=CURVES)


def report_on(measured: Measured, title: str) -> Report:
    """The report of a finished detector on data, without what is known of a training alone.

    Args:
        measured: by ``evaluate.evaluate_data``.
        title: of the page.
    """
    shown = _classes(measured.evaluation) | _images(measured.evaluation) | {"which": "measured"}
    return Report(title, __package__, shown, [], measured.skipped)


def _classes(evaluation: Evaluation, train_counts: np.ndarray | None = None) -> dict[str, Any]:
    """Precision over recall and over the threshold, the table of classes, and the confusion matrix."""
    measured = evaluation.measured
    train_counts = [None] * len(measured.classes) if train_counts is None else train_counts.tolist()
    labels = [*(each.name for each in measured.classes), "background"]
    with_objects = [number for number, each in enumerate(measured.classes) if each.objects]
    truth_classes = [truth.classes[truth.classes >= 0] for truth in evaluation.truth]
    most = max((int(np.bincount(classes).max(initial=0)) for classes in truth_classes), default=0)
    return {
        "measured": measured,
        "precision_recall": inline(_precision_recall(measured, with_objects)) if with_objects else None,
        "threshold_curves": inline(_threshold_curves(measured)) if with_objects else None,
        "own_threshold": evaluation.own_threshold,
        "best": _best(measured) if with_objects else None,
        "crowded": most if most > measured.max_detections else None,
        "is_measured": evaluation.is_measured,
        "threshold": evaluation.threshold,
        "is_chosen": measured.f1 > 0,
        "classes": _class_rows(measured, train_counts, is_measured=evaluation.is_measured),
        "matrix": shown_matrix(measured.matrix, labels, labels),
    }


def _precision_recall(measured: DetectionMetrics, with_objects: Sequence[int]) -> bytes:
    few = len(measured.classes) <= len(PALETTE)  # else several would share a color
    curves = np.stack([measured.classes[number].precisions for number in with_objects])
    return plots.precision_recall(curves, [color_of(number) for number in with_objects] if few else ())


def _threshold_curves(measured: DetectionMetrics) -> bytes:
    """Precision, recall and F1 over the threshold; classes have lines of their own where they are few."""
    few = 1 < len(measured.classes) <= len(PALETTE)
    colors = [color_of(number) for number in range(len(measured.classes))] if few else ()
    return plots.threshold_curves(measured.curves, measured.threshold, colors)


def _best(measured: DetectionMetrics) -> tuple[float, float]:
    """The threshold at which F1 of all classes together is best, to a hundredth, and F1 there."""
    scores = measured.curves[-1, 2]
    return float(THRESHOLDS[scores.argmax()]), float(scores.max())


def _class_rows(measured: DetectionMetrics, train_counts: Sequence[int | None], *, is_measured: bool) -> list[dict[str, Any]]:
    """A row for each class; None for values that a class without objects does not have."""
    return [
        {
            "name": each.name,
            "color": color_of(number),
            "train": train,
            "val": each.objects,
            "ap50": each.ap50 if each.objects else None,
            "ap": each.ap if each.objects else None,
            "precision": each.precision if is_measured else None,
            "recall": each.recall if each.objects else None,
            "f1": each.f1 if each.objects else None,
            "threshold": each.best_threshold if each.objects else None,
        }
        for number, (each, train) in enumerate(zip(measured.classes, train_counts, strict=True))
    ]


def _anchors(data: Splits, plan: Plan, fit: AnchorFit) -> dict[str, Any]:
    """The anchors in pixels of the network's input, and how the training objects fit them."""
    strides, in_pixels = STRIDES[: len(plan.anchors)], [anchors * plan.size for anchors in plan.anchor_arrays]
    levels = list(zip(strides, in_pixels, fit.levels, strict=True))
    sides = box_sides(letterboxed(data.train, plan.size)) * plan.size
    return {
        "anchors": inline(plots.anchors([(f"anchors of stride {stride}", anchors) for stride, anchors, _ in levels], sides)),
        "levels": [
            {
                "stride": stride,
                "anchors": ", ".join(f"{width:.0f} x {height:.0f}" for width, height in anchors),
                "objects": level.objects,
                "sharing": level.sharing,
            }
            for stride, anchors, level in levels
        ],
        "unmatched": fit.unmatched,
    }


def _images(evaluation: Evaluation) -> dict[str, Any]:
    """The images with the most mistakes, and some of the others, each drawn with its mistakes."""
    measured = evaluation.measured
    pairs = list(zip(evaluation.truth, evaluation.detections, strict=True))
    matches = [match_detections(*pair, measured.threshold, max_detections=measured.max_detections) for pair in pairs]
    faults = np.array([_faults(*pair, each) for pair, each in zip(pairs, matches, strict=True)])
    num_wrong, worst, others = worst_and_others(faults)
    return {
        "outcomes": OUTCOMES.items(),
        "num_wrong": num_wrong,
        "num_images": len(pairs),
        "worst": [_image(evaluation, number, matches[number]) for number in worst],
        "others": [_image(evaluation, number, matches[number]) for number in others],
    }


def _faults(truth: GroundTruth, detections: Detections, matches: Matches) -> float:
    """How wrong the detections in an image are: missed objects, and the scores of false detections and of wrong classes."""
    objects, rows = matches.pairs.T
    confused = rows[truth.classes[objects] != detections.classes[rows]]
    return len(matches.missed) + len(confused) + detections.scores[confused].sum() + detections.scores[matches.false].sum()


def _image(evaluation: Evaluation, number: int, matches: Matches) -> dict[str, Any]:
    objects, rows = matches.pairs.T
    confused = int((evaluation.truth[number].classes[objects] != evaluation.detections[number].classes[rows]).sum())
    counts = {
        "found": len(objects) - confused,
        "missed": len(matches.missed),
        "of a wrong class": confused,
        "false": len(matches.false),
    }
    return {
        "image": _drawn(evaluation, number),
        "path": evaluation.index.paths[number],
        "caption": ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "no objects, and none found",
    }


def _drawn(evaluation: Evaluation, number: int) -> str | None:
    try:
        pixels = read_image(evaluation.index.paths[number])
    except ImageError:
        return None  # it was readable a minute ago; the page shows its name instead
    if (share := LONGER_SIDE / max(pixels.shape[:2])) < 1:
        sides = [max(1, round(share * side)) for side in pixels.shape[1::-1]]
        pixels = cv2.resize(pixels, sides, interpolation=cv2.INTER_AREA)
    measured = evaluation.measured
    drawn = draw_comparison(
        pixels,
        evaluation.truth[number],
        evaluation.detections[number],
        measured.threshold,
        [each.name for each in measured.classes],
        max_detections=measured.max_detections,
    )
    return inline_jpeg(Image.fromarray(drawn))
