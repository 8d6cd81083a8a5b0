"""Pure array functions; they import nothing else of visionkit.

The names in ``__all__`` load their module on first use: ``from visionkit import ops; ops.pairwise_iou(a, b)``.
"""

import importlib
from typing import Any

MODULES = {
    "alignment": ("aligned_chip", "fit_similarity"),
    "anchors": ("k_means_anchors",),
    "boxes": ("ciou", "diou", "giou", "iou", "pairwise_iou"),
    "color_transfer": ("match_colors", "match_luminance", "with_colors_of"),
    "detections": ("Detections",),
    "embeddings": ("arcface_logits", "pair_distances", "squared_distances"),
    "filters": ("correlate", "edge_kernel", "edge_magnitude"),
    "gram": ("gram_matrix", "mean_gram"),
    "non_max_suppression": ("nms",),
}
__all__ = [
    "Detections",
    "aligned_chip",
    "arcface_logits",
    "ciou",
    "correlate",
    "diou",
    "edge_kernel",
    "edge_magnitude",
    "fit_similarity",
    "giou",
    "gram_matrix",
    "iou",
    "k_means_anchors",
    "match_colors",
    "match_luminance",
    "mean_gram",
    "nms",
    "pair_distances",
    "pairwise_iou",
    "squared_distances",
    "with_colors_of",
]


def __getattr__(name: str) -> Any:
    for module, names in MODULES.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
