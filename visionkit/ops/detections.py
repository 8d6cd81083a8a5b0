"""What a detector finds: boxes with scores and classes."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import keras


class Detections(NamedTuple):
    """The detections of one image, or of a batch of N images as the graph has them, best first.

    The K detections of one image are NumPy arrays without the leading N. A batch has K rows for every image; rows after an
    image's last detection are zeros, of class -1.

    Attributes:
        boxes: float ``(K, 4)`` or ``(N, K, 4)``, xyxy: relative to the image, or in the unit in which a function received them.
        scores: float ``(K,)`` or ``(N, K)``.
        classes: int ``(K,)`` or ``(N, K)``; rows with -1 are padding.
    """

    boxes: "np.ndarray | keras.KerasTensor"
    scores: "np.ndarray | keras.KerasTensor"
    classes: "np.ndarray | keras.KerasTensor"
