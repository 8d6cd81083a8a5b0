"""The report of a segmentation run: one HTML file with everything inside, for people to look at."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from PIL import Image

from visionkit.data.index import IGNORE, Skipped
from visionkit.metrics.segmentation import measure
from visionkit.viz import plots
from visionkit.viz.annotate import Color, color_of, draw_mask, uncolored
from visionkit.viz.page import inline, inline_jpeg, write_page
from visionkit.viz.report import MAX_SKIPPED, Section, shown_matrix

MAX_WORST, MAX_OTHERS = 12, 6  # images
LONGER_SIDE = 360  # pixels that an image is shown in, three of them beside each other
LONGER_SIDE_OF_WIDE = 576  # three below each other
WIDE = 2.2  # times as wide as high
MISTAKE: Color = (225, 20, 45)
CURVES = {
    "loss in training": {"loss": "loss"},
    "mean IoU in validation": {"mean IoU": "val_mean_iou"},
    "pixel error in validation": {"pixel error": "val_pixel_error"},
}


class SeenImage(NamedTuple):
    """An image with what is in it.

    Attributes:
        pixels: uint8 ``(H, W, 3)``.
        truth: uint8 ``(H, W)``, the class of each pixel; ``IGNORE`` has none.
        answer: uint8 ``(H, W)``.
    """

    pixels: np.ndarray
    truth: np.ndarray
    answer: np.ndarray


@dataclass(frozen=True)
class SegmentationReport:
    """What a segmentation report shows.

    Attributes:
        title: of the page.
        sentences: what happened and why, in words.
        metrics: name -> number, as in ``metrics.json``.
        history: rows of ``history.csv``.
        class_names: by number.
        matrix: int64 ``(C, C)``: validation pixels of each true class (rows) that were taken for each class.
        train_counts: training pixels of each class.
        paths: validation images ``(N,)``.
        errors: ``(N,)``: the share of each image's pixels that is wrong; NaN where none has a label.
        images: gives a validation image by its number; None if it cannot be read any more.
        skipped: files that were left out.
        config: the run's configuration.
        boundary_f1: of each class; NaN where it is not known.
        sections: parts that only this recipe has.
    """

    title: str
    sentences: list[str]
    metrics: dict[str, float]
    history: list[dict]
    class_names: tuple[str, ...]
    matrix: np.ndarray
    train_counts: np.ndarray
    paths: Sequence[str]
    errors: np.ndarray
    images: Callable[[int], SeenImage | None]
    skipped: list[Skipped]
    config: dict[str, Any]
    boundary_f1: np.ndarray | None = None
    sections: tuple[Section, ...] = ()

    @property
    def background(self) -> tuple[int, ...]:
        """Classes that are not colored."""
        return uncolored(self.class_names)


def write_segmentation_report(report: SegmentationReport, path: str | Path) -> Path:
    """Write the page, beside and then renamed. Only images that it shows are opened.

    Returns:
        its path.
    """
    errors = np.nan_to_num(np.asarray(report.errors, float))
    order = np.argsort(-errors, kind="stable")
    num_wrong = int((errors > 0).sum())
    worst, others = np.split(order, [min(num_wrong, MAX_WORST)])
    others = others[np.unique(np.linspace(0, len(others) - 1, MAX_OTHERS).round().astype(int))] if len(others) else others
    return write_page(
        path,
        __package__,
        "report.html.j2",
        report=report,
        curves=inline(plots.curves(report.history, CURVES)) if report.history else None,
        classes=_class_rows(report),
        matrix=shown_matrix(report.matrix, report.class_names, report.class_names),
        mistake=MISTAKE,
        num_wrong=num_wrong,
        worst=[_row(report, int(number)) for number in worst],
        others=[_row(report, int(number)) for number in others],
        skipped=report.skipped[:MAX_SKIPPED],
    )


def _class_rows(report: SegmentationReport) -> list[dict[str, Any]]:
    """What there is nothing to say of is None."""
    measured, names = measure(report.matrix, report.class_names), report.class_names
    shares = np.asarray(report.train_counts) / max(np.sum(report.train_counts), 1)
    is_true = measured.truth_share > 0
    columns = {
        "train": np.where(shares > 0, shares, np.nan),
        "val": np.where(is_true, measured.truth_share, np.nan),
        "iou": measured.iou,
        "dice": measured.dice,
        "precision": measured.precision,
        "recall": np.where(is_true, measured.recall, np.nan),
        "boundary_f1": np.full(len(names), np.nan) if report.boundary_f1 is None else report.boundary_f1,
    }
    return [
        {"name": name, "color": None if number in report.background else color_of(number)}
        | {column: None if np.isnan(values[number]) else float(values[number]) for column, values in columns.items()}
        for number, name in enumerate(names)
    ]


def _row(report: SegmentationReport, number: int) -> dict[str, Any]:
    seen, error = report.images(number), report.errors[number]
    says = "no pixel has a label" if np.isnan(error) else f"{error:.2%} of the pixels are wrong"
    row = {"path": report.paths[number], "says": says, "images": (), "wide": False}
    if seen is None:
        return row  # it was readable a minute ago; the page shows its name instead
    height, width = seen.truth.shape
    wide = width > WIDE * height
    pixels, truth, answer = _resized(seen, LONGER_SIDE_OF_WIDE if wide else LONGER_SIDE)
    drawn = {
        "truth": draw_mask(pixels, truth, background=report.background),
        "answer": draw_mask(pixels, answer, background=report.background),
        "mistakes": draw_mistakes(pixels, truth, answer),
    }
    return row | {"images": [(name, inline_jpeg(Image.fromarray(one))) for name, one in drawn.items()], "wide": wide}


def draw_mistakes(pixels: np.ndarray, truth: np.ndarray, answer: np.ndarray) -> np.ndarray:
    """Wrong pixels in one color over the image in pale grey; what is ignored is hatched.

    Args:
        pixels: uint8 ``(H, W, 3)``.
        truth: uint8 ``(H, W)``.
        answer: uint8 ``(H, W)``.

    Returns:
        uint8 ``(H, W, 3)``.
    """
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) // 2 + 128
    ignored = truth == IGNORE
    drawn = draw_mask(np.repeat(grey[..., None], 3, axis=2), np.where(ignored, np.uint8(IGNORE), np.uint8(0)), background=(0,))
    drawn[(truth != answer) & ~ignored] = MISTAKE
    return drawn


def _resized(seen: SeenImage, side: int) -> SeenImage:
    """In the size in which it is shown. Only then masks are drawn on it, so lines stay whole."""
    share = side / max(seen.truth.shape)
    if share >= 1:  # each pixel can be seen as one
        return SeenImage(*(one.repeat(int(share), 0).repeat(int(share), 1) for one in seen))
    size = [max(1, round(share * length)) for length in seen.truth.shape[::-1]]
    kinds = (cv2.INTER_AREA, cv2.INTER_NEAREST_EXACT, cv2.INTER_NEAREST_EXACT)
    return SeenImage(*(cv2.resize(one, size, interpolation=kind) for one, kind in zip(seen, kinds, strict=True)))
