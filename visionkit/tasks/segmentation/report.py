"""The report of a segmentation run: its metrics by class, and the images with the most mistakes."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from PIL import Image

from visionkit.data.index import IGNORE
from visionkit.inference.measuring import Measured
from visionkit.tasks.segmentation.data import SegmentationData
from visionkit.tasks.segmentation.evaluate import Comparison, Evaluation
from visionkit.viz.annotate import Color, color_of, draw_mask, uncolored
from visionkit.viz.page import inline_jpeg
from visionkit.viz.report import Report, class_list, shown_matrix, worst_and_others

LONGER_SIDE = 360  # pixels of an image on the page, where three are side by side
LONGER_SIDE_OF_WIDE = 576  # where three are one below the other
WIDE = 2.2  # wide images are this many times as wide as high
MISTAKE: Color = (225, 20, 45)
CURVES = {
    "loss in training": {"loss": "loss"},
    "mean IoU in validation": {"mean IoU": "val_mean_iou"},
    "pixel error in validation": {"pixel error": "val_pixel_error"},
}


def report(evaluation: Evaluation, data: SegmentationData, history: list[dict[str, Any]]) -> Report:
    """The report of a run. Only images that it shows are opened.

    Args:
        evaluation: of the bundle, on the validation data.
        data: what was trained on and validated with.
        history: rows of ``history.csv``.
    """
    shown = _shown(evaluation, data.class_names, np.asarray(data.class_counts))
    return Report(f"Segmentation: {class_list(data.class_names)}", __package__, shown, history, data.skipped, curves=CURVES)


def report_on(measured: Measured, title: str) -> Report:
    """The report of a finished segmenter on data, without what is known of a training alone.

    Args:
        measured: by ``evaluate.evaluate_data``.
        title: of the page.
    """
    shown = _shown(measured.evaluation, measured.labels, np.zeros(len(measured.labels))) | {"which": "measured"}
    return Report(title, __package__, shown, [], measured.skipped)


def _shown(evaluation: Evaluation, names: Sequence[str], train_counts: np.ndarray) -> dict[str, Any]:
    """What fills the template; ``train_counts`` are pixels by class."""
    background = uncolored(names)
    num_wrong, worst, others = worst_and_others(np.nan_to_num(np.asarray(evaluation.errors, float)))
    return {
        "classes": _class_rows(evaluation, names, train_counts, background),
        "has_boundary_f1": evaluation.boundary_f1 is not None,
        "matrix": shown_matrix(evaluation.measured.matrix, names, names),
        "mistake": MISTAKE,
        "num_wrong": num_wrong,
        "num_images": len(evaluation.names),
        "worst": [_figure(evaluation, number, background) for number in worst],
        "others": [_figure(evaluation, number, background) for number in others],
    }


def _class_rows(
    evaluation: Evaluation, names: Sequence[str], counts: np.ndarray, background: Sequence[int]
) -> list[dict[str, Any]]:
    """A row for each class; undefined values are None."""
    metrics = evaluation.measured
    shares, is_present = counts / max(counts.sum(), 1), metrics.truth_share > 0
    columns = {
        "train": np.where(shares > 0, shares, np.nan),
        "val": np.where(is_present, metrics.truth_share, np.nan),
        "iou": metrics.iou,
        "dice": metrics.dice,
        "precision": metrics.precision,
        "recall": np.where(is_present, metrics.recall, np.nan),
        "boundary_f1": np.full(len(names), np.nan) if evaluation.boundary_f1 is None else evaluation.boundary_f1,
    }
    return [
        {"name": name, "color": None if number in background else color_of(number)}
        | {column: None if np.isnan(values[number]) else float(values[number]) for column, values in columns.items()}
        for number, name in enumerate(names)
    ]


def _figure(evaluation: Evaluation, number: int, background: Sequence[int]) -> dict[str, Any]:
    """A validation image with its ground truth, its prediction and its mistakes."""
    error, comparison = evaluation.errors[number], evaluation.compare(number)
    caption = "no pixel has a label" if np.isnan(error) else f"{error:.2%} of the pixels are wrong"
    figure = {"path": evaluation.names[number], "caption": caption, "images": (), "wide": False}
    if comparison is None:
        return figure  # it was readable a minute ago; the page shows its name instead
    height, width = comparison.truth.shape
    wide = width > WIDE * height
    comparison = _resized(comparison, LONGER_SIDE_OF_WIDE if wide else LONGER_SIDE)
    drawn = {
        "truth": draw_mask(comparison.pixels, comparison.truth, background=background),
        "prediction": draw_mask(comparison.pixels, comparison.prediction, background=background),
        "mistakes": draw_mistakes(comparison),
    }
    return figure | {"images": [(name, inline_jpeg(Image.fromarray(image))) for name, image in drawn.items()], "wide": wide}


def draw_mistakes(comparison: Comparison) -> np.ndarray:
    """Wrong pixels in one color over the image in pale grey, uint8 ``(H, W, 3)``; ignored pixels are hatched."""
    pixels, truth, prediction = comparison
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) // 2 + 128
    ignored = truth == IGNORE
    drawn = draw_mask(np.repeat(grey[..., None], 3, axis=2), np.where(ignored, np.uint8(IGNORE), np.uint8(0)), background=(0,))
    drawn[(truth != prediction) & ~ignored] = MISTAKE
    return drawn


def _resized(comparison: Comparison, side: int) -> Comparison:
    """The image and its masks in the size of the page. Masks are drawn afterwards, so that lines stay whole."""
    scale = side / max(comparison.truth.shape)
    if scale >= 1:  # enlarged by a whole number, so that single pixels are visible
        return Comparison(*(values.repeat(int(scale), 0).repeat(int(scale), 1) for values in comparison))
    size = [max(1, round(scale * length)) for length in comparison.truth.shape[::-1]]
    kinds = (cv2.INTER_AREA, cv2.INTER_NEAREST_EXACT, cv2.INTER_NEAREST_EXACT)
    return Comparison(*(cv2.resize(values, size, interpolation=kind) for values, kind in zip(comparison, kinds, strict=True)))
