"""What ``visionkit predict`` says before it loads a model, and how long it took."""

import json
import subprocess
import sys

import pytest

from tests.conftest import CLI
from visionkit.cli import output
from visionkit.cli.output import say_duration
from visionkit.tasks.classification.export import export_classifier

HEAVY = """
import sys
from visionkit.cli import main
sys.argv = ["visionkit", "predict", *sys.argv[1:]]
try: main()
except SystemExit as ended: print("status", ended.code, sorted({"tensorflow", "keras", "numpy"} & set(sys.modules)))
"""


@pytest.fixture(scope="module")
def model(small_classifier, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "model"
    return export_classifier(small_classifier, folder, class_names=("a", "b", "c"), metadata={})


def predict(*arguments):
    command = [sys.executable, "-c", HEAVY, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True)


def test_a_model_that_is_missing_is_said_before_tensorflow_is_imported(tmp_path):
    done = predict(tmp_path / "none", "missing.jpg")
    assert done.stderr.startswith(f"visionkit: {tmp_path / 'none'} is not a model") and done.stdout == "status 2 []\n"


def test_files_that_are_missing_are_said_before_tensorflow_is_imported(model):
    done = predict(model, "missing.jpg", "other\x1b.png")
    assert done.stdout.splitlines() == [
        *("missing.jpg", "    cannot be read: No such file or directory"),
        *("other\\x1b.png", "    cannot be read: No such file or directory", "status 1 []"),
    ]
    assert done.stderr == "2 of 2 images cannot be read.\n"
    line = json.loads(predict(model, "missing.jpg", "--json").stdout.splitlines()[0])
    assert line == {"path": "missing.jpg", "error": "No such file or directory"}


def test_a_terminal_shows_how_far_the_predictions_are_beside_the_lines(program, model, class_folders, monkeypatch):
    monkeypatch.setattr("visionkit.progress.is_terminal", lambda: True)
    monkeypatch.setattr(output, "LONG_WORK", float("inf"))  # on a busy machine it takes longer
    done = program(CLI, "predict", model, class_folders)
    assert "loading the model ..." in done.stderr and "/16 [" in done.stderr and done.stderr.endswith("\r")
    assert "\r" not in done.stdout and "predicting" not in done.stdout and done.stdout.count("%") == 48
    one = program(CLI, "predict", model, class_folders / "red" / "00.jpg")
    assert "predicting" not in one.stderr


def test_an_export_shows_its_steps_on_a_terminal(small_classifier, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("visionkit.progress.is_terminal", lambda: True)
    export_classifier(small_classifier, tmp_path / "model", class_names=("a", "b", "c"), metadata={})
    out, err = capsys.readouterr()
    assert out == "" and err.index("saving the graph ...") < err.index("converting to LiteRT ...")


def test_only_long_work_says_how_long_it_took(capsys, monkeypatch):
    monkeypatch.setattr(output.time, "monotonic", lambda: 34.2)
    say_duration("1,200 images", 25.0)
    assert capsys.readouterr() == ("", "")
    say_duration("1,200 images", 0.0)
    assert capsys.readouterr() == ("", "1,200 images in 34 s\n")
