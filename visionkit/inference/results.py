"""Use an exported bundle from Python:

import visionkit
model = visionkit.load("runs/transfer_learning/model")
print(model.predict("cat.jpg").label)
"""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import supervision
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import supervision


class ClassificationResult(NamedTuple):
    """What a classifier says of one image.

    Attributes:
        path: of the image; empty for pixels.
        label: the best class.
        score: its probability.
        top: all classes with their probabilities, best first.
    """

    path: str
    label: str
    score: float
    top: tuple[tuple[str, float], ...]


class Box(NamedTuple):
    """One object.

    Attributes:
        label: its class.
        score: how sure the detector is, 0..1.
        xyxy: left, top, right, bottom in pixels of the image.
    """

    label: str
    score: float
    xyxy: tuple[float, float, float, float]


class DetectionResult(NamedTuple):
    """What a detector says of one image.

    Attributes:
        path: of the image; empty for pixels.
        size: its height and width in pixels.
        boxes: the objects, best first.
        classes: the number of each one's class.
    """

    path: str
    size: tuple[int, int]
    boxes: tuple[Box, ...]
    classes: tuple[int, ...]

    def to_plain(self) -> dict[str, Any]:
        """For a line of JSON; coordinates to a hundredth of a pixel."""
        boxes = [
            {"label": box.label, "score": box.score, "xyxy": [round(value, 2) for value in box.xyxy]} for box in self.boxes
        ]
        return {"path": self.path, "boxes": boxes}

    def to_supervision(self) -> "supervision.Detections":
        """For the supervision library; the names stand in ``data["class_name"]``."""
        import supervision  # takes a second, and few ask for it

        return supervision.Detections(
            xyxy=np.array([box.xyxy for box in self.boxes], np.float32).reshape(-1, 4),
            confidence=np.array([box.score for box in self.boxes], np.float32),
            class_id=np.array(self.classes, int),
            data={"class_name": np.array([box.label for box in self.boxes], str)},
        )
