"""Transfer learning: a pretrained base, a new head, and the choice of how much of the base is trained.

There are three approaches, chosen by the amount of data: train only the head; unfreeze the last stages; train everything from
the pretrained weights (How transferable are features in deep neural networks?, Yosinski et al. 2014,
https://arxiv.org/abs/1411.1792).
"""

import statistics
from collections.abc import Sequence
from typing import NamedTuple

import keras

from visionkit.data.images.resize import CENTRAL_SHARE
from visionkit.layers.inference_mode import InferenceMode
from visionkit.models.endpoints import deepest, strides_of
from visionkit.models.heads import classifier_head
from visionkit.training.freezing import BASE, NONE, Freeze, Part, parts_of

HEAD, LAST, ALL = "head", "last", "all"
APPROACHES = (HEAD, LAST, ALL)
EPOCHS = {HEAD: 20, LAST: 8, ALL: 8}
LEARNING_RATES = {HEAD: 1e-3, ALL: 1e-4}  # of new weights, and of a base, whose pretrained weights are adapted, not replaced
FROZEN_STRIDE = 8  # "last" unfreezes the layers after the feature map of this stride, or of the last but one
FEW_PER_CLASS, MANY = 150, 5_000  # training images: per class; in total


class TransferModel(NamedTuple):
    """A classifier, and its two parts, which share layers and weights.

    Attributes:
        extractor: a model from float32 pixels ``(N, size, size, 3)`` in 0..255 to pooled features ``(N, D)``.
        head: a model from pooled features to logits ``(N, num_classes)``.
        classifier: a model from pixels to logits.
    """

    extractor: keras.Model
    head: keras.Model
    classifier: keras.Model


def transfer_model(backbone: keras.Model, num_classes: int, *, dropout: float = 0.5, pretrained: bool = True) -> TransferModel:
    """Put a new classifier head on a backbone.

    Args:
        backbone: a backbone, built with ``num_classes=None`` or by ``models.backbone``.
        num_classes: number of classes.
        dropout: dropout rate of the pooled features.
        pretrained: whether BatchNorm of the backbone runs in inference mode in every phase, even in unfrozen layers: the moving
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


def freeze_of(backbone: keras.Model, approach: str) -> Freeze:
    """What an approach freezes, as ``training.freezing.freeze_base`` takes it.

    Args:
        backbone: the backbone that was passed to ``transfer_model``; the classifier shares its layers.
        approach: "head" freezes all layers; "last" unfreezes the stages of strides 16 and 32, or only the last stage of a
            network for small images; "all" unfreezes all layers.
    """
    if approach not in APPROACHES:
        raise ValueError(f"Unknown approach {approach!r}; expected one of {', '.join(APPROACHES)}.")
    *finer, coarsest = strides_of(backbone)
    last_frozen = min(FROZEN_STRIDE, finer[-1]) if finer else coarsest
    return {HEAD: BASE, LAST: str(last_frozen), ALL: NONE}[approach]


def approaches(last: str, *, gradually: bool) -> tuple[str, ...]:
    """The approaches to train by, in order: the head, which the others need, and ``last``.

    Args:
        last: the approach to end with.
        gradually: whether to train by those between them, too.
    """
    return APPROACHES[: APPROACHES.index(last) + 1] if gradually else tuple(dict.fromkeys((HEAD, last)))


def parts_of_approaches(names: Sequence[str], backbone: keras.Model, epochs: int | None) -> list[Part]:
    """The approaches as parts of the training; each has epochs of its own, which are counted anew.

    Args:
        names: of approaches, in order.
        backbone: see ``freeze_of``.
        epochs: of each. Default: ``EPOCHS``.
    """
    return [Part(name, freeze_of(backbone, name), 0, epochs or EPOCHS[name]) for name in names]


def parts_of_freezing(freeze: Freeze, schedule: Sequence[str], backbone: keras.Model, epochs: int | None) -> list[Part]:
    """The head, on cached features, and then the parts that ``--freeze`` and ``--unfreeze`` name.

    Args:
        freeze: what is frozen after the head is trained. "base" with a schedule: the head is the first part of it.
        schedule: see ``training.freezing.parts_of``.
        backbone: the pretrained base.
        epochs: of the head, and of the parts together. Default: ``EPOCHS``.
    """
    head = Part(HEAD, BASE, 0, epochs or EPOCHS[HEAD])
    if freeze == BASE and not schedule:
        return [head]
    strides = strides_of(backbone)
    if freeze == BASE:
        first, *others = parts_of("train", BASE, schedule, epochs or EPOCHS[HEAD] + EPOCHS[ALL], strides)
        return [first._replace(name=HEAD), *others]
    first, *others = parts_of("train", freeze, schedule, epochs or EPOCHS[ALL], strides)
    return [head, first._replace(name=f"train_{freeze}"), *others]


def choose_approach(num_images: int, num_classes: int, *, num_labels: int | None = None) -> tuple[str, str]:
    """Choose an approach by the number of training images.

    Args:
        num_images: training images.
        num_classes: classes.
        num_labels: labels of all training images together. Default: one an image.

    Returns:
        the approach, and the reason in a sentence.
    """
    per_class = (num_images if num_labels is None else num_labels) / num_classes
    counts = f"{num_images} training images in {num_classes} classes, {per_class:.0f} a class"
    if per_class < FEW_PER_CLASS:
        reason = f"an unfrozen base would learn fewer than {FEW_PER_CLASS} a class by heart, so only the head is trained"
        return HEAD, f"{counts}: {reason}"
    if num_images < MANY:
        return LAST, f"{counts}: enough to adapt the last stages, fewer than the {MANY:,} that training all of it takes"
    return ALL, f"{counts}: enough to train all of it"


def choose_size(published: int, sides: Sequence[int]) -> tuple[int, str]:
    """Choose the side of the input by the size of the images.

    Random crops make objects larger in training than in use; features are better at about 9/7 of the training resolution
    (https://arxiv.org/abs/1906.06423), if the images are that sharp.

    Args:
        published: the side in pixels that the base was trained at.
        sides: the shorter side of each training image, in pixels.

    Returns:
        the side, and the reason in a sentence.
    """
    median = int(statistics.median(sides))
    larger = round(published * 9 / 7 / 32) * 32
    sides_of_images = f"the images' shorter sides are about {median} pixels"
    if CENTRAL_SHARE * median >= larger:
        return larger, f"{sides_of_images}: sharp enough for {larger} instead of {published}"
    return published, f"{sides_of_images}: {published}, as the base was trained"
