"""Metrics of the tasks, computed as the reference implementations compute them.

The names in ``__all__`` load their module on first use: ``from visionkit import metrics; metrics.boundary_f1(...)``.
"""

import importlib
from typing import Any

MODULES = {
    "detection": ("GroundTruth", "detection_metrics", "match_detections"),
    "localization": ("landmark_errors", "localization_metrics"),
    "membranes": ("pixel_error", "rand_error", "warping_error"),
    "segmentation": ("boundary_f1", "confusion_matrix", "mean_dice_of_cases", "segmentation_metrics"),
    "verification": ("best_threshold", "identification_metrics", "verification_metrics"),
}
__all__ = [
    "GroundTruth",
    "best_threshold",
    "boundary_f1",
    "confusion_matrix",
    "detection_metrics",
    "identification_metrics",
    "landmark_errors",
    "localization_metrics",
    "match_detections",
    "mean_dice_of_cases",
    "pixel_error",
    "rand_error",
    "segmentation_metrics",
    "verification_metrics",
    "warping_error",
]


def __getattr__(name: str) -> Any:
    for module, names in MODULES.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
