"""Detectors learn, and what is validated are averaged weights that fit together."""

import keras
import numpy as np
import pytest
from PIL import Image

from tests.models.small_backbones import small_backbone
from visionkit.data.augmentation import presets
from visionkit.data.images.scan import scan
from visionkit.data.index import Annotation, Index, Objects, SkippedFiles
from visionkit.losses.detection import yolo_losses
from visionkit.models import yolo
from visionkit.models.endpoints import by_stride
from visionkit.tasks.detection.detectors import PARTS
from visionkit.tasks.detection.train import Schedule, detection_phase, measure, trainer_of
from visionkit.tasks.detection.trainable import TrainableDetector
from visionkit.training import fit
from visionkit.training.augment_device import Feeding
from visionkit.training.averaging import AVERAGE

ANCHORS = [np.array([[2.0, 2.0]], "float32"), np.array([[2.0, 2.0]], "float32")]
TINY = yolo.Variant("small", 16, 1, False)


def tiny_detector(*, batch_norm=False):
    network = yolo.yolo(small_backbone(batch_norm=batch_norm), 2, ANCHORS, variant=TINY, strides=(8, 16))

    def losses(maps, boxes, classes):
        return dict(zip(PARTS, yolo_losses([maps[n] for n in by_stride(maps)], ANCHORS, boxes, classes), strict=True))

    def at_size(side):
        pixels = keras.Input((side, side, 3))
        return yolo.detector(keras.Model(pixels, network(pixels)), ANCHORS)

    return TrainableDetector(network, losses, PARTS, at_size, any_size=True)


def squares(folder, *, count, objects=True):
    """Grey images of 64 pixels with a red and a blue square each; the last has none."""
    rng, paths, annotations = np.random.default_rng(0), [], []
    for number in range(count):
        pixels = np.full((64, 64, 3), 128, np.uint8)
        boxes = []
        for channel in (0, 2) if objects and number < count - 1 else ():
            left, top = rng.integers(0, 16) + 32 * (channel > 0), rng.integers(16, 32)
            pixels[top : top + 16, left : left + 16] = np.eye(3)[channel] * 255
            boxes.append([left / 64, top / 64, (left + 16) / 64, (top + 16) / 64])
        paths.append(str(folder / f"{number}.png"))
        Image.fromarray(pixels).save(paths[-1])
        boxes = np.array(boxes).reshape(-1, 4)
        annotations.append(Annotation(Objects(boxes, np.arange(len(boxes), dtype=np.int32))))
    index = Index(("red", "blue"), tuple(paths), np.full(count, -1, np.int32), annotations=tuple(annotations))
    return scan(index, SkippedFiles())


def phase_of(detector, index, epochs, *, mix=None, sizes=(64,)):
    schedule = Schedule(epochs, 4, 5e-3, plain_epochs=epochs // 2, size=64, sizes=sizes, validate_every=epochs)
    feeding = Feeding(presets.Augmentation("none", mix=mix))
    options = {"feeding": feeding, "schedule": schedule, "seed": 0, "skipped": SkippedFiles()}
    phase = detection_phase(detector, index, index, **options)
    fit.compile_phase(phase)
    return phase


def test_images_without_any_object_are_trained_on(tmp_path):
    keras.utils.set_random_seed(0)
    index = squares(tmp_path, count=3, objects=False)
    phase = phase_of(tiny_detector(), index, 12, mix="mosaic")
    measured = [fit.run_epoch(phase, epoch, lambda: None) for epoch in range(12)]
    assert all(row["box_loss"] == row["class_loss"] == 0 and np.isfinite(row["loss"]) for row in measured)
    assert measured[-1]["object_loss"] < measured[0]["object_loss"]
    assert np.isnan(phase.validate().map)


def test_two_kinds_of_squares_are_found(tmp_path):
    """With mosaics, then without; at three sizes, of which one is exported."""
    keras.utils.set_random_seed(0)
    index, detector = squares(tmp_path, count=9), tiny_detector()
    phase = phase_of(detector, index, 60, mix="mosaic", sizes=(32, 64, 96))
    for epoch in range(phase.epochs):
        fit.run_epoch(phase, epoch, lambda: None)
    phase.finish()
    assert measure(detector.at_size(64), index, 4, SkippedFiles()).map50 > 0.9


def test_the_average_is_of_all_that_changes(tmp_path):
    """Also BatchNorm's statistics of the head; those of a pretrained base stay where they are."""
    keras.utils.set_random_seed(0)
    index, detector = squares(tmp_path, count=4), tiny_detector(batch_norm=True)
    phase = phase_of(detector, index, 1)
    trainer, network = phase.model, detector.network
    base = network.get_layer("base").network.get_layer("bn_8")
    head = next(layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization))
    kernel = network.get_layer("head_stride_8_predictions").kernel
    before = [np.array(variable) for variable in (base.moving_mean, head.moving_mean, kernel)]
    fit.run_epoch(phase, 0, lambda: None)
    after = [np.array(variable) for variable in (base.moving_mean, head.moving_mean, kernel)]
    assert (after[0] == before[0]).all() and (after[1] != before[1]).any() and (after[2] != before[2]).any()
    with trainer.averaged():
        for variable, old, new in zip((head.moving_mean, kernel), before[1:], after[1:], strict=True):
            np.testing.assert_allclose(np.array(variable), AVERAGE * old + (1 - AVERAGE) * new, rtol=1e-4, atol=1e-7)
    assert (np.array(kernel) == after[2]).all()
    trainer.take_average()
    assert (np.array(kernel) != after[2]).any()


@pytest.mark.parametrize("sides", [(64, 64), (64, 96)])
def test_the_trainer_answers_as_the_network_does(sides):
    detector = tiny_detector()
    pixels = np.random.default_rng(0).integers(0, 256, (1, *sides, 3)).astype("uint8")
    ours, networks = trainer_of(detector)(pixels), detector.network(pixels.astype("float32"))
    for name in networks:
        np.testing.assert_allclose(np.array(ours[name]), np.array(networks[name]), rtol=1e-5)
