"""Attribution of a prediction to the pixels of one image: saliency, Grad-CAM and occlusion."""

from collections.abc import Callable

import cv2
import numpy as np

from visionkit.explain.probe import Explained
from visionkit.ops.colors import PADDING

BRIGHTEST = 99.5  # percentile of a map that is drawn at full strength
WINDOW = 1 / 5  # side of the occluding square, relative to the image's side
FAINTEST, STRONGEST = 0.2, 0.7  # opacity of the heat map where it is weakest and strongest
NUM_STEPS = 9  # positions of the square along each side
AT_ONCE = 27  # images in a batch


def saliency(gradient: np.ndarray) -> np.ndarray:
    """Importance of each pixel: the largest absolute gradient of its three colors.

    Deep Inside Convolutional Networks, Simonyan et al. 2013, https://arxiv.org/abs/1312.6034.

    Args:
        gradient: gradient of the score with respect to the pixels, ``(H, W, 3)``.

    Returns:
        float ``(H, W)``, not negative.
    """
    return np.abs(gradient).max(axis=-1)


def grad_cam(explained: Explained, side: int) -> np.ndarray:
    """Heat map of the places where a layer's features raise the score.

    Grad-CAM, Selvaraju et al. 2016, https://arxiv.org/abs/1610.02391: the positive part of the sum of the feature maps, each
    weighted by its mean gradient. Maps of a mirror image are mirrored back and count as further maps.

    Args:
        explained: maps and gradients for one image.
        side: side of the image in pixels.

    Returns:
        float32 ``(side, side)``, not negative.
    """
    weights = explained.gradients.mean(axis=(1, 2), keepdims=True)
    views = (weights * explained.maps).sum(axis=-1)
    heat = views[0] + sum(view[:, ::-1] for view in views[1:])
    return np.maximum(cv2.resize(np.maximum(heat, 0), (side, side), interpolation=cv2.INTER_CUBIC), 0)


def speaks(heat: np.ndarray) -> bool:
    """Whether a Grad-CAM is informative, that is, varies over the image. That of a saturated layer does not."""
    return float(np.ptp(heat)) > 1e-3 * float(heat.max())


def occlusion(
    pixels: np.ndarray, score: Callable[[np.ndarray], np.ndarray], steps: int = NUM_STEPS
) -> tuple[np.ndarray, float]:
    """Measure how much the score falls when a gray square covers a part of the image.

    The method is that of Zeiler and Fergus' figure 7 (https://arxiv.org/abs/1311.2901).

    Args:
        pixels: ``(H, W, 3)`` in 0..255.
        score: function from images ``(N, H, W, 3)`` to scores ``(N,)``.
        steps: positions along each side; the first square covers one corner, the last the opposite one.

    Returns:
        the mean fall over all squares that cover a pixel, float32 ``(H, W)``, negative where the score rises; and the fall for
        the most important square.
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
    """Draw a nonnegative map as shades of gray, uint8 ``(H, W, 3)``: white matters most."""
    brightest = max(float(np.percentile(strength, BRIGHTEST)), np.finfo(np.float32).tiny)
    gray = np.round(255 * np.clip(strength / brightest, 0, 1)).astype(np.uint8)
    return np.repeat(gray[..., None], 3, axis=2)


def as_heat(pixels: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Lay a map over its image: blue where it is zero, red where it is strongest.

    Args:
        pixels: ``(H, W, 3)`` in 0..255.
        strength: ``(H, W)``; negative values count as zero.

    Returns:
        uint8 ``(H, W, 3)``.
    """
    share = np.maximum(strength, 0) / max(float(strength.max()), np.finfo(np.float32).tiny)
    colors = cv2.applyColorMap(np.round(255 * share).astype(np.uint8), cv2.COLORMAP_TURBO)[..., ::-1]
    opacity = FAINTEST + (STRONGEST - FAINTEST) * share[..., None]
    gray = pixels.mean(axis=-1, keepdims=True)
    return np.clip(np.round((1 - opacity) * gray + opacity * colors), 0, 255).astype(np.uint8)


def smooth(strength: np.ndarray) -> np.ndarray:
    """Blur the edges of the squares in an occlusion map, for display."""
    return cv2.GaussianBlur(strength, (0, 0), WINDOW * len(strength) / 6)
