"""YOLO: one pass over the image, and a grid of predictions at each of one to three scales.

You Only Look Once, Redmon et al. 2015, https://arxiv.org/abs/1506.02640; anchors from YOLO9000, https://arxiv.org/abs/1612.08242;
scales from YOLOv3, https://arxiv.org/abs/1804.02767; offsets as in YOLOv5 (see ``ops.grids``).

    backbone's endpoints -> feature pyramid -> a head per scale: 3x3 convolutions, then A * (4 + 1 + C) numbers per cell
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import keras
import numpy as np

from visionkit.layers.detection import DecodeGrid
from visionkit.layers.inference_mode import InferenceMode
from visionkit.layers.nd import CHANNELS_LAST
from visionkit.models.endpoints import check_padding, select_endpoints
from visionkit.models.fpn import feature_pyramid, named_conv


class Variant(NamedTuple):
    """One size of detector.

    Attributes:
        backbone: a network of the catalogue.
        filters: channels of the pyramid and the heads.
        repeats: number of 3x3 convolutions of a head.
        aggregate: see ``feature_pyramid``.
    """

    backbone: str
    filters: int
    repeats: int
    aggregate: bool


VARIANTS = {
    "yolo_nano": Variant("efficientnet_lite0", 64, 1, True),
    "yolo_small": Variant("efficientnet_lite0", 128, 2, True),
}


def yolo(
    backbone: keras.Model,
    num_classes: int,
    anchors: Sequence[np.ndarray],
    *,
    variant: str | Variant = "yolo_nano",
    strides: Sequence[int] = (8, 16, 32),
    pretrained: bool = True,
) -> keras.Model:
    """Build a YOLO: grid heads on a backbone.

    Args:
        backbone: a backbone, built with ``num_classes=None`` or by ``models.backbone``.
        num_classes: number of object classes.
        anchors: widths and heights ``(A, 2)`` for each stride, in cells of its grid.
        variant: a key of ``VARIANTS``, or a ``Variant``, whose ``backbone`` is ignored.
        strides: strides of the endpoints that get a head, rising.
        pretrained: whether the backbone's BatchNorm stays in inference mode, even in layers that are trained.

    Returns:
        a model of float32 pixels ``(N, H, W, 3)`` in 0..255. Its outputs ``{"stride_8": (N, rows, columns, A * (5 + C)), ...}``
        are, for each anchor, the offsets, the logit of an object and the logits of the classes. ``detector`` decodes them.

    Raises:
        UserError: the backbone has not all strides, or does not pad its maps.
    """
    size = VARIANTS[variant] if isinstance(variant, str) else variant
    endpoints = select_endpoints(backbone, tuple(strides))
    check_padding(endpoints, backbone.input_shape[1:-1])
    pixels = keras.Input(backbone.input_shape[1:], name="image")
    features = InferenceMode(endpoints, name="base")(pixels) if pretrained else endpoints(pixels)
    maps = feature_pyramid(features, size.filters, aggregate=size.aggregate)
    outputs = {}
    for stride, stride_anchors in zip(strides, anchors, strict=True):
        key = f"stride_{stride}"
        outputs[key] = _head(maps[key], len(stride_anchors), num_classes, size, name=f"head_{key}")
    return keras.Model(pixels, outputs, name=f"yolo_{backbone.name}")


def _head(x: keras.KerasTensor, num_anchors: int, num_classes: int, size: Variant, *, name: str) -> keras.KerasTensor:
    """Predictions of one scale, ``(N, rows, columns, A * (5 + C))``."""
    for number in range(1, size.repeats + 1):
        x = named_conv(x, size.filters, 3, name=f"{name}_{number}")
    bias = np.zeros((num_anchors, 5 + num_classes), np.float32)
    bias[:, 4] = -math.log(1 / 0.01 - 1)  # few slots hold an object (https://arxiv.org/abs/1708.02002, section 4.1)
    bias[:, 5:] = -math.log(max(num_classes - 0.99, 0.01))
    return keras.layers.Conv2D(
        num_anchors * (5 + num_classes),
        1,
        data_format=CHANNELS_LAST,
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
        bias_initializer=keras.initializers.Constant(bias.ravel()),
        dtype="float32",
        name=f"{name}_predictions",
    )(x)


def detector(network: keras.Model, anchors: Sequence[np.ndarray]) -> keras.Model:
    """The same network with boxes and scores as outputs.

    Args:
        network: a model of ``yolo``.
        anchors: the anchors that the network was built with.

    Returns:
        a model that shares the network's layers: pixels to ``{"boxes": (N, slots, 4), "scores": (N, slots, C)}``, xyxy relative
        to the square input, scores in 0..1.
    """
    decoded = [
        DecodeGrid(key_anchors, name=f"decode_{key}")(network.output[key])
        for key, key_anchors in zip(network.output, anchors, strict=True)
    ]
    boxes, scores = zip(*((part["boxes"], part["scores"]) for part in decoded), strict=True)
    outputs = {"boxes": _concatenated(boxes, "boxes"), "scores": _concatenated(scores, "scores")}
    return keras.Model(network.input, outputs, name=f"{network.name}_detector")


def _concatenated(parts: Sequence[keras.KerasTensor], name: str) -> keras.KerasTensor:
    return parts[0] if len(parts) == 1 else keras.layers.Concatenate(axis=1, name=name)(list(parts))
