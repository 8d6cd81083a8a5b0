"""``visionkit ensemble`` as a separate process."""

from functools import partial

import keras
import pytest

from tests.conftest import CLI
from visionkit.export.bundle import read_metadata
from visionkit.tasks.classification.export import export_classifier


@pytest.fixture(scope="module")
def members(small_classifier, tmp_path_factory):
    folder = tmp_path_factory.mktemp("members")
    for number in range(2):
        image = keras.Input((32, 32, 3))
        x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(3, 3)(image))
        export_classifier(
            keras.Model(image, keras.layers.Dense(2)(x)), folder / str(number), class_names=("blue", "red"), metadata={}
        )
    return [folder / "0", folder / "1"]


@pytest.fixture
def run(program):
    return partial(program, CLI, "ensemble")


def test_without_a_model_the_error_is_one_line(run, tmp_path):
    done = run("--out", tmp_path / "model")
    assert done.returncode == 2 and "0 models; expected 1 to 15" in done.stderr and "Traceback" not in done.stderr


def test_members_and_their_mean_are_measured(run, members, class_folders, tmp_path):
    done = run(*members, "--out", tmp_path / "model", "--views", "flips", "--data", class_folders)
    assert done.returncode == 0, done.stderr
    *singles, mean, model = done.stdout.splitlines()
    assert len(singles) == 2 and "the mean, of 4 validation images" in mean and model.endswith(str(tmp_path / "model"))
    assert read_metadata(tmp_path / "model")["metrics"]["accuracy"] == float(mean.split()[0])
