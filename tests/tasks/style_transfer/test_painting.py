"""An image in the making: what a run keeps of it, and how it goes on after an interruption."""

import io

import numpy as np
import pytest
from PIL import Image

from tests.tasks.style_transfer.small_features import LAYERS, small_features
from visionkit.errors import UserError
from visionkit.tasks.style_transfer.descent import How, Scale
from visionkit.tasks.style_transfer.objective import LossWeights, Maps
from visionkit.tasks.style_transfer.painting import RESULT, STATE, Painting, gif
from visionkit.tasks.style_transfer.plan import Inputs
from visionkit.training.run_folder import RunFolder

HOW = How((Scale(48, 3), Scale(96, 3)), "adam")
SHARES = LossWeights(style=50.0)


@pytest.fixture(scope="module")
def maps() -> Maps:
    return Maps(small_features(), LAYERS)


@pytest.fixture
def inputs(photograph, rng) -> Inputs:
    style = rng.integers(0, 256, (60, 60, 3), np.uint8)
    return Inputs(photograph[:96, :96], {"noise": style}, (1.0,), ())


@pytest.fixture
def run(tmp_path) -> RunFolder:
    return RunFolder.start(tmp_path / "run", {})


def test_an_animation_of_one_image_is_that_image():
    grey = np.full((20, 30, 3), 128, np.uint8)
    with Image.open(io.BytesIO(gif([grey]))) as animation:
        assert animation.n_frames == 1 and animation.size == (30, 20)
    with Image.open(io.BytesIO(gif([grey, 255 - grey // 2, grey // 2]))) as animation:
        assert animation.n_frames == 3


def test_a_painted_image_is_written_with_its_history(run, inputs, maps):
    painting = Painting(run, inputs, "style", HOW)
    painted = painting.paint(maps, SHARES)
    np.testing.assert_array_equal(np.asarray(Image.open(run.path / RESULT)), painted)
    assert [row["phase"] for row in painting.history] == 4 * ["48 px"] + 4 * ["96 px"]
    assert {frame.shape for frame in painting.frames} == {painted.shape}


def test_the_content_keeps_its_colors_where_only_the_luminance_is_painted(run, inputs, maps):
    painted = Painting(run, inputs, "luminance", HOW).paint(maps, SHARES).astype(float)

    def chroma(image):
        return (image - image.mean(axis=2, keepdims=True)).mean(axis=(0, 1))

    np.testing.assert_allclose(chroma(painted), chroma(inputs.content.astype(float)), atol=6)


def test_an_interruption_leaves_the_image_so_far_and_the_run_goes_on_from_it(run, inputs, maps, monkeypatch):
    painting = Painting(run, inputs, "style", HOW)
    watch = painting._watch

    def interrupted(now, bar):
        watch(now, bar)
        if (now.scale, now.step) == (1, 1):
            raise KeyboardInterrupt

    monkeypatch.setattr(painting, "_watch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        painting.paint(maps, SHARES)
    assert np.asarray(Image.open(run.path / RESULT)).shape == (96, 96, 3)
    again = Painting(run, inputs, "style", HOW)
    again.paint(maps, SHARES)
    assert [(row["phase"], row["epoch"]) for row in again.history][-4:] == [("96 px", step) for step in range(4)]
    assert len(again.history) == 8 and len(again.frames) >= len(painting.frames)


def test_a_damaged_state_is_named(run, inputs, maps):
    (run.path / STATE).write_bytes(b"no archive")
    with pytest.raises(UserError, match=r"painting\.npz is damaged .* delete it"):
        Painting(run, inputs, "style", HOW).paint(maps, SHARES)
