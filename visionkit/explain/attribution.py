"""Where a network looks for its answer: saliency, Grad-CAM and occlusion of one image."""

from collections.abc import Callable

import cv2
import numpy as np

from visionkit.explain.probe import Explained
from visionkit.ops.colors import PADDING

BRIGHTEST = 99.5  # percentile of a map that is drawn at full strength
WINDOW = 1 / 5  # side of what is covered at once, of the image's
FAINTEST, STRONGEST = 0.2, 0.7  # how much a color covers of the image
NUM_STEPS = 9  # places along each side at which it is covered
AT_ONCE = 27  # images


def saliency(gradient: np.ndarray) -> np.ndarray:
    """How much each pixel matters: the largest slope of its three colors.

    Deep Inside Convolutional Networks, Simonyan et al. 2013, https://arxiv.org/abs/1312.6034.

    Args:
        gradient: of the score with respect to the pixels, ``(H, W, 3)``.

    Returns:
        float ``(H, W)``, not negative.
    """
    return np.abs(gradient).max(axis=-1)


def grad_cam(explained: Explained, side: int) -> np.ndarray:
    """Where a layer's features speak for the score.

    Grad-CAM, Selvaraju et al. 2016, https://arxiv.org/abs/1610.02391: the maps, each weighted by its mean gradient, summed, and
    of that what is positive. Maps of a mirror image are turned back and count as further maps.

    Args:
        explained: of one image.
        side: of the image in pixels.

    Returns:
        float32 ``(side, side)``, not negative.
    """
    weights = explained.gradients.mean(axis=(1, 2), keepdims=True)
    of_views = (weights * explained.maps).sum(axis=-1)
    heat = of_views[0] + sum(view[:, ::-1] for view in of_views[1:])
    return np.maximum(cv2.resize(np.maximum(heat, 0), (side, side), interpolation=cv2.INTER_CUBIC), 0)


def speaks(heat: np.ndarray) -> bool:
    """Whether a Grad-CAM says anything: it differs from place to place. That of a saturated layer does not."""
    return float(np.ptp(heat)) > 1e-3 * float(heat.max())


def occlusion(
    pixels: np.ndarray, score: Callable[[np.ndarray], np.ndarray], steps: int = NUM_STEPS
) -> tuple[np.ndarray, float]:
    """How much the score falls when a gray square covers a part of the image.

    As in Zeiler and Fergus' figure 7 (https://arxiv.org/abs/1311.2901).

    Args:
        pixels: ``(H, W, 3)`` in 0..255.
        score: of images ``(N, H, W, 3)``, to ``(N,)``.
        steps: places along each side; the first square covers the corner, the last the opposite one.

    Returns:
        float32 ``(H, W)``, of each pixel the mean over the squares that cover it, negative where the score rises; and by how
        much it falls with the square that matters most.
    """
    height, width = pixels.shape[:2]
    sides = max(1, round(WINDOW * height)), max(1, round(WINDOW * width))
    tops, lefts = (
        np.unique(np.linspace(0, whole - part, steps).round().astype(int))
        for whole, part in zip((height, width), sides, strict=True)
    )
    corners = [(top, left) for top in tops.tolist() for left in lefts.tolist()]
    whole = float(score(pixels[None])[0])
    falls = []
    total, count = np.zeros((height, width), np.float32), np.zeros((height, width), np.float32)
    for start in range(0, len(corners), AT_ONCE):
        squares = [np.s_[top : top + sides[0], left : left + sides[1]] for top, left in corners[start : start + AT_ONCE]]
        covered = np.repeat(pixels[None], len(squares), axis=0)
        for image, square in zip(covered, squares, strict=True):
            image[square] = PADDING
        for square, value in zip(squares, score(covered), strict=True):
            falls.append(float(whole - value))
            total[square] += falls[-1]
            count[square] += 1
    return total / np.maximum(count, 1), max(falls)


def as_light(strength: np.ndarray) -> np.ndarray:
    """A map that is not negative as shades of gray, uint8 ``(H, W, 3)``: white matters most."""
    top = max(float(np.percentile(strength, BRIGHTEST)), np.finfo(np.float32).tiny)
    gray = np.round(255 * np.clip(strength / top, 0, 1)).astype(np.uint8)
    return np.repeat(gray[..., None], 3, axis=2)


def as_heat(pixels: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """A map laid over its image: blue where there is none, red where it is strongest.

    Args:
        pixels: ``(H, W, 3)`` in 0..255.
        strength: ``(H, W)``; what is negative counts as none.

    Returns:
        uint8 ``(H, W, 3)``.
    """
    share = np.maximum(strength, 0) / max(float(strength.max()), np.finfo(np.float32).tiny)
    colors = cv2.applyColorMap(np.round(255 * share).astype(np.uint8), cv2.COLORMAP_TURBO)[..., ::-1]
    cover = FAINTEST + (STRONGEST - FAINTEST) * share[..., None]
    gray = pixels.mean(axis=-1, keepdims=True)
    return np.clip(np.round((1 - cover) * gray + cover * colors), 0, 255).astype(np.uint8)


def smooth(strength: np.ndarray) -> np.ndarray:
    """A map of squares without their edges, for people to look at."""
    return cv2.GaussianBlur(strength, (0, 0), WINDOW * len(strength) / 6)
