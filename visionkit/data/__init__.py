"""From files to batches: readers, splits, augmentation, pipelines, checks.

Each name loads its module when it is first used: ``from visionkit import data; data.read("images/")``.
"""

from visionkit import lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    {
        "sources": ("read",),
        "splits": ("DataSet", "Splits", "train_and_val"),
        "index": ("Annotation", "DataError", "Index", "Objects"),
        "images.scan": ("scan",),
        "images.decode": ("ImageError", "read_image"),
        "augmentation.presets": ("Augmentation", "preset"),
        "pipeline.batches": ("TrainingPipeline", "evaluation_batches", "evaluation_dataset"),
        "pipeline.pixel_cache": ("open_cache",),
        "quality.check": ("check",),
    },
)
