"""Pure array functions; they import no other package of visionkit.

Each name loads its module when it is first used: ``from visionkit import ops; ops.pairwise_iou(a, b)``.
"""

from visionkit import lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    {
        "alignment": ("aligned_chip", "fit_similarity"),
        "anchors": ("k_means_anchors",),
        "boxes": ("ciou", "diou", "giou", "iou", "pairwise_iou"),
        "color_transfer": ("match_colors", "match_luminance", "with_colors_of"),
        "detections": ("Detections",),
        "embeddings": ("arcface_logits", "pair_distances", "squared_distances"),
        "filters": ("correlate", "edge_kernel", "edge_magnitude"),
        "gram": ("gram_matrix", "mean_gram"),
        "non_max_suppression": ("nms",),
    },
)
