"""Metrics of the tasks, computed as the reference implementations compute them.

Each name loads its module when it is first used: ``from visionkit import metrics; metrics.boundary_f1(...)``.
"""

from visionkit import lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    {
        "detection": ("GroundTruth", "detection_metrics", "match_detections"),
        "localization": ("landmark_errors", "localization_metrics"),
        "membranes": ("pixel_error", "rand_error", "warping_error"),
        "multi_label": ("average_precision", "best_thresholds", "multi_label_metrics"),
        "segmentation": ("boundary_f1", "confusion_matrix", "mean_dice_of_cases", "segmentation_metrics"),
        "verification": ("best_threshold", "identification_metrics", "verification_metrics"),
    },
)
