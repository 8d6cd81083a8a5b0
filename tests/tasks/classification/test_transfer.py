"""Frozen layers and BatchNorm statistics do not change, and each choice has a reason."""

from functools import partial

import keras
import numpy as np
import pytest

from tests.conftest import sweep
from visionkit import models
from visionkit.models.efficientnet import Variant
from visionkit.tasks.classification import transfer
from visionkit.tasks.classification.transfer import APPROACHES, choose_approach, choose_size, freeze_of, transfer_model
from visionkit.training.freezing import freeze_base

PIXELS = np.random.default_rng(0).uniform(0, 255, (8, 32, 32, 3)).astype("float32")
ONE_HOT = np.eye(2, dtype="float32")[[0, 1] * 4]


def unfreeze(backbone: keras.Model, approach: str) -> int:
    return freeze_base(backbone, freeze_of(backbone, approach))


@pytest.fixture
def backbone() -> keras.Model:
    """An EfficientNet-Lite of one block a stage, whose BatchNorm statistics are far from those of any batch."""
    keras.utils.set_random_seed(0)
    backbone = models.efficientnet(Variant(width=1.0, depth=0.1, size=32, dropout=0.2, lite=True), None, None)
    rng = np.random.default_rng(0)
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_mean.assign(rng.normal(0.3, 0.2, layer.moving_mean.shape))
            layer.moving_variance.assign(rng.uniform(0.5, 2, layer.moving_variance.shape))
    return backbone


def statistics(backbone) -> list[np.ndarray]:
    layers = [layer for layer in backbone.layers if isinstance(layer, keras.layers.BatchNormalization)]
    return [keras.ops.convert_to_numpy(x) for layer in layers for x in (layer.moving_mean, layer.moving_variance)]


def train(model: keras.Model, inputs: np.ndarray) -> None:
    model.compile(keras.optimizers.SGD(0.01), keras.losses.CategoricalCrossentropy(from_logits=True))
    model.fit(inputs, ONE_HOT, epochs=2, batch_size=4, verbose=0)


def test_batchnorm_stays_in_inference_mode_in_every_phase(backbone):
    model = transfer_model(backbone, 2)
    before = statistics(backbone)
    for approach in APPROACHES:
        unfreeze(backbone, approach)
        train(model.classifier, PIXELS)
        for old, new in zip(before, statistics(backbone), strict=True):
            np.testing.assert_array_equal(old, new)
        np.testing.assert_allclose(
            model.extractor(PIXELS, training=True), model.extractor(PIXELS, training=False), rtol=1e-5, atol=1e-5
        )


def test_from_scratch_batchnorm_learns(backbone):
    model = transfer_model(backbone, 2, pretrained=False)
    before = statistics(backbone)
    unfreeze(backbone, transfer.ALL)
    train(model.classifier, PIXELS)
    assert any((old != new).any() for old, new in zip(before, statistics(backbone), strict=True))


EXPECTED = {"head": [], "last": ["block4a_expand_conv", "top_bn"], "all": ["stem_conv", "top_bn"]}


@pytest.mark.parametrize("approach", sweep(EXPECTED, ["last"]))
def test_only_unfrozen_layers_change(backbone, approach):
    model = transfer_model(backbone, 2)
    before = {layer.name: layer.get_weights() for layer in backbone.layers if layer.weights}
    head = model.head.get_weights()
    unfreeze(backbone, approach)
    train(model.classifier, PIXELS)
    after = {name: backbone.get_layer(name).get_weights() for name in before}
    changed = {name for name in before if any((a != b).any() for a, b in zip(before[name], after[name], strict=True))}
    assert changed >= set(EXPECTED[approach])
    if approach == "head":
        assert changed == set()
    if approach == "last":
        assert not any(name.startswith(("stem", "block1", "block2", "block3")) for name in changed)
    assert (head[0] != model.head.get_weights()[0]).any()


def test_unfreezing_counts_what_is_trained():
    backbone = models.efficientnet_lite0((32, 32, 3), None)
    transfer_model(backbone, 2)
    assert unfreeze(backbone, "head") == 0
    last, everything = unfreeze(backbone, "last"), unfreeze(backbone, "all")
    assert 0 < last < everything == 4_652_008 - 1281 * 1000
    with pytest.raises(ValueError, match="head, last, all"):
        unfreeze(backbone, "half")


def test_approaches_are_parts_with_epochs_of_their_own():
    backbone = models.build("resnet20", (32, 32, 3), None)
    assert transfer.parts_of_approaches((), backbone, None) == []
    parts = transfer.parts_of_approaches(("head", "last", "all"), backbone, None)
    assert parts == [("head", "base", 0, 20), ("last", "2", 0, 8), ("all", "none", 0, 8)]


def test_freezing_begins_with_the_head_on_cached_features():
    backbone = models.build("mobilenet", (64, 64, 3), None)
    parts = partial(transfer.parts_of_freezing, backbone=backbone, epochs=6)
    assert parts("base", ()) == [("head", "base", 0, 6)]
    assert parts("8", ()) == [("head", "base", 0, 6), ("train_8", "8", 0, 6)]
    assert parts("8", ("4:none",)) == [("head", "base", 0, 6), ("train_8", "8", 0, 3), ("train_none", "none", 3, 3)]
    assert parts("base", ("3:16", "5:none")) == [("head", "base", 0, 2), ("train_16", "16", 2, 2), ("train_none", "none", 4, 2)]
    gradual = parts("base", ("gradual",))
    assert [part.freeze for part in gradual] == ["base", "16", "8", "4", "2", "none"] and gradual[0].name == "head"


def test_the_head_on_features_is_the_end_of_the_classifier(backbone):
    model = transfer_model(backbone, 2)
    np.testing.assert_allclose(model.head(model.extractor(PIXELS)), model.classifier(PIXELS), rtol=1e-5, atol=1e-6)
    train(model.head, np.asarray(model.extractor(PIXELS)))
    np.testing.assert_allclose(model.head(model.extractor(PIXELS)), model.classifier(PIXELS), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("images", "classes", "approach"),
    [(4, 2, "head"), (299, 2, "head"), (300, 2, "last"), (4999, 2, "last"), (5000, 2, "all"), (5000, 400, "head")],
)
def test_the_approach_is_chosen_by_the_number_of_images(images, classes, approach):
    chosen, reason = choose_approach(images, classes)
    assert chosen == approach and f"{images} training images in {classes} classes" in reason


@pytest.mark.parametrize(
    ("published", "sides", "size"),
    [(224, [100], 224), (224, [329, 328], 224), (224, [330], 288), (224, [20, 4000, 4000], 288), (240, [4000], 320)],
)
def test_the_size_is_chosen_by_the_images(published, sides, size):
    chosen, reason = choose_size(published, sides)
    assert chosen == size and str(published) in reason


def test_the_last_stage_of_a_network_for_small_images_is_unfrozen():
    """Such a network has no feature map of stride 8."""
    backbone = models.build("resnet20", (32, 32, 3), None)
    unfreeze(backbone, transfer.LAST)
    unfrozen = [layer.name for layer in backbone.layers if layer.trainable and layer.weights]
    assert unfrozen and all(name.startswith("conv4_") for name in unfrozen)
