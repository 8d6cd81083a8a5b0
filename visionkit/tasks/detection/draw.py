"""Detections drawn beside the ground truth, by supervision's annotators."""

from collections.abc import Sequence

import numpy as np

from visionkit.metrics.detection import MAX_DETECTIONS, GroundTruth, match_detections
from visionkit.ops.detections import Detections
from visionkit.viz import annotate
from visionkit.viz.boxes import draw, short

# In the order in which they are drawn: correct detections lie below mistakes.
OUTCOMES: dict[str, annotate.Color] = {
    "found": (20, 150, 85),
    "missed": (35, 95, 245),
    "wrong class": (245, 150, 20),
    "false": (215, 25, 50),
}


def draw_comparison(
    pixels: np.ndarray,
    truth: GroundTruth,
    detections: Detections,
    threshold: float,
    class_names: Sequence[str],
    *,
    max_detections: int = MAX_DETECTIONS,
) -> np.ndarray:
    """Draw correct detections, missed objects, wrong classes and false detections in the colors of ``OUTCOMES``.

    Correct detections are drawn without names. ``metrics.match_detections`` decides which is which, so that drawings and counts
    agree.

    Args:
        pixels: uint8 ``(H, W, 3)``.
        truth: objects of the image.
        detections: detections of the image.
        threshold: detections with lower scores are left out.
        class_names: names by class number.
        max_detections: see ``metrics.match_detections``.

    Returns:
        uint8; see ``draw_boxes``.
    """
    pairs, missed, false = match_detections(truth, detections, threshold, max_detections=max_detections)
    confused = truth.classes[pairs[:, 0]] != detections.classes[pairs[:, 1]]
    right, wrong = pairs[~confused, 1], pairs[confused]
    false = false[np.argsort(-detections.scores[false], kind="stable")]
    names = [short(name) for name in class_names]
    labels = (
        [""] * len(right)
        + [names[number] for number in truth.classes[missed]]
        + [f"{names[truth.classes[i]]} as {names[detections.classes[j]]} {detections.scores[j]:.0%}" for i, j in wrong]
        + [f"{names[detections.classes[row]]} {detections.scores[row]:.0%}" for row in false]
    )
    boxes = [detections.boxes[right], truth.boxes[missed], detections.boxes[wrong[:, 1]], detections.boxes[false]]
    outcomes = np.repeat(np.arange(len(OUTCOMES)), [len(part) for part in boxes])
    return draw(pixels, np.concatenate(boxes), outcomes, list(OUTCOMES.values()), labels)
