"""Painting by gradient descent: coarse to fine, under masks, images of any size, resuming after an interruption."""

import itertools

import numpy as np
import pytest

from tests.conftest import sweep
from tests.tasks.style_transfer.small_features import LAYERS, small_features
from visionkit.tasks.style_transfer.descent import (
    NARROWEST,
    DescentSettings,
    Scale,
    StyleImage,
    choose_scales,
    pad_narrow,
    prepare_scale,
    resize,
    stylize,
)
from visionkit.tasks.style_transfer.objective import FeatureExtractor, LossWeights

WEIGHTS = LossWeights(content=1.0, style=50.0, smoothness=0.0)


@pytest.fixture(scope="module")
def extractor() -> FeatureExtractor:
    return FeatureExtractor(small_features(), LAYERS)


@pytest.fixture
def content(photograph) -> np.ndarray:
    return photograph[:120, 100:260]


@pytest.fixture
def style(rng) -> np.ndarray:
    stripes = np.where(np.arange(96) // 4 % 2, 230, 30)[None, :, None]
    return np.broadcast_to(stripes, (80, 96, 3)).astype(np.uint8).copy()


def loss_of(extractor, content, styles, image) -> float:
    scale = prepare_scale(content, styles, extractor, Scale(max(image.shape[:2]), 1), 1.0, WEIGHTS)
    return scale.objective.loss(pad_narrow(image.astype(np.float32))).total


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_zero_steps_return_the_content(extractor, content, style, optimizer):
    painted = stylize(content, [StyleImage(style)], extractor, DescentSettings((Scale(64, 0),), optimizer), WEIGHTS)
    assert painted.dtype == np.uint8 and painted.shape == (48, 64, 3)
    np.testing.assert_array_equal(painted, resize(content, 64).round().astype(np.uint8))


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_the_loss_falls(extractor, content, style, optimizer):
    settings = DescentSettings((Scale(32, 10), Scale(64, 15)), optimizer)
    painted = stylize(content, [StyleImage(style)], extractor, settings, WEIGHTS)
    before = loss_of(extractor, content, [StyleImage(style)], resize(content, 64))
    assert loss_of(extractor, content, [StyleImage(style)], painted) < 0.5 * before


def test_content_that_is_its_own_style_does_not_change(extractor, content):
    painted = stylize(content, [StyleImage(content)], extractor, DescentSettings((Scale(40, 5), Scale(160, 5))), WEIGHTS)
    assert np.abs(painted.astype(int) - content).max() <= 1


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_every_step_is_reported_and_the_last_image_is_the_result(extractor, content, style, optimizer):
    settings, reported = DescentSettings((Scale(32, 3), Scale(64, 2)), optimizer), []
    painted = stylize(content, [StyleImage(style)], extractor, settings, WEIGHTS, callback=reported.append)
    assert [(each.scale, each.step) for each in reported] == [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 1), (1, 2)]
    assert reported[-1].loss.total <= reported[4].loss.total
    np.testing.assert_array_equal(painted, reported[-1].image.round().astype(np.uint8))


@pytest.mark.parametrize("stopped_at", sweep([(0, 2), (1, 0), (1, 3)], [(1, 3)]))
def test_an_interrupted_descent_resumes_to_the_same_image(extractor, content, style, stopped_at):
    settings = DescentSettings((Scale(48, 4), Scale(96, 4)), "adam")
    whole, saved = stylize(content, [StyleImage(style)], extractor, settings, WEIGHTS), []

    def stop(progress):
        if (progress.scale, progress.step) == stopped_at:
            state = progress.state()
            saved.append(progress._replace(state=lambda: state))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stylize(content, [StyleImage(style)], extractor, settings, WEIGHTS, callback=stop)
    again = stylize(content, [StyleImage(style)], extractor, settings, WEIGHTS, resume_from=saved[0])
    difference = np.abs(again.astype(int) - whole)
    assert difference.mean() < 0.5, "the same except for rounding, which a descent amplifies"


def test_an_interruption_between_two_steps_repeats_no_step(extractor, content, style):
    settings, reported, steps = DescentSettings((Scale(48, 6),), "adam"), [], []
    whole = stylize(content, [StyleImage(style)], extractor, settings, WEIGHTS)

    def stop(progress):
        reported.append(progress)
        if progress.step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stylize(content, [StyleImage(style)], extractor, settings, WEIGHTS, callback=stop)
    state = reported[2].state()  # of the next step
    begin = reported[2]._replace(state=lambda: state)
    options = {"callback": lambda progress: steps.append(progress.step), "resume_from": begin}
    again = stylize(content, [StyleImage(style)], extractor, settings, WEIGHTS, **options)
    assert steps == [3, 4, 5, 6]
    assert np.abs(again.astype(int) - whole).mean() < 0.5


@pytest.mark.parametrize("optimizer", sweep(["adam", "lbfgs"], ["lbfgs"]))
def test_a_finished_descent_takes_no_further_step(extractor, content, style, optimizer):
    """A run that was interrupted in the training of a network does not paint again."""
    settings, reported = DescentSettings((Scale(48, 5),), optimizer), []
    whole = stylize(content, [StyleImage(style)], extractor, settings, WEIGHTS, callback=reported.append)
    state, steps = reported[-1].state(), []
    last = reported[-1]._replace(state=lambda: state)
    options = {"callback": lambda progress: steps.append(progress.step), "resume_from": last}
    again = stylize(content, [StyleImage(style)], extractor, settings, WEIGHTS, **options)
    assert steps == [5]
    np.testing.assert_array_equal(again, whole)


def test_outside_all_masks_the_content_stays(extractor, content, style):
    mask = np.zeros(content.shape[:2], np.float32)
    mask[:, :80] = 1
    settings = DescentSettings((Scale(80, 6), Scale(160, 6)))
    painted = stylize(content, [StyleImage(style, 1.0, mask)], extractor, settings, WEIGHTS).astype(int)
    np.testing.assert_array_equal(painted[:, 82:], content[:, 82:])
    assert np.abs(painted[:, :78] - content[:, :78]).mean() > 3


def test_noise_is_drawn_from_the_seed(extractor, content, style):
    first, same, other = (
        stylize(content, [StyleImage(style)], extractor, DescentSettings((Scale(48, 1),), start="noise", seed=seed), WEIGHTS)
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, same)
    assert (first != other).mean() > 0.5


SHAPES = [(1, 1), (1, 90), (70, 1), (3, 200), (33, 35)]


@pytest.mark.parametrize("shape", sweep(SHAPES, SHAPES[:2]))
def test_images_of_any_size_are_painted_at_their_size(extractor, style, rng, shape):
    height, width = shape
    content = rng.integers(0, 256, (height, width, 3), np.uint8)
    side = max(height, width)
    painted = stylize(
        content, [StyleImage(style), StyleImage(content[:1, :1])], extractor, DescentSettings((Scale(side, 2),)), WEIGHTS
    )
    assert painted.shape == content.shape


def test_scales_grow_up_to_the_side_and_the_finest_has_the_requested_steps():
    assert choose_scales(40) == (Scale(40, choose_scales(40)[0].steps),)
    scales = choose_scales(512)
    assert [scale.side for scale in scales][-1] == 512 and scales[0].side >= 64
    assert all(b.side == 4 * a.side for a, b in itertools.pairwise(scales))
    assert choose_scales(256, 7)[-1] == Scale(256, 7)
    assert choose_scales(2048)[-1].side == 2048


def test_narrow_images_are_padded_with_their_border():
    wide = pad_narrow(np.arange(6, dtype=np.float32).reshape(1, 2, 3))
    assert wide.shape == (NARROWEST, NARROWEST, 3)
    np.testing.assert_array_equal(wide[-1, -1], [3, 4, 5])
