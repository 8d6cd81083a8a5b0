"""Real things cut out of the photographs that scikit-image and scikit-learn carry, with their outlines.

A cut-out is uint8 ``(h, w, 4)``, RGBA, cropped to what is not transparent.
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
CAT_POINTS = ("left eye", "right eye", "nose", "mouth")  # on the left and right of the photograph
CAT_POINTS_AT = ((171, 120), (318, 134), (256, 243), (247, 270))  # x and y in pixels of that photograph
CAT_ELLIPSE = ((225, 150), (135, 144), 0)  # center, half axes, degrees
CUP_ELLIPSE = ((303, 198), (190, 178), 20)
HELD_OUT = 3  # of coins and faces every third is for validation
COIN = 115  # grey value above which a pixel is of a coin
LARGEST = 300  # pixels of a cut-out's longer side
NUM_FACES = 100  # scikit-image's small images: faces first


def backgrounds(split: str) -> list[np.ndarray]:
    """Regions of photographs, uint8 ``(H, W, 3)``: those of "train" and of "val" share no pixel."""
    return [split_in_two(as_rgb(photograph()))[split == "val"] for photograph in BACKGROUNDS.values()]


def cut_outs(split: str) -> dict[str, list[np.ndarray]]:
    """Cut-outs by class, in the order of ``CLASS_NAMES``.

    Coins, digits and faces are others in "train" than in "val". Of a cat, a cup, a flower and a retina there is one each.
    """
    flower = sklearn.datasets.load_sample_image("flower.jpg")
    of_many = {"coin": _coins(), "digit": _digits(split), "face": _faces()}
    of_many |= {name: _held(cuts, split) for name, cuts in of_many.items() if name != "digit"}
    single = {
        "cat": cat()[0],
        "cup": _cut(skimage.data.coffee(), _ellipse(skimage.data.coffee(), CUP_ELLIPSE)),
        "flower": _cut(flower, _largest(flower[..., 0].astype(int) - flower[..., 2] > 60)),
        "retina": _cut(skimage.data.retina(), _largest(skimage.data.retina().max(axis=2) > 40)),
    }
    found = of_many | {name: [cut] for name, cut in single.items()}
    return {name: found[name] for name in CLASS_NAMES}


@cache
def cat() -> tuple[np.ndarray, np.ndarray]:
    """The cat's face, and where its ``CAT_POINTS`` are: x and y in pixels of the cut-out, float64 ``(4, 2)``."""
    photograph = skimage.data.chelsea()
    mask = _ellipse(photograph, CAT_ELLIPSE)
    left, top, _, _ = cv2.boundingRect(mask.astype(np.uint8))
    return _cut(photograph, mask), np.array(CAT_POINTS_AT, np.float64) - (left, top)


def _held(cuts: list[np.ndarray], split: str) -> list[np.ndarray]:
    return [cut for number, cut in enumerate(cuts) if (number % HELD_OUT == HELD_OUT - 1) == (split == "val")]


def _coins() -> list[np.ndarray]:
    photograph = skimage.data.coins()
    bright = (cv2.GaussianBlur(photograph, (0, 0), 1) > COIN).astype(np.uint8)
    bright = cv2.morphologyEx(bright, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    _, parts, facts, _ = cv2.connectedComponentsWithStats(bright)
    sides, top = facts[:, 2:4], facts[:, 1]
    coins = np.flatnonzero((sides.min(axis=1) > 25) & (sides.max(axis=1) < 80) & (top > 0))
    return [_cut(as_rgb(photograph), _filled(parts == number)) for number in coins]


def _digits(split: str) -> list[np.ndarray]:
    """Black ink; where the pen did not go the image is transparent."""
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
    """The largest connected part of a mask, without holes."""
    _, parts, facts, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    return _filled(parts == 1 + facts[1:, cv2.CC_STAT_AREA].argmax())


def _filled(mask: np.ndarray) -> np.ndarray:
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(np.zeros(mask.shape, np.uint8), outlines, -1, 1, cv2.FILLED).astype(bool)


def _cut(photograph: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """What a mask, or an alpha of 0..255, leaves of a photograph, cropped and not too large."""
    left, top, width, height = cv2.boundingRect(alpha.astype(np.uint8))
    alpha = alpha.astype(np.uint8) * 255 if alpha.dtype == bool else alpha
    cut = np.dstack([photograph, alpha])[top : top + height, left : left + width]
    scale = min(1, LARGEST / max(width, height))
    return cv2.resize(cut, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else cut
