"""Transfer learning: a pretrained base, a new head, and how much of the base is trained.

Three approaches, by how much data there is (How transferable are features in deep neural networks?, Yosinski et al. 2014,
https://arxiv.org/abs/1411.1792): train only the head; unfreeze the last stages; train it all from the pretrained weights.
"""

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

import keras

from visionkit.data.images.resize import CENTRAL_SHARE
from visionkit.layers.inference_mode import InferenceMode
from visionkit.models.endpoints import deepest, layers_behind, strides_of
from visionkit.models.heads import classifier_head

HEAD, LAST, ALL = "head", "last", "all"
APPROACHES = (HEAD, LAST, ALL)
FROZEN_STRIDE = 8  # "last" unfreezes what lies behind the feature map of this stride, or of the last but one
FEW_A_CLASS, MANY = 150, 5_000  # training images: a class; in all


class TransferModel(NamedTuple):
    """One classifier seen three ways, which share their layers and weights.

    Attributes:
        extractor: pixels ``(N, size, size, 3)`` float32 0..255 to pooled features ``(N, D)``.
        head: pooled features to logits ``(N, num_classes)``.
        classifier: pixels to logits.
    """

    extractor: keras.Model
    head: keras.Model
    classifier: keras.Model


def transfer_model(backbone: keras.Model, num_classes: int, *, dropout: float = 0.5, pretrained: bool = True) -> TransferModel:
    """Put a new classifier head on a backbone.

    Args:
        backbone: built with ``num_classes=None``.
        pretrained: its BatchNorm then runs in inference mode in every phase, also when its layers are unfrozen: the moving
            statistics belong to the pretrained weights, and small batches would spoil them. False is for training from scratch.
    """
    base = keras.Model(backbone.inputs, deepest(backbone), name=backbone.name)
    pixels = keras.Input(backbone.input_shape[1:], name="image")
    feature_map = InferenceMode(base, name="base")(pixels) if pretrained else base(pixels)
    logits = classifier_head(feature_map, num_classes, dropout=dropout)
    classifier = keras.Model(pixels, logits, name=f"{backbone.name}_classifier")
    pooled = classifier.get_layer("avg_pool").output
    extractor = keras.Model(pixels, pooled, name=f"{backbone.name}_features")
    x = features = keras.Input(pooled.shape[1:], name="features")
    for layer in classifier.layers[classifier.layers.index(classifier.get_layer("avg_pool")) + 1 :]:
        x = layer(x)
    head = keras.Model(features, x, name=f"{backbone.name}_head")
    return TransferModel(extractor, head, classifier)


def unfreeze(backbone: keras.Model, approach: str) -> int:
    """Make the layers of a backbone trainable as an approach asks, and freeze the others.

    Args:
        backbone: the one that was given to ``transfer_model``; its layers are the classifier's.
        approach: "head" freezes all of it; "last" unfreezes the stages in which the image is 16 or 32 times smaller, of a
            network
            for small images the last one;
            "all" unfreezes everything.

    Returns:
        the number of its parameters that are now trained. Compile the classifier anew afterwards.
    """
    if approach not in APPROACHES:
        raise ValueError(f"Unknown approach {approach!r}; expected one of {', '.join(APPROACHES)}.")
    frozen = min(FROZEN_STRIDE, strides_of(backbone)[-2])
    unfrozen = {HEAD: [], LAST: layers_behind(backbone, frozen), ALL: backbone.layers}[approach]
    for layer in backbone.layers:
        layer.trainable = layer in unfrozen
    return sum(math.prod(weight.shape) for layer in unfrozen for weight in layer.trainable_weights)


def choose_approach(num_images: int, num_classes: int) -> tuple[str, str]:
    """Choose by the number of training images.

    Returns:
        the approach, and the reason in a sentence.
    """
    a_class = num_images / num_classes
    counted = f"{num_images} training images in {num_classes} classes, {a_class:.0f} a class"
    if a_class < FEW_A_CLASS:
        return (
            HEAD,
            f"{counted}: an unfrozen base would learn fewer than {FEW_A_CLASS} a class by heart, so only the head is trained",
        )
    if num_images < MANY:
        return LAST, f"{counted}: enough to adapt the last stages, fewer than the {MANY:,} that training it all asks for"
    return ALL, f"{counted}: enough to train it all"


def choose_size(published: int, sides: Sequence[int]) -> tuple[int, str]:
    """Choose the side of the input by the size of the images.

    A network sees objects larger in training, through random crops, than it does in use; features are better at a resolution
    about 9/7 of the one it was trained at (https://arxiv.org/abs/1906.06423), where images are that sharp.

    Args:
        published: the side that the base was trained at.
        sides: the shorter side of each training image, in pixels.

    Returns:
        the side, and the reason in a sentence.
    """
    median = int(statistics.median(sides))
    larger = round(published * 9 / 7 / 32) * 32
    if CENTRAL_SHARE * median >= larger:
        return (
            larger,
            f"the images' shorter sides are about {median} pixels: sharp enough for {larger} instead of {published}",
        )
    return published, f"the images' shorter sides are about {median} pixels: {published}, as the base was trained"
