"""The networks that a recipe trains to embed, by name."""

import keras

from visionkit.layers.inference_mode import InferenceMode
from visionkit.models import catalog
from visionkit.models.backbone import backbone as backbone_of
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
        network = facenet(shape, dimensions, weights=weights)
        return _in_inference_mode(network) if pretrained else network
    backbone = without_top(catalog.build(base, shape, None, weights=weights))
    return facenet(shape, dimensions, backbone=backbone, pretrained=pretrained, dropout=DROPOUT)


def base_of(embedder: keras.Model) -> keras.Model:
    """The pretrained base of an embedder that ``build`` made, as a backbone that shares its layers."""
    return backbone_of(embedder.get_layer("base").network)


def _in_inference_mode(network: keras.Model) -> keras.Model:
    """The same FaceNet, whose base is in inference mode: its BatchNorm keeps the statistics of its pretrained weights."""
    pooling = network.get_layer("avg_pool")
    base = keras.Model(network.input, pooling.input, name=FACENET_BASE)
    pixels = keras.Input(network.input_shape[1:], name="image")
    x = InferenceMode(base, name="base")(pixels)
    for layer in network.layers[network.layers.index(pooling) :]:
        x = layer(x)
    return keras.Model(pixels, x, name=network.name)
