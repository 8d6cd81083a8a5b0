"""The recipe for style transfer as a person runs it: built-in images, a network, an interruption, bad input."""

import json
import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import visionkit
from tests.conftest import CLI
from visionkit.tasks.style_transfer import descent

RECIPE = Path(__file__).parents[2] / "recipes" / "style_transfer.py"
KEYS = {"style_loss", "content_loss", "seconds"}


@pytest.fixture
def run(program):
    return partial(program, RECIPE)


@pytest.fixture
def photo(tmp_path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (50, 90, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_the_bundle_of_a_smoke_run_paints_other_images(smoke_run, program, tmp_path, photo):
    out = smoke_run("style_transfer").out
    assert set(smoke_run("style_transfer").metrics) >= KEYS
    assert np.asarray(Image.open(out / "stylized.png")).shape == (43, 64, 3)
    with Image.open(out / "way.gif") as way:
        assert way.n_frames > 1
    assert (out / "history.csv").read_text().startswith("phase,epoch,loss,content_loss,style_loss")
    predicted = program(CLI, "predict", out / "model", photo, "--draw", tmp_path / "drawn", "--json")
    assert predicted.returncode == 0, predicted.stderr
    line = json.loads(predicted.stdout)
    assert np.asarray(Image.open(line["stylized"])).shape == (50, 90, 3)


def test_a_folder_trains_a_network_that_paints_in_both_styles(run, tmp_path, class_folders, photo):
    (class_folders / "blue" / "+broken.jpg").write_bytes(b"no image")
    out = tmp_path / "run"
    done = run(photo, "woodcut", photo, "--data", class_folders, "--smoke", "--temporal", 5, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "+broken.jpg" in done.stdout
    metrics = json.loads((out / "metrics.json").read_text())
    assert set(metrics) >= KEYS | {"network_style_loss", "network_content_loss"}
    model = visionkit.load(out / "model")
    assert model.metadata["metrics"] == {name: metrics[f"network_{name}"] for name in ("style_loss", "content_loss")}
    assert model.labels == ("woodcut", "photo")
    pixels = np.asarray(Image.open(photo))
    first, second = (model.predict(pixels, style=name).pixels for name in model.labels)
    assert first.shape == pixels.shape and (first != second).any()
    plain = tf.saved_model.load(str(out / "model")).signatures["serving_default"](images=tf.constant(pixels[None]))
    np.testing.assert_array_equal(plain["stylized"][0], first)
    page = (out / "report.html").read_text()
    assert "not trained on" in page and "one pass" in page and "+broken.jpg" in page


@pytest.mark.exhaustive
def test_an_interrupted_run_leaves_an_image_and_can_be_resumed(run, tmp_path, photo, monkeypatch):
    out, descend = tmp_path / "run", descent._lbfgs

    def interrupted(objective, image, steps, rate, report, first, state):
        descend(objective, image, 2, rate, report, first, state)
        raise KeyboardInterrupt

    monkeypatch.setattr(descent, "_lbfgs", interrupted)
    done = run(photo, "glass", "--smoke", "--out", out)
    assert done.returncode == 130 and f"--resume {out}" in done.stderr
    assert np.asarray(Image.open(out / "stylized.png")).shape == (36, 64, 3)
    assert not (out / "metrics.json").exists()
    monkeypatch.setattr(descent, "_lbfgs", descend)
    assert run("--resume", out).returncode == 0
    assert set(json.loads((out / "metrics.json").read_text())) >= KEYS
    steps = [int(line.split(",")[1]) for line in (out / "history.csv").read_text().splitlines()[1:]]
    assert steps == sorted(steps) and steps[0] == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nowhere.jpg",), "The content .*nowhere.jpg cannot be read"),
        (("cat", "nowhere.jpg"), "The style .*nowhere.jpg cannot be read"),
        (("cat", "glass", "--shares", 1, 2), "--shares 1 2: expected 1 numbers"),
        (("cat", "--base", "vgg1616"), "did you mean 'vgg16'"),
        (("cat", "--base", "squeezenet"), "comes without weights"),
        (("cat", "--content-layer", "block9"), "no layer 'block9'"),
        (("cat", "--data", "nowhere"), "--data nowhere: no such folder|nowhere: no such folder"),
        (("cat", "--size", 3), "--size 3: expected at least 16"),
        (("cat", "--data", ".", "--colors", "luminance"), "--colors luminance is for painting one image"),
    ],
)
def test_bad_input_ends_in_one_line(run, tmp_path, monkeypatch, arguments, says):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    done = run(*arguments, "--out", tmp_path / "run")
    assert done.returncode == 2 and re.search(says, done.stderr) and "Traceback" not in done.stderr
    assert not (tmp_path / "run" / "metrics.json").exists()
