"""From files to batches: readers, splits, augmentation, pipelines, checks.

``from visionkit import data`` gives the names below; each is imported when it is first touched.
"""

import importlib
from typing import Any

PUBLIC = {
    "read": "sources",
    "train_and_val": "splits",
    "Splits": "splits",
    "DataSet": "splits",
    "Index": "index",
    "Objects": "index",
    "Annotation": "index",
    "DataError": "index",
    "scan": "images.scan",
    "read_image": "images.decode",
    "ImageError": "images.decode",
    "preset": "augmentation.presets",
    "Augmentation": "augmentation.presets",
    "TrainingPipeline": "pipeline.batches",
    "evaluation_batches": "pipeline.batches",
    "evaluation_dataset": "pipeline.batches",
    "open_cache": "pipeline.pixel_cache",
    "check": "quality.check",
}
__all__ = list(PUBLIC)


def __getattr__(name: str) -> Any:
    if name in PUBLIC:
        return getattr(importlib.import_module(f"visionkit.data.{PUBLIC[name]}"), name)
    raise AttributeError(f"module 'visionkit.data' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *PUBLIC])
