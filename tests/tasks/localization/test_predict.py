"""Bundles that say where: from Python, and from the command line."""

import json
import subprocess
from functools import partial

import keras
import numpy as np
import pytest
from PIL import Image

import visionkit
from tests.conftest import CLI
from visionkit.inference.predictor import Unreadable
from visionkit.tasks.localization.export import export_locator

BRIGHT, DARK = np.full((60, 120, 3), 250, np.uint8), np.zeros((60, 120, 3), np.uint8)


def constant_network(kernel, bias):
    """The mean of what it sees, 0..1, times ``kernel``, plus ``bias``."""
    pixels = keras.Input((32, 32, 3))
    mean = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(pixels))
    dense = keras.layers.Dense(len(bias))
    network = keras.Model(pixels, dense(mean))
    dense.set_weights([np.tile(np.array(kernel, "float32") / 3, (3, 1)), np.array(bias, "float32")])
    return network


@pytest.fixture(scope="module")
def finder(tmp_path_factory):
    """Finds, on bright images alone, a box in the middle of the padded square; the image fills half of its height."""
    bias = [-20, 0.5, 0.5, 0.5, 0.25, 0, 2]
    network = constant_network([40] + [0] * 6, bias)
    folder = tmp_path_factory.mktemp("finder") / "model"
    return export_locator(network, folder, task="localization", class_names=("cup", "key"), metadata={})


@pytest.fixture(scope="module")
def marker(tmp_path_factory):
    network = constant_network([0] * 4, [0.25, 0.5, 0.75, 0.5])
    shaped = keras.Model(network.input, keras.layers.Reshape((2, 2))(network.output))
    folder = tmp_path_factory.mktemp("marker") / "model"
    return export_locator(shaped, folder, task="landmarks", class_names=("face",), metadata={})


def test_where_nothing_is_there_is_no_box(finder):
    answer = visionkit.load(finder).predict(DARK)
    assert answer.boxes == answer.classes == () and answer.size == (60, 120)


def test_an_object_lies_in_pixels_of_the_image(finder):
    (box,) = visionkit.load(finder).predict(BRIGHT).boxes
    assert box.label == "key" and box.score == pytest.approx(1 / (1 + np.exp(-2)), abs=1e-3)
    np.testing.assert_allclose(box.xyxy, [30, 15, 90, 45], atol=0.5)


def test_landmarks_lie_in_pixels_of_the_image(marker, tmp_path):
    Image.fromarray(BRIGHT).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no image")
    marked, broken = visionkit.load(marker).predict_many([tmp_path / "a.png", tmp_path / "b.png"])
    np.testing.assert_allclose(marked.points, [[30, 30], [90, 30]], atol=0.5)
    assert isinstance(broken, Unreadable)


def test_predict_prints_and_draws_both(finder, marker, program, tmp_path):
    Image.fromarray(BRIGHT).save(tmp_path / "a.png")
    run = partial(program, CLI, "predict")
    for model, key in ((finder, "boxes"), (marker, "points")):
        done: subprocess.CompletedProcess = run(model, tmp_path / "a.png", "--json", "--draw", tmp_path / key)
        assert done.returncode == 0 and list(json.loads(done.stdout)) == ["path", key]
        drawn = np.asarray(Image.open(tmp_path / key / "a.png"))
        assert (drawn != drawn[0, 0]).any()
        assert str(tmp_path / "a.png") in run(model, tmp_path / "a.png").stdout
        refused = run(model, tmp_path / "a.png", "--tile", "640")
        assert refused.returncode == 2 and "--tile is for detectors" in refused.stderr
