"""What a network learns from a mask beside the classes: how much each pixel counts, and how far it is from the borders."""

from typing import NamedTuple

import numpy as np

from visionkit.data.borders import border_distances, border_weights


class MaskTargets(NamedTuple):
    """What is computed from the mask of a training sample, after it was augmented.

    Attributes:
        borders: strength of U-Net's weights of the gaps between things; 0 for none. See ``borders.border_weights``.
        distances: number of classes whose borders' distances are wanted; 0 for none. See ``borders.border_distances``.
    """

    borders: float = 0.0
    distances: int = 0

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """What stands behind a mask's sides in each of the arrays of ``of_mask``."""
        shapes = {"weights": ()} if self.borders else {}
        return shapes | ({"distances": (self.distances,)} if self.distances else {})


NO_TARGETS = MaskTargets()


def of_mask(mask: np.ndarray, targets: MaskTargets) -> dict[str, np.ndarray]:
    """Targets of one mask.

    Args:
        mask: uint8 ``(spatial...)``, 255 = ignore.
        targets: which.

    Returns:
        ``weights`` float32 ``(spatial...)``; ``distances`` float32 ``(spatial..., classes)`` in pixels.
    """
    made = {"weights": border_weights(mask, strength=targets.borders)} if targets.borders else {}
    return made | ({"distances": border_distances(mask, targets.distances)} if targets.distances else {})
