"""Bundles that locate one thing: from Python, and from the command line."""

import io
import json
import subprocess
from functools import partial

import numpy as np
import pytest
from PIL import Image

import visionkit
from tests.conftest import CLI
from visionkit.inference.predictor import Unreadable

BRIGHT, DARK = np.full((60, 120, 3), 250, np.uint8), np.zeros((60, 120, 3), np.uint8)


def test_where_nothing_is_there_is_no_box(localizer_bundle):
    result = visionkit.load(localizer_bundle).predict(DARK)
    assert result.boxes == result.classes == () and result.size == (60, 120)
    assert repr(result) == "DetectionResult(pixels: nothing found)"


def test_an_object_lies_in_pixels_of_the_image(localizer_bundle):
    (box,) = visionkit.load(localizer_bundle).predict(BRIGHT).boxes
    assert box.label == "key" and box.score == pytest.approx(1 / (1 + np.exp(-2)), abs=1e-3)
    np.testing.assert_allclose(box.xyxy, [30, 15, 90, 45], atol=0.5)


def test_landmarks_lie_in_pixels_of_the_image(landmark_bundle, tmp_path):
    Image.fromarray(BRIGHT).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no image")
    result, broken = visionkit.load(landmark_bundle).predict_many([tmp_path / "a.png", tmp_path / "b.png"])
    np.testing.assert_allclose(result.points, [[30, 30], [90, 30]], atol=0.5)
    assert isinstance(broken, Unreadable)
    assert repr(result) == f"LandmarkResult({tmp_path / 'a.png'}: 2 landmarks)"
    assert result.to_dict() == {"path": str(tmp_path / "a.png"), "points": [[30.0, 30.0], [90.0, 30.0]]}


def test_every_form_of_an_image_gets_the_same_prediction_and_can_be_drawn(localizer_bundle, landmark_bundle, tmp_path):
    Image.fromarray(BRIGHT).save(tmp_path / "a.png")
    contents = (tmp_path / "a.png").read_bytes()
    for bundle in (localizer_bundle, landmark_bundle):
        model = visionkit.load(bundle)
        expected = model.predict(tmp_path / "a.png")
        drawn = np.asarray(expected.plot())
        assert (drawn != drawn[0, 0]).any()
        for form in (BRIGHT, Image.fromarray(BRIGHT), contents, io.BytesIO(contents)):
            result = model.predict(form)
            assert result.to_dict() == expected.to_dict() | {"path": ""}
            np.testing.assert_array_equal(result.plot(), drawn)


def test_predict_prints_and_draws_both(localizer_bundle, landmark_bundle, program, tmp_path):
    Image.fromarray(BRIGHT).save(tmp_path / "a.png")
    run = partial(program, CLI, "predict")
    for model, key in ((localizer_bundle, "boxes"), (landmark_bundle, "points")):
        done: subprocess.CompletedProcess = run(model, tmp_path / "a.png", "--json", "--draw", tmp_path / key)
        assert done.returncode == 0 and list(json.loads(done.stdout)) == ["path", key]
        drawn = np.asarray(Image.open(tmp_path / key / "a.png"))
        assert (drawn != drawn[0, 0]).any()
        assert str(tmp_path / "a.png") in run(model, tmp_path / "a.png").stdout
        refused = run(model, tmp_path / "a.png", "--tile", "640")
        assert refused.returncode == 2 and "--tile is for detection" in refused.stderr


def test_lines_are_what_people_read(localizer_bundle, landmark_bundle, program, tmp_path):
    for name, pixels in (("bright", BRIGHT), ("dark", DARK)):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    run, bright, dark = partial(program, CLI, "predict"), tmp_path / "bright.png", tmp_path / "dark.png"
    box = "     88.1%  key  30 15 90 45"
    assert run(localizer_bundle, bright, dark).stdout == f"{bright}\n{box}\n{dark}\n    nothing found\n"
    assert run(landmark_bundle, dark).stdout == f"{dark}\n    30 30\n    90 30\n"


def test_the_class_of_an_object_is_explained_and_the_features_of_landmarks(localizer_bundle, landmark_bundle):
    explained = visionkit.load(localizer_bundle).explained()
    assert (explained.kind, explained.labels, explained.size) == ("classes", ("cup", "key"), 32)
    pixels = np.asarray(explained.see(BRIGHT, explained.size))[None]
    np.testing.assert_allclose(explained.outputs(pixels), [[1 / (1 + np.exp(2)), 1 / (1 + np.exp(-2))]], rtol=1e-5)
    explained = visionkit.load(landmark_bundle).explained()
    assert (explained.kind, explained.labels, explained.size) == ("features", (), 32)
    np.testing.assert_allclose(explained.outputs(pixels), [[[0.25, 0.5], [0.75, 0.5]]], rtol=1e-5)
