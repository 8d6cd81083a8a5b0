"""The results of predictors. A result prints itself in one line, draws itself, and becomes a dict for JSON."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import supervision
    from PIL import Image

    from visionkit.inference.predictor import Predictor


NO_LABEL = "no label reaches its threshold"


@dataclass(frozen=True, repr=False, eq=False)
class Result(ABC):
    """The prediction for one image, signal or volume.

    Attributes:
        path: path of the file; empty for pixels, values and encoded bytes.
        source: the input of the prediction, for ``plot``.
        predictor: the predictor that made the result.
    """

    path: str
    source: Any = field(default=None, kw_only=True)
    predictor: "Predictor | None" = field(default=None, kw_only=True)

    def plot(self, **options: Any) -> "Image.Image":
        """The image with the prediction drawn on it; a file is read again.

        Args:
            options: options of the predictor's ``draw``.

        Raises:
            ImageError: the file cannot be read any more.
        """
        return self.predictor.draw(self, **options)

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """The object of a line of ``--json``."""

    @abstractmethod
    def summary(self) -> str:
        """The prediction in a few words."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.path or 'pixels'}: {self.summary()})"


@dataclass(frozen=True, repr=False, eq=False)
class ClassificationResult(Result):
    """The classes of one image, signal or volume.

    Attributes:
        label: the best class.
        score: its probability.
        top: all classes with their probabilities, best first.
    """

    label: str
    score: float
    top: tuple[tuple[str, float], ...]

    def to_dict(self, top: int = 5) -> dict[str, Any]:
        """The best class, and the ``top`` best ones with their probabilities."""
        return {"path": self.path, "label": self.label, "score": self.score, "top": self.top[:top]}

    def summary(self) -> str:
        """The best class and its probability."""
        return f"{self.label} {self.score:.1%}"


@dataclass(frozen=True, repr=False, eq=False)
class MultiLabelResult(ClassificationResult):
    """The classes of one image that may show several of them, or none.

    ``label`` and ``score`` are the best of ``labels``, and None where there is none. Scores need not sum to 1.

    Attributes:
        labels: the classes whose scores reach their thresholds, with their scores, best first.
    """

    label: str | None
    score: float | None
    labels: tuple[tuple[str, float], ...]

    def to_dict(self, top: int = 5) -> dict[str, Any]:
        """The classes above their thresholds, and the ``top`` best ones with their scores."""
        return {
            "path": self.path,
            "label": self.label,
            "score": self.score,
            "labels": self.labels,
            "top": self.top[:top],
        }

    def summary(self) -> str:
        """The classes above their thresholds and their scores."""
        return ", ".join(f"{label} {score:.1%}" for label, score in self.labels) or NO_LABEL


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


@dataclass(frozen=True, repr=False, eq=False)
class DetectionResult(Result):
    """The objects in one image.

    Attributes:
        size: height and width of the image in pixels.
        boxes: the objects, best first.
        classes: the class number of each object.
    """

    size: tuple[int, int]
    boxes: tuple[Box, ...]
    classes: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """The boxes; coordinates to a hundredth of a pixel."""
        boxes = [
            {"label": box.label, "score": box.score, "xyxy": [round(value, 2) for value in box.xyxy]} for box in self.boxes
        ]
        return {"path": self.path, "boxes": boxes}

    def summary(self) -> str:
        """The number of objects of each class."""
        counts: dict[str, int] = {}
        for box in self.boxes:
            counts[box.label] = counts.get(box.label, 0) + 1
        return ", ".join(f"{count} {label}" for label, count in counts.items()) or "nothing found"

    def relative_boxes(self) -> np.ndarray:
        """The boxes ``(N, 4)``, xyxy, relative to the image."""
        return np.array([box.xyxy for box in self.boxes]).reshape(-1, 4) / np.tile(self.size[::-1], 2)

    def to_supervision(self) -> "supervision.Detections":
        """The boxes for the supervision library; class names are in ``data["class_name"]``."""
        import supervision  # takes a second, and few ask for it

        return supervision.Detections(
            xyxy=np.array([box.xyxy for box in self.boxes], np.float32).reshape(-1, 4),
            confidence=np.array([box.score for box in self.boxes], np.float32),
            class_id=np.array(self.classes, int),
            data={"class_name": np.array([box.label for box in self.boxes], str)},
        )
