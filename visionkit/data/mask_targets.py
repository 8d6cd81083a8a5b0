"""Targets that losses on borders need, computed from a mask: weights for U-Net's loss, distances for ``losses.boundary``."""

from typing import NamedTuple

import cv2
import numpy as np
from scipy import ndimage

from visionkit.data.index import IGNORE

REACH = 4  # distance in sigmas beyond which a component adds nothing: exp(-REACH**2 / 2) is 0.0003


def border_weights(mask: np.ndarray, *, strength: float = 10.0, sigma: float = 5.0) -> np.ndarray:
    """Weights that teach a network to separate touching objects: background counts more, the narrower it is between two.

    ``1 + strength * exp(-(d1 + d2)**2 / (2 * sigma**2))`` in the background, where d1 and d2 are the distances to the nearest
    and the second nearest component (U-Net, https://arxiv.org/abs/1505.04597, equation 2 without the frequencies of classes).
    A component is foreground of one class; pixels that touch at an edge or a corner are of one component.

    Args:
        mask: uint8 ``(H, W)`` or ``(D, H, W)``: 0 is background; 255 is ignored and gets weight 1 like foreground.
        strength: weight above 1 of the narrowest background.
        sigma: width in pixels over which the weight falls off.

    Returns:
        float32 of the mask's shape, from 1 to ``1 + strength``; all ones if there are fewer than two components.
    """
    nearest, second = np.full((2, *mask.shape), np.inf, np.float32)
    margin = int(np.ceil(REACH * sigma))
    for label in np.setdiff1d(mask, (0, IGNORE)):
        components, _ = ndimage.label(mask == label, np.ones(mask.ndim * (3,)))
        for number, extent in enumerate(ndimage.find_objects(components), start=1):
            window = tuple(slice(max(side.start - margin, 0), side.stop + margin) for side in extent)
            distance = _distance(components[window] != number)
            second[window] = np.minimum(second[window], np.maximum(nearest[window], distance))
            nearest[window] = np.minimum(nearest[window], distance)
    weights = np.exp((nearest + second) ** 2 / np.float32(-2 * sigma**2))
    return np.where(mask == 0, 1 + np.float32(strength) * weights, np.float32(1))


def border_distances(mask: np.ndarray, num_classes: int) -> np.ndarray:
    """Distance of each pixel to the border of each class, negative inside the class (https://arxiv.org/abs/1812.07032).

    The border runs between pixels, so the pixels next to it have 0.5 and -0.5. A class that is nowhere or everywhere has no
    border and gets zeros, like an absent class in the authors' code; the region loss next to this one still covers it.

    Args:
        mask: uint8 ``(H, W)`` or ``(D, H, W)``: classes; ignored pixels (255) lie outside of all classes.
        num_classes: number of classes, C.

    Returns:
        float32 ``(H, W, C)`` or ``(D, H, W, C)``, in pixels.
    """
    distances = np.zeros((*mask.shape, num_classes), np.float32)
    for label in range(num_classes):
        inside = mask == label
        if inside.any() and not inside.all():
            distances[..., label] = np.where(inside, 0.5 - _distance(inside), _distance(~inside) - 0.5)
    return distances


def _distance(is_away: np.ndarray) -> np.ndarray:
    """Distance of each true pixel to the nearest false one, float32; both implementations release the GIL."""
    if is_away.ndim == 2:
        return cv2.distanceTransform(is_away.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return ndimage.distance_transform_edt(is_away).astype(np.float32)


class MaskTargets(NamedTuple):
    """The targets to compute from the augmented mask of a training sample.

    Attributes:
        borders: strength of U-Net's weights for gaps between objects; 0 for none. See ``border_weights``.
        distances: number of classes for which distances to borders are computed; 0 for none. See ``border_distances``.
    """

    borders: float = 0.0
    distances: int = 0

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape behind the spatial axes of each array that ``of_mask`` returns."""
        shapes = {"weights": ()} if self.borders else {}
        return shapes | ({"distances": (self.distances,)} if self.distances else {})


NO_TARGETS = MaskTargets()


def of_mask(mask: np.ndarray, targets: MaskTargets) -> dict[str, np.ndarray]:
    """Compute the targets of one mask.

    Args:
        mask: uint8 ``(spatial...)``, 255 = ignore.
        targets: which targets to compute.

    Returns:
        ``weights`` float32 ``(spatial...)``; ``distances`` float32 ``(spatial..., classes)`` in pixels.
    """
    weights = {"weights": border_weights(mask, strength=targets.borders)} if targets.borders else {}
    return weights | ({"distances": border_distances(mask, targets.distances)} if targets.distances else {})
