"""VGG: a deep network of 3x3 convolutions.

Very Deep Convolutional Networks for Large-Scale Image Recognition, Simonyan and Zisserman 2014, https://arxiv.org/abs/1409.1556.
Layers are named as in keras.applications, whose weights VGG-16 and VGG-19 load.

    five blocks of 3x3 convolutions, each ended by a max pool /2 -> two layers of 4096 -> classifier
"""

from functools import partial
from typing import Literal

import keras

from visionkit.errors import UserError
from visionkit.layers import nd
from visionkit.layers.normalization import normalize
from visionkit.models.endpoints import Endpoints
from visionkit.models.heads import dense_head
from visionkit.models.pretrained import layout_of, load_weights
from visionkit.weights import hed_trunk

FILTERS = (64, 128, 256, 512, 512)
VARIANTS = {  # convolutions of each block: the columns A, B, D and E of the paper's table 1
    "vgg11": (1, 1, 2, 2, 2),
    "vgg13": (2, 2, 2, 2, 2),
    "vgg16": (2, 2, 3, 3, 3),
    "vgg19": (2, 2, 4, 4, 4),
}
SIZE = 224  # pixels a side


def vgg(
    variant: str,
    input_shape: tuple[int | None, ...] | None = None,
    num_classes: int | None = 1000,
    *,
    weights: str | None = None,
    dropout: float = 0.5,
    layout: Literal["keras", "torchvision"] | None = None,
    pooling: Literal["max", "average"] = "max",
) -> keras.Model:
    """Build one VGG; ``vgg16`` and its siblings are this function with ``variant`` filled in.

    Args:
        variant: a key of ``VARIANTS``.
        input_shape: ``(length, channels)``, ``(height, width, channels)`` or ``(depth, height, width, channels)``; None takes
            224 x 224 x 3. A classifier needs known sides. Pixels are float32 in 0..255.
        num_classes: outputs of the classifier; None builds a backbone.
        weights: None, "imagenet" (VGG-16 and VGG-19), or a path; for a VGG-16 backbone also "hed": weights trained on ImageNet
            and then for edges, installed with visionkit.
        dropout: dropout rate after each of the two hidden layers.
        layout: "keras": Caffe's input (BGR). "torchvision": torchvision's (RGB). None takes the layout of ``weights``.
        pooling: "average" instead of the published "max", an option for neural style transfer.

    Returns:
        a model from ``(N, ..., channels)`` to logits ``(N, num_classes)``; a backbone instead returns
        ``{"stride_1": ..., "stride_32": ...}``: the last convolution at each stride, and the last pool.
    """
    if weights == "hed" and (variant != "vgg16" or num_classes is not None):
        raise UserError("weights='hed' fit a VGG-16 backbone only: expected vgg16 with num_classes=None.")
    inputs = keras.Input(input_shape or (SIZE, SIZE, 3), name="image")
    x = normalize(inputs, "caffe" if weights == "hed" or layout_of(weights, layout) == "keras" else "imagenet")
    pool = nd.layer("MaxPooling" if pooling == "max" else "AveragePooling", x)
    endpoints = Endpoints()
    for block, (filters, repeats) in enumerate(zip(FILTERS, VARIANTS[variant], strict=True), start=1):
        for repeat in range(1, repeats + 1):
            x = nd.layer("Conv", x)(filters, 3, padding="same", activation="relu", name=f"block{block}_conv{repeat}")(x)
        endpoints.add(2 ** (block - 1), x)
        x = pool(2, 2, name=f"block{block}_pool")(x)
    endpoints.add(2 ** len(FILTERS), x)

    if num_classes is None:
        model = keras.Model(inputs, dict(endpoints), name=variant)
    else:
        logits = dense_head(x, num_classes, hidden=(4096, 4096), dropout=dropout)
        model = keras.Model(inputs, logits, name=variant)
    if weights == "hed":
        for name, convolution in hed_trunk.read().items():
            model.get_layer(name).set_weights(convolution)
    else:
        load_weights(model, weights)
    return model


vgg11 = partial(vgg, "vgg11")
vgg13 = partial(vgg, "vgg13")
vgg16 = partial(vgg, "vgg16")
vgg19 = partial(vgg, "vgg19")
