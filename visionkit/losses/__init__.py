"""Losses of the tasks, on any Keras backend: ``from visionkit import losses; losses.dice(logits, labels)``.

Each name loads its module when it is first used.
"""

from visionkit import lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    {
        "detection": ("yolo_losses",),
        "localization": ("landmark_loss", "localization_loss"),
        "segmentation": ("boundary", "cross_entropy", "dice", "focal", "jaccard", "tversky"),
        "similarity": ("contrastive", "triplet"),
        "style": ("content_loss", "lightness_loss", "style_loss", "total_variation"),
    },
)
