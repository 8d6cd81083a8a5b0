"""Keras layers and blocks that families of networks share: ``from visionkit import layers; layers.InferenceMode(base)``.

They need Keras only. Each name loads its module when it is first used; the blocks that builders call are in ``blocks``.
"""

from visionkit import lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    {
        "arcface": ("ArcFaceLogits",),
        "batch_augmentation": ("BatchAugmentation",),
        "detection": ("DecodeGrid", "NonMaxSuppression"),
        "edges": ("EdgeFilter",),
        "folding": ("FoldedConvolution",),
        "inference_mode": ("InferenceMode",),
        "instance_normalization": ("ConditionalInstanceNormalization",),
        "normalization": ("Standardize",),
        "response_normalization": ("LocalResponseNormalization",),
        "upsampling": ("Upsample", "UpsampleConv2D"),
    },
)
