"""Augmentation: presets by strength, and the bridge to albumentations.

A window of the picture is drawn and resized first (windows.py); what stands here works on the small picture.
"""

import copy
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it would ask PyPI for its newest version at import
import albumentations as A  # noqa: N812

from visionkit.errors import UserError

FLIP = A.HorizontalFlip(p=0.5)


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


def _color(strength: float) -> A.BasicTransform:
    return A.ColorJitter(
        (1 - strength, 1 + strength), (1 - strength, 1 + strength), (1 - strength, 1 + strength), (-0.02, 0.02), p=0.8
    )


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


def resize(image: np.ndarray, size: int) -> np.ndarray:
    """Resize uint8 ``(H, W, 3)`` to ``(size, size, 3)``: by areas when it shrinks, linear when it grows."""
    shrinks = min(image.shape[:2]) > size
    return cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
