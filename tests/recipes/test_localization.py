"""The recipe for localization as a person runs it."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

RECIPE = Path(__file__).parents[2] / "recipes" / "localization.py"


@pytest.fixture
def run(program):
    return partial(program, RECIPE)


def metrics_of(done, out: Path) -> dict[str, float]:
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == [f"report   {out / 'report.html'}", f"model    {out / 'model'}"]
    assert (out / "report.html").read_text().count("data:image/jpeg") >= 8
    metrics = json.loads((out / "metrics.json").read_text())
    assert all(isinstance(value, float | int) for value in metrics.values())
    return metrics


def test_an_object_and_landmarks_need_nothing_and_their_models_answer_raw_images(run, tmp_path):
    images = tf.zeros((2, 70, 90, 3), tf.uint8)
    encoded = tf.stack([tf.io.encode_png(images[0]), tf.io.encode_png(images[0, :40])])
    for step, names in (
        ("object", {"mean_iou", "accuracy", "presence_accuracy"}),
        ("landmarks", {"median_error", "median_error_of_the_mean_shape"}),
    ):
        out = tmp_path / step
        done = run("--smoke", "--step", step, "--out", out, "--epochs", "1")
        assert names <= set(metrics_of(done, out))
        model = tf.saved_model.load(str(out / "model"))
        answers = [model.serve_images(images), model.serve_encoded(encoded)]
        for answer in answers:
            shapes = {name: tuple(value.shape) for name, value in answer.items()}
            assert (
                shapes
                == ({"presence": (2,), "label": (2,), "score": (2,), "box": (2, 4)}, {"points": (2, 4, 2)})[step != "object"]
            )
        for name, value in answers[0].items():
            if value.dtype != tf.string:
                np.testing.assert_allclose(value[0], answers[1][name][0], atol=1e-4)
        resumed = run("--resume", out)
        assert resumed.returncode == 0 and "was finished already" in resumed.stdout


def test_windows_at_once_are_the_windows_one_by_one(run, tmp_path):
    done = run("--smoke", "--step", "windows", "--out", tmp_path / "run")
    metrics = metrics_of(done, tmp_path / "run")
    assert metrics["difference"] < 1e-4 and metrics["windows"] > 1000
    assert metrics["accuracy"] > metrics["accuracy_most_frequent_class"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--step", "landmarks", "--data", "{data}"], "expected the landmarks of one thing"),
        (["--data", "{data}/nowhere"], "no such file"),
        (["--base", "efficientnet_light0"], "did you mean"),
        (["--size", "100"], "multiple of 32"),
    ],
)
def test_bad_input_gets_one_clear_line(run, arguments, message, tmp_path):
    from visionkit.data.demo.scenes import make_localization_demo

    data = make_localization_demo(tmp_path / "data", num_train=4, num_val=2)
    done = run("--out", tmp_path / "run", *(argument.format(data=data) for argument in arguments))
    assert done.returncode == 2 and "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: ") and message in last
