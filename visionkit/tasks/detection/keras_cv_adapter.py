"""Detectors of keras-cv 0.9, in the form of ``trainable.TrainableDetector``; they are trained from random weights.

YOLOv8 has no anchors: each cell predicts the distances to a box's four sides, and objects are assigned to the cells that
predict them best (https://arxiv.org/abs/2108.07755). RetinaNet (https://arxiv.org/abs/1708.02002) has nine anchors per cell, at
five scales. Networks, assignment, losses and decoding are keras-cv's. Its presets would be downloaded from Kaggle, hence the
tables of sizes here.
"""

from collections.abc import Callable
from typing import NamedTuple

import keras
from keras import ops

from visionkit.tasks.detection.trainable import TrainableDetector

BOX_FORMAT = "rel_xyxy"  # as visionkit's
# The box of rows without an object, which keras-cv recognises by coordinates of -1 and less. Boxes without area, such as its
# own padding, make its CIoU NaN in a graph (TensorFlow reorders sums, which loses the epsilon).
PADDING = (-2.0, -2.0, -1.0, -1.0)


class YoloVariant(NamedTuple):
    """One size of YOLOv8.

    Attributes:
        channels: channels of the backbone's four stacks.
        depths: number of blocks of each stack.
        pyramid_depth: number of blocks of each step of the feature pyramid.
    """

    channels: tuple[int, ...]
    depths: tuple[int, ...]
    pyramid_depth: int


class ResNetVariant(NamedTuple):
    """The backbone of a RetinaNet.

    Attributes:
        block: keras-cv's name of the block: "basic_block" has two convolutions, "block" is a bottleneck of three.
        depths: number of blocks of each stack.
    """

    block: str
    depths: tuple[int, ...]


YOLO = {
    "yolo_v8_xs": YoloVariant((32, 64, 128, 256), (1, 2, 2, 1), 1),
    "yolo_v8_s": YoloVariant((64, 128, 256, 512), (1, 2, 2, 1), 1),
    "yolo_v8_m": YoloVariant((96, 192, 384, 576), (2, 4, 4, 2), 2),
    "yolo_v8_l": YoloVariant((128, 256, 512, 512), (3, 6, 6, 3), 3),
    "yolo_v8_xl": YoloVariant((160, 320, 640, 640), (3, 6, 6, 3), 3),
}
RETINANET = {
    "retinanet_resnet18": ResNetVariant("basic_block", (2, 2, 2, 2)),
    "retinanet_resnet34": ResNetVariant("basic_block", (3, 4, 6, 3)),
    "retinanet_resnet50": ResNetVariant("block", (3, 4, 6, 3)),
}
NAMES = (*YOLO, *RETINANET)


def build(name: str, num_classes: int, *, size: int) -> TrainableDetector:
    """Build a detector of keras-cv, with random weights.

    It is trained at one size: keras-cv lays out cells or anchors while the training step is traced, by the static shape of the
    images. A RetinaNet learns nothing from a batch without objects: keras-cv gives it no weight.

    Args:
        name: one of ``NAMES``.
        num_classes: number of object classes.
        size: side of the training images, in pixels.
    """
    detector, box_loss, class_loss = (
        _yolo(YOLO[name], num_classes) if name in YOLO else _retinanet(RETINANET[name], num_classes)
    )
    parts = {"box": _RecordedLoss(box_loss), "class": _RecordedLoss(class_loss)}
    detector.compile(box_loss=parts["box"], classification_loss=parts["class"])
    network = keras.Model(detector.inputs[0], detector.output, name=name)

    def losses(predictions, boxes, classes):
        padding = ops.broadcast_to(ops.convert_to_tensor(PADDING), (ops.shape(boxes)[0], 1, 4))
        has_area = ops.all(boxes[..., 2:] > boxes[..., :2], -1)
        boxes = ops.where(((classes >= 0) & has_area)[..., None], boxes, padding)
        boxes = ops.concatenate([boxes, padding], 1)  # at least one row
        classes = ops.pad(classes, ((0, 0), (0, 1)), constant_values=-1)
        ground_truth = {"boxes": boxes, "classes": ops.cast(classes, "float32")}
        detector.compute_loss(x=_blank_image(size), y=ground_truth, y_pred=predictions, sample_weight=None)
        return {part: loss.value for part, loss in parts.items()}

    def at_size(side: int) -> keras.Model:
        pixels = keras.Input((side, side, 3), name="image")
        return keras.Model(pixels, _Decoded(network, detector.decode_predictions)(pixels), name=f"{name}_detector")

    return TrainableDetector(network, losses, tuple(parts), at_size, any_size=False)


def _blank_image(side: int) -> keras.KerasTensor:
    """An image of which keras-cv reads only the shape."""
    return ops.zeros((1, side, side, 3))


class _Decoded(keras.layers.Layer):
    """The network and keras-cv's decoding in one layer, because the static shapes of RetinaNet's pyramid are wrong."""

    def __init__(self, network: keras.Model, decode: Callable):
        super().__init__(name="decoded")
        self.network, self._decode = network, decode

    def call(self, pixels):
        return self._decode(self.network(pixels), _blank_image(pixels.shape[1]))


class _RecordedLoss(keras.losses.Loss):
    """A loss that keeps its last value, because keras-cv returns only the sum of its two losses."""

    def __init__(self, loss: keras.losses.Loss):
        super().__init__()
        self._loss, self.value = loss, None

    def __call__(self, y_true, y_pred, sample_weight=None):
        self.value = self._loss(y_true, y_pred, sample_weight)
        return self.value


class _AllBoxes:
    """Replaces keras-cv's non-maximum suppression: returns every box, and its scores in 0..1."""

    bounding_box_format = BOX_FORMAT

    def __init__(self, *, from_logits: bool):
        self._from_logits = from_logits

    def __call__(self, boxes, scores, image_shape=None):
        return {"boxes": boxes, "scores": ops.sigmoid(scores) if self._from_logits else scores}


def _yolo(variant: YoloVariant, num_classes: int) -> tuple[keras.Model, keras.losses.Loss, keras.losses.Loss]:
    """The network, and the losses of boxes and of classes that keras-cv recommends."""
    import keras_cv  # it takes seconds

    backbone = keras_cv.models.YOLOV8Backbone(
        stackwise_channels=list(variant.channels), stackwise_depth=list(variant.depths), include_rescaling=True
    )
    detector = keras_cv.models.YOLOV8Detector(
        backbone,
        num_classes,
        BOX_FORMAT,
        fpn_depth=variant.pyramid_depth,
        prediction_decoder=_AllBoxes(from_logits=False),
    )
    return detector, keras_cv.losses.CIoULoss("xyxy", reduction="sum"), keras.losses.BinaryCrossentropy(reduction="sum")


def _retinanet(variant: ResNetVariant, num_classes: int) -> tuple[keras.Model, keras.losses.Loss, keras.losses.Loss]:
    """The network, and the losses of boxes and of classes that keras-cv recommends."""
    import keras_cv

    backbone = keras_cv.models.ResNetBackbone(
        stackwise_filters=[64, 128, 256, 512],
        stackwise_blocks=list(variant.depths),
        stackwise_strides=[1, 2, 2, 2],
        include_rescaling=True,
        block_type=variant.block,
    )
    detector = keras_cv.models.RetinaNet(backbone, num_classes, BOX_FORMAT, prediction_decoder=_AllBoxes(from_logits=True))
    return (
        detector,
        keras_cv.losses.SmoothL1Loss(l1_cutoff=1.0, reduction="sum"),
        keras_cv.losses.FocalLoss(from_logits=True, reduction="sum"),
    )
