"""The report of a run: galleries of images with the ground truth and the predictions drawn on them."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from visionkit.data.images.decode import ImageError, read_image
from visionkit.data.index import Skipped
from visionkit.data.splits import Splits
from visionkit.inference.measuring import Measured
from visionkit.tasks.localization.evaluate import LandmarkEvaluation, ObjectEvaluation
from visionkit.tasks.localization.predict import PRESENT, VISIBLE
from visionkit.viz.annotate import draw_keypoints
from visionkit.viz.boxes import draw_boxes
from visionkit.viz.report import Report, thumbnail

SIDE = 320  # pixels of the longer side of an image
MAX_DRAWN = 12  # images in a gallery
HIDDEN = 1  # visibility of a keypoint that is drawn as a ring

Figure = tuple[np.ndarray, str]  # uint8 (H, W, 3), and a caption


class Gallery(NamedTuple):
    """Images with captions under a heading, and a sentence on what they show."""

    heading: str
    sentence: str
    figures: Sequence[Figure]


def report(evaluation: ObjectEvaluation | LandmarkEvaluation, data: Splits, history: list[dict[str, Any]]) -> Report:
    """The report of a localizer, or of a landmark finder. Only images that it shows are opened.

    Args:
        evaluation: of the bundle, on the validation images.
        data: what was trained on and validated with.
        history: rows of ``history.csv``.
    """
    step, columns = "landmarks", ("loss", "median_error")
    if isinstance(evaluation, ObjectEvaluation):
        step, columns = "object", ("loss", "presence_accuracy", "accuracy", "mean_iou")
    galleries = _galleries(evaluation, "Validation images")
    return gallery_report(f"Localization: {step}", galleries, history, columns=columns, skipped=data.skipped)


def report_on(measured: Measured, title: str) -> Report:
    """The report of a finished model on data, without what is known of a training alone.

    Args:
        measured: by ``evaluate.evaluate_data``.
        title: of the page.
    """
    galleries = _galleries(measured.evaluation, "Measured images")
    return gallery_report(title, galleries, [], columns=(), skipped=measured.skipped)


def _galleries(evaluation: ObjectEvaluation | LandmarkEvaluation, heading: str) -> tuple[Gallery, Gallery]:
    """The first images, and those with the worst predictions."""
    if isinstance(evaluation, ObjectEvaluation):
        draw = _draw_object
        sentences = "The first ones, with ground truth and prediction.", "Missed and imagined objects come first."
    else:
        draw = _draw_landmarks
        sentences = ("Rings are the ground truth, dots the prediction; each landmark has its own color.",) * 2
    return (
        Gallery(heading, sentences[0], _figures(evaluation, range(len(evaluation.index)), draw)),
        Gallery("Images it got most wrong", sentences[1], _figures(evaluation, evaluation.worst.tolist(), draw)),
    )


def gallery_report(
    title: str,
    galleries: Iterable[Gallery],
    history: list[dict[str, Any]],
    *,
    columns: Sequence[str],
    skipped: Sequence[Skipped],
) -> Report:
    """A report of images.

    Args:
        title: of the page.
        galleries: what is shown.
        history: rows of ``history.csv``.
        columns: of the history, each drawn as a curve, together with that of the validation.
        skipped: files that were left out.
    """
    shown = [
        gallery._replace(figures=[(thumbnail(image, SIDE), caption) for image, caption in gallery.figures])
        for gallery in galleries
    ]
    curves = {column.replace("_", " "): {"training": column, "validation": f"val_{column}"} for column in columns}
    return Report(title, __package__, {"galleries": shown}, history, skipped, curves=curves)


def _figures(
    evaluation: ObjectEvaluation | LandmarkEvaluation, rows: Sequence[int], draw: Callable[[Any, int, np.ndarray], Figure]
) -> list[Figure]:
    figures = []
    for row in rows[:MAX_DRAWN]:
        try:
            pixels = read_image(evaluation.index.paths[row])
        except ImageError:
            continue  # it was readable a minute ago
        figures.append(draw(evaluation, row, pixels))
    return figures


def _draw_object(evaluation: ObjectEvaluation, row: int, pixels: np.ndarray) -> Figure:
    truth, outputs = evaluation.truth[row], evaluation.outputs
    presence, label, score = (outputs[name][row] for name in ("presence", "label", "score"))
    true_box = truth[[1, 2, 1, 2]] + truth[[3, 4, 3, 4]] * (-0.5, -0.5, 0.5, 0.5)
    kinds = np.array([0 if truth[0] else -1, 1 if presence > PRESENT else -1])
    names = "truth", f"{label} {score:.0%}"
    overlap = f"IoU {evaluation.overlaps[row]:.2f}" if truth[0] else "none is there"
    return draw_boxes(pixels, np.array([true_box, outputs["box"][row]]), kinds, names), f"an object: {presence:.0%}, {overlap}"


def _draw_landmarks(evaluation: LandmarkEvaluation, row: int, pixels: np.ndarray) -> Figure:
    truth, points = evaluation.truth[row], evaluation.points[row]
    rings = np.where(truth[:, 2:] > 0, np.insert(truth[:, :2], 2, HIDDEN, axis=1), 0)
    dots = np.insert(points, 2, VISIBLE, axis=1)
    return draw_keypoints(pixels, np.stack([rings, dots])), f"error {evaluation.errors[row]:.3f}"
