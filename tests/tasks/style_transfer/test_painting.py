"""Painting in a run: its files, its history, and resuming after an interruption."""

import io

import numpy as np
import pytest
from PIL import Image

from tests.tasks.style_transfer.small_features import LAYERS, small_features
from visionkit.tasks.style_transfer.descent import DescentSettings, Scale
from visionkit.tasks.style_transfer.objective import FeatureExtractor, LossWeights
from visionkit.tasks.style_transfer.painting import PAINTING, RESULT, Painting, gif
from visionkit.tasks.style_transfer.plan import Inputs
from visionkit.training.run_folder import RunFolder

SETTINGS = DescentSettings((Scale(48, 3), Scale(96, 3)), "adam")
WEIGHTS = LossWeights(style=50.0)


@pytest.fixture(scope="module")
def extractor() -> FeatureExtractor:
    return FeatureExtractor(small_features(), LAYERS)


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


def test_a_painted_image_is_written_with_its_history(run, inputs, extractor):
    painting = Painting(run, inputs, "style", SETTINGS)
    painted = painting.paint(extractor, WEIGHTS)
    np.testing.assert_array_equal(np.asarray(Image.open(run.path / RESULT)), painted)
    np.testing.assert_array_equal(painting.result, painted)
    assert [row["phase"] for row in painting.history] == 4 * ["48 px"] + 4 * ["96 px"]
    assert {frame.shape for frame in painting.frames} == {painted.shape}


def test_the_content_keeps_its_colors_if_only_the_luminance_is_painted(run, inputs, extractor):
    painted = Painting(run, inputs, "luminance", SETTINGS).paint(extractor, WEIGHTS).astype(float)

    def chroma(image):
        return (image - image.mean(axis=2, keepdims=True)).mean(axis=(0, 1))

    np.testing.assert_allclose(chroma(painted), chroma(inputs.content.astype(float)), atol=6)


def test_an_interruption_leaves_the_image_so_far_and_the_run_resumes_from_it(run, inputs, extractor, monkeypatch):
    painting = Painting(run, inputs, "style", SETTINGS)
    on_step = painting._on_step

    def interrupted(progress, bar):
        on_step(progress, bar)
        if (progress.scale, progress.step) == (1, 1):
            raise KeyboardInterrupt

    monkeypatch.setattr(painting, "_on_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        painting.paint(extractor, WEIGHTS)
    assert np.asarray(Image.open(run.path / RESULT)).shape == (96, 96, 3)
    with np.load(run.path / PAINTING) as stored:  # older versions call the image "picture"
        arrays = {"picture" if name == "image" else name: stored[name] for name in stored.files}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    run.write(PAINTING, buffer.getvalue())
    again = Painting(run, inputs, "style", SETTINGS)
    again.paint(extractor, WEIGHTS)
    assert [(row["phase"], row["epoch"]) for row in again.history][-4:] == [("96 px", step) for step in range(4)]
    assert len(again.history) == 8 and len(again.frames) >= len(painting.frames)


@pytest.mark.parametrize("damaged", [b"", b"no archive", None], ids=["empty", "garbage", "of something else"])
def test_a_damaged_state_is_said_and_the_image_is_painted_anew(run, inputs, extractor, capsys, damaged):
    if damaged is None:
        buffer = io.BytesIO()
        np.savez(buffer, image=np.zeros(3), known=np.array('{"scale": 9}'))
        run.write(PAINTING, buffer.getvalue())
    else:
        (run.path / PAINTING).write_bytes(damaged)
    painted = Painting(run, inputs, "style", SETTINGS).paint(extractor, WEIGHTS)
    assert painted.shape == (96, 96, 3) and (run.path / f"damaged_{PAINTING}").exists()
    assert "painting.npz is damaged" in capsys.readouterr().out
