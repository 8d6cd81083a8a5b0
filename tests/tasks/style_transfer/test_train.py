"""Training of a network that paints: batches, loss, flicker, and a falling loss."""

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops
from PIL import Image

from tests.conftest import sweep, write_classes
from tests.tasks.style_transfer.small_features import LAYERS, small_features
from visionkit.data.images.scan import scan
from visionkit.data.index import Index
from visionkit.data.splits import Splits
from visionkit.errors import UserError
from visionkit.losses.style import lightness_loss
from visionkit.models.style_network import style_network
from visionkit.tasks.style_transfer.objective import FeatureExtractor, LossWeights, Objective, StyleTarget
from visionkit.tasks.style_transfer.plan import read_folder
from visionkit.tasks.style_transfer.train import (
    SHIFT,
    Schedule,
    StyleTargets,
    content_and_style_loss,
    flicker,
    has_contrast,
    loss_function,
    phase,
    two_frames,
    validator,
    window_batches,
)
from visionkit.training.fit import train_in_order
from visionkit.training.run_folder import RunFolder


@pytest.fixture(scope="module")
def extractor() -> FeatureExtractor:
    return FeatureExtractor(small_features(), LAYERS)


@pytest.fixture
def index(tmp_path):
    return scan(read_folder(str(write_classes(tmp_path / "images", {"a": 5, "b": 5})), 0).train)


def plan(epochs, steps_per_epoch, batch_size, **options) -> Schedule:
    options = {"size": 32, "learning_rate": 1e-3} | options
    return Schedule(epochs=epochs, steps_per_epoch=steps_per_epoch, batch_size=batch_size, **options)


def batches_of(index, schedule, num_styles=2, seed=0):
    return window_batches(index, schedule, num_styles, seed=seed)


def test_an_epoch_of_no_steps_has_no_batches(index):
    assert list(batches_of(index, plan(1, 0, 2))(0)) == []


def test_batches_alternate_the_styles_and_cycle_through_the_images(index):
    batches = list(batches_of(index, plan(1, 6, 3))(0))
    assert len(batches) == 6 and batches[0][0][0].shape == (3, 32, 32, 3)
    shares = np.concatenate([styles for (_, styles), _ in batches])
    np.testing.assert_array_equal(shares.sum(axis=0), [9, 9])
    np.testing.assert_array_equal(batches[0][1]["images"], batches[0][0][0])


def test_the_weight_of_the_style_grows(index):
    schedule = plan(3, 10, 2, first_style=0.01)
    assert schedule.style_fraction(0) == 0.01 and schedule.style_fraction(10) == pytest.approx(0.1)
    assert [schedule.style_fraction(step) for step in (20, 25, 29)] == [1.0, 1.0, 1.0]
    fractions = [each["style_fraction"] for epoch in range(3) for _, each in batches_of(index, schedule)(epoch)]
    np.testing.assert_allclose(fractions, [2 * [schedule.style_fraction(step)] for step in range(30)], rtol=1e-6)


def test_fewer_images_than_a_batch_are_repeated(index):
    few = index.take(range(3))
    batches = [images for (images, _), _ in batches_of(few, plan(1, 3, 4))(0)]
    assert [images.shape for images in batches] == 3 * [(4, 32, 32, 3)]


def test_an_epoch_can_be_repeated_and_epochs_differ(index):
    def first(epoch, seed=0):
        return next(iter(batches_of(index, plan(2, 1, 4, temporal=1.0), seed=seed)(epoch)))[0][0]

    np.testing.assert_array_equal(first(0), first(0))
    assert (first(0) != first(1)).any() and (first(0) != first(0, seed=1)).any()


def test_windows_of_one_even_color_are_left_out(index, tmp_path):
    even = tmp_path / "even.png"
    Image.new("RGB", (64, 64), (0, 1, 2)).save(even)
    both = scan(Index((), (str(even), index.paths[0]), np.full(2, -1, np.int32)))
    for temporal in (0.0, 1.0):
        batches = [images for (images, _), _ in batches_of(both, plan(1, 3, 2, temporal=temporal))(0)]
        assert len(batches) == 3 and all(has_contrast(images).all() for images in batches)
    with pytest.raises(UserError, match="single even color"):
        list(batches_of(both.take([0]), plan(1, 1, 2))(0))


def test_it_is_an_error_if_all_images_have_vanished(index, extractor):
    for path in index.paths:
        Path(path).unlink()
    with pytest.raises(UserError, match="None of the photographs"):
        list(batches_of(index, plan(1, 1, 2))(0))
    targets = StyleTargets.stack([StyleTarget(extractor.grams(np.ones((32, 32, 3), np.float32)))])
    with pytest.raises(UserError, match="None of the photographs"):
        validator(style_network(filters=4, num_residuals=1), extractor, targets, index, 32)()


def test_two_frames_show_the_same_a_few_pixels_apart(rng):
    images = rng.integers(0, 256, (2, 64 + 2 * SHIFT, 48 + 2 * SHIFT, 3), np.uint8)
    shift = np.array([3, -5], np.int32)
    frames = two_frames(images, shift, rng)
    assert frames.shape == (4, 64, 48, 3) and frames.dtype == np.uint8
    first, second = frames[:2].astype(int), frames[2:].astype(int)
    assert np.abs(first[:, 3:, :-5] - second[:, :-3, 5:]).mean() < 8  # noise alone
    repeated = np.repeat(shift[None], 4, axis=0)
    same = float(flicker(ops.convert_to_tensor(frames.astype(np.float32)), repeated))
    other = float(flicker(ops.convert_to_tensor(frames.astype(np.float32)), -repeated))
    assert same < 0.002 < 0.1 < other


def test_the_loss_is_that_of_the_descent(extractor, rng):
    content, painted = (rng.uniform(0, 255, (48, 64, 3)).astype(np.float32) for _ in range(2))
    styles = [StyleTarget(extractor.grams(rng.uniform(0, 90 * n, (40, 40, 3)).astype(np.float32))) for n in (1, 2)]
    for shares in ([1.0, 0.0], [0.0, 1.0], [0.25, 0.75]):
        images = (ops.convert_to_tensor(each[None]) for each in (painted, content))
        losses = content_and_style_loss(extractor, StyleTargets.stack(styles), *images, ops.convert_to_tensor([shares]))
        blend = [StyleTarget(style.grams, share) for style, share in zip(styles, shares, strict=True)]
        slow = Objective(extractor, content, blend, LossWeights()).loss(painted)
        assert [float(loss) for loss in losses] == pytest.approx([slow.content_loss, slow.style_loss], rel=1e-4)


@pytest.mark.parametrize("temporal", sweep([0.0, 5.0], [5.0]))
def test_a_network_learns_to_paint(extractor, index, tmp_path, rng, temporal):
    keras.utils.set_random_seed(0)
    styles = [StyleTarget(extractor.grams(rng.uniform(0, 255, (32, 32, 3)).astype(np.float32)))]
    targets, weights = StyleTargets.stack(styles), LossWeights(content=1.0, style=20.0)
    network = style_network(num_styles=1, filters=4, num_residuals=1)
    options = {"temporal": temporal, "lightness": temporal, "first_style": 1.0}
    schedule = plan(2, 8, 2, learning_rate=1e-2, **options)
    measure = validator(network, extractor, targets, index, 32)
    before = measure()
    photographs = Splits(index, index)
    phases = {"network": lambda: phase(network, photographs, schedule, extractor, targets, weights, seed=0)}
    history = train_in_order(RunFolder.start(tmp_path / "run", {}), phases, network)
    assert {
        "loss",
        "weighted_content_loss",
        "weighted_style_loss",
        "lightness_loss",
        "temporal_loss",
        "val_content_loss",
        "val_style_loss",
    } <= set(history[0])
    assert measure()["style_loss"] < before["style_loss"]
    assert (history[-1]["temporal_loss"] > 0) == (temporal > 0)
    assert (history[-1]["lightness_loss"] > 0) == (temporal > 0)


def test_the_lightness_loss_has_its_weight(extractor, rng):
    painted, images = rng.uniform(0, 255, (2, 2, 64, 48, 3)).astype(np.float32)
    targets = StyleTargets.stack([StyleTarget(extractor.grams(images[0]))])
    batch = {"images": images, "styles": np.ones((2, 1), np.float32)}
    batch |= {"shift": np.zeros((2, 2)), "style_fraction": np.ones(2)}
    for weight in (0.0, 3.0):
        weighted_parts = loss_function(extractor, targets, LossWeights(), plan(1, 1, 2, size=64, lightness=weight))
        lightness = weighted_parts(painted, batch)["lightness"]
        assert float(lightness) == pytest.approx(weight * float(ops.mean(lightness_loss(painted, images))), rel=1e-5)
