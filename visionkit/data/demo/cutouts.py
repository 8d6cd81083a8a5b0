"""Real objects cut out of the photographs that come with scikit-image and scikit-learn.

A cut-out is uint8 ``(h, w, 4)``, RGBA, cropped to the pixels that are not transparent.
"""

from functools import cache

import cv2
import numpy as np
import skimage.data
import sklearn.datasets

from visionkit.data.demo.photographs import as_rgb, split_in_two
from visionkit.data.formats.small_sets import digits

BACKGROUNDS = {  # photographs that show none of the classes
    "brick": skimage.data.brick,
    "galaxies": skimage.data.hubble_deep_field,
    "garage": lambda: skimage.data.stereo_motorcycle()[0],
    "grass": skimage.data.grass,
    "gravel": skimage.data.gravel,
    "moon": skimage.data.moon,
    "rocket": skimage.data.rocket,
    "temple": lambda: sklearn.datasets.load_sample_image("china.jpg"),
    "tissue": skimage.data.immunohistochemistry,
}
CLASS_NAMES = ("cat", "coin", "cup", "digit", "face", "flower", "retina")
CAT_POINTS = ("left eye", "right eye", "nose", "mouth")  # left and right as in the photograph
CAT_POINTS_AT = ((171, 120), (318, 134), (256, 243), (247, 270))  # x and y in pixels of that photograph
CAT_ELLIPSE = ((225, 150), (135, 144), 0)  # center, half axes, degrees
CUP_ELLIPSE = ((303, 198), (190, 178), 20)
HELD_OUT = 3  # every third coin and face is for validation
COIN = 115  # grey value above which a pixel belongs to a coin
LARGEST = 300  # longest side of a cut-out in pixels
NUM_FACES = 100  # scikit-image's set begins with so many faces


def backgrounds(split: str) -> list[np.ndarray]:
    """Regions of photographs, uint8 ``(H, W, 3)``; those of "train" and "val" share no pixel."""
    return [split_in_two(as_rgb(photograph()))[split == "val"] for photograph in BACKGROUNDS.values()]


def cut_outs(split: str) -> dict[str, list[np.ndarray]]:
    """Cut-outs by class, in the order of ``CLASS_NAMES``.

    Coins, digits and faces differ between "train" and "val". There is only one cat, cup, flower and retina each.
    """
    flower = sklearn.datasets.load_sample_image("flower.jpg")
    several = {"coin": _select(_coins(), split), "digit": _digits(split), "face": _select(_faces(), split)}
    single = {
        "cat": cat()[0],
        "cup": _cut(skimage.data.coffee(), _ellipse(skimage.data.coffee(), CUP_ELLIPSE)),
        "flower": _cut(flower, _largest(flower[..., 0].astype(int) - flower[..., 2] > 60)),
        "retina": _cut(skimage.data.retina(), _largest(skimage.data.retina().max(axis=2) > 40)),
    }
    cuts = several | {name: [cut] for name, cut in single.items()}
    return {name: cuts[name] for name in CLASS_NAMES}


@cache
def cat() -> tuple[np.ndarray, np.ndarray]:
    """The cat's face, and its ``CAT_POINTS`` as x and y in pixels of the cut-out, float64 ``(4, 2)``."""
    photograph = skimage.data.chelsea()
    mask = _ellipse(photograph, CAT_ELLIPSE)
    left, top, _, _ = cv2.boundingRect(mask.astype(np.uint8))
    return _cut(photograph, mask), np.array(CAT_POINTS_AT, np.float64) - (left, top)


def _select(cuts: list[np.ndarray], split: str) -> list[np.ndarray]:
    return [cut for number, cut in enumerate(cuts) if (number % HELD_OUT == HELD_OUT - 1) == (split == "val")]


def _coins() -> list[np.ndarray]:
    photograph = skimage.data.coins()
    bright = (cv2.GaussianBlur(photograph, (0, 0), 1) > COIN).astype(np.uint8)
    bright = cv2.morphologyEx(bright, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    _, parts, statistics, _ = cv2.connectedComponentsWithStats(bright)
    sides, top = statistics[:, 2:4], statistics[:, 1]
    coins = np.flatnonzero((sides.min(axis=1) > 25) & (sides.max(axis=1) < 80) & (top > 0))
    return [_cut(as_rgb(photograph), _filled(parts == number)) for number in coins]


def _digits(split: str) -> list[np.ndarray]:
    """Digits in black ink on a transparent background."""
    images = getattr(digits(), split).pixels
    large = [cv2.resize(np.pad(ink, 1), None, fx=6, fy=6, interpolation=cv2.INTER_CUBIC) for ink in images]
    sharp = [np.clip(2.0 * ink - 128, 0, 255).astype(np.uint8) for ink in large]
    return [_cut(np.zeros((*ink.shape, 3), np.uint8), ink) for ink in sharp]


def _faces() -> list[np.ndarray]:
    """Faces of 25 x 25 pixels."""
    grey = np.round(skimage.data.lfw_subset()[:NUM_FACES] * 255).astype(np.uint8)
    whole = ((12, 12), (10, 12), 0)
    return [_cut(as_rgb(face), _ellipse(face, whole)) for face in grey]


def _ellipse(photograph: np.ndarray, ellipse: tuple) -> np.ndarray:
    center, half_axes, degrees = ellipse
    mask = np.zeros(photograph.shape[:2], np.uint8)
    return cv2.ellipse(mask, center, half_axes, degrees, 0, 360, 1, cv2.FILLED).astype(bool)


def _largest(mask: np.ndarray) -> np.ndarray:
    """The largest connected component of a mask, with holes filled."""
    _, parts, statistics, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    return _filled(parts == 1 + statistics[1:, cv2.CC_STAT_AREA].argmax())


def _filled(mask: np.ndarray) -> np.ndarray:
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(np.zeros(mask.shape, np.uint8), outlines, -1, 1, cv2.FILLED).astype(bool)


def _cut(photograph: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Cut out the part of a photograph under a mask or an alpha of 0..255, cropped and at most ``LARGEST`` long."""
    left, top, width, height = cv2.boundingRect(alpha.astype(np.uint8))
    alpha = alpha.astype(np.uint8) * 255 if alpha.dtype == bool else alpha
    cut = np.dstack([photograph, alpha])[top : top + height, left : left + width]
    scale = min(1, LARGEST / max(width, height))
    return cv2.resize(cut, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else cut
