"""Detectors by name, visionkit's and keras-cv's, in the one form that training and export take."""

import difflib
import functools
import importlib
from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from visionkit.errors import UserError
from visionkit.layers.folding import folded
from visionkit.losses.detection import yolo_losses
from visionkit.models import catalog, yolo
from visionkit.models.endpoints import by_stride
from visionkit.tasks.detection.trainable import TrainableDetector
from visionkit.training.start_model import Head

STRIDES = (8, 16, 32)
ANCHORS = 3  # per scale
LABEL_SMOOTHING = 0.02
YOLO_HEAD = "_predictions"  # how the names of the layers end that predict boxes and classes
PARTS = ("box", "object", "class")  # parts of the loss
FOREIGN = "keras_cv:"


def find(name: str) -> str:
    """The name of a detector as ``build`` takes it.

    Raises:
        UserError: there is no such detector; the message lists the valid names and the nearest.
    """
    if name in yolo.VARIANTS:
        return name
    foreign = importlib.import_module("visionkit.tasks.detection.keras_cv_adapter").NAMES
    known = [*yolo.VARIANTS, *(FOREIGN + each for each in foreign)]
    if name not in known:
        nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
        raise UserError(f"Unknown detector {name!r}; did you mean {nearest[0]!r}? Detectors: {', '.join(known)}.")
    return name


def heads(network: keras.Model) -> dict[str, Head]:
    """The layers of a network of ``build`` that have outputs for each class."""
    if any(layer.name.endswith(YOLO_HEAD) for layer in network.layers):
        names = (layer.name for layer in network.layers if layer.name.endswith(YOLO_HEAD))
        return {name: Head(groups=ANCHORS, others=5) for name in names}
    names = {weight.path.split("/")[-2] for weight in network.weights if "/" in weight.path}
    return {name: Head() for name in names if "class" in name}


def build(
    name: str,
    num_classes: int,
    anchors: Sequence[np.ndarray],
    *,
    base: str | None = None,
    weights: str | None = "imagenet",
    size: int = 320,
    pretrained: bool | None = None,
) -> TrainableDetector:
    """Build a detector.

    Args:
        name: "yolo_nano", "yolo_small", or one of keras-cv, "keras_cv:yolo_v8_s".
        num_classes: number of object classes.
        anchors: widths and heights ``(A, 2)`` for each scale from stride 8 on, relative to an input of ``size`` pixels;
            detectors of keras-cv ignore them.
        base: the backbone, a network of the catalogue; None takes the detector's default.
        weights: weights of the base: None, "imagenet", or a path.
        size: side in pixels of the input of the finished detector.
        pretrained: whether BatchNorm of the base stays in inference mode. Default: where ``weights`` are given.
    """
    pretrained = weights is not None if pretrained is None else pretrained
    if name.startswith(FOREIGN):
        adapter = importlib.import_module("visionkit.tasks.detection.keras_cv_adapter")  # it costs seconds to import
        return adapter.build(name.removeprefix(FOREIGN), num_classes, size=size)
    backbone = catalog.build(base or yolo.VARIANTS[name].backbone, (None, None, 3), None, weights=weights)
    strides = STRIDES[: len(anchors)]
    in_cells = [np.asarray(sides, np.float32) * size / stride for sides, stride in zip(anchors, strides, strict=True)]
    network = yolo.yolo(backbone, num_classes, in_cells, variant=name, strides=strides, pretrained=pretrained)

    def losses(maps, boxes, classes):
        tables = [ops.convert_to_tensor(each) for each in in_cells]
        scales = [maps[each] for each in by_stride(maps)]
        parts = yolo_losses(scales, tables, boxes, classes, label_smoothing=LABEL_SMOOTHING)
        return dict(zip(PARTS, parts, strict=True))

    @functools.cache  # so that validation traces the model once
    def at_size(side: int) -> keras.Model:
        pixels = keras.Input((side, side, 3), name="image")
        return yolo.detector(keras.Model(pixels, folded(network)(pixels), name=network.name), in_cells)

    return TrainableDetector(network, losses, PARTS, at_size, any_size=True, base=backbone if pretrained else None)
