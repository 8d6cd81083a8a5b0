"""Training of a network that paints: its batches, its loss, what flickers, and that it learns."""

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops
from PIL import Image

from tests.conftest import write_classes
from tests.tasks.style_transfer.small_features import LAYERS, small_features
from visionkit.data.images.scan import scan
from visionkit.data.index import Index, SkippedFiles
from visionkit.errors import UserError
from visionkit.losses.style import lightness_loss
from visionkit.models.style_network import style_network
from visionkit.tasks.style_transfer.objective import LossWeights, Maps, Objective, Style
from visionkit.tasks.style_transfer.plan import read_folder
from visionkit.tasks.style_transfer.train import (
    SHIFT,
    Schedule,
    Targets,
    flicker,
    has_contrast,
    losses_of,
    parts_of,
    style_phase,
    two_frames,
    validator,
    window_feeder,
)
from visionkit.training.fit import train_in_order
from visionkit.training.run_folder import RunFolder


@pytest.fixture(scope="module")
def maps() -> Maps:
    return Maps(small_features(), LAYERS)


@pytest.fixture
def index(tmp_path):
    return scan(read_folder(str(write_classes(tmp_path / "images", {"a": 5, "b": 5})), 0).train, SkippedFiles())


def feeder(index, schedule, num_styles=2, seed=0):
    return window_feeder(index, schedule, num_styles, seed=seed, skipped=SkippedFiles(), cache=None)


def test_an_epoch_of_no_steps_has_no_batches(index):
    assert list(feeder(index, Schedule(1, 0, 2, 32, 1e-3))(0)) == []


def test_batches_take_the_styles_in_turns_and_go_on_beyond_the_images(index):
    made = list(feeder(index, Schedule(1, 6, 3, 32, 1e-3))(0))
    assert len(made) == 6 and made[0][0][0].shape == (3, 32, 32, 3)
    seen = np.concatenate([styles for (_, styles), _ in made])
    np.testing.assert_array_equal(seen.sum(axis=0), [9, 9])
    np.testing.assert_array_equal(made[0][1]["images"], made[0][0][0])


def test_the_style_counts_more_and_more(index):
    schedule = Schedule(3, 10, 2, 32, 1e-3, first_style=0.01)
    assert schedule.style_at(0) == 0.01 and schedule.style_at(10) == pytest.approx(0.1)
    assert [schedule.style_at(step) for step in (20, 25, 29)] == [1.0, 1.0, 1.0]
    seen = [given["grown"] for epoch in range(3) for _, given in feeder(index, schedule)(epoch)]
    np.testing.assert_allclose(seen, [2 * [schedule.style_at(step)] for step in range(30)], rtol=1e-6)


def test_fewer_images_than_a_batch_are_shown_again(index):
    few = index.take(range(3))
    made = [images for (images, _), _ in feeder(few, Schedule(1, 3, 4, 32, 1e-3))(0)]
    assert [each.shape for each in made] == 3 * [(4, 32, 32, 3)]


def test_an_epoch_is_the_same_each_time_and_the_next_another(index):
    def first(epoch, seed=0):
        return next(iter(feeder(index, Schedule(2, 1, 4, 32, 1e-3, temporal=1.0), seed=seed)(epoch)))[0][0]

    np.testing.assert_array_equal(first(0), first(0))
    assert (first(0) != first(1)).any() and (first(0) != first(0, seed=1)).any()


def test_windows_of_one_even_color_are_left_out(index, tmp_path):
    even = tmp_path / "even.png"
    Image.new("RGB", (64, 64), (0, 1, 2)).save(even)
    both = scan(Index((), (str(even), index.paths[0]), np.full(2, -1, np.int32)), SkippedFiles())
    for temporal in (0.0, 1.0):
        made = [images for (images, _), _ in feeder(both, Schedule(1, 3, 2, 32, 1e-3, temporal))(0)]
        assert len(made) == 3 and all(has_contrast(images).all() for images in made)
    with pytest.raises(UserError, match="more than one even color"):
        list(feeder(both.take([0]), Schedule(1, 1, 2, 32, 1e-3))(0))


def test_images_that_all_vanished_are_told(index, maps):
    for path in index.paths:
        Path(path).unlink()
    with pytest.raises(UserError, match="None of the photographs"):
        list(feeder(index, Schedule(1, 1, 2, 32, 1e-3))(0))
    targets = Targets.of([Style(maps.grams(np.ones((32, 32, 3), np.float32)))])
    with pytest.raises(UserError, match="None of the photographs"):
        validator(style_network(filters=4, num_residuals=1), maps, targets, index, 32, SkippedFiles())()


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


def test_the_loss_is_that_of_painting_one_image(maps, rng):
    content, painted = (rng.uniform(0, 255, (48, 64, 3)).astype(np.float32) for _ in range(2))
    styles = [Style(maps.grams(rng.uniform(0, 90 * n, (40, 40, 3)).astype(np.float32))) for n in (1, 2)]
    for shares in ([1.0, 0.0], [0.0, 1.0], [0.25, 0.75]):
        given = (ops.convert_to_tensor(each[None]) for each in (painted, content))
        found = parts_of(maps, Targets.of(styles), *given, ops.convert_to_tensor([shares]))
        blend = [Style(style.grams, share) for style, share in zip(styles, shares, strict=True)]
        slow = Objective(maps, content, blend, LossWeights()).loss(painted)
        assert [float(each) for each in found] == pytest.approx([slow.content_loss, slow.style_loss], rel=1e-4)


@pytest.mark.parametrize("temporal", [0.0, 5.0])
def test_a_network_learns_to_paint(maps, index, tmp_path, rng, temporal):
    keras.utils.set_random_seed(0)
    styles = [Style(maps.grams(rng.uniform(0, 255, (32, 32, 3)).astype(np.float32)))]
    targets, shares = Targets.of(styles), LossWeights(content=1.0, style=20.0)
    network = style_network(num_styles=1, filters=4, num_residuals=1)
    schedule = Schedule(2, 8, 2, 32, 1e-2, temporal, lightness=temporal, first_style=1.0)
    measure = validator(network, maps, targets, index, 32, SkippedFiles())
    before = measure()
    phase = style_phase(network, schedule, maps, targets, shares, feeder(index, schedule, 1), measure)
    history = train_in_order(RunFolder.start(tmp_path / "run", {}), {"network": lambda: phase}, network)
    assert {
        "loss",
        "weighted_content_loss",
        "weighted_style_loss",
        "lightness_loss",
        "temporal_loss",
        "val_content_loss",
        "val_style_loss",
    } <= set(history[0])
    assert measure().style_loss < before.style_loss
    assert (history[-1]["temporal_loss"] > 0) == (temporal > 0)
    assert (history[-1]["lightness_loss"] > 0) == (temporal > 0)


def test_what_is_painted_dark_though_it_is_light_costs_as_much_as_is_said(maps, rng):
    painted, images = rng.uniform(0, 255, (2, 2, 64, 48, 3)).astype(np.float32)
    targets = Targets.of([Style(maps.grams(images[0]))])
    given = {"images": images, "styles": np.ones((2, 1), np.float32), "shift": np.zeros((2, 2)), "grown": np.ones(2)}
    for weight in (0.0, 3.0):
        parts = losses_of(maps, targets, LossWeights(), Schedule(1, 1, 2, 64, 1e-3, lightness=weight))
        found = parts(painted, given)["lightness"]
        assert float(found) == pytest.approx(weight * float(ops.mean(lightness_loss(painted, images))), rel=1e-5)
