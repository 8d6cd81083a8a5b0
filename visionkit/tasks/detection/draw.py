"""What a detector found, drawn by supervision's annotators; alone, or beside the truth.

Classes have the colors that ``annotate`` gives them. Where there is no room for all names, the surest answers have theirs, and
each class is named once before any is named twice.
"""

from collections.abc import Sequence

import numpy as np

from visionkit.metrics.detection import MAX_DETECTIONS, Detections, GroundTruth, compare
from visionkit.viz import annotate
from visionkit.viz.boxes import draw, short

# In the order in which they are drawn: what is right lies below what is not.
OUTCOMES: dict[str, annotate.Color] = {
    "found": (20, 150, 85),
    "missed": (35, 95, 245),
    "wrong class": (245, 150, 20),
    "false": (215, 25, 50),
}


def draw_comparison(
    pixels: np.ndarray,
    truth: GroundTruth,
    found: Detections,
    threshold: float,
    class_names: Sequence[str],
    *,
    max_detections: int = MAX_DETECTIONS,
) -> np.ndarray:
    """What was found, missed, and taken for what it is not, in the colors of ``OUTCOMES``; what is right has no name.

    ``metrics.detection.compare`` says which is which, so drawings and counts agree.

    Args:
        pixels: uint8 ``(H, W, 3)``.
        truth: the objects.
        found: the answers.
        threshold: answers with lower scores are left out.
        class_names: by number.
        max_detections: answers of a class that are looked at.

    Returns:
        uint8; see ``draw_boxes``.
    """
    pairs, missed, false = compare(truth, found, threshold, max_detections=max_detections)
    confused = truth.classes[pairs[:, 0]] != found.classes[pairs[:, 1]]
    right, wrong = pairs[~confused, 1], pairs[confused]
    false = false[np.argsort(-found.scores[false], kind="stable")]
    names = [short(name) for name in class_names]
    labels = (
        [""] * len(right)
        + [names[number] for number in truth.classes[missed]]
        + [f"{names[truth.classes[i]]} as {names[found.classes[j]]} {found.scores[j]:.0%}" for i, j in wrong]
        + [f"{names[found.classes[row]]} {found.scores[row]:.0%}" for row in false]
    )
    boxes = [found.boxes[right], truth.boxes[missed], found.boxes[wrong[:, 1]], found.boxes[false]]
    outcomes = np.repeat(np.arange(len(OUTCOMES)), [len(part) for part in boxes])
    return draw(pixels, np.concatenate(boxes), outcomes, list(OUTCOMES.values()), labels)
