"""visionkit predict with a detector: images, videos, COCO results."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import visionkit
from tests.conftest import CLI
from tests.tasks.detection.square_detector import image_of
from visionkit.inference.output import PredictOptions
from visionkit.inference.video import Video, VideoWriter
from visionkit.tasks.classification.export import export_classifier

RED, GREEN = (0, (5, 10, 40, 50), 0.9), (1, (30, 5, 80, 30), 1.0)


@pytest.fixture
def run(program):
    return partial(program, CLI)


@pytest.fixture
def images(tmp_path) -> Path:
    """Two objects, none, and a broken file."""
    folder = tmp_path / "images"
    folder.mkdir()
    Image.fromarray(image_of((60, 90), RED, GREEN)).save(folder / "a.png")
    Image.fromarray(image_of((60, 90))).save(folder / "b.png")
    (folder / "c.png").write_text("text")
    return folder


def write_clip(path: Path, count: int = 12) -> Path:
    """A green square that moves; in the last third there is none."""
    with closing(VideoWriter(path, 10)) as writer:
        for number in range(count):
            square = (1, (4 + 2 * number, 10, 34 + 2 * number, 40), 1.0)
            writer.write(image_of((64, 96), *[square] * (number < 2 * count // 3)))
    return path


def lines_of(done) -> list[dict]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_json_lines_drawings_and_the_exit_status(run, square_bundle, images, tmp_path):
    done = run("predict", square_bundle, images, "nowhere.png", "--json", "--draw", tmp_path / "drawn")
    two, none, broken, nowhere = lines_of(done)
    assert done.returncode == 1 and set(broken) == set(nowhere) == {"path", "error"}
    assert none == {"path": str(images / "b.png"), "boxes": []}
    assert two["path"] == str(images / "a.png") and [box["label"] for box in two["boxes"]] == ["green", "red"]
    np.testing.assert_allclose(two["boxes"][0]["xyxy"], GREEN[1], atol=1)
    assert two["boxes"][0]["score"] == pytest.approx(1, abs=0.02)
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == ["a.png", "b.png"]
    drawn = [np.asarray(Image.open(tmp_path / "drawn" / name)) for name in ("a.png", "b.png")]
    assert len(np.unique(drawn[1])) == 1 and len(np.unique(drawn[0].reshape(-1, 3), axis=0)) > 3
    assert done.stderr == "2 of 4 images cannot be read.\n"


def test_the_table_and_another_threshold(run, square_bundle, images):
    done = run("predict", square_bundle, images / "a.png", images / "b.png")
    assert done.returncode == 0 and done.stderr == "" and "100.0%  green  30 5 80 30" in done.stdout
    assert done.stdout.count("%") == 2 and done.stdout.endswith("b.png\n    nothing found\n")
    assert run("predict", square_bundle, images / "a.png", "--threshold", "0.95").stdout.count("%") == 1


def test_tiles(run, square_bundle, tmp_path):
    Image.fromarray(image_of((500, 640), (0, (300, 401, 306, 407), 1.0))).save(tmp_path / "a.png")
    lines = [lines_of(run("predict", square_bundle, tmp_path, "--json", *more)) for more in ([], ["--tile", 128])]
    assert [len(records[0]["boxes"]) for records in lines] == [0, 1]
    np.testing.assert_allclose(lines[1][0]["boxes"][0]["xyxy"], (300, 401, 306, 407), atol=2)


def test_coco_results(run, square_bundle, images, tmp_path):
    done = run("predict", square_bundle, images, "--json", "--coco", tmp_path / "out" / "results.json")
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert done.returncode == 1 and [(each["image_id"], each["category_id"]) for each in results] == [(1, 2), (1, 1)]
    np.testing.assert_allclose(results[0]["bbox"], (30, 5, 50, 25), atol=1)
    assert "2 boxes" in done.stderr and "as they were given" in done.stderr and len(done.stdout.splitlines()) == 3
    tree = {"images": [{"id": 77, "file_name": "a.png"}], "categories": [{"id": 5, "name": "green"}]}
    (tmp_path / "val.json").write_text(json.dumps(tree))
    run("predict", square_bundle, images, "--coco", tmp_path / "r.json", "--annotations", tmp_path / "val.json")
    assert [(each["image_id"], each["category_id"]) for each in json.loads((tmp_path / "r.json").read_text())] == [(77, 5)]
    assert run("predict", square_bundle, images, "--coco", tmp_path / "r.json").returncode == 1  # results are replaced
    assert run("predict", square_bundle, images, "--coco", tmp_path / "val.json").returncode == 2
    assert json.loads((tmp_path / "val.json").read_text()) == tree


def test_a_video_gives_an_object_a_frame_and_a_drawn_video(run, square_bundle, images, tmp_path):
    clip = write_clip(tmp_path / "clip.mp4")
    (tmp_path / "bad.mp4").write_text("text")
    named = [images / "a.png", tmp_path / "bad.mp4", clip, images / "b.png"]
    done = run("predict", square_bundle, *named, "--json", "--draw", tmp_path / "drawn")
    first, bad, *frames, last = lines_of(done)
    assert done.returncode == 1 and set(bad) == {"path", "error"} and done.stderr.endswith("1 of 4 files cannot be read.\n")
    assert first["path"] == str(named[0]) and last["path"] == str(named[3])
    assert [frame["frame"] for frame in frames] == list(range(12)) and {frame["path"] for frame in frames} == {str(clip)}
    assert frames[5]["seconds"] == 0.5 and set(frames[0]) == {"path", "frame", "seconds", "boxes"}
    assert [len(frame["boxes"]) for frame in frames] == [1] * 8 + [0] * 4
    np.testing.assert_allclose(frames[3]["boxes"][0]["xyxy"], (10, 10, 40, 40), atol=2)
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == ["a.png", "b.png", "clip.mp4"]
    with closing(Video(str(tmp_path / "drawn" / "clip.mp4"))) as video:
        drawn = [frame.pixels for frame in video.frames()]
    assert len(drawn) == 12 and video.rate == 10
    assert drawn[0].std() > drawn[-1].std()
    assert run("predict", square_bundle, clip, "--draw", tmp_path / "drawn").returncode == 0  # a drawing is replaced


def test_the_table_has_a_line_for_a_video(run, square_bundle, tmp_path):
    done = run("predict", square_bundle, write_clip(tmp_path / "clip.mp4"))
    assert done.returncode == 0 and done.stdout == f"{tmp_path / 'clip.mp4'}\n    12 frames: green on 8\n"
    assert done.stderr == ""  # a bar is for terminals


@pytest.mark.exhaustive
def test_an_interrupted_video_is_whole(square_bundle, tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", 1000)  # more lines than a pipe holds
    command = [sys.executable, "-m", "visionkit.cli", "predict", square_bundle, clip, "--json", "--draw", tmp_path]
    (tmp_path / "drawn").mkdir()
    command[-1] = tmp_path / "drawn"
    running = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for _ in range(5):
        assert json.loads(running.stdout.readline())["path"] == str(clip)
    running.send_signal(signal.SIGINT)
    rest, errors = running.communicate(timeout=60)
    assert running.returncode == 130 and "interrupted" in errors and "Traceback" not in errors
    num_lines = 5 + len(rest.splitlines())
    assert num_lines < 1000
    with closing(Video(str(tmp_path / "drawn" / "clip.mp4"))) as video:
        assert len(list(video.frames())) == num_lines
    assert [path.name for path in (tmp_path / "drawn").iterdir()] == ["clip.mp4"]


def test_a_camera_ends_with_ctrl_c_and_its_video_keeps_the_time(square_bundle, tmp_path, monkeypatch):
    """A clip stands in for a camera, which test machines lack."""
    monkeypatch.chdir(tmp_path)
    clip, opened = str(write_clip(tmp_path / "clip.mp4", 100)), cv2.VideoCapture
    monkeypatch.setattr(cv2, "VideoCapture", lambda source: opened(clip) if source == 0 else opened(source))
    lines = visionkit.load(square_bundle).outputs(["0"], PredictOptions(draw=tmp_path / "drawn"))
    frames = [next(lines).record for _ in range(4)]
    time.sleep(1)
    frames.append(next(lines).record)
    os.kill(os.getpid(), signal.SIGINT)
    (last,) = lines
    assert last.text.startswith("0\n    5 frames: green on 5") and not last.is_error
    assert [frame["frame"] for frame in frames] == list(range(5)) and frames[4]["seconds"] - frames[3]["seconds"] > 1
    with closing(Video(str(tmp_path / "drawn" / "0.mp4"))) as video:
        assert len(list(video.frames())) == int(frames[4]["seconds"] * 10) + 1


def test_no_input_is_overwritten(run, square_bundle, tmp_path):
    clip = write_clip(tmp_path / "clip.mp4")
    contents = clip.read_bytes()
    done = run("predict", square_bundle, clip, "--draw", tmp_path)
    assert done.returncode == 2 and "would be written over" in done.stderr and clip.read_bytes() == contents


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tile", "31"], "Tiles of 31 pixels: expected at least 32"),
        (["--threshold", "1.5"], "threshold of 1.5: expected 0 to 1"),
        (["--annotations", "x.json"], "--annotations says how --coco is to number images and classes; name a file with --coco"),
        (["--coco", "r.json", "--annotations", "nowhere.json"], "nowhere.json cannot be used"),
        (["clip.mp4", "--coco", "r.json"], "--coco is for images, and clip.mp4 is a video"),
    ],
)
def test_invalid_options_are_refused_in_one_line(run, square_bundle, images, arguments, message):
    done = run("predict", square_bundle, images, *arguments)
    assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1 and done.stdout == ""


def test_a_classifier_has_no_boxes(run, small_classifier, images, tmp_path):
    model = export_classifier(small_classifier, tmp_path / "model", class_names=("a", "b", "c"), metadata={})
    for arguments in (["--tile", "64"], ["--threshold", "0.5"], ["--coco", "r.json"]):
        done = run("predict", model, images, *arguments)
        assert done.returncode == 2 and f"{arguments[0]} is for detection; this model does classification" in done.stderr
    assert not (Path.cwd() / "r.json").exists()
