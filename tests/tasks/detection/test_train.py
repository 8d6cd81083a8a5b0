"""Detectors learn, and what is validated are averaged weights that fit together."""

import keras
import numpy as np
import pytest
from PIL import Image

from tests.models.small_backbones import small_backbone
from visionkit.data.augmentation import presets
from visionkit.data.images.scan import scan
from visionkit.data.index import Annotation, Index, Objects
from visionkit.data.pipeline.batches import TrainingPipeline
from visionkit.losses.detection import yolo_losses
from visionkit.models import yolo
from visionkit.models.endpoints import by_stride
from visionkit.tasks.detection.detectors import PARTS
from visionkit.tasks.detection.plan import Plan
from visionkit.tasks.detection.train import Schedule, build_trainer, measure, phase, schedule_of, training_pipeline
from visionkit.tasks.detection.trainable import TrainableDetector
from visionkit.training import fit
from visionkit.training.config import TrainConfig
from visionkit.training.recipe import Run

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
    return scan(index)


def phase_of(detector, index, epochs, *, mix=None, sizes=(64,)):
    schedule = Schedule(
        epochs=epochs, batch_size=4, learning_rate=5e-3, plain_epochs=epochs // 2, sizes=sizes, validate_every=epochs
    )
    pipeline = TrainingPipeline(index, 64, 4, presets.Augmentation("none", mix=mix))
    compiled = phase(detector, pipeline, index, schedule)
    fit.compile_phase(compiled)
    return compiled


def test_the_schedule_of_a_run():
    config, plan = TrainConfig(batch_size=4, learning_rate=1e-3), Plan(320, 30, [])
    schedule = schedule_of(plan, config, multi_scale=True)
    assert (schedule.epochs, schedule.batch_size, schedule.learning_rate) == (30, 4, 1e-3)
    assert schedule.plain_epochs == 10 and schedule.validate_every == 3 and schedule.sizes == (256, 288, 320, 352, 384)
    assert schedule_of(plan, config, multi_scale=False).sizes == (320,)
    assert schedule_of(Plan(64, 1, []), config, multi_scale=True).sizes == (64,)


def test_images_without_a_top_are_turned_besides(tmp_path):
    index, plan, config = squares(tmp_path, count=2), Plan(64, 1, []), TrainConfig(augment="light", cache="none")
    schedule, run = schedule_of(plan, config, multi_scale=False), Run(tmp_path / "run")
    pipelines = [training_pipeline(run, index, plan, config, schedule, any_way_up=each) for each in (False, True)]
    assert pipelines[1].augmentation.transforms[1:] == pipelines[0].augmentation.transforms
    assert pipelines[1].augmentation.name == f"{pipelines[0].augmentation.name}, any way up"
    assert pipelines[0].size == 64 and pipelines[0].cache is None


def test_epochs_of_all_sizes_have_one_type_of_batches(tmp_path):
    """What is traced for one size serves for all."""
    index = squares(tmp_path, count=2)
    trained = phase_of(tiny_detector(), index, 8, sizes=(32, 64, 96))
    epochs = [trained.batches(epoch) for epoch in range(8)]
    assert all(epoch.element_spec == epochs[0].element_spec for epoch in epochs)
    sides = [next(iter(epoch))[0].shape[1] for epoch in epochs]
    assert len(set(sides[:4])) > 1 and sides[4:] == [64] * 4


@pytest.mark.exhaustive
def test_images_without_any_object_are_trained_on(tmp_path):
    keras.utils.set_random_seed(0)
    index = squares(tmp_path, count=3, objects=False)
    trained = phase_of(tiny_detector(), index, 12, mix="mosaic")
    measured = [fit.run_epoch(trained, epoch, lambda: None) for epoch in range(12)]
    assert all(row["box_loss"] == row["class_loss"] == 0 and np.isfinite(row["loss"]) for row in measured)
    assert measured[-1]["object_loss"] < measured[0]["object_loss"]
    assert np.isnan(trained.validate()["map"])


def test_two_kinds_of_squares_are_detected(tmp_path):
    """With mosaics, then without; at three sizes, one of which is exported."""
    keras.utils.set_random_seed(0)
    index, detector = squares(tmp_path, count=9), tiny_detector()
    trained = phase_of(detector, index, 60, mix="mosaic", sizes=(32, 64, 96))
    for epoch in range(trained.epochs):
        fit.run_epoch(trained, epoch, lambda: None)
    trained.on_end()
    assert measure(detector.at_size(64), index, 4).map50 > 0.9


def test_everything_that_training_changes_is_averaged(tmp_path):
    """BatchNorm's statistics of the head, too; those of a pretrained base do not change."""
    keras.utils.set_random_seed(0)
    index, detector = squares(tmp_path, count=4), tiny_detector(batch_norm=True)
    trained = phase_of(detector, index, 1)
    trainer, network = trained.model, detector.network
    trainer.steps_averaged = 50  # of a training this short, it would be one
    base = network.get_layer("base").network.get_layer("bn_8")
    head = next(layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization))
    kernel = network.get_layer("head_stride_8_predictions").kernel
    before = [np.array(variable) for variable in (base.moving_mean, head.moving_mean, kernel)]
    fit.run_epoch(trained, 0, lambda: None)
    after = [np.array(variable) for variable in (base.moving_mean, head.moving_mean, kernel)]
    assert (after[0] == before[0]).all() and (after[1] != before[1]).any() and (after[2] != before[2]).any()
    with trainer.averaged():
        for variable, old, new in zip((head.moving_mean, kernel), before[1:], after[1:], strict=True):
            share = 1 / trainer.steps_averaged
            np.testing.assert_allclose(np.array(variable), (1 - share) * old + share * new, rtol=1e-4, atol=1e-7)
    assert (np.array(kernel) == after[2]).all()
    trainer.take_average()
    assert (np.array(kernel) != after[2]).any()


@pytest.mark.parametrize("sides", [(64, 64), (64, 96)])
def test_the_trainer_predicts_what_the_network_does(sides):
    detector = tiny_detector()
    pixels = np.random.default_rng(0).integers(0, 256, (1, *sides, 3)).astype("uint8")
    ours, networks = build_trainer(detector)(pixels), detector.network(pixels.astype("float32"))
    for name in networks:
        np.testing.assert_allclose(np.array(ours[name]), np.array(networks[name]), rtol=1e-5)
