"""Every command that loads a model refuses one that does more than compute, and --trust loads it."""

import pytest
import tensorflow as tf

from tests.conftest import CLI
from tests.inference.test_graph_check import export
from visionkit.bundle_files import update_metadata


@pytest.fixture(scope="module")
def reading(tmp_path_factory):
    """A model that reads a file."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "file").write_text("x")
    return export(tf.io.read_file, folder / "model", folder / "file")


def test_predict_needs_images(program, reading):
    assert program(CLI, "predict", reading).returncode == 2


@pytest.mark.parametrize(
    "command",
    [
        ["predict", "MODEL", "IMAGE"],
        ["understand", "MODEL", "IMAGE"],
        ["ensemble", "MODEL", "MODEL", "--out", "OUT"],
        ["faces", "verify", "IMAGE", "IMAGE", "--model", "MODEL"],
        ["faces", "enrol", "IMAGE", "--model", "MODEL", "--gallery", "OUT"],
    ],
    ids=lambda command: " ".join(command[:2]).removesuffix(" MODEL"),
)
def test_a_model_that_reads_files_is_refused_in_one_line(program, reading, class_folders, tmp_path, command):
    image = next(class_folders.rglob("*.jpg"))
    places = {"MODEL": reading, "IMAGE": image, "OUT": tmp_path / "out"}
    done = program(CLI, *(places.get(word, word) for word in command))
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "holds the operation ReadFile" in done.stderr
    assert "--trust" in done.stderr and not (tmp_path / "out").exists()


def test_trust_loads_it(program, reading, class_folders):
    done = program(CLI, "predict", reading, class_folders / "blue", "--trust")
    assert done.returncode == 0 and done.stdout.count("thing") == 8


def test_the_home_of_the_user_is_expanded(program, reading, class_folders, monkeypatch):
    update_metadata(reading, metrics={"accuracy": 1.0})
    monkeypatch.setenv("HOME", str(reading.parent))
    monkeypatch.setenv("USERPROFILE", str(reading.parent))
    assert program(CLI, "predict", "~/model", class_folders / "blue", "--trust").returncode == 0
