"""Painting by descent: from coarse to fine, under masks, of odd images, and on after an interruption."""

import itertools

import numpy as np
import pytest

from tests.tasks.style_transfer.small_features import LAYERS, small_features
from visionkit.tasks.style_transfer.descent import (
    NARROWEST,
    How,
    Scale,
    Wanted,
    prepared,
    resized,
    scales_to,
    stylize,
    wide_enough,
)
from visionkit.tasks.style_transfer.objective import LossWeights, Maps

SHARES = LossWeights(content=1.0, style=50.0, smoothness=0.0)


@pytest.fixture(scope="module")
def maps() -> Maps:
    return Maps(small_features(), LAYERS)


@pytest.fixture
def content(photograph) -> np.ndarray:
    return photograph[:120, 100:260]


@pytest.fixture
def style(rng) -> np.ndarray:
    stripes = np.where(np.arange(96) // 4 % 2, 230, 30)[None, :, None]
    return np.broadcast_to(stripes, (80, 96, 3)).astype(np.uint8).copy()


def loss_of(maps, content, wanted, image) -> float:
    here = prepared(content, wanted, maps, Scale(max(image.shape[:2]), 1), 1.0, SHARES)
    return here.objective.loss(wide_enough(image.astype(np.float32))).total


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_no_steps_leave_the_content_as_it_is(maps, content, style, optimizer):
    painted = stylize(content, [Wanted(style)], maps, How((Scale(64, 0),), optimizer), SHARES)
    assert painted.dtype == np.uint8 and painted.shape == (48, 64, 3)
    np.testing.assert_array_equal(painted, resized(content, 64).round().astype(np.uint8))


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_the_loss_falls(maps, content, style, optimizer):
    how = How((Scale(32, 10), Scale(64, 15)), optimizer)
    painted = stylize(content, [Wanted(style)], maps, how, SHARES)
    before = loss_of(maps, content, [Wanted(style)], resized(content, 64))
    assert loss_of(maps, content, [Wanted(style)], painted) < 0.5 * before


def test_content_that_is_its_own_style_stays(maps, content):
    painted = stylize(content, [Wanted(content)], maps, How((Scale(40, 5), Scale(160, 5))), SHARES)
    assert np.abs(painted.astype(int) - content).max() <= 1


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_every_step_is_told_and_the_last_image_is_the_result(maps, content, style, optimizer):
    told = []
    painted = stylize(content, [Wanted(style)], maps, How((Scale(32, 3), Scale(64, 2)), optimizer), SHARES, watch=told.append)
    assert [(each.scale, each.step) for each in told] == [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 1), (1, 2)]
    assert told[-1].loss.total <= told[4].loss.total
    np.testing.assert_array_equal(painted, told[-1].image.round().astype(np.uint8))


@pytest.mark.parametrize("stopped_at", [(0, 2), (1, 0), (1, 3)])
def test_an_interrupted_descent_goes_on_to_the_same_image(maps, content, style, stopped_at):
    how = How((Scale(48, 4), Scale(96, 4)), "adam")
    whole, kept = stylize(content, [Wanted(style)], maps, how, SHARES), []

    def stop(now):
        if (now.scale, now.step) == stopped_at:
            state = now.state()
            kept.append(now._replace(state=lambda: state))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stylize(content, [Wanted(style)], maps, how, SHARES, watch=stop)
    again = stylize(content, [Wanted(style)], maps, how, SHARES, begin=kept[0])
    difference = np.abs(again.astype(int) - whole)
    assert difference.mean() < 0.5, "the same but for what a descent makes of rounding"


def test_an_interruption_between_two_steps_repeats_none(maps, content, style):
    how, told, steps = How((Scale(48, 6),), "adam"), [], []
    whole = stylize(content, [Wanted(style)], maps, how, SHARES)

    def stop(now):
        told.append(now)
        if now.step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stylize(content, [Wanted(style)], maps, how, SHARES, watch=stop)
    state = told[2].state()  # of the step after it
    begin = told[2]._replace(state=lambda: state)
    again = stylize(content, [Wanted(style)], maps, how, SHARES, watch=lambda now: steps.append(now.step), begin=begin)
    assert steps == [3, 4, 5, 6]
    assert np.abs(again.astype(int) - whole).mean() < 0.5


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_a_finished_descent_goes_no_further(maps, content, style, optimizer):
    """A run that was stopped while it trained a network paints nothing anew."""
    how, told = How((Scale(48, 5),), optimizer), []
    whole = stylize(content, [Wanted(style)], maps, how, SHARES, watch=told.append)
    state, steps = told[-1].state(), []
    last = told[-1]._replace(state=lambda: state)
    again = stylize(content, [Wanted(style)], maps, how, SHARES, watch=lambda now: steps.append(now.step), begin=last)
    assert steps == [5]
    np.testing.assert_array_equal(again, whole)


def test_where_no_mask_is_white_the_content_stays(maps, content, style):
    mask = np.zeros(content.shape[:2], np.float32)
    mask[:, :80] = 1
    painted = stylize(content, [Wanted(style, 1.0, mask)], maps, How((Scale(80, 6), Scale(160, 6))), SHARES).astype(int)
    np.testing.assert_array_equal(painted[:, 82:], content[:, 82:])
    assert np.abs(painted[:, :78] - content[:, :78]).mean() > 3


def test_noise_is_drawn_from_the_seed(maps, content, style):
    first, same, other = (
        stylize(content, [Wanted(style)], maps, How((Scale(48, 1),), start="noise", seed=seed), SHARES) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, same)
    assert (first != other).mean() > 0.5


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 90), (70, 1), (3, 200), (33, 35)])
def test_images_of_any_size_are_painted_at_their_size(maps, style, rng, height, width):
    content = rng.integers(0, 256, (height, width, 3), np.uint8)
    side = max(height, width)
    painted = stylize(content, [Wanted(style), Wanted(content[:1, :1])], maps, How((Scale(side, 2),)), SHARES)
    assert painted.shape == content.shape


def test_scales_grow_up_to_the_side_and_the_finest_has_the_steps_asked_for():
    assert scales_to(40) == (Scale(40, scales_to(40)[0].steps),)
    scales = scales_to(512)
    assert [scale.side for scale in scales][-1] == 512 and scales[0].side >= 64
    assert all(b.side == 4 * a.side for a, b in itertools.pairwise(scales))
    assert scales_to(256, 7)[-1] == Scale(256, 7)
    assert scales_to(2048)[-1].side == 2048


def test_narrow_images_go_on_at_their_border():
    wide = wide_enough(np.arange(6, dtype=np.float32).reshape(1, 2, 3))
    assert wide.shape == (NARROWEST, NARROWEST, 3)
    np.testing.assert_array_equal(wide[-1, -1], [3, 4, 5])
