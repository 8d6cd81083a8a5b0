"""The output of ``visionkit predict`` with a stylizer: files, lines, ``--style``, and errors."""

import json
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import visionkit
from tests.conftest import CLI
from tests.tasks.style_transfer.painters import STYLES, by_hand, export_hand_painter
from visionkit.errors import UserError
from visionkit.inference.output import PredictOptions
from visionkit.inference.video import Video, VideoWriter
from visionkit.tasks.style_transfer.predict import Stylizer


def requested(model: Stylizer, text: str | None) -> list[float]:
    """The shares that ``--style TEXT`` asks for."""
    options = PredictOptions(style=text)
    model.check(options)
    return model.shares(model.arguments(options)["style"]).tolist()


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Stylizer:
    return visionkit.load(export_hand_painter(tmp_path_factory.mktemp("hand") / "model"))


def test_the_default_is_the_first_style(model):
    assert model.arguments(PredictOptions()) == {"style": None} and requested(model, None) == [1, 0]


@pytest.mark.parametrize(
    ("text", "negative"),
    [("dark <ü>", 0), ("negative=0.7,dark <ü>=0.3", 0.7), (" dark <ü> = 3 , negative = 1", 0.25), ("dark <ü>=2", 0)],
)
def test_a_name_or_shares(model, text, negative):
    assert requested(model, text) == pytest.approx([negative, 1 - negative])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dork", r"did you mean 'dark <ü>'\? Styles: negative, dark <ü>\."),
        ("dork=1", "Unknown style 'dork'"),
        ("negative=much", 'expected a name, or shares of several: --style "negative=0.7,dark <ü>=0.3"'),
        ("negative=1,negative=2", "expected a name, or shares"),
        ("negative=1,", "expected a name, or shares"),
        ("=1", "expected a name, or shares"),
        ("negative=-1", r"A share of -1\.0"),
        ("negative=0", r"sum to 0\.0"),
    ],
)
def test_bad_styles_are_reported(model, text, message):
    with pytest.raises(UserError, match=message):
        requested(model, text)


@pytest.fixture
def run(program):
    return partial(program, CLI)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    return export_hand_painter(tmp_path_factory.mktemp("hand") / "model")


@pytest.fixture
def images(tmp_path, rng) -> Path:
    """Two images and a broken file."""
    folder = tmp_path / "images"
    folder.mkdir()
    for name, sides in (("a.png", (30, 41)), ("b.png", (1, 1))):
        Image.fromarray(rng.integers(0, 256, (*sides, 3), np.uint8)).save(folder / name)
    (folder / "c.png").write_text("text")
    return folder


def pixels_of(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def write_clip(path: Path, photograph: np.ndarray, count: int = 6) -> Path:
    with closing(VideoWriter(path, 10)) as writer:
        for number in range(count):
            writer.write(np.ascontiguousarray(photograph[40:104, 100 + 2 * number : 196 + 2 * number]))
    return path


def frames_of(path: Path) -> list[np.ndarray]:
    with closing(Video(str(path))) as video:
        return [frame.pixels for frame in video.frames()]


def lines_of(done) -> list[dict]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_no_images_is_an_error(run, bundle, tmp_path):
    done = run("predict", bundle, tmp_path, "--draw", tmp_path / "out")
    assert done.returncode == 2 and "No images in" in done.stderr and not (tmp_path / "out").exists()


def test_json_lines_images_in_predictions_and_the_exit_status(run, bundle, images, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run("predict", bundle, images, "nowhere.png", "--json")
    first, second, broken, nowhere = lines_of(done)
    assert done.returncode == 1 and done.stderr == "2 of 4 images cannot be read.\n"
    assert set(broken) == set(nowhere) == {"path", "error"}
    assert first == {"path": str(images / "a.png"), "stylized": "predictions/a.png"}
    assert second == {"path": str(images / "b.png"), "stylized": "predictions/b.png"}
    assert sorted(path.name for path in Path("predictions").iterdir()) == ["a.png", "b.png"]
    for name in ("a.png", "b.png"):
        np.testing.assert_array_equal(pixels_of(Path("predictions") / name), by_hand(pixels_of(images / name)))


def test_the_table_and_a_blend_of_styles(run, bundle, images, tmp_path):
    out = tmp_path / "deep" / "painted"
    done = run("predict", bundle.parent, images / "a.png", "--draw", out, "--style", "negative=0.7,dark <ü>=0.3")
    assert done.returncode == 0 and done.stdout == f"{images / 'a.png'}\n    {out / 'a.png'}\n"
    np.testing.assert_allclose(pixels_of(out / "a.png"), by_hand(pixels_of(images / "a.png"), 0.7), atol=1)


def test_a_bad_style_is_reported_and_nothing_is_written(run, bundle, images, tmp_path):
    done = run("predict", bundle, images, "--draw", tmp_path / "out", "--style", "dork")
    assert done.returncode == 2 and "did you mean 'dark <ü>'?" in done.stderr and len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_the_option_style_is_for_style_transfer(run, square_bundle, images):
    done = run("predict", square_bundle, images, "--style", "dark")
    assert (
        done.returncode == 2 and "--style is for style transfer" in done.stderr and "this model does detection" in done.stderr
    )


@pytest.mark.parametrize(
    "option", [("--threshold", "0.5"), ("--tile", "64"), ("--coco", "x.json"), ("--instances", "watershed")]
)
def test_options_of_other_models_are_refused(run, bundle, images, option):
    done = run("predict", bundle, images, *option)
    assert done.returncode == 2 and option[0] in done.stderr and len(done.stderr.splitlines()) == 1


def test_no_input_is_overwritten_and_no_name_used_twice(run, bundle, images, photograph, tmp_path):
    before = {path.name: path.read_bytes() for path in images.iterdir()}
    done = run("predict", bundle, images / "a.png", "--draw", images)
    assert done.returncode == 2 and "would be written over" in done.stderr
    clip = write_clip(tmp_path / "clip.mp4", photograph)
    done = run("predict", bundle, clip, "--draw", tmp_path)
    assert done.returncode == 2 and "would be written over" in done.stderr
    assert {path.name: path.read_bytes() for path in images.iterdir()} == before
    (tmp_path / "other").mkdir()
    Image.new("RGB", (3, 4)).save(tmp_path / "other" / "A.jpg")
    names = [images / "a.png", tmp_path / "other" / "A.jpg", images / "a.png"]
    done = run("predict", bundle, *names, "--json", "--draw", tmp_path / "out")
    assert [Path(line["stylized"]).name for line in lines_of(done)] == ["a.png", "A_2.png", "a_3.png"]
    assert len(list((tmp_path / "out").iterdir())) == 3


def test_a_video_becomes_a_video_with_one_line_of_output(run, bundle, images, photograph, tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", photograph)
    (tmp_path / "bad.mp4").write_text("text")
    named = [images / "a.png", tmp_path / "bad.mp4", clip, images / "b.png"]
    out = tmp_path / "out"
    done = run("predict", bundle, *named, "--json", "--draw", out)
    first, bad, video, last = lines_of(done)
    assert done.returncode == 1 and done.stderr.endswith("1 of 4 files cannot be read.\n")
    assert set(bad) == {"path", "error"} and first["path"] == str(named[0]) and last["path"] == str(named[3])
    assert video == {"path": str(clip), "stylized": str(out / "clip.mp4")}
    assert sorted(path.name for path in out.iterdir()) == ["a.png", "b.png", "clip.mp4"]
    frames, painted = frames_of(clip), frames_of(out / "clip.mp4")
    assert len(painted) == len(frames) == 6
    for source, stylized in zip(frames, painted, strict=True):
        assert np.abs(stylized.astype(int) - by_hand(source)).mean() < 8  # compressed, twice
    done = run("predict", bundle, clip, "--draw", out, "--style", STYLES[1])
    assert done.stdout == f"{clip}\n    6 frames: {out / 'clip.mp4'}\n"
    assert np.mean(frames_of(out / "clip.mp4")) < np.mean(painted)


def test_a_truncated_video_gives_one_error(run, bundle, photograph, tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", photograph, 60)
    contents = bytearray(clip.read_bytes())
    third = len(contents) // 3
    contents[third : 2 * third] = bytes(third)
    clip.write_bytes(contents)
    done = run("predict", bundle, clip, "--json", "--draw", tmp_path / "out")
    (line,) = lines_of(done)
    assert done.returncode == 1 and set(line) == {"path", "error"} and "ends after" in line["error"]
