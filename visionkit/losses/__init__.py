"""Losses of the tasks, on any Keras backend.

The names in ``__all__`` load their module on first use: ``from visionkit import losses; losses.dice(logits, labels)``.
"""

import importlib
from typing import Any

MODULES = {
    "detection": ("yolo_losses",),
    "localization": ("landmark_loss", "localization_loss"),
    "segmentation": ("boundary", "cross_entropy", "dice", "focal", "jaccard", "tversky"),
    "similarity": ("contrastive", "triplet"),
    "style": ("content_loss", "lightness_loss", "style_loss", "total_variation"),
}
__all__ = [
    "boundary",
    "content_loss",
    "contrastive",
    "cross_entropy",
    "dice",
    "focal",
    "jaccard",
    "landmark_loss",
    "lightness_loss",
    "localization_loss",
    "style_loss",
    "total_variation",
    "triplet",
    "tversky",
    "yolo_losses",
]


def __getattr__(name: str) -> Any:
    for module, names in MODULES.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
