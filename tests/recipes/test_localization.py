"""What is special in the recipe for localization: three steps, each with its data, its model and its metrics."""

import json

import numpy as np
import pytest
import tensorflow as tf

from tests.recipes.conftest import run_in_process
from visionkit.data.demo.scenes import make_localization_demo


@pytest.fixture
def landmarks(smoke_run):
    """The folder of a smoke run of the step landmarks."""
    done = smoke_run("localization", "--step", "landmarks", "--epochs", "1")
    assert done.status == 0, done.stderr
    return done.out


def finished(step, out, *options):
    status, printed, errors = run_in_process("localization", "--smoke", "--step", step, "--out", out, *options)
    assert status == 0, errors
    assert printed.splitlines()[-2:] == [f"report   {out / 'report.html'}", f"model    {out / 'model'}"]
    return out


def metrics_of(out) -> dict[str, float]:
    assert (out / "report.html").read_text().count("data:image/jpeg") >= 8
    metrics = json.loads((out / "metrics.json").read_text())
    assert all(isinstance(value, float | int) for value in metrics.values())
    return metrics


def outputs_of(out, shapes: dict[str, tuple[int, ...]]) -> None:
    """Check the exported model: raw and encoded images get the same predictions, of these shapes."""
    images = tf.zeros((2, 70, 90, 3), tf.uint8)
    encoded = tf.stack([tf.io.encode_png(images[0]), tf.io.encode_png(images[0, :40])])
    model = tf.saved_model.load(str(out / "model"))
    outputs = [model.serve_images(images), model.serve_encoded(encoded)]
    for each in outputs:
        assert {name: tuple(value.shape) for name, value in each.items()} == shapes
    for name, value in outputs[0].items():
        if value.dtype != tf.string:
            np.testing.assert_allclose(value[0], outputs[1][name][0], atol=1e-4)


def test_the_model_of_an_object_takes_raw_images(smoke_run):
    done = smoke_run("localization")
    assert {"mean_iou", "accuracy", "presence_accuracy", "mean_iou_of_the_mean_answer"} <= set(metrics_of(done.out))
    outputs_of(done.out, {"presence": (2,), "label": (2,), "score": (2,), "box": (2, 4)})


def test_the_model_of_landmarks_takes_raw_images(landmarks):
    assert {"median_error", "median_error_of_the_mean_shape"} <= set(metrics_of(landmarks))
    outputs_of(landmarks, {"points": (2, 4, 2)})


def test_a_finished_run_of_landmarks_is_not_run_again(landmarks):
    status, printed, _ = run_in_process("localization", "--resume", landmarks)
    assert status == 0 and "was finished already" in printed


@pytest.mark.exhaustive
def test_windows_at_once_are_the_windows_one_by_one(tmp_path):
    metrics = metrics_of(finished("windows", tmp_path / "run"))
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
def test_bad_input_gets_one_clear_line(arguments, message, tmp_path):
    data = make_localization_demo(tmp_path / "data", num_train=4, num_val=2)
    options = [argument.format(data=data) for argument in arguments]
    status, _, errors = run_in_process("localization", "--out", tmp_path / "run", *options)
    assert status == 2 and "Traceback" not in errors
    last = errors.splitlines()[-1]
    assert last.startswith("error: ") and message in last
