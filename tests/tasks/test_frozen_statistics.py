"""BatchNorm of a pretrained base never drifts, frozen or not, in any task's network; and what is frozen stays as it is."""

from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
import pytest

from tests.models.small_backbones import small_backbone
from visionkit.models.catalog import CATALOG, Entry
from visionkit.models.localizer import localizer
from visionkit.tasks.classification.transfer import transfer_model
from visionkit.tasks.detection import detectors
from visionkit.tasks.detection.train import build_trainer
from visionkit.tasks.embedding import embedders
from visionkit.tasks.embedding import train as embedding
from visionkit.tasks.localization.train import NetworkWithLoss
from visionkit.tasks.segmentation import segmenters
from visionkit.tasks.segmentation import train as segmentation
from visionkit.training.averaging import AveragingTrainer
from visionkit.training.freezing import freeze_base

SIDE = 64
RNG = np.random.default_rng(0)
PIXELS = RNG.uniform(0, 255, (4, SIDE, SIDE, 3)).astype("float32")
ANCHORS = [np.array([[0.1, 0.1]], "float32")] * 3


class Case(NamedTuple):
    """A network to train, the base in it, and the targets of ``PIXELS``."""

    make: Callable[[], keras.Model]
    base: keras.Model
    targets: object
    loss: object = None


def classifier() -> Case:
    base = small_backbone((SIDE, SIDE), batch_norm=True)
    network = transfer_model(base, 2).classifier
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    return Case(lambda: network, base, np.eye(2, dtype="float32")[[0, 1, 0, 1]], loss)


def detector() -> Case:
    built = detectors.build("yolo_nano", 2, ANCHORS, base="small", weights="pretrained", size=SIDE)
    boxes = np.tile(np.float32([0.1, 0.1, 0.4, 0.4]), (4, 1, 1))
    return Case(lambda: build_trainer(built), built.base, {"boxes": boxes, "classes": np.ones((4, 1), "int32")})


def segmenter() -> Case:
    built = segmenters.build(2, base="small", weights="pretrained", filters=(4,))
    losses = segmentation.losses_of(segmentation.Objective())
    masks = RNG.integers(0, 2, (4, SIDE, SIDE)).astype("int32")
    return Case(lambda: AveragingTrainer(built.network, losses, ("cross_entropy", "dice")), built.base, {"mask": masks})


def embedder() -> Case:
    network = embedders.build("small", SIDE, 8, weights="pretrained")
    losses = embedding.losses_of(embedding.Objective(mining="all"), 2)
    base = embedders.base_of(network)
    return Case(lambda: AveragingTrainer(network, losses, ("triplet",)), base, np.int32([0, 0, 1, 1]))


def locator() -> Case:
    base = small_backbone((SIDE, SIDE), batch_norm=True)
    network = localizer(base, 2)
    make = lambda: NetworkWithLoss(network, lambda truth, y: keras.ops.mean((truth - y) ** 2, axis=-1))  # noqa: E731
    return Case(make, base, RNG.normal(size=(4, 7)).astype("float32"))


@pytest.fixture(autouse=True)
def small_network(monkeypatch):
    def small(input_shape, num_classes, *, weights):
        return small_backbone(input_shape[:-1], batch_norm=True)

    monkeypatch.setitem(CATALOG, "small", Entry(small, SIDE, (), needs_network=False))


def is_normalization(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, keras.layers.BatchNormalization)


def statistics(base: keras.Model) -> list[np.ndarray]:
    variables = [(layer.moving_mean, layer.moving_variance) for layer in base.layers if is_normalization(layer)]
    return [np.array(each) for pair in variables for each in pair]


@pytest.mark.parametrize("build", [classifier, detector, segmenter, embedder, locator], ids=lambda build: build.__name__)
def test_statistics_of_a_pretrained_base_never_drift(build):
    keras.utils.set_random_seed(0)
    case = build()
    before = statistics(case.base)
    assert len(before) == 6
    for freeze in ("base", "16", "none"):
        freeze_base(case.base, freeze)
        model = case.make()
        model.compile("adam", case.loss, run_eagerly=True)  # tracing takes longer than the steps
        frozen = [weight for layer in case.base.layers if not layer.trainable for weight in layer.get_weights()]
        trained = [np.array(variable) for variable in case.base.trainable_variables]
        for _ in range(2):
            model.train_on_batch(PIXELS, case.targets)
        for old, new in zip(before, statistics(case.base), strict=True):
            np.testing.assert_array_equal(old, new)
        after = [weight for layer in case.base.layers if not layer.trainable for weight in layer.get_weights()]
        for old, new in zip(frozen, after, strict=True):
            np.testing.assert_array_equal(old, new)
        moved = [(old != np.array(new)).any() for old, new in zip(trained, case.base.trainable_variables, strict=True)]
        assert len(moved) == {"base": 0, "16": 4, "none": 14}[freeze] and any(moved) == bool(moved)
