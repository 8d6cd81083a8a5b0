"""The networks that a recipe trains to embed, by name."""

import keras

from visionkit.models import catalog
from visionkit.models.endpoints import without_top
from visionkit.models.facenet import facenet

FACENET_BASE = "inception_resnet_v1"  # its published weights include the embedding layer
DROPOUT = 0.2  # of the pooled features of other backbones


def build(base: str, size: int, dimensions: int, *, weights: str | None = None, pretrained: bool | None = None) -> keras.Model:
    """An embedder on pixels ``(N, size, size, 3)`` in 0..255, with embeddings ``(N, dimensions)`` of length 1.

    Args:
        base: a network of the catalogue.
        size: side of the input in pixels.
        dimensions: length of an embedding.
        weights: of the base; None for random ones.
        pretrained: whether BatchNorm of the base stays in inference mode. Default: where ``weights`` are given.
    """
    pretrained = weights is not None if pretrained is None else pretrained
    shape = (size, size, 3)
    if base == FACENET_BASE:
        return facenet(shape, dimensions, weights=weights)
    backbone = without_top(catalog.build(base, shape, None, weights=weights))
    return facenet(shape, dimensions, backbone=backbone, pretrained=pretrained, dropout=DROPOUT)
