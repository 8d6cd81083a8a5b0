"""Augmentation: presets by strength, and the bridge to albumentations.

A window of the picture is drawn and resized first (windows.py); what stands here works on the small picture.
"""

import copy
import math
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it would ask PyPI for its newest version at import
import albumentations as A  # noqa: N812

from visionkit.errors import UserError

FLIP = A.HorizontalFlip(p=0.5)
GREY = np.array([0.299, 0.587, 0.114])  # what red, green and blue add to the grey of a pixel: ITU-R BT.601
RGB_TO_YIQ = np.array([GREY, [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
YIQ_TO_RGB = np.linalg.inv(RGB_TO_YIQ)


@dataclass(frozen=True)
class Augmentation:
    """What happens to a picture in training.

    Attributes:
        name: stands in the configuration and in the feature cache's key.
        area: bounds of the random window's share of the picture.
        transforms: albumentations transforms for the resized window, in order.
    """

    name: str
    area: tuple[float, float]
    transforms: tuple[A.BasicTransform, ...]

    def describe(self) -> str:
        """Everything that changes its result, as text."""
        return f"{self.name} {self.area} {[A.to_dict(transform) for transform in self.transforms]}"


class ColorShift(A.ImageOnlyTransform):
    """Brightness, contrast, saturation and hue, drawn anew for each picture: one 3 x 4 matrix, a tenth of ColorJitter's time.

    Args:
        brightness: the factor lies within ``1 - brightness`` and ``1 + brightness``.
        contrast: the same, about the picture's mean grey.
        saturation: the same, about each pixel's own grey.
        hue: the color circle is turned by at most this share of a whole turn, to either side.
        p: share of the pictures.
    """

    def __init__(
        self, brightness: float = 0.2, contrast: float = 0.2, saturation: float = 0.2, hue: float = 0.02, p: float = 0.5
    ):
        super().__init__(p=p)
        self.brightness, self.contrast, self.saturation, self.hue = brightness, contrast, saturation, hue

    def get_params(self) -> dict[str, float]:
        """Draws the four."""
        draw = self.py_random.uniform
        factors = {name: 1 + draw(-1, 1) * getattr(self, name) for name in ("brightness", "contrast", "saturation")}
        return factors | {"turn": draw(-1, 1) * self.hue}

    def apply(
        self, img: np.ndarray, *, brightness: float, contrast: float, saturation: float, turn: float, **params: Any
    ) -> np.ndarray:
        """Uint8 ``(H, W, 3)`` to the same."""
        grey = float(GREY @ cv2.mean(img)[:3])
        matrix = _turned(turn) @ (saturation * np.eye(3) + (1 - saturation) * GREY) * (contrast * brightness)
        offset = np.full((3, 1), (1 - contrast) * brightness * grey)
        return cv2.transform(img, np.hstack([matrix, offset]))


def _turned(turn: float) -> np.ndarray:
    """A turn of the colors about the axis of greys: ``(3, 3)``."""
    cos, sin = math.cos(math.tau * turn), math.sin(math.tau * turn)
    rotation = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    return YIQ_TO_RGB @ rotation @ RGB_TO_YIQ


def _color(strength: float) -> A.BasicTransform:
    return ColorShift(strength, strength, strength, 0.02, p=0.8)


PRESETS: dict[str, Augmentation] = {
    "light": Augmentation("light", (0.6, 1.0), (_color(0.1),)),
    "medium": Augmentation(
        "medium", (0.35, 1.0), (_color(0.2), A.Rotate((-12, 12), border_mode=cv2.BORDER_REFLECT_101, p=0.3))
    ),
    "strong": Augmentation(
        "strong",
        (0.15, 1.0),
        (
            _color(0.4),
            A.Affine(rotate=(-20, 20), shear=(-10, 10), border_mode=cv2.BORDER_REFLECT_101, p=0.5),
            A.CoarseDropout((1, 4), (0.1, 0.25), (0.1, 0.25), fill="random_uniform", p=0.3),
        ),
    ),
}


def preset(name: str, *, flip: bool = True) -> Augmentation:
    """A named preset, mirrored left to right half of the time unless ``flip`` is False (letters, left and right hands).

    Raises:
        UserError: no such preset.
    """
    if name not in PRESETS:
        raise UserError(f"Unknown augmentation {name!r}; expected one of {', '.join(PRESETS)}.")
    chosen = PRESETS[name]
    return Augmentation(f"{name}{' flip' if flip else ''}", chosen.area, ((FLIP,) if flip else ()) + chosen.transforms)


def seeded(compose: A.Compose) -> Callable[[np.ndarray, int], np.ndarray]:
    """A function ``(image, seed) -> image`` that draws from its seed alone, in any thread.

    A shared Compose draws from one generator, which makes it neither reproducible nor safe across threads; so each
    thread has a copy, and each call seeds it.

    Args:
        compose: any composition of albumentations; images are uint8 ``(H, W, 3)``.
    """
    of_this_thread = threading.local()

    def apply(image, seed):
        if not hasattr(of_this_thread, "compose"):
            cv2.setNumThreads(0)  # the pipeline's threads are the parallelism
            of_this_thread.compose = copy.deepcopy(compose)
        of_this_thread.compose.set_random_seed(int(seed))
        return of_this_thread.compose(image=image)["image"]

    return apply
