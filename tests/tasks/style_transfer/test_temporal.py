"""Frames are blended with the previous ones where the scene is the same, and nowhere else."""

import itertools

import numpy as np
import pytest

from visionkit.tasks.style_transfer.temporal import Steady

STEP = 3  # pixels by which the pan moves a frame


def flickering(frame: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The negative, with blotches that differ from frame to frame."""
    blotches = np.kron(rng.normal(0, 15, (frame.shape[0] // 8, frame.shape[1] // 8, 3)), np.ones((8, 8, 1)))
    return np.clip(255.0 - frame + blotches, 0, 255).astype(np.uint8)


def pan(photograph: np.ndarray, count: int) -> list[np.ndarray]:
    """A window of 160 x 200 pixels that moves to the right."""
    return [np.ascontiguousarray(photograph[60:220, 40 + STEP * i : 240 + STEP * i]) for i in range(count)]


def flicker(outputs: list[np.ndarray]) -> float:
    """Mean difference between adjacent frames where they show the same place."""
    pairs = itertools.pairwise(outputs)
    return float(np.mean([np.abs(now[:, :-STEP].astype(int) - before[:, STEP:]).mean() for before, now in pairs]))


@pytest.mark.parametrize("shape", [(1, 1, 3), (31, 200, 3), (40, 50, 3)])
def test_the_first_frame_and_all_small_frames_stay_as_painted(rng, shape):
    steady = Steady()
    for number in range(3):
        frame, painted = rng.integers(0, 256, (2, *shape), np.uint8)
        output = steady(frame, painted)
        assert output.dtype == np.uint8 and output.shape == shape
        if number == 0 or min(shape[:2]) < 32:
            np.testing.assert_array_equal(output, painted)


def test_a_pan_flickers_less_without_smearing(photograph, rng):
    frames, steady = pan(photograph, 10), Steady()
    painted = [flickering(frame, rng) for frame in frames]
    outputs = [steady(frame, each) for frame, each in zip(frames, painted, strict=True)]
    assert flicker(outputs) < 0.6 * flicker(painted)
    wrong = [np.abs(each[-1] - (255.0 - frames[-1])).mean() for each in (painted, outputs)]
    assert wrong[1] < 0.8 * wrong[0]  # closer to the negative without blotches: nothing is smeared


def test_a_still_scene_converges_to_the_stylized_frame(photograph):
    frame = photograph[:120, :160]
    steady = Steady()
    steady(frame, np.full_like(frame, 40))
    outputs = [steady(frame, np.full_like(frame, 200)) for _ in range(9)]
    expected = [200 - 160 * 0.5**number for number in range(1, 10)]
    np.testing.assert_allclose([output.mean() for output in outputs], expected, atol=1)
    assert np.ptp(outputs[-1]) <= 1


@pytest.mark.parametrize("strength", [0.0, 0.8])
def test_strength_is_the_share_of_the_previous_output(photograph, strength):
    frame, steady = photograph[:120, :160], Steady(strength)
    steady(frame, np.full_like(frame, 100))
    np.testing.assert_allclose(steady(frame, np.full_like(frame, 200)), 200 - 100 * strength, atol=1)


def test_after_a_cut_nothing_of_the_previous_scene_is_left(photograph):
    import skimage.data

    before, after, steady = photograph[:150, :200], skimage.data.astronaut()[:150, :200], Steady()
    steady(before, 255 - before)
    np.testing.assert_array_equal(steady(after, 255 - after), 255 - after)


def test_frames_of_another_size_begin_anew(photograph):
    steady, small = Steady(), photograph[:100, :100]
    steady(photograph, np.zeros_like(photograph))
    np.testing.assert_array_equal(steady(small, np.full_like(small, 255)), 255)


def test_what_comes_into_sight_is_painted_anew(photograph):
    """A bright square disappears from a still scene: where it was, the new stylized frame appears."""
    behind, steady = np.ascontiguousarray(photograph[:160, :200]), Steady()
    before = behind.copy()
    before[60:100, 80:120] = (0, 255, 0)
    steady(before, np.zeros_like(before))
    output = steady(behind, np.full_like(behind, 200))
    np.testing.assert_array_equal(np.median(output[70:90, 90:110]), 200)
    np.testing.assert_allclose(np.median(output[:, :40]), 100, atol=1)


def test_a_strength_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r"strength=1\.0: expected 0 to below 1"):
        Steady(1.0)
